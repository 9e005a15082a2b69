//! The simulated microscope, and whether the suite can fail.

use senescope_hal::{
    Board, HalError, ScanRequest,
    conformance::{Backend, Outcome, Unplug, run},
    sim::{Fault, FaultKind, SimBoard, SimConfig, Speed},
};

use crate::{check, small};

/// The simulated microscope at a pace.
struct Sim(Speed);

impl Sim {
    fn config(&self, faults: Vec<Fault>) -> SimConfig {
        SimConfig {
            speed: self.0,
            faults,
            ..SimConfig::default()
        }
    }
}

fn at(kind: FaultKind, row: u32, rows: u64) -> Fault {
    Fault {
        kind,
        frame: 0,
        row,
        rows: Some(rows),
    }
}

impl Backend for Sim {
    fn open(&self) -> Result<Box<dyn Board>, HalError> {
        let faults = vec![at(FaultKind::DroppedLines, 12, 7)];
        Ok(Box::new(SimBoard::new(self.config(faults))))
    }

    fn request(&self) -> ScanRequest {
        small()
    }

    fn slow(&self) -> Result<(Box<dyn Board>, ScanRequest), &'static str> {
        let stalled = at(FaultKind::Stalled { ms: 60_000 }, 0, 1);
        let board = SimBoard::new(self.config(vec![stalled]));
        Ok((Box::new(board), small()))
    }

    fn unplug(&self) -> Result<Unplug, &'static str> {
        let gone = at(FaultKind::Disconnect, 20, 1);
        Ok(Unplug {
            board: Box::new(SimBoard::new(self.config(vec![gone]))),
            request: small(),
            // The fault is a part of the scan.
            pull: Box::new(|| {}),
        })
    }
}

#[test]
fn sim_at_real_speed() {
    check(&Sim(Speed::Real(1.0)));
}

#[test]
fn sim_as_fast_as_possible() {
    check(&Sim(Speed::AsFastAsPossible));
}

/// A board that is unplugged in the middle of every run must be caught.
#[test]
fn the_suite_can_fail() {
    struct Liar;
    impl Backend for Liar {
        fn open(&self) -> Result<Box<dyn Board>, HalError> {
            let gone = at(FaultKind::Disconnect, 20, 1);
            let config = Sim(Speed::AsFastAsPossible).config(vec![gone]);
            Ok(Box::new(SimBoard::new(config)))
        }
        fn request(&self) -> ScanRequest {
            small()
        }
        fn slow(&self) -> Result<(Box<dyn Board>, ScanRequest), &'static str> {
            Err("it only lies")
        }
        fn unplug(&self) -> Result<Unplug, &'static str> {
            Err("it only lies")
        }
    }
    let report = run(&Liar);
    assert!(report.failures().len() >= 4, "{report}");
    assert!(
        report
            .cases
            .iter()
            .any(|(_, outcome)| matches!(outcome, Outcome::Skipped(_)))
    );
}
