//! The emulated board against hosts that do not keep to the protocol: whatever they do, the next host scans.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must say where"
)]

mod emulated;
mod hostile;

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::fs::OpenOptionsExt,
    time::Duration,
};

use emulated::{Emulated, quick, scans};
use hostile::{Dice, is_wait};
use rustix::fs::OFlags;
use senescope_hal::{serial::Address, wire::MAX_MESSAGE};

/// More than any of this takes, also on a busy machine.
const BOUND: Duration = Duration::from_secs(60);

/// A host over TCP.
fn connect(board: &Emulated) -> TcpStream {
    let Address::Tcp(address) = board.address() else {
        panic!("this board is on TCP");
    };
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    stream.set_write_timeout(Some(BOUND)).unwrap();
    stream
}

/// A host on the pseudo-terminal, whose writes and reads do not wait.
fn attach(board: &Emulated) -> File {
    let Address::Serial(path) = board.address() else {
        panic!("this board is on a pseudo-terminal");
    };
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags((OFlags::NOCTTY | OFlags::NONBLOCK).bits() as i32)
        .open(path)
        .unwrap()
}

/// Writes as much as is taken, reading nothing.
fn push(to: &mut impl Write, bytes: &[u8]) {
    match to.write_all(bytes) {
        Err(error) if !is_wait(&error) => panic!("{error}"),
        _ => {}
    }
}

/// A line, waited for.
fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line
}

#[test]
fn noise_is_borne() {
    let mut dice = Dice::new(4);
    let on_tcp = Emulated::on_tcp(quick());
    let mut host = connect(&on_tcp);
    for _ in 0..200 {
        // Lines of noise are answered by nothing: all of them can be sent without reading.
        push(&mut host, &dice.bytes(4096));
    }
    drop(host);
    scans(&on_tcp);
    let on_pty = Emulated::on_pty(quick());
    let mut host = attach(&on_pty);
    for _ in 0..200 {
        push(&mut host, &dice.bytes(4096));
    }
    // The next host empties its own side of the line; half a line of ours is left on the other.
    drop(host);
    scans(&on_pty);
}

#[test]
fn a_line_without_an_end_is_forgotten() {
    let board = Emulated::on_tcp(quick());
    let mut host = connect(&board);
    let before = memory();
    for _ in 0..2000 {
        host.write_all(&[b'a'; 16 << 10]).unwrap();
    }
    host.write_all(b"\n*IDN?\nSYST:ERR?\n").unwrap();
    let mut replies = BufReader::new(host);
    assert!(line(&mut replies).starts_with("senescope,"));
    assert!(line(&mut replies).starts_with("-223,"));
    // 32 MB were sent. Other tests of this process take some, too.
    if let (Some(before), Some(after)) = (before, memory()) {
        assert!(after < before + (24 << 20), "{before} {after}");
    }
    drop(replies);
    scans(&board);
}

/// Bytes that this process has in memory, where the system says so.
fn memory() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split(' ')
        .nth(1)?
        .parse::<usize>()
        .ok()
        .map(|pages| pages * 4096)
}

/// What a host leaves unfinished is no part of what the next one says.
#[test]
fn half_a_line_dies_with_its_host() {
    let board = Emulated::on_tcp(quick());
    let mut first = connect(&board);
    first.write_all(b"*IDN?\nSCAN:WIDT 5").unwrap();
    let mut first = BufReader::new(first);
    assert!(line(&mut first).starts_with("senescope,"));
    let mut second = connect(&board);
    second.write_all(b"*IDN?\nSYST:ERR?\n").unwrap();
    let mut second = BufReader::new(second);
    assert!(line(&mut second).starts_with("senescope,"));
    assert!(line(&mut second).starts_with("0,"));
}

#[test]
fn many_hosts_one_after_the_other_are_borne() {
    let board = Emulated::on_tcp(quick());
    for host in 0..10_000 {
        let mut stream = connect(&board);
        // Every other one says something before it goes.
        if host % 2 == 0 {
            let _ = stream.write_all(b"*IDN?\nSCAN");
        }
        // One now and then waits for its answer, for which those before must have been dealt with.
        if host % 50 == 0 {
            assert!(line(&mut BufReader::new(stream)).starts_with("senescope,"));
        }
    }
    scans(&board);
}

/// Begins a scan without an end, and asks for many strips of it.
const GREEDY: &[u8] = b"SCAN:WIDT 512;SCAN:HEIG 64;SCAN:LIN:STR 16;INIT\n";

#[test]
fn a_host_that_does_not_read_makes_room() {
    let board = Emulated::on_tcp(quick());
    let mut host = connect(&board);
    push(&mut host, GREEDY);
    host.set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    for strip in 0..3000 {
        push(&mut host, format!("FETC:STR? {strip}\n").as_bytes());
    }
    // It is still there, and does not read.
    scans(&board);
    drop(host);

    let board = Emulated::on_pty(quick());
    let mut host = attach(&board);
    push(&mut host, GREEDY);
    for strip in 0..300 {
        push(&mut host, format!("FETC:STR? {strip}\n").as_bytes());
    }
    drop(host);
    scans(&board);
}

/// A host that asks for many strips that do not come, and goes, keeps nobody waiting.
#[test]
fn questions_of_a_host_that_went_are_not_answered() {
    let board = Emulated::on_tcp(quick());
    let mut host = connect(&board);
    let wait = "TRIG:SOUR EXT;SCAN:WIDT 16;SCAN:HEIG 16;INIT\n";
    host.write_all((wait.to_owned() + &"FETC:STR? 0\n".repeat(300)).as_bytes())
        .unwrap();
    // Once the first of them is answered, the others lie in the board.
    let mut answer = [0; 4];
    host.read_exact(&mut answer).unwrap();
    drop(host);
    scans(&board);
}

#[test]
fn long_lines_and_many_questions_are_answered() {
    for length in [
        MAX_MESSAGE - 1,
        MAX_MESSAGE,
        MAX_MESSAGE + 1,
        3 * MAX_MESSAGE,
    ] {
        let board = Emulated::on_tcp(quick());
        let mut host = connect(&board);
        let mut long = b"*CLS".to_vec();
        long.resize(length, b' ');
        long.push(b'\n');
        host.write_all(&long).unwrap();
        host.write_all(&b"SYST:ERR?\n".repeat(5000)).unwrap();
        let mut replies = BufReader::new(host);
        // The newline counts.
        let first = if length < MAX_MESSAGE { "0," } else { "-223," };
        assert!(line(&mut replies).starts_with(first), "{length}");
        for _ in 1..5000 {
            assert!(line(&mut replies).starts_with("0,"));
        }
        scans(&board);
    }
}

/// Numbers at their ends neither stop the board nor are taken.
#[test]
fn the_largest_numbers_are_borne() {
    let board = Emulated::on_tcp(quick());
    let mut host = connect(&board);
    host.write_all(b"SCAN:WIDT 16;SCAN:HEIG 16;INIT\nDIAG:FAUL LOST 3\nFETC:STR? 0\n")
        .unwrap();
    for most in [
        "18446744073709551615",
        "18446744073709551616",
        "4294967296",
        "-1",
    ] {
        for unit in [
            "SCAN:WIDT",
            "SCAN:FRAM",
            "SENS:CHAN:ENAB",
            "DIAG:FAUL OVER,",
            "FETC:STR?",
        ] {
            host.write_all(format!("{unit} {most}\n").as_bytes())
                .unwrap();
        }
    }
    host.write_all(b"ABOR;*IDN?\n").unwrap();
    let mut replies = BufReader::new(host);
    // A record may have a newline in it: only the last line is looked at.
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\n") || !bytes.windows(10).any(|ten| ten == b"senescope,") {
        assert!(
            replies.read_until(b'\n', &mut bytes).unwrap() > 0,
            "the board is gone"
        );
    }
    drop(replies);
    scans(&board);
}

/// The port of a board that is gone is free at once.
#[test]
fn a_port_is_free_when_its_board_is_gone() {
    let mut board = Emulated::on_tcp(quick());
    let _host = connect(&board);
    let Address::Tcp(address) = board.address() else {
        panic!("this board is on TCP");
    };
    board.unplug();
    assert!(address.starts_with(&Ipv4Addr::LOCALHOST.to_string()));
    TcpListener::bind(address).unwrap();
}
