//! Who answers when a board is looked for.

use crate::*;

#[test]
fn peers_that_are_no_board_are_told_and_make_room_for_one() {
    use ErrorKind::{Disconnected, Malformed};
    let noise = |stream, over: &_| {
        let mut dice = Dice::new(1);
        flood(stream, over, || dice.bytes(4096));
    };
    let closes = |_, _: &_| {};
    let waits = |stream, over: &_| flood(stream, over, Vec::new);
    let deaf = |stream, over: &std::sync::atomic::AtomicBool| {
        while !over.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        drop(stream);
    };
    let drips = |stream, over: &_| flood(stream, over, || b"1".to_vec());
    type Serve = Box<dyn FnMut(std::net::TcpStream, &std::sync::atomic::AtomicBool) + Send>;
    let peers: [(Serve, &[ErrorKind]); 5] = [
        (Box::new(noise), &[Malformed]),
        // Who hangs up is gone or was never there, as the system happens to see it.
        (Box::new(closes), &[Disconnected]),
        (Box::new(waits), &[Malformed]),
        (Box::new(deaf), &[Malformed]),
        (Box::new(drips), &[Malformed]),
    ];
    for (serve, kinds) in peers {
        let peer = Peer::new(serve);
        let address = peer.address;
        open_fails(&peer, kinds);
        drop(peer);
        a_good_board_works(address);
    }
}

/// A board at an address where another was before.
fn a_good_board_works(address: std::net::SocketAddr) {
    emulated::scans(&Emulated::at(Place::Tcp(address), emulated::quick()));
}

#[test]
fn noise_and_silence_on_a_pseudo_terminal_are_told() {
    for noisy in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let mut port = Port::open(Place::Pty(folder.path().join("board"))).unwrap();
        let address = port.address();
        let (stop, stopped) = bounded::<()>(0);
        let peer = std::thread::spawn(move || {
            let mut dice = Dice::new(2);
            let look = Duration::from_millis(5);
            // A silent one does not even read.
            while let Err(crossbeam_channel::RecvTimeoutError::Timeout) = stopped.recv_timeout(look)
            {
                if noisy {
                    port.write(&dice.bytes(2048), SystemClock.now().after(look));
                    port.read(&mut [0; 4096], Duration::ZERO).unwrap();
                }
            }
        });
        let since = SystemClock.now();
        let error = SerialBoard::open(config(&address)).err().unwrap();
        told(
            &error,
            since,
            &[ErrorKind::Malformed, ErrorKind::Disconnected],
        );
        drop(stop);
        peer.join().unwrap();
    }
}

#[test]
fn answers_that_are_none_are_told() {
    let long = "x".repeat(60_000);
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("another version", "SYST:PROT?", b"2\n".to_vec()),
        (
            "a version that is 1 only in 32 bits",
            "SYST:PROT?",
            b"4294967297\n".to_vec(),
        ),
        ("a long name", "*IDN?", format!("a,{long},c,d\n").into()),
        ("no name", "*IDN?", format!("{long}\n").into()),
        ("a line without an end", "*IDN?", long.clone().into()),
        (
            "a boot that is too large",
            "SYST:BOOT?",
            b"18446744073709551616\n".to_vec(),
        ),
        ("a negative boot", "SYST:BOOT?", b"-1\n".to_vec()),
        ("a block of any length", "SYST:CAP?", b"#0{}\n".to_vec()),
        (
            "a block that is longer than allowed",
            "SYST:CAP?",
            b"#9999999999".to_vec(),
        ),
        (
            "half a block",
            "SYST:CAP?",
            b"#41000{\"channels\":".to_vec(),
        ),
        ("more than a block", "SYST:CAP?", b"#12{}{}\n".to_vec()),
        ("no block", "SYST:CAP?", b"{}\n".to_vec()),
        ("a length that is none", "SYST:CAP?", b"#3 12\n".to_vec()),
        ("a large block", "SYST:CAP?", block(&[b' '; 65_537])),
        ("two lines", "*IDN?", b"a,b,c,d\na,b,c,d\n".to_vec()),
    ];
    for (what, query, answer) in cases {
        println!("{what}");
        let peer = Peer::spoilt(
            move |line, good| {
                if line == query { answer.clone() } else { good }
            },
        );
        open_fails(&peer, &[ErrorKind::Malformed]);
    }
}

#[test]
fn capabilities_that_cannot_be_are_told() {
    let good = serde_json::to_value(capability()).unwrap();
    let long = "x".repeat(50_000);
    let channel = |name: &str| json!({"name": name, "bit_depth": 12});
    let seventeen: Vec<_> = (0..17).map(|index| channel(&index.to_string())).collect();
    let changes = [
        ("clock_hz", json!(0)),
        ("clock_hz", json!(-1)),
        ("clock_hz", json!(1e300)),
        ("ring_strips", json!(0)),
        ("ring_strips", json!(u64::MAX)),
        ("width", json!([0, 0])),
        ("width", json!([20, 10])),
        ("width", json!([1, u64::MAX])),
        ("height", json!([0, 5])),
        ("height", json!(5)),
        ("dwell_ns", json!([0, 1])),
        ("strip_rows", json!([0, 1])),
        ("channels", json!([])),
        ("channels", json!({})),
        ("channels", Value::Array(seventeen)),
        ("channels", json!([channel("SRS"), channel("SRS")])),
        ("channels", json!([channel("")])),
        ("channels", json!([channel(&long)])),
        ("channels", json!([{"name": "SRS", "bit_depth": 0}])),
        ("channels", json!([{"name": "SRS", "bit_depth": 17}])),
        ("channels", json!([{"name": "SRS", "bit_depth": long}])),
        ("pacing", json!(long)),
        ("link", json!({"kind": "pigeon", "bytes_per_s": 1})),
        ("link", json!({"kind": "tcp", "bytes_per_s": 0})),
        ("link", Value::Null),
    ];
    let others = [
        json!([]),
        json!("board"),
        json!(7),
        Value::Null,
        json!({"channels": 7}),
    ];
    let changed = changes.into_iter().map(|(key, value)| {
        let mut form = good.clone();
        form[key] = value;
        form.to_string()
    });
    // Deeper than any reader should follow.
    let deep = "[".repeat(60_000);
    for text in changed
        .chain(others.map(|form| form.to_string()))
        .chain([deep, String::new()])
    {
        println!("{text:.200}");
        let answer = block(text.as_bytes());
        let peer = Peer::spoilt(move |line, good| {
            if line == "SYST:CAP?" {
                answer.clone()
            } else {
                good
            }
        });
        open_fails(&peer, &[ErrorKind::Malformed]);
    }
}

/// An answer of which a byte comes now and then is none.
#[test]
fn an_answer_in_drops_is_told() {
    let peer = Peer::new(move |stream, over| {
        let mut board = GoodBoard::default();
        let mut lines = std::io::BufReader::new(stream);
        let mut line = String::new();
        while !over.load(Ordering::Relaxed) {
            match std::io::BufRead::read_line(&mut lines, &mut line) {
                Ok(0) => return,
                Err(error) if hostile::is_wait(&error) => continue,
                Err(_) => return,
                Ok(_) => {}
            }
            let good = board.answer(line.trim());
            let stream = lines.get_mut();
            use std::io::Write;
            if line.starts_with("SYST:CAP?") {
                // A day of it.
                if stream.write_all(b"#565000").is_err() {
                    return;
                }
                while stream.write_all(b" ").is_ok() && !over.load(Ordering::Relaxed) {
                    std::thread::park_timeout(Duration::from_millis(100));
                }
                return;
            }
            if line.contains('?') && stream.write_all(&good).is_err() {
                return;
            }
            line.clear();
        }
    });
    open_fails(&peer, &[ErrorKind::Malformed, ErrorKind::Disconnected]);
}
