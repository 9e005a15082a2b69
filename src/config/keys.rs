//! The allowed range of every numeric key.

/// A numeric key, its unit and its range.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Section and name, for example `scan.dwell_ns`.
    pub path: &'static str,
    /// Unit as people write it.
    pub unit: &'static str,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

const fn key(path: &'static str, unit: &'static str, min: f64, max: f64) -> Key {
    Key {
        path,
        unit,
        min,
        max,
    }
}

/// Every numeric key. A test holds it against the settings.
pub const KEYS: &[Key] = &[
    key("board.pixel_size_um", "µm", 0.02, 5.0),
    key("scan.width", "samples", 16.0, 8192.0),
    key("scan.height", "rows", 16.0, 8192.0),
    key("scan.pixel_size_um", "µm", 0.02, 5.0),
    key("scan.dwell_ns", "ns", 100.0, 1_000_000.0),
    key("scan.strip_rows", "rows", 1.0, 8192.0),
    key("scan.frames", "frames", 1.0, 1e9),
    key("sim.seed", "", 0.0, 9_007_199_254_740_992.0),
    key("sim.speed", "times real", 0.01, 1000.0),
    key("serial.baud", "bits a second", 300.0, 20_000_000.0),
    key("serial.reopen_s", "s", 0.0, 3600.0),
    key("folder.settle_s", "s", 0.01, 3600.0),
    key("folder.poll_s", "s", 0.01, 3600.0),
    key("folder.give_up_s", "s", 0.01, 86_400.0),
    key("folder.first_file_s", "s", 0.01, 86_400.0),
    key("ingest.bit_depth", "bits", 1.0, 16.0),
    key("ingest.frame_timeout_s", "s", 0.01, 3600.0),
    key("ingest.frames_ahead", "frames", 1.0, 64.0),
    key("quality.least_coherence", "", -1.0, 1.0),
    key("quality.most_exchange", "", -1.0, 1.0),
    key("quality.least_sharpness", "", 0.0, 1.0),
    key("quality.warn_part", "", 0.0, 1.0),
    key("record.before", "frames", 0.0, 1000.0),
    key("record.after", "frames", 0.0, 1_000_000.0),
    key("record.reserve_mib", "MiB", 0.0, 1_048_576.0),
    key("control.watchdog_s", "s", 1.0, 86_400.0),
    key("engine.threads", "threads", 0.0, 256.0),
    key("engine.patience_s", "s", 0.05, 3600.0),
    key("engine.fail_every", "cells", 0.0, 1000.0),
    key("publish.labels_backlog_mib", "MiB", 1.0, 4096.0),
    key("publish.maps_backlog_mib", "MiB", 1.0, 4096.0),
    key("limits.strips_mib", "MiB", 1.0, 4096.0),
    key("limits.tiles_mib", "MiB", 1.0, 4096.0),
    key("limits.record_mib", "MiB", 1.0, 65_536.0),
    key("limits.outbox_mib", "MiB", 1.0, 4096.0),
    key("limits.last_frame_mib", "MiB", 0.0, 4096.0),
];

/// Every key that takes one of a few words: the words, and what else it takes. A test holds them against the
/// settings.
pub(crate) const WORDS: &[(&str, &[&str], &str)] = &[
    (
        "board.backend",
        &["sim", "replay", "serial", "folder", "ingest"],
        "",
    ),
    ("serial.flow", &["none", "rts_cts"], ""),
    ("serial.trigger", &["immediate", "external"], ""),
    ("record.frames", &["all", "events"], ""),
    ("record.on_failure", &["continue", "stop"], ""),
    ("sim.speed", &["max"], " or a number"),
    (
        "engine.kind",
        &["auto", "tract", "onnxruntime", "openvino"],
        "",
    ),
    ("engine.precision", &["f32", "bf16"], ""),
    (
        "engine.onnxruntime.provider",
        &["cpu", "cuda", "tensorrt"],
        "",
    ),
    ("engine.transform", &["auto", "plain", "nhwc"], ""),
];
