//! A set-up that takes long ends when it is interrupted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crossbeam_channel::Receiver;

use crate::*;
use senescope_hal::{Interrupter, Session, State, Wake};

/// Much less than a board is waited for here.
const PROMPT: Duration = Duration::from_secs(5);

/// A good board that keeps silent when it is asked `question` while `silent` is set, which it takes back, and then tells.
fn silent_at(question: &'static str, silent: Arc<AtomicBool>) -> (Peer, Receiver<()>) {
    let (tell, told) = bounded(1);
    let mut board = GoodBoard::default();
    let peer = Peer::answering(move |line| {
        if line == question && silent.swap(false, Ordering::SeqCst) {
            let _ = tell.send(());
            return None;
        }
        Some(board.answer(line))
    });
    (peer, told)
}

/// Waits for an answer for as long as for `*OPC?`.
fn patient(peer: &Peer) -> SerialConfig {
    SerialConfig {
        patience: Duration::from_secs(60),
        ..config(&format!("tcp://{}", peer.address))
    }
}

/// Interrupts as soon as the board was asked, and gives what `work` came to.
#[track_caller]
fn interrupted<T>(
    wake: &dyn Interrupter,
    asked: Receiver<()>,
    work: impl FnOnce() -> Result<T, HalError>,
) -> HalError {
    let wake = wake.clone_box();
    let other = thread::spawn(move || {
        asked.recv_timeout(BOUND).unwrap();
        wake.interrupt();
        SystemClock.now()
    });
    let error = work().err().expect("nobody waited for it");
    let took = SystemClock.now().since(other.join().unwrap());
    assert!(took < PROMPT, "{took:?}: {error}");
    assert_eq!(error.kind(), ErrorKind::Exchange, "{error}");
    assert!(error.to_string().contains("interrupted"), "{error}");
    error
}

#[test]
fn a_scan_that_is_being_prepared_is_not_waited_for() {
    let (peer, asked) = silent_at("*OPC?", Arc::new(true.into()));
    let mut board = open(&peer).unwrap();
    let wake = board.interrupter();
    interrupted(&*wake, asked, || board.configure(&request()));
    assert_eq!(board.arm().unwrap_err().kind(), ErrorKind::State);
    // Nothing of it is left.
    run_on(&mut board).unwrap().end.unwrap();
}

/// The board is done with it when the next scan is set up: its answer is none to what is asked then.
#[test]
fn an_answer_after_an_interruption_is_not_taken() {
    let (tell, asked) = bounded(1);
    let (mut asked_once, mut late) = (false, false);
    let mut good = GoodBoard::default();
    let peer = Peer::answering(move |line| {
        let answer = good.answer(line);
        if line == "*OPC?" && !std::mem::replace(&mut asked_once, true) {
            late = true;
            let _ = tell.send(());
            return None;
        }
        if line.contains('?') && std::mem::take(&mut late) {
            return Some([b"1\n", &*answer].concat());
        }
        Some(answer)
    });
    let mut board = open(&peer).unwrap();
    let wake = board.interrupter();
    interrupted(&*wake, asked, || board.configure(&request()));
    run_on(&mut board).unwrap().end.unwrap();
}

#[test]
fn an_interruption_that_came_before_is_heard() {
    let peer = Peer::spoilt(|_, good| good);
    let mut board = open(&peer).unwrap();
    board.interrupter().interrupt();
    let error = board.configure(&request()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exchange, "{error}");
    run_on(&mut board).unwrap().end.unwrap();
}

/// What ends a run is over with it.
#[test]
fn an_interruption_of_a_run_does_not_end_the_next_set_up() {
    let peer = Peer::spoilt(|_, good| good);
    let mut board = open(&peer).unwrap();
    board.configure(&request()).unwrap();
    board.arm().unwrap();
    board.start().unwrap();
    board.interrupter().interrupt();
    board.disarm().unwrap();
    run_on(&mut board).unwrap().end.unwrap();
}

#[test]
fn a_board_that_does_not_say_who_it_is_is_not_waited_for() {
    let (peer, asked) = silent_at("*IDN?", Arc::new(true.into()));
    let (wake, woken) = Wake::channel();
    interrupted(&wake.clone(), asked, || {
        SerialBoard::open_interruptibly(patient(&peer), (wake, woken))
    });
}

#[test]
fn a_board_that_does_not_get_ready_for_a_run_is_not_waited_for() {
    // Who is there is asked more than once on a busy machine.
    let silent = Arc::new(AtomicBool::new(false));
    let (peer, asked) = silent_at("SYST:BOOT?", Arc::clone(&silent));
    let board = SerialBoard::open(patient(&peer)).unwrap();
    let mut session = Session::new(Box::new(board), Arc::new(SystemClock), 1 << 20);
    session.configure(&request()).unwrap();
    silent.store(true, Ordering::SeqCst);
    let wake = session.interrupter().unwrap();
    interrupted(&*wake, asked, || session.arm());
    assert_eq!(session.state(), State::Configured);
    session.arm().unwrap();
}

/// A scan that is refused has changed what the board was set to: the one before is set up again.
#[test]
fn a_scan_that_failed_leaves_the_one_before() {
    let (tell, told) = bounded(8);
    let mut refuses = false;
    let mut board = GoodBoard::default();
    let peer = Peer::answering(move |line| {
        if line.starts_with("SCAN:DWEL ") {
            refuses = line.ends_with(" 999");
            tell.send(line.to_owned()).unwrap();
        }
        let answer = board.answer(line);
        match line {
            "SYST:ERR?" if std::mem::take(&mut refuses) => {
                Some(b"-222,\"Data out of range\"\n".to_vec())
            }
            _ => Some(answer),
        }
    });
    let mut board = open(&peer).unwrap();
    board.configure(&request()).unwrap();
    let other = ScanRequest {
        dwell_ns: Some(999),
        ..request()
    };
    let error = board.configure(&other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    board.arm().unwrap();
    let set: Vec<_> = told.try_iter().collect();
    assert_eq!(set, ["SCAN:DWEL 1000", "SCAN:DWEL 999", "SCAN:DWEL 1000"]);
}
