//! What a board answers in a run.

use crate::*;

/// A good board with strips that `spoil` changes: asked for which, and given its record.
fn spoilt_strips(mut spoil: impl FnMut(RecordHeader) -> Vec<u8> + Send + 'static) -> Peer {
    Peer::spoilt(move |line, good| {
        let strip = line.strip_prefix("FETC:STR? ");
        match strip.and_then(|number| number.parse().ok()) {
            Some(sequence) if good.len() > 4 => spoil(header(1, sequence)),
            _ => good,
        }
    })
}

/// Strips that cannot be read, each in its way: nothing of them is given, and the run is given up.
#[test]
fn strips_that_cannot_be_read_end_the_run() {
    type Spoil = fn(RecordHeader) -> Vec<u8>;
    let spoils: [(&str, Spoil); 16] = [
        ("a wrong checksum", |header| {
            let mut reply = record(&header);
            let last = reply.len() - 2;
            reply[last] ^= 1;
            reply
        }),
        ("half a record", |header| {
            let reply = record(&header);
            reply[..reply.len() / 2].to_vec()
        }),
        ("a length by far", |_| b"#9999999999".to_vec()),
        ("no length", |_| b"#0".to_vec()),
        ("no block", |_| b"x\n".to_vec()),
        ("a block without a record", |_| block(&[0; 100])),
        ("another width", |header| {
            record(&RecordHeader {
                width: 17,
                ..header
            })
        }),
        ("another mask", |header| {
            record(&RecordHeader {
                channels: senescope_hal::ChannelMask(0b101),
                ..header
            })
        }),
        ("more bits than the channels have", |header| {
            record(&RecordHeader {
                bit_depth: 16,
                ..header
            })
        }),
        ("fewer bits than the channels have", |header| {
            record(&RecordHeader {
                bit_depth: 8,
                ..header
            })
        }),
        ("more rows than a strip", |header| {
            record(&RecordHeader {
                first_row: 0,
                rows: STRIP as u16 + 1,
                ..header
            })
        }),
        ("rows outside of the frame", |header| {
            record(&RecordHeader {
                first_row: u16::MAX,
                ..header
            })
        }),
        ("another strip", |header| {
            record(&RecordHeader {
                sequence: u64::MAX,
                ..header
            })
        }),
        ("a jump that no loss explains", |header| {
            record(&RecordHeader {
                frame: u32::MAX,
                ..header
            })
        }),
        ("more lost rows than can be", |header| {
            record(&RecordHeader {
                frame: u32::MAX / HEIGHT,
                first_row: 0,
                lost_rows: u32::MAX / HEIGHT * HEIGHT,
                rows: 1,
                ..header
            })
        }),
        ("no rows", |header| {
            let mut reply = record(&header);
            let at = reply.windows(4).position(|four| four == b"SNST").unwrap();
            reply[at + 40] = 0;
            reply
        }),
    ];
    for (what, spoil) in spoils {
        println!("{what}");
        let told = run(&spoilt_strips(spoil)).unwrap();
        assert_eq!(told.summary.rows_delivered, 0, "{what}");
        let error = told.end.expect_err(what);
        assert_eq!(error.kind(), ErrorKind::Disconnected, "{what}: {error}");
    }
}

/// A record with another bit depth is fetched again, like one of another geometry; the deepest channel that is enabled
/// says which it should be.
#[test]
fn a_strip_of_another_bit_depth_is_fetched_again() {
    let mut can = capability();
    can.channels[1].bit_depth = 14;
    let can = block(&serde_json::to_vec(&can).unwrap());
    let mut spoilt = 0;
    let mut good = GoodBoard::default();
    let peer = Peer::answering(move |line| {
        let reply = good.answer(line);
        let strip = line.strip_prefix("FETC:STR? ");
        match strip.and_then(|number| number.parse().ok()) {
            Some(sequence) if reply.len() > 4 => {
                let once = sequence == 1 && spoilt == 0;
                spoilt += u32::from(once);
                Some(record(&RecordHeader {
                    bit_depth: if once { 12 } else { 14 },
                    ..header(1, sequence)
                }))
            }
            _ if line == "SYST:CAP?" => Some(can.clone()),
            _ => Some(reply),
        }
    });
    let mut board = open(&peer).unwrap();
    let told = run_on(&mut board).unwrap();
    told.end.unwrap();
    assert_eq!(told.summary.rows_delivered, FRAMES * u64::from(HEIGHT));
    let counters = board.counters();
    assert_eq!((counters["garbled"], counters["fetched_again"]), (1, 1));
}

/// A record of the largest frame there is, behind a strip that was given up.
#[test]
fn a_jump_to_the_last_frame_is_no_flood_of_gaps() {
    let peer = spoilt_strips(|header| match header.sequence {
        0 => b"x\n".to_vec(),
        _ => record(&RecordHeader {
            frame: u32::MAX,
            ..header
        }),
    });
    let told = run(&peer).unwrap();
    assert_eq!(told.summary.rows_delivered, 0);
    assert!(told.end.is_err());
}

/// Records of a run that another program began, or of another boot, are not taken for ours.
#[test]
fn strips_of_another_run_are_not_taken() {
    for (run_of_other, boot) in [(2, BOOT), (1, BOOT + 1)] {
        let mut begun = false;
        let mut fetched = false;
        let peer = Peer::spoilt(move |line, good| {
            begun |= line.starts_with("FETC");
            if line.starts_with("FETC") {
                fetched = true;
                let sequence = line["FETC:STR? ".len()..].parse().unwrap();
                return record(&RecordHeader {
                    boot,
                    ..header(run_of_other, sequence)
                });
            }
            match line {
                "SYST:BOOT?" if fetched => format!("{boot}\n").into_bytes(),
                // The run of another boot has another number: its count begins anew.
                "ACQ:STAT?" if begun => {
                    let number = if boot == BOOT { run_of_other } else { 7 };
                    format!("RUN,{number},9,0,36,0,0,1\n").into_bytes()
                }
                _ => good,
            }
        });
        let told = run(&peer).unwrap();
        assert_eq!(told.summary.rows_delivered, 0);
        let error = told.end.unwrap_err().to_string();
        let why = if boot == BOOT {
            "another program"
        } else {
            "restarted"
        };
        assert!(error.contains(why), "{error}");
    }
}

/// A board that has nothing to give, and says `status` of its run.
fn says(status: &'static str) -> Peer {
    let mut begun = false;
    Peer::spoilt(move |line, good| match line {
        "ACQ:STAT?" if begun => format!("{status}\n").into_bytes(),
        _ if line.starts_with("FETC") => {
            begun = true;
            match line["FETC:STR? ".len()..].parse::<u64>() {
                Ok(sequence) if sequence > 9 => record(&RecordHeader {
                    sequence,
                    ..header(1, 0)
                }),
                _ => b"#10\n".to_vec(),
            }
        }
        _ => good,
    })
}

#[test]
fn numbers_without_sense_in_a_status_end_the_run() {
    for status in [
        // Rows of ages.
        "IDLE,1,0,0,18446744073709551615,0,0,1",
        "IDLE,1,0,0,9223372036854775807,0,0,1",
        // Strips that nobody can have missed.
        "RUN,1,18446744073709551615,18446744073709551615,0,0,0,1",
        "RUN,1,18446744073709551615,18446744073709551614,0,0,0,18446744073709551615",
        // More than a number, less than a number, and none.
        "RUN,1,18446744073709551616,0,0,0,0,1",
        "RUN,4294967297,0,0,0,0,0,1",
        "RUN,1,0,1,0,0,0,1",
        "RUN,1,0,0,0,0,0",
        "RUN,1,0,0,0,0,0,1,1",
        "BUSY,1,0,0,0,0,0,1",
        "RUN,1,-1,-1,0,0,0,1",
        "",
    ] {
        println!("{status}");
        let peer = says(status);
        let told = run(&peer).unwrap();
        assert_eq!(told.summary.rows_delivered, 0);
        let error = told.end.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disconnected, "{status}: {error}");
    }
}

/// A second run after nonsense starts afresh, on the same board.
#[test]
fn a_run_after_nonsense_is_a_run() {
    let (mut runs, mut nonsense) = (0, false);
    let mut board = GoodBoard::default();
    let peer = Peer::answering(move |line| {
        if line == "INIT" {
            runs += 1;
            nonsense = runs < 3;
        }
        nonsense &= line != "ABOR";
        let good = board.answer(line);
        match line {
            "ACQ:STAT?" if nonsense => {
                Some(format!("RUN,{runs},{0},{0},1,0,0,1\n", u64::MAX).into_bytes())
            }
            _ if line.starts_with("FETC") && nonsense => Some(b"#10\n".to_vec()),
            _ if line.contains('?') => Some(good),
            _ => None,
        }
    });
    let mut board = open(&peer).unwrap();
    let actual = board.configure(&request()).unwrap();
    for run in 1..=3 {
        board.arm().unwrap();
        board.start().unwrap();
        let end = loop {
            let buffer = StripBuffer::detached(actual.strip_samples());
            match board.read(buffer, SystemClock.now().after(Duration::from_secs(1))) {
                Ok(ReadEvent::EndOfRun) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        let delivered = board.disarm().unwrap().rows_delivered;
        let expected = if run == 3 {
            FRAMES * u64::from(HEIGHT)
        } else {
            0
        };
        assert_eq!((end.is_ok(), delivered), (run == 3, expected), "{run}");
    }
}

/// A board that answers at once that it has nothing must not keep its caller: neither beyond the deadline, nor when
/// it is woken.
#[test]
fn a_board_that_has_nothing_gives_the_thread_back() {
    let peer = says("RUN,1,0,0,0,0,0,1");
    let mut board = open(&peer).unwrap();
    let actual = board.configure(&request()).unwrap();
    board.arm().unwrap();
    board.start().unwrap();
    let wake = board.interrupter();
    let (done, waited) = bounded(1);
    let reader = std::thread::spawn(move || {
        let mut read = |span| {
            let buffer = StripBuffer::detached(actual.strip_samples());
            board.read(buffer, SystemClock.now().after(span)).unwrap()
        };
        let early = read(Duration::from_millis(100));
        done.send(()).unwrap();
        let woken = read(BOUND * 10);
        done.send(()).unwrap();
        (early, woken)
    });
    waited.recv_timeout(BOUND).expect("the deadline is kept");
    wake.interrupt();
    waited.recv_timeout(BOUND).expect("the wake is heard");
    let (early, woken) = reader.join().unwrap();
    assert!(matches!((early, woken), (ReadEvent::Idle, ReadEvent::Idle)));
}

/// Every answer in a run may be spoilt, in a way and at a place that are drawn: the laws hold for all of them.
#[test]
fn whatever_is_answered_rows_are_told_once() {
    let (mut ended, mut failed) = (0, 0);
    for seed in 0..40 {
        let mut dice = Dice::new(seed);
        let mut armed = false;
        let often = [2, 4, 12, 40][dice.below(4)];
        let peer = Peer::spoilt(move |line, mut good| {
            armed |= line.starts_with("FETC");
            if !armed || dice.below(often) > 0 {
                return good;
            }
            let at = dice.below(good.len());
            match dice.below(8) {
                0 => good.truncate(at),
                1 => good[at] ^= 1 << dice.below(8),
                2 => good.insert(at, b'9'),
                3 => return b"#10\n".to_vec(),
                4 => good.extend(dice.bytes(50)),
                5 => {
                    let sequence = dice.next() >> dice.below(64);
                    return record(&RecordHeader {
                        sequence,
                        frame: (dice.next() >> dice.below(64)) as u32,
                        lost_rows: (dice.next() >> dice.below(64)) as u32,
                        ..header(1 + dice.below(2) as u32, sequence % 9)
                    });
                }
                6 if line == "ACQ:STAT?" => {
                    let mut number = || dice.next() >> (dice.next() % 64);
                    let (next, back, rows, ticks) = (number(), number(), number(), number());
                    let (run, oldest) = (number() % 2 + 1, next.saturating_sub(back));
                    return format!("IDLE,{run},{next},{oldest},{rows},0,0,{ticks}\n").into_bytes();
                }
                _ => good = dice.bytes(at),
            }
            good
        });
        match run(&peer) {
            Ok(Told { end: Ok(()), .. }) => ended += 1,
            Ok(_) | Err(_) => failed += 1,
        }
    }
    println!("{ended} runs ended well, {failed} were given up");
    assert!(ended > 0 && failed > 0);
}
