//! Reading, merging and validating.

use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat, FileSourceString};
use serde_json::Value;

use super::{KEYS, LIVE, Settings, keys::WORDS};
use crate::{digest::sha256_hex, stages::segment::SegmentError};

/// A configuration file larger than this is none.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Where settings come from, in order of increasing weight.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Settings that outweigh the built-in values only: those of a recording.
    pub base: Option<Settings>,
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// `SENESCOPE__SECTION__KEY` variables, as given by the caller; `None` reads the process's own.
    pub environment: Option<Vec<(String, String)>>,
    /// `section.key=value` arguments.
    pub set: Vec<String>,
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// `--set` without `=`.
    #[error(
        "`--set {0}` is not of the form section.key=value, for example `--set scan.height=256`"
    )]
    Set(String),
    /// A key that does not exist.
    #[error("the key `{key}` is unknown{hint} (`senescope config show` lists all keys)")]
    UnknownKey {
        /// The key.
        key: String,
        /// A similar key, as part of the sentence.
        hint: String,
    },
    /// A value out of its range.
    #[error("`{key}` is {value}; allowed is {min} to {max}{unit}")]
    OutOfRange {
        /// The key.
        key: String,
        /// What was given.
        value: f64,
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
        /// The unit, with a leading space.
        unit: String,
    },
    /// A setting of the segmentation is out of its range.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A word that is not among those of the key.
    #[error("`{key}` is \"{value}\"; allowed is {allowed}")]
    Word {
        /// The key.
        key: String,
        /// What was given.
        value: String,
        /// What may be given.
        allowed: String,
    },
    /// A value of another kind than the key's.
    #[error("`{key}` is {value}; it must be {wanted}")]
    Kind {
        /// The key.
        key: String,
        /// What was given.
        value: String,
        /// What kind of value it takes.
        wanted: &'static str,
    },
    /// Not TOML.
    #[error("{place} is not valid TOML: {reason}")]
    Toml {
        /// The file or the argument.
        place: String,
        /// Where in it, and what was expected.
        reason: String,
    },
    /// A key that a run was set up with.
    #[error("`{key}` cannot be changed while the daemon runs; {} can", LIVE.join(", "))]
    NotLive {
        /// The key.
        key: String,
    },
    /// Wrong in another way.
    #[error("the configuration is not valid: {0}")]
    Invalid(String),
}

/// Reads, merges and validates.
///
/// # Errors
/// [`ConfigError`] names the offending key, file or argument.
pub fn load(sources: &Sources) -> Result<Settings, ConfigError> {
    let invalid = |error: config::ConfigError| ConfigError::Invalid(error.to_string());
    let mut builder = Config::builder();
    if let Some(base) = &sources.base {
        let base = serde_json::to_value(base).unwrap_or_default();
        builder = builder.add_source(Config::try_from(&given(base)).map_err(invalid)?);
    }
    if let Some(path) = &sources.file {
        let place = format!("the configuration file {}", path.display());
        builder = builder.add_source(toml(&read(path)?, place)?);
    }
    let mut environment = Environment::with_prefix("SENESCOPE")
        .prefix_separator("__")
        .separator("__")
        .try_parsing(true);
    if let Some(variables) = &sources.environment {
        environment = environment.source(Some(variables.iter().cloned().collect()));
    }
    builder = builder.add_source(environment);
    for argument in &sources.set {
        let (key, value) = argument
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| ConfigError::Set(argument.clone()))?;
        let line = format!("{key} = {}", toml_value(value));
        builder = builder.add_source(toml(&line, format!("`--set {argument}`"))?);
    }
    let merged = builder.build().map_err(invalid)?;
    let given: Value = merged.clone().try_deserialize().map_err(invalid)?;
    refuse_unknown(&given, &known_keys(), "")?;
    refuse_unknown_words(&given)?;
    refuse_out_of_range(&given)?;
    let settings: Settings = merged.try_deserialize().map_err(invalid)?;
    settings.segment.validate()?;
    Ok(settings)
}

/// SHA-256 of the effective settings, in hexadecimal: the `config` of every message.
pub fn digest(settings: &Settings) -> String {
    // A settings value always serialises: it has no maps with keys that are not text.
    let text = serde_json::to_vec(settings).unwrap_or_default();
    sha256_hex(&text)
}

/// `value` without what is null: a key that is not given.
fn given(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, given(value)))
            .collect(),
        value => value,
    }
}

/// `text` as a source, when it is TOML.
fn toml(text: &str, place: String) -> Result<File<FileSourceString, FileFormat>, ConfigError> {
    let source = File::from_str(text, FileFormat::Toml);
    match Config::builder().add_source(source.clone()).build() {
        Ok(_) => Ok(source),
        Err(error) => Err(ConfigError::Toml {
            place,
            reason: error.to_string().trim_end().to_owned(),
        }),
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let failed = |reason: String| ConfigError::File {
        path: path.to_owned(),
        reason,
    };
    let size = std::fs::metadata(path)
        .map_err(|error| failed(error.to_string()))?
        .len();
    if size > MAX_FILE_BYTES {
        return Err(failed(format!(
            "it has {size} bytes, the limit is {MAX_FILE_BYTES}"
        )));
    }
    std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))
}

/// `value` as TOML: numbers, booleans and arrays as they are, everything else as a string.
fn toml_value(value: &str) -> String {
    let literal = value.parse::<f64>().is_ok()
        || matches!(value, "true" | "false")
        || value.starts_with(['[', '{', '"', '\'']);
    if literal {
        value.to_owned()
    } else {
        Value::from(value).to_string()
    }
}

/// The settings with every optional key present, as the tree of what is known.
fn known_keys() -> Value {
    serde_json::to_value(Settings::default()).unwrap_or_default()
}

/// Tables whose keys are free.
const FREE_TABLES: &[&str] = &["board.channels"];

fn refuse_unknown(given: &Value, known: &Value, at: &str) -> Result<(), ConfigError> {
    let (Value::Object(given), Value::Object(known)) = (given, known) else {
        return refuse_another_kind(given, known, at);
    };
    for (key, value) in given {
        let path = if at.is_empty() {
            key.clone()
        } else {
            format!("{at}.{key}")
        };
        if FREE_TABLES.contains(&path.as_str()) {
            continue;
        }
        match known.get(key) {
            Some(inner) => refuse_unknown(value, inner, &path)?,
            None => {
                return Err(ConfigError::UnknownKey {
                    hint: similar(key, at, known.keys()),
                    key: path,
                });
            }
        }
    }
    Ok(())
}

/// What the merging would silently make fit: a fraction for a whole number, a number for a switch.
fn refuse_another_kind(given: &Value, known: &Value, at: &str) -> Result<(), ConfigError> {
    let wanted = match (given, known) {
        (Value::Number(given), Value::Number(known))
            if known.is_u64() && given.as_f64().is_some_and(|given| given.fract() != 0.0) =>
        {
            "a whole number"
        }
        (given, Value::Bool(_)) if !given.is_boolean() => "true or false",
        _ => return Ok(()),
    };
    Err(ConfigError::Kind {
        key: at.to_owned(),
        value: given.to_string(),
        wanted,
    })
}

fn refuse_unknown_words(given: &Value) -> Result<(), ConfigError> {
    for (key, words, or) in WORDS {
        let value = key
            .split('.')
            .try_fold(given, |table, part| table.get(part))
            .and_then(Value::as_str);
        let Some(value) = value.filter(|value| !words.contains(value)) else {
            continue;
        };
        let words: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
        return Err(ConfigError::Word {
            key: (*key).to_owned(),
            value: value.to_owned(),
            allowed: format!("{}{or}", words.join(", ")),
        });
    }
    Ok(())
}

fn similar<'a>(key: &str, at: &str, candidates: impl Iterator<Item = &'a String>) -> String {
    candidates
        .map(|candidate| (edit_distance(key, candidate), candidate))
        .filter(|(distance, _)| *distance <= 3)
        .min()
        .map(|(_, candidate)| {
            let dot = if at.is_empty() { "" } else { "." };
            format!("; did you mean `{at}{dot}{candidate}`?")
        })
        .unwrap_or_default()
}

/// Levenshtein distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

fn refuse_out_of_range(given: &Value) -> Result<(), ConfigError> {
    for key in KEYS {
        let value = key
            .path
            .split('.')
            .try_fold(given, |table, part| table.get(part));
        if value.is_some_and(Value::is_null) {
            // JSON has no form for these, and TOML no null.
            return Err(ConfigError::Kind {
                key: key.path.to_owned(),
                value: "not a number or infinite".to_owned(),
                wanted: "a finite number",
            });
        }
        let Some(value) = value.and_then(Value::as_f64) else {
            continue;
        };
        if !(key.min..=key.max).contains(&value) {
            let space = if key.unit.is_empty() { "" } else { " " };
            return Err(ConfigError::OutOfRange {
                key: key.path.to_owned(),
                value,
                min: key.min,
                max: key.max,
                unit: format!("{space}{}", key.unit),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(arguments: &[&str]) -> Result<Settings, ConfigError> {
        load(&Sources {
            environment: Some(Vec::new()),
            set: arguments.iter().map(|a| (*a).to_owned()).collect(),
            ..Sources::default()
        })
    }

    /// The file that people copy says what is in force without it.
    #[test]
    fn the_annotated_file_is_the_default() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/config/senescope.toml");
        let settings = load(&Sources {
            base: None,
            file: Some(file.into()),
            environment: Some(Vec::new()),
            set: Vec::new(),
        });
        assert_eq!(settings.unwrap(), Settings::default());
        let text = std::fs::read_to_string(file).unwrap();
        let mut keys = Vec::new();
        collect_keys(&known_keys(), &mut keys);
        for key in keys {
            assert!(
                text.contains(&format!("{key} = ")),
                "{key} is not explained"
            );
        }
    }

    #[test]
    fn the_examples_are_configurations() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/config");
        let mut backends = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let settings = load(&Sources {
                base: None,
                file: Some(entry.unwrap().path()),
                environment: Some(Vec::new()),
                set: Vec::new(),
            });
            backends.push(format!("{:?}", settings.unwrap().board.backend));
        }
        // One for each backend.
        let words = WORDS
            .iter()
            .find(|(key, ..)| *key == "board.backend")
            .unwrap()
            .1;
        backends.sort();
        backends.dedup();
        assert_eq!(backends.len(), words.len());
    }

    fn collect_keys(value: &Value, into: &mut Vec<String>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            match value {
                Value::Object(_) => collect_keys(value, into),
                _ => into.push(key.clone()),
            }
        }
    }

    #[test]
    fn nothing_given_is_the_default() {
        assert_eq!(set(&[]).unwrap(), Settings::default());
    }

    #[test]
    fn the_weight_is_file_environment_set() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.toml");
        std::fs::write(&file, "[scan]\nheight = 100\nwidth = 100\nstrip_rows = 7\n").unwrap();
        let settings = load(&Sources {
            base: None,
            file: Some(file),
            environment: Some(vec![
                ("SENESCOPE__SCAN__HEIGHT".into(), "200".into()),
                ("SENESCOPE__SCAN__WIDTH".into(), "200".into()),
            ]),
            set: vec!["scan.width=300".into()],
        })
        .unwrap();
        let scan = settings.scan;
        assert_eq!((scan.strip_rows, scan.height, scan.width), (7, 200, 300));
    }

    #[test]
    fn an_unknown_key_is_named_with_the_likely_one() {
        let error = set(&["scan.hight=3"]).unwrap_err().to_string();
        assert!(
            error.contains("`scan.hight`") && error.contains("`scan.height`"),
            "{error}"
        );
        let error = set(&["nonsense.deep.key=3"]).unwrap_err().to_string();
        assert!(error.contains("`nonsense`"), "{error}");
    }

    #[test]
    fn a_value_out_of_range_is_named_with_unit_and_range() {
        let error = set(&["scan.dwell_ns=3"]).unwrap_err().to_string();
        assert_eq!(error, "`scan.dwell_ns` is 3; allowed is 100 to 1000000 ns");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named() {
        let error = set(&["scan.dwell_ns=fast"]).unwrap_err().to_string();
        assert!(error.contains("scan.dwell_ns"), "{error}");
        assert!(matches!(set(&["scan"]), Err(ConfigError::Set(_))));
    }

    #[test]
    fn a_word_that_a_key_does_not_have_is_told_those_that_it_has() {
        for (key, words, _) in WORDS {
            for word in *words {
                assert!(set(&[&format!("{key}={word}")]).is_ok(), "{key} {word}");
            }
            let error = set(&[&format!("{key}=magic")]).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains(words[0]), "{error}");
        }
    }

    #[test]
    fn a_value_is_not_made_to_fit() {
        for wrong in ["scan.width=20.5", "scan.bidirectional=7"] {
            let error = set(&[wrong]).unwrap_err().to_string();
            let (key, value) = wrong.split_once('=').unwrap();
            assert!(error.contains(key) && error.contains(value), "{error}");
        }
        for endless in ["scan.pixel_size_um=nan", "sim.speed=inf", "scan.width=-inf"] {
            let error = set(&[endless]).unwrap_err().to_string();
            assert!(error.contains("finite number"), "{error}");
        }
        let error = set(&["scan.width=[1"]).unwrap_err().to_string();
        assert!(error.contains("`--set scan.width=[1`"), "{error}");
    }

    #[test]
    fn speeds_are_a_word_or_a_number() {
        use super::super::SimSpeed;
        assert_eq!(set(&["sim.speed=max"]).unwrap().sim.speed, SimSpeed::Max);
        assert_eq!(
            set(&["sim.speed=4"]).unwrap().sim.speed,
            SimSpeed::Times(4.0)
        );
        assert!(set(&["sim.speed=warp"]).is_err());
    }

    #[test]
    fn every_numeric_key_has_a_range_and_every_range_a_key() {
        let known = known_keys();
        let mut numeric = Vec::new();
        collect(&known, "", &mut numeric);
        // The segmentation holds its own ranges.
        for path in numeric.iter().filter(|path| !path.starts_with("segment.")) {
            assert!(
                KEYS.iter().any(|key| key.path == path),
                "{path} has no range"
            );
        }
        for key in KEYS {
            let found = key
                .path
                .split('.')
                .try_fold(&known, |table, part| table.get(part));
            assert!(found.is_some(), "{} is not a setting", key.path);
        }
    }

    fn collect(value: &Value, at: &str, into: &mut Vec<String>) {
        match value {
            Value::Object(table) => {
                for (key, value) in table {
                    let dot = if at.is_empty() { "" } else { "." };
                    collect(value, &format!("{at}{dot}{key}"), into);
                }
            }
            Value::Number(_) => into.push(at.to_owned()),
            _ => {}
        }
    }
}
