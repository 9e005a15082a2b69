//! On what kind of processor this runs.

use std::fs;

/// Architecture and model of the processor: results of networks are equal to the last bit on one model only,
/// because the engine chooses its kernels by what the processor can do.
pub(super) fn name() -> String {
    let architecture = std::env::consts::ARCH;
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = told
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']));
    match model {
        Some(model) => format!("{architecture}, {model}"),
        None => architecture.to_owned(),
    }
}
