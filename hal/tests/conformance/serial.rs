//! The driver of boards on a link.

use std::time::Duration;

use senescope_hal::{
    Board, HalError, ScanRequest,
    conformance::{Backend, Unplug},
    emulator::EmulatorConfig,
    serial::{SerialBoard, SerialConfig, Trigger},
    sim::Speed,
};

use crate::{check, emulated::Emulated, small};

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
