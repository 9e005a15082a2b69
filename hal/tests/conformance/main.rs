//! Every backend runs the conformance suite.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must say where"
)]

#[path = "../emulated/mod.rs"]
mod emulated;
mod folder;
mod ingest;
#[path = "../pushing/mod.rs"]
mod pushing;
mod serial;
mod sim;

use senescope_hal::{
    ScanRequest,
    conformance::{Backend, Outcome, run},
};

/// A small scan that ends by itself.
pub(crate) fn small() -> ScanRequest {
    ScanRequest {
        width: Some(32),
        height: Some(24),
        dwell_ns: Some(1_000),
        strip_rows: Some(5),
        frames: Some(3),
        ..ScanRequest::default()
    }
}

/// Runs the suite.
pub(crate) fn check(backend: &dyn Backend) {
    let report = run(backend);
    println!("{report}");
    assert!(report.failures().is_empty(), "{:#?}", report.failures());
    let passed = |(_, outcome): &&(&str, Outcome)| *outcome == Outcome::Passed;
    assert!(report.cases.iter().filter(passed).count() >= 6);
}
