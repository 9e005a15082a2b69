//! Every backend runs the conformance suite.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must say where"
)]

#[path = "common/emulated.rs"]
mod emulated;

use std::time::Duration;

use emulated::Emulated;
use senescope_hal::{
    Board, HalError, ScanRequest,
    conformance::{Backend, Outcome, Unplug, run},
    emulator::EmulatorConfig,
    serial::{SerialBoard, SerialConfig, Trigger},
    sim::{Fault, FaultKind, SimBoard, SimConfig, Speed},
};

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

fn small() -> ScanRequest {
    ScanRequest {
        width: Some(32),
        height: Some(24),
        dwell_ns: Some(1_000),
        strip_rows: Some(5),
        frames: Some(3),
        ..ScanRequest::default()
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

fn check(backend: &dyn Backend) {
    let report = run(backend);
    println!("{report}");
    assert!(report.failures().is_empty(), "{:#?}", report.failures());
    let passed = |(_, outcome): &&(&str, Outcome)| *outcome == Outcome::Passed;
    assert!(report.cases.iter().filter(passed).count() >= 6);
}

#[test]
fn sim_at_real_speed() {
    check(&Sim(Speed::Real(1.0)));
}

#[test]
fn sim_as_fast_as_possible() {
    check(&Sim(Speed::AsFastAsPossible));
}

/// The driver of boards on a link, with an emulated board at the other end.
struct Wire {
    board: Emulated,
    start: fn(EmulatorConfig) -> Emulated,
    speed: Speed,
}

impl Wire {
    fn new(start: fn(EmulatorConfig) -> Emulated, speed: Speed) -> Self {
        Self {
            board: start(Self::config(speed)),
            start,
            speed,
        }
    }

    fn config(speed: Speed) -> EmulatorConfig {
        EmulatorConfig {
            speed,
            fields: 2,
            ..EmulatorConfig::of_seed(7)
        }
    }
}

impl Backend for Wire {
    fn open(&self) -> Result<Box<dyn Board>, HalError> {
        Ok(Box::new(SerialBoard::open(self.board.config())?))
    }

    fn request(&self) -> ScanRequest {
        small()
    }

    fn slow(&self) -> Result<(Box<dyn Board>, ScanRequest), &'static str> {
        // A trigger that never comes.
        let board = SerialBoard::open(SerialConfig {
            trigger: Trigger::External,
            ..self.board.config()
        });
        Ok((Box::new(board.unwrap()), small()))
    }

    fn unplug(&self) -> Result<Unplug, &'static str> {
        let mut emulated = (self.start)(Self::config(self.speed));
        let board = SerialBoard::open(SerialConfig {
            // Not waited for, so that it is told at once.
            reopen_for: Duration::ZERO,
            ..emulated.config()
        });
        Ok(Unplug {
            board: Box::new(board.unwrap()),
            request: ScanRequest {
                frames: None,
                ..small()
            },
            pull: Box::new(move || emulated.unplug()),
        })
    }
}

#[test]
fn serial_on_a_pseudo_terminal_in_real_time() {
    check(&Wire::new(Emulated::on_pty, Speed::Real(1.0)));
}

#[test]
fn serial_on_a_pseudo_terminal_as_fast_as_possible() {
    check(&Wire::new(Emulated::on_pty, Speed::AsFastAsPossible));
}

#[test]
fn serial_over_tcp() {
    check(&Wire::new(Emulated::on_tcp, Speed::Real(4.0)));
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
