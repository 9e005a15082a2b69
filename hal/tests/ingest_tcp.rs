//! The port of pushed frames, against peers that are broken, slow, many or hostile.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must say where"
)]

mod pushing;

use std::{
    io::Read,
    net::{Shutdown, TcpStream},
    time::Duration,
};

use pushing::{ALL, ANY, Client, HEIGHT, config, event, frame, header, record, running};
use senescope_hal::{
    Board, Clock, ReadEvent, SystemClock,
    ingest::{IngestBoard, IngestListener},
    wire::{MAX_MESSAGE, MAX_RECORD},
};

const PATIENCE: Duration = Duration::from_secs(60);
/// Connections that are served at once.
const MOST: usize = 8;

fn listening() -> (IngestBoard, IngestListener) {
    let (board, port) = running(config());
    let listener = IngestListener::bind(ANY, port).unwrap();
    (board, listener)
}

/// A good pusher gets its frame through.
fn still_works(board: &mut IngestBoard, listener: &IngestListener, number: u32) {
    let mut client = Client::connect(listener.address());
    assert_eq!(client.ask(&frame(9, number)), "0,\"accepted\"\n");
    let mut rows = 0;
    while rows < HEIGHT {
        match event(board, PATIENCE) {
            ReadEvent::Strip(strip) => rows += strip.header.rows,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn records_and_lines_share_a_connection_and_come_in_any_pieces() {
    let (board, listener) = listening();
    let mut client = Client::connect(listener.address());
    assert!(client.ask(b"*IDN?\n").starts_with("senescope,ingest,"));
    let parts = [0..2, 2..5, 5..HEIGHT].map(|rows| record(&header(1, 0, rows, ALL)));
    let stream = [
        &parts[0][..],
        b"*CLS\r\n",
        &parts[1],
        &parts[2],
        b"SYST:ERR?\n",
    ]
    .concat();
    for piece in stream.chunks(41) {
        client.send(piece).unwrap();
    }
    let replies: Vec<_> = (0..5).map(|_| client.line()).collect();
    let (taken, none) = ("0,\"accepted\"\n", "0,\"No error\"\n");
    assert_eq!(replies, [taken, none, taken, taken, none]);
    assert_eq!(board.counters()["records_accepted"], 3);
}

#[test]
fn what_is_damaged_is_told_and_the_connection_closed() {
    let (mut board, listener) = listening();
    let spoilt = |at: usize, byte: u8| {
        let mut bytes = frame(1, 0);
        bytes[at] ^= byte;
        bytes
    };
    let mut long_header = frame(1, 0);
    long_header[6..8].fill(0xff);
    let mut long_payload = frame(1, 0);
    long_payload[8..12].fill(0xff);
    let cases: [(Vec<u8>, &str, &str); 8] = [
        (spoilt(100, 1), "-161,", "checksum"),
        (spoilt(4, 8), "-161,", "version 9"),
        (long_header, "-161,", "length of the header"),
        (long_payload, "-161,", "bytes of samples"),
        (b"#9999999999\x80\x80".to_vec(), "-101,", "neither"),
        (vec![0xff; 1000], "-101,", "neither"),
        (vec![b'a'; MAX_MESSAGE + 1], "-223,", "neither"),
        (b"GET / HTTP/1.1\r\n\xff".to_vec(), "-113,", "known are"),
    ];
    for (number, (bytes, start, part)) in cases.into_iter().enumerate() {
        let mut client = Client::connect(listener.address());
        client.send(&bytes).unwrap();
        let line = client.line();
        assert!(line.starts_with(start) && line.contains(part), "{line}");
        // The text before the byte that is no text was a line.
        let rest = String::from_utf8(client.rest()).unwrap();
        assert!(rest.is_empty() || rest.starts_with("-101,"), "{rest}");
        still_works(&mut board, &listener, number as u32);
    }
    assert_eq!(board.counters()["records_refused_damaged"], 4);
}

/// Bytes of which most are no message, from a generator that gives the same on every machine.
#[test]
fn noise_is_bounded() {
    let (mut board, listener) = listening();
    let mut state = 7_u64;
    let mut noise = |length: usize| -> Vec<u8> {
        (0..length)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 56) as u8
            })
            .collect()
    };
    for round in 0..60 {
        let mut bytes = noise(200 + 3_000 * (round % 5));
        match round % 3 {
            0 => {}
            1 => bytes[..4].copy_from_slice(b"SNST"),
            _ => bytes[..12].copy_from_slice(&frame(1, 0)[..12]),
        }
        let mut client = Client::connect(listener.address());
        // It may be hung up on before it has sent all.
        let _ = client.send(&bytes);
        let _ = client.stream.get_mut().shutdown(Shutdown::Write);
        let mut said = Vec::new();
        let _ = client.stream.read_to_end(&mut said);
        assert!(said.len() < 10_000);
    }
    still_works(&mut board, &listener, 0);
}

#[test]
fn half_a_record_is_not_waited_for() {
    let (mut board, listener) = listening();
    let mut client = Client::connect(listener.address());
    let mut other = Client::connect(listener.address());
    client.send(&frame(1, 0)[..50]).unwrap();
    let line = client.line();
    assert!(line.starts_with("-365,"), "{line}");
    assert!(client.rest().is_empty());
    // One that says nothing at all may stay.
    assert!(other.ask(b"*IDN?\n").starts_with("senescope"));
    still_works(&mut board, &listener, 0);
}

#[test]
fn a_peer_that_never_reads_is_dropped() {
    let (mut board, listener) = listening();
    let mut client = Client::connect(listener.address());
    let line = ["SCAN:ACT?"; 32].join(";") + "\n";
    let begun = SystemClock.now();
    let mut sent = 0_u64;
    while client.send(line.as_bytes()).is_ok() {
        sent += 1;
        assert!(SystemClock.now().since(begun) < PATIENCE, "{sent} lines");
    }
    still_works(&mut board, &listener, 0);
}

#[test]
fn one_connection_too_many_is_told_so_and_can_try_again() {
    let (mut board, listener) = listening();
    let mut served: Vec<_> = (0..MOST)
        .map(|_| {
            let mut client = Client::connect(listener.address());
            assert!(client.ask(b"*IDN?\n").starts_with("senescope"));
            client
        })
        .collect();
    let mut late = Client::connect(listener.address());
    let line = late.line();
    assert!(
        line.starts_with("-310,") && line.contains("8 programs"),
        "{line}"
    );
    assert!(late.rest().is_empty());
    assert_eq!(board.counters()["connections_refused"], 1);
    served.pop();
    still_works(&mut board, &listener, 0);
}

#[test]
fn ten_thousand_connections_one_after_another() {
    let (mut board, listener) = listening();
    for number in 0..10_000 {
        let mut client = Client::connect(listener.address());
        if number % 100 == 0 {
            assert_eq!(client.ask(b"SYST:ERR?\n"), "0,\"No error\"\n", "{number}");
        }
        client.stream.get_mut().shutdown(Shutdown::Write).unwrap();
        assert!(client.rest().is_empty());
    }
    still_works(&mut board, &listener, 0);
    assert_eq!(board.counters()["connections_refused"], 0);
}

/// Threads have ended and the address is free, also with peers of every kind connected.
#[test]
fn dropping_the_listener_frees_its_address() {
    let (mut board, mut listener) = listening();
    let address = listener.address();
    for round in 0..20 {
        let mut idle = Client::connect(address);
        assert!(idle.ask(b"*IDN?\n").starts_with("senescope"));
        let mut half = Client::connect(address);
        half.send(&frame(1, 0)[..20]).unwrap();
        let begun = SystemClock.now();
        drop(listener);
        assert!(SystemClock.now().since(begun) < Duration::from_secs(5));
        assert!(idle.rest().is_empty());
        assert!(TcpStream::connect(address).is_err());
        let (next, port) = running(config());
        board = next;
        listener = IngestListener::bind(address, port).unwrap();
        assert_eq!(listener.address(), address, "{round}");
    }
    still_works(&mut board, &listener, 0);
    let taken = IngestListener::bind(address, IngestBoard::new(config()).unwrap().1);
    let error = taken.err().unwrap().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
}

/// As many bytes as a message may have, and no more, are kept of a record that is the largest.
#[test]
fn the_largest_record_passes() {
    let mut large = config();
    large.width = 32_768;
    large.channels.truncate(1);
    let (mut board, port) = running(large);
    let listener = IngestListener::bind(ANY, port).unwrap();
    let mut part = header(1, 0, 0..1, 1);
    part.width = 32_768;
    let mut bytes = record(&part);
    bytes.truncate(bytes.len() - 4);
    // With a header of a later version, as long as one may be.
    bytes[6..8].copy_from_slice(&1024_u16.to_le_bytes());
    bytes.splice(64..64, [0; 960]);
    let sum = crc32fast::hash(&bytes);
    bytes.extend(sum.to_le_bytes());
    assert_eq!(bytes.len(), MAX_RECORD);
    let mut client = Client::connect(listener.address());
    assert_eq!(client.ask(&bytes), "0,\"accepted\"\n");
    board.stop().unwrap();
}
