//! Who answers may have become another one.

use std::sync::{Arc, Mutex};

use crate::*;
use emulated::{quick, scans};
use senescope_hal::emulator::EmulatorConfig;

/// What a board says of itself.
struct Says {
    name: &'static str,
    boot: u64,
    can: CapabilityForm,
    actual: ActualForm,
}

fn says() -> (Arc<Mutex<Says>>, Peer) {
    let says = Arc::new(Mutex::new(Says {
        name: "tests,hostile,1,0",
        boot: BOOT,
        can: capability(),
        actual: actual(),
    }));
    let said = Arc::clone(&says);
    let mut good = GoodBoard::default();
    let peer = Peer::answering(move |line| {
        let says = said.lock().unwrap();
        Some(match line {
            "*IDN?" => format!("{}\n", says.name).into_bytes(),
            "SYST:BOOT?" => format!("{}\n", says.boot).into_bytes(),
            "SYST:CAP?" => block(&serde_json::to_vec(&says.can).unwrap()),
            "SCAN:ACT?" => block(&serde_json::to_vec(&says.actual).unwrap()),
            _ => good.answer(line),
        })
    });
    (says, peer)
}

/// The same board with another firmware.
fn restart(says: &Mutex<Says>) {
    let mut says = says.lock().unwrap();
    says.name = "tests,hostile,1,1";
    says.boot += 1;
    says.can.clock_hz *= 10;
    for channel in &mut says.can.channels {
        channel.bit_depth = 14;
    }
}

#[test]
fn a_restarted_board_is_asked_again_what_it_can_do() {
    let (says, peer) = says();
    let mut board = open(&peer).unwrap();
    let before = board.configure(&request()).unwrap();
    assert_eq!((before.bit_depth(), before.clock_hz), (12, 1_000_000));
    restart(&says);
    let after = board.configure(&request()).unwrap();
    assert_eq!((after.bit_depth(), after.clock_hz), (14, 10_000_000));
    assert_eq!(board.capabilities().clock_hz, 10_000_000);
    assert_eq!(board.identity().firmware, "1");
    board.arm().unwrap();
    // What it can do no longer is refused by the new firmware's limits.
    says.lock().unwrap().can.width = [1, 8];
    restart(&says);
    let error = board.configure(&request()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("width"), "{error}");
}

/// A scan stays what it was said to be: one that a restart has changed is not armed.
#[test]
fn a_scan_that_a_restart_has_changed_is_not_armed() {
    let (says, peer) = says();
    let mut board = open(&peer).unwrap();
    board.configure(&request()).unwrap();
    says.lock().unwrap().boot += 1;
    board.arm().unwrap();
    board.disarm().unwrap();
    restart(&says);
    let error = board.arm().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("set it up again"), "{error}");
    board.configure(&request()).unwrap();
    board.arm().unwrap();
}

/// Boards count their boots, and two of them may be at the same number.
#[test]
fn another_board_on_the_same_link_is_told() {
    for boot in [BOOT, BOOT + 1] {
        let (says, peer) = says();
        let mut board = open(&peer).unwrap();
        board.configure(&request()).unwrap();
        let mut other = says.lock().unwrap();
        (other.name, other.boot) = ("tests,hostile,2,0", boot);
        drop(other);
        let tries: [fn(&mut SerialBoard) -> HalError; 2] = [
            |board| board.arm().unwrap_err(),
            |board| board.configure(&request()).unwrap_err(),
        ];
        for fails in tries {
            let error = fails(&mut board);
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains("another board"), "{error}");
        }
        says.lock().unwrap().name = "tests,hostile,1,0";
        board.configure(&request()).unwrap();
    }
}

#[test]
fn another_board_on_the_same_link_ends_a_run() {
    let mut fetched = false;
    let peer = Peer::spoilt(move |line, good| {
        fetched |= line.starts_with("FETC");
        match line {
            "*IDN?" if fetched => b"tests,hostile,2,0\n".to_vec(),
            "ACQ:STAT?" if fetched => b"IDLE,0,0,0,0,0,0,1\n".to_vec(),
            _ if line.starts_with("FETC") => b"#10\n".to_vec(),
            _ => good,
        }
    });
    let mut board = open(&peer).unwrap();
    let told = run_on(&mut board).unwrap();
    let error = told.end.unwrap_err().to_string();
    assert!(error.contains("another board"), "{error}");
    assert_eq!(board.counters()["restarts"], 0);
}

#[test]
fn a_board_that_comes_back_on_a_new_link_is_asked_again() {
    let first = Emulated::on_tcp(quick());
    let place = match first.address() {
        senescope_hal::serial::Address::Tcp(host) => Place::Tcp(host.parse().unwrap()),
        senescope_hal::serial::Address::Serial(_) => unreachable!(),
    };
    let mut board = SerialBoard::open(first.config()).unwrap();
    let want = ScanRequest {
        width: Some(16),
        height: Some(16),
        frames: Some(1),
        ..ScanRequest::default()
    };
    board.configure(&want).unwrap();
    assert_eq!(board.capabilities().retransmit_depth, 256);
    drop(first);
    let restarted = EmulatorConfig {
        boot: 2,
        ring_strips: 32,
        ..quick()
    };
    let second = Emulated::at(place.clone(), restarted);
    board.configure(&want).unwrap();
    assert_eq!(board.capabilities().retransmit_depth, 32);
    board.arm().unwrap();
    drop(second);
    let other = EmulatorConfig {
        serial: "other".to_owned(),
        ..quick()
    };
    let third = Emulated::at(place, other);
    let error = board.configure(&want).unwrap_err();
    assert!(error.to_string().contains("another board"), "{error}");
    // Whom the port belongs to is free to use it.
    drop(board);
    scans(&third);
}
