//! What holds for all bytes that the daemon and its tools read. The fuzz targets look for bytes for which it does not;
//! `tests/fuzz_corpus.rs` replays what was found.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "each target uses a part, and is there to fail"
)]

use std::{
    collections::BTreeSet,
    fmt::Debug,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ciborium::Value;
use ndarray::Array3;
use senescope::{
    config::LiveSettings,
    control::{Caller, Desk},
    recording::{
        FrameLine, LABELS_FILE, LabelLine, Lines, MapPage, RunFile, labels_since,
        line::{self, LineError},
    },
    security::{Certificate, Role},
    stages::{
        infer::{Manifest, NetworkSpec, SENESCENT, Transform, read_network},
        publish::{
            Outbox,
            socket::{KeyPair, PublicKey},
        },
    },
};
use senescope_hal::SystemClock;
use serde::{Serialize, de::DeserializeOwned};

/// What a person is told fits on a few lines, and does nothing to a terminal.
#[track_caller]
fn told(sentence: &str, most: usize) {
    assert!(!sentence.is_empty());
    assert!(
        sentence.chars().count() <= most,
        "{} characters",
        sentence.chars().count()
    );
    assert!(!sentence.contains(char::is_control), "{sentence:?}");
}

/// A request has one answer, whoever asks: a CBOR map that says `ok`, or `error` and why. Only `start` and `stop` change
/// the run and only `set` the settings, and only of those who may.
pub(crate) fn request(bytes: &[u8]) {
    let client = |role| Caller::Client {
        name: "desk".to_owned(),
        role,
    };
    for (caller, may) in [
        (Caller::Stranger, None),
        (client(Role::Viewer), Some(Role::Viewer)),
        (client(Role::Operator), Some(Role::Operator)),
        (Caller::Anybody, Some(Role::Operator)),
    ] {
        for on in [false, true] {
            let outbox = Outbox::disabled(Arc::new(SystemClock));
            let desk = Desk::new(outbox.clone(), LiveSettings::default());
            if on {
                desk.lifecycle.start().unwrap();
            }
            let stop = desk.lifecycle.run_stop();
            let (state, settings) = (outbox.run_state(), desk.settings.now());
            let reply = desk.answer(&[bytes.to_vec()], &caller);
            assert!(reply.len() <= 16 << 10);
            let mut rest = reply.as_slice();
            let fields: Value = ciborium::from_reader(&mut rest).unwrap();
            assert!(rest.is_empty());
            let ok = field(&fields, "ok").unwrap().as_bool().unwrap();
            assert_eq!(ok, field(&fields, "error").is_none());
            if let Some(error) = field(&fields, "error") {
                told(error.as_text().unwrap(), 300);
            }
            assert!(may.is_some() || !ok);
            for (changed, wanted) in [
                (outbox.run_state() != state, "start"),
                (stop.asked(), "stop"),
                (desk.settings.now() != settings, "set"),
            ] {
                if changed {
                    let asked: Value = ciborium::from_reader(bytes).unwrap();
                    assert_eq!(field(&asked, "cmd").unwrap().as_text(), Some(wanted));
                    assert!(ok && may == Some(Role::Operator));
                }
            }
        }
    }
}

/// The field of this name. A tag around a value says nothing.
fn field<'a>(mut value: &'a Value, name: &str) -> Option<&'a Value> {
    while let Value::Tag(_, tagged) = value {
        value = tagged;
    }
    let fields = value.as_map().unwrap();
    let mut named = fields.iter().filter(|(key, _)| key.as_text() == Some(name));
    let found = named.next();
    assert!(named.next().is_none(), "{name} is said twice");
    found.map(|(_, value)| value)
}

/// A manifest is refused in a sentence, or is the same when it is written and read.
pub(crate) fn manifest(bytes: &[u8]) {
    let path = Path::new("manifest.json");
    match Manifest::parse(bytes, path) {
        Err(error) => told(&error.to_string(), 400),
        Ok(manifest) => {
            let written = serde_json::to_vec(&manifest).unwrap();
            assert_eq!(Manifest::parse(&written, path).unwrap(), manifest);
            assert_eq!(manifest.classes[manifest.senescent()], SENESCENT);
            for member in &manifest.members {
                assert!(Path::new(&member.file).components().count() == 1);
            }
        }
    }
}

/// A network's file is refused in a sentence, or the network says the same of a tile whenever it is asked, in arrays
/// that fit together.
pub(crate) fn onnx(bytes: &[u8]) {
    // Whatever is refused as a network for labels is refused as one for maps.
    for cam in [false, true] {
        for transform in [Transform::Plain, Transform::Nhwc] {
            let spec = NetworkSpec {
                channels: 3,
                pixels: 32,
                cam,
            };
            let engine = match read_network(bytes, spec, transform) {
                Ok(engine) => engine,
                Err(error) => return told(&error, 600),
            };
            assert_eq!(engine.features().is_some(), cam);
            let tile = Array3::from_shape_fn(spec.tile(), |(c, y, x)| {
                ((c + 3 * y + 5 * x) % 7) as f32 / 7.0 - 0.5
            });
            let mut plan = engine.plan().unwrap();
            let said = plan.run(tile.view());
            let again = plan.run(tile.view());
            match said {
                Err(error) => {
                    told(&error.to_string(), 600);
                    assert!(again.is_err());
                }
                Ok(said) => {
                    assert!(said.logits.iter().all(|logit| logit.is_finite()));
                    let shape = said.features.as_ref().map(|map| map.dim().into());
                    assert_eq!(shape, engine.features());
                    let weights = said.cam_weights.as_ref().map(|weights| weights.dim());
                    assert_eq!(weights, engine.features().map(|[count, ..]| (2, count)));
                    assert_eq!(again.unwrap(), said);
                }
            }
        }
    }
}

/// The inference library may panic: the engine contains that, in the daemon as here. libFuzzer would end at the first,
/// and now ends when one gets out. Each is told once.
pub(crate) fn contain_panics() {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(place.unwrap_or_default()) {
            eprintln!("{panic}");
        }
    }));
}

/// Each file of a recording but its frames; the first byte says which. Lines are read one by one and damage is told with
/// its place; what is read is the same when it is written and read. Nobody finds a checksum by chance, so that there
/// are forms in which each line gets its own.
pub(crate) fn recording(bytes: &[u8]) {
    let Some((form, bytes)) = bytes.split_first() else {
        return;
    };
    match form % 8 {
        0 => line_of_any_kind(bytes),
        1 => line_of_any_kind(&with_checksums(bytes)),
        2 => lines::<LabelLine>(bytes),
        3 => lines::<LabelLine>(&with_checksums(bytes)),
        4 => lines::<FrameLine>(&with_checksums(bytes)),
        5 => since(bytes),
        6 => since(&with_checksums(bytes)),
        _ => run_file(bytes),
    }
}

/// Every line that is an object gets a checksum, and is ended.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let whole = line.strip_suffix(b"\n").unwrap_or(line);
        if let Some(object) = whole.strip_suffix(b"}") {
            written.extend_from_slice(object);
            let sum = crc32(object);
            written.extend_from_slice(format!(",\"crc32\":\"{sum:08x}\"}}\n").as_bytes());
        } else {
            written.extend_from_slice(line);
        }
    }
    written
}

/// CRC-32/ISO-HDLC, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

fn line_of_any_kind(bytes: &[u8]) {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    // A number beyond the largest float32 is read as infinite, and JSON has no form for that.
    let finite = |numbers: &[f32]| numbers.iter().all(|number| number.is_finite());
    again::<FrameLine>(line, |_| true);
    again::<MapPage>(line, |page| finite(&page.range));
    again::<LabelLine>(line, |LabelLine { label, .. }| {
        finite(&[label.spread, label.entropy, label.mutual_information])
            && finite(&label.ood.map_or([0.0], |ood| [ood]))
            && finite([label.p, label.p_raw].as_flattened())
            && finite(label.members.as_flattened())
    });
}

/// What is in a line is the same when it is sealed and opened.
fn again<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    line: &[u8],
    has_a_form: impl Fn(&T) -> bool,
) {
    let Some(value) = line::open::<T>(line).ok().filter(has_a_form) else {
        return;
    };
    let sealed = line::seal(&value).unwrap();
    let (end, sealed) = sealed.split_last().unwrap();
    assert_eq!(*end, b'\n');
    assert!(!sealed.contains(&b'\n'));
    assert_eq!(line::open::<T>(sealed), Ok(value));
}

/// Every line is told, as it is or as damaged, with its number.
fn lines<T: DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    let mut reader = Lines::<T, _>::of(PathBuf::from("labels.ndjson"), bytes);
    let mut offset = 0;
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        let read = reader.read().unwrap().unwrap();
        offset += line.len() as u64;
        assert_eq!(reader.offset(), offset);
        let alone = line
            .strip_suffix(b"\n")
            .ok_or(LineError::Torn)
            .and_then(line::open::<T>);
        match read {
            Ok(value) => assert_eq!(alone.as_ref(), Ok(&value)),
            Err(damage) => {
                assert_eq!((damage.number, Err(damage.error)), (number, alone));
                told(&damage.to_string(), 200);
            }
        }
    }
    assert!(reader.read().unwrap().is_none());
}

/// Whatever is in the file, labels behind a number have larger ones, and who asks on gets some.
fn since(bytes: &[u8]) {
    let name = format!(
        "senescope-fuzz-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    );
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(LABELS_FILE), bytes).unwrap();
    for asked in [0, 3, u64::MAX] {
        let (labels, more) = labels_since(&folder, asked, 1 << 10).unwrap();
        assert!(labels.iter().all(|label| label.seq > asked));
        assert!(!more || !labels.is_empty());
    }
    std::fs::remove_dir_all(folder).unwrap();
}

fn run_file(bytes: &[u8]) {
    let path = Path::new("run.json");
    match RunFile::parse(bytes, path) {
        Err(error) => told(&error.to_string(), 400),
        Ok(run) => {
            let written = serde_json::to_vec(&run).unwrap();
            assert_eq!(RunFile::parse(&written, path).unwrap(), run);
        }
    }
}

/// A certificate is refused in a sentence, or has the same keys when it is written and read. Nobody finds two halves
/// that fit by chance: the first 40 bytes are also made a secret key, and the rest stands before and behind it.
pub(crate) fn certificate(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = read(text);
    }
    let Some((secret, rest)) = bytes.split_first_chunk::<40>() else {
        return;
    };
    const Z85: &[u8; 85] =
        b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    let secret = secret.map(|byte| char::from(Z85[usize::from(byte) % Z85.len()]));
    let secret = String::from_iter(secret);
    let Some(pair) = KeyPair::from_secret_z85(&secret) else {
        return;
    };
    assert_eq!(pair.secret_z85(), secret);
    for role in [None, Some(Role::Viewer), Some(Role::Operator)] {
        let public = read(&Certificate::public_text(&pair, role)).unwrap();
        let text = Certificate::secret_text(&pair, role);
        let both = read(&text).unwrap();
        assert!(public.pair.is_none() && both.pair.is_some());
        assert!(!format!("{both:?}").contains(&secret));
        for read in [public, both] {
            assert_eq!(read.public, pair.public());
            assert_eq!(read.role, role.map(|role| role.to_string()));
        }
        let Ok(rest) = str::from_utf8(rest) else {
            continue;
        };
        for text in [format!("{rest}\n{text}"), format!("{text}\n{rest}")] {
            match read(&text) {
                // No other line can take the place of a key.
                Ok(certificate) => {
                    assert_eq!(certificate.public, pair.public());
                    assert_eq!(certificate.pair.unwrap().secret_z85(), secret);
                }
                Err(reason) => assert!(!reason.contains(&secret)),
            }
        }
    }
}

fn read(text: &str) -> Result<Certificate, String> {
    let certificate = Certificate::parse(text).inspect_err(|reason| told(reason, 200))?;
    assert_eq!(
        PublicKey::from_z85(&certificate.public.to_string()),
        Some(certificate.public)
    );
    if let Some(pair) = &certificate.pair {
        assert_eq!(pair.public(), certificate.public);
        let role = certificate.role.as_deref().map(str::parse::<Role>);
        let text = Certificate::secret_text(pair, role.and_then(Result::ok));
        let again = Certificate::parse(&text).unwrap().pair.unwrap();
        assert_eq!(again.secret_z85(), pair.secret_z85());
    }
    Ok(certificate)
}
