//! Settings that may change while a run goes on.

use std::{
    collections::BTreeMap,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use super::{ConfigError, Settings, Sources, digest, load};
use crate::json;

/// Sections and keys that may change while a run goes on: what is done with a frame, not what is scanned, where it
/// is sent, or what memory was taken for it.
pub const LIVE: &[&str] = &["segment", "quality", "publish.member_maps"];

/// Settings with their digest.
#[derive(Clone, Debug)]
pub struct Effective {
    settings: Settings,
    digest: String,
}

impl Effective {
    /// SHA-256 of the settings, in hexadecimal: the `config` of messages.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl From<Settings> for Effective {
    fn from(settings: Settings) -> Self {
        Self {
            digest: digest(&settings),
            settings,
        }
    }
}

impl Deref for Effective {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl Default for Effective {
    fn default() -> Self {
        Settings::default().into()
    }
}

impl PartialEq for Effective {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Effective {}

/// The settings in force, shared by who changes and who uses them. A frame is treated with those that are in force when
/// its first row comes.
#[derive(Clone, Debug)]
pub struct LiveSettings(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    effective: Arc<Effective>,
    /// Why they cannot change.
    fixed: Option<&'static str>,
    /// Edge of a pixel of the present scan, in µm.
    pixel_size_um: Option<f64>,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl LiveSettings {
    /// These, until they are changed.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            effective: Arc::new(settings.into()),
            fixed: None,
            pixel_size_um: None,
        })))
    }

    /// These for ever; `why` is a sentence for who wants others.
    pub fn fixed(settings: Settings, why: &'static str) -> Self {
        let live = Self::new(settings);
        live.lock().fixed = Some(why);
        live
    }

    /// Those in force.
    pub fn now(&self) -> Arc<Effective> {
        Arc::clone(&self.lock().effective)
    }

    /// What comes next is scanned with pixels of this edge in µm: changes must fit it.
    pub fn scanning(&self, pixel_size_um: f64) {
        self.lock().pixel_size_um = Some(pixel_size_um);
    }

    /// Changes settings, each given as `section.key=value`: all, or none.
    ///
    /// # Errors
    /// When one is not known, out of its range, not among [`LIVE`], or does not fit the present scan.
    pub fn change(&self, changes: &[String]) -> Result<Arc<Effective>, ConfigError> {
        let mut inner = self.lock();
        if let Some(why) = inner.fixed {
            return Err(ConfigError::Invalid(why.to_owned()));
        }
        let changed = changed(&inner.effective, changes)?;
        if let Some(pixel_size_um) = inner.pixel_size_um {
            changed.segment.look_ahead_rows(pixel_size_um)?;
        }
        inner.effective = Arc::new(changed.into());
        Ok(Arc::clone(&inner.effective))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change is a single assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `settings` with changes, each given as `section.key=value`.
///
/// # Errors
/// When one is not known, out of its range, or not among [`LIVE`].
pub fn changed(settings: &Settings, changes: &[String]) -> Result<Settings, ConfigError> {
    let changed = load(&Sources {
        base: Some(settings.clone()),
        file: None,
        environment: Some(Vec::new()),
        set: changes.to_vec(),
    })?;
    for key in differences(settings, &changed).into_keys() {
        if !LIVE.iter().any(|live| is_in(&key, live)) {
            return Err(ConfigError::NotLive { key });
        }
    }
    Ok(changed)
}

/// Whether `key` is `section`, or in it.
fn is_in(key: &str, section: &str) -> bool {
    key.strip_prefix(section)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The keys whose values differ, with the value in `to`.
pub fn differences(from: &Settings, to: &Settings) -> BTreeMap<String, Value> {
    // Settings always have a JSON form.
    let tree = |settings| serde_json::to_value(settings).unwrap_or_default();
    json::differences(&tree(from), &tree(to))
        .into_iter()
        .map(|(key, (_, value))| (key, value))
        .collect()
}

/// `settings` with the values of `keys`, as [`differences`] gives them.
///
/// # Errors
/// When they are no settings.
pub fn with(settings: &Settings, keys: &BTreeMap<String, Value>) -> Result<Settings, ConfigError> {
    let set = keys.iter().map(|(key, value)| format!("{key}={value}"));
    changed(settings, &set.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(live: &LiveSettings, changes: &[&str]) -> Result<Arc<Effective>, String> {
        let changes: Vec<_> = changes.iter().map(|change| (*change).to_owned()).collect();
        live.change(&changes).map_err(|error| error.to_string())
    }

    #[test]
    fn changes_are_in_force_together_or_not_at_all() {
        let live = LiveSettings::new(Settings::default());
        let before = live.now();
        let after = change(
            &live,
            &["segment.smoothing_um=1.5", "publish.member_maps=true"],
        )
        .unwrap();
        assert_eq!(after, live.now());
        assert_ne!(after.digest(), before.digest());
        assert_eq!(
            (after.segment.smoothing_um, after.publish.member_maps),
            (1.5, true)
        );
        let refused = change(&live, &["segment.smoothing_um=1", "segment.block_um=-3"]);
        assert!(refused.unwrap_err().contains("segment.block_um"));
        assert_eq!(live.now(), after);
        let back = change(
            &live,
            &["segment.smoothing_um=0.5", "publish.member_maps=false"],
        );
        assert_eq!(back.unwrap().digest(), before.digest());
    }

    #[test]
    fn what_a_run_was_set_up_with_stays() {
        let live = LiveSettings::new(Settings::default());
        for change_of in [
            "scan.height=256",
            "engine.threads=2",
            "publish.labels=ipc:///x",
        ] {
            let why = change(&live, &[change_of]).unwrap_err();
            let key = change_of.split('=').next().unwrap();
            assert!(why.contains(key) && why.contains("segment"), "{why}");
        }
        assert!(
            change(&live, &["segment.smothing_um=1"])
                .unwrap_err()
                .contains("did you mean")
        );
        let fixed = LiveSettings::fixed(Settings::default(), "these are those of a recording");
        assert!(
            change(&fixed, &["quality.warn_part=0.1"])
                .unwrap_err()
                .contains("recording")
        );
    }

    #[test]
    fn what_does_not_fit_the_scan_is_refused() {
        let live = LiveSettings::new(Settings::default());
        let coarse = [
            "segment.block_um=10.0",
            "segment.smoothing_um=3.0",
            "segment.working_pixel_um=2.0",
        ];
        live.scanning(3.4);
        assert!(change(&live, &coarse).is_err());
        assert_eq!(*live.now(), Settings::default().into());
    }

    #[test]
    fn differences_make_the_same_settings() {
        let live = LiveSettings::new(Settings::default());
        let to = change(
            &live,
            &["segment.threshold_noise=3.25", "quality.warn_part=0.125"],
        )
        .unwrap();
        let keys = differences(&Settings::default(), &to);
        assert_eq!(
            keys.keys().collect::<Vec<_>>(),
            ["quality.warn_part", "segment.threshold_noise"]
        );
        let again = with(&Settings::default(), &keys).unwrap();
        assert_eq!(Effective::from(again), *to);
    }
}
