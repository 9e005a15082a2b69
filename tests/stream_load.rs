//! The stream under load: a subscriber that has stopped costs bounded memory and harms nobody else.
//!
//! `serve` is no test but a publisher for `tests/peers/check_stream`, which drives it over its standard
//! input with other implementations of ZeroMQ.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is the failure of the test"
)]

mod values;

use std::{
    io::{BufRead, Read, Write},
    net::TcpStream,
    sync::{Arc, mpsc::sync_channel},
};

use senescope::{
    config::LiveSettings,
    control::{self, Desk},
    domain::TileWindow,
    stages::publish::{
        CamMessage, Finish, LabelMessage, Outbox, PublishConfig, Publisher, RunEnd,
        message::decode_header, socket::SubSocket,
    },
};
use senescope_hal::SystemClock;
use values::{cell, config, heatmap, identity, report, run_start, verdict};

const MIB: usize = 1 << 20;
const WINDOW: TileWindow = TileWindow {
    x: 0.0,
    y: 0.0,
    size: 128.0,
};

/// A run of `cells` labels with a map each; `paced` is asked before each cell.
fn publish_run(outbox: &Outbox, run: u128, cells: u32, mut paced: impl FnMut()) -> RunEnd {
    outbox.run_start(identity(run), run_start()).unwrap();
    let map = heatmap(128);
    for id in 0..cells {
        paced();
        let cell = cell(0, id);
        let label = LabelMessage::new(&cell, &verdict(0.9), 0.4, None, [].into());
        let seq = outbox.label(label).unwrap();
        outbox
            .cam(CamMessage::new(seq, &cell, WINDOW, &map, None))
            .unwrap();
    }
    outbox.run_end(report(Finish::Completed)).unwrap()
}

/// A ZMTP 3.0 subscriber to everything that reads its handshake and then nothing any more.
fn stopped_subscriber(endpoint: &str) -> TcpStream {
    let mut stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
    let mut greeting = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0];
    greeting.extend(b"NULL");
    greeting.resize(64, 0);
    stream.write_all(&greeting).unwrap();
    stream.read_exact(&mut [0; 64]).unwrap();
    let ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB";
    stream
        .write_all(&[4, u8::try_from(ready.len()).unwrap()])
        .unwrap();
    stream.write_all(ready).unwrap();
    stream.write_all(&[0, 1, 1]).unwrap();
    stream
}

/// Memory that this process has resident, in bytes; `None` where the operating system does not say.
fn resident() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

#[test]
fn a_stopped_subscriber_costs_bounded_memory_and_harms_nobody() {
    const MAPS: u32 = 8000;
    /// How far the publisher is ahead of the subscriber that reads.
    const AHEAD: usize = 16;
    let config = PublishConfig {
        maps_backlog_bytes: 8 * MIB,
        maps_queue_bytes: 4 * MIB,
        ..config()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let publisher = runtime
        .block_on(Publisher::bind(&config, None, Arc::new(SystemClock)))
        .unwrap();
    let stopped: Vec<_> = [publisher.labels(), publisher.maps(), publisher.maps()]
        .map(stopped_subscriber)
        .into();
    let reader = runtime
        .block_on(SubSocket::connect(
            publisher.maps(),
            &["v1/cam/".to_owned()],
            None,
        ))
        .unwrap();
    runtime.block_on(async {
        while publisher.listeners().await.maps < 3 {
            tokio::task::yield_now().await;
        }
    });
    let (credit, pace) = sync_channel(AHEAD);
    for _ in 0..AHEAD {
        credit.send(()).unwrap();
    }
    let reading = runtime.spawn(async move {
        // The subscription may arrive after the first maps.
        let mut last = None;
        let mut highest = 0;
        while last != Some(u64::from(MAPS)) {
            let frames = reader.recv().await.unwrap();
            let seq = decode_header(&frames[1]).unwrap().seq;
            assert_eq!(frames[2].len(), 128 * 128 * 4);
            assert!(
                last.is_none_or(|last| seq == last + 1),
                "{last:?} then {seq}"
            );
            last = Some(seq);
            if seq > u64::from(MAPS) / 4 {
                highest = highest.max(resident().unwrap_or(0));
            }
            let _ = credit.try_send(());
        }
        highest
    });
    let before = resident();
    let end = publish_run(&publisher.outbox(), 1, MAPS, || pace.recv().unwrap());
    let highest = runtime.block_on(reading).unwrap();
    for edge in &end.edges {
        assert_eq!(edge.inside(), 0, "{edge:?}");
    }
    assert_eq!(end.totals.values().map(|total| total.shed).sum::<u64>(), 0);
    match before {
        Some(before) => {
            let grown = highest.saturating_sub(before) / MIB;
            println!(
                "{} MiB of maps passed, memory grew by {grown} MiB",
                MAPS as usize / 16
            );
            // Two backlogs of 8 MiB, a queue of 4 MiB, the library's tables, and slack.
            assert!(grown < 64, "memory grew by {grown} MiB");
        }
        None => println!("memory not measured: no /proc"),
    }
    drop(stopped);
    runtime.block_on(publisher.close());
}

#[test]
#[ignore = "a publisher for tests/peers/check_stream, not a test"]
fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let publisher = runtime
        .block_on(Publisher::bind(&config(), None, Arc::new(SystemClock)))
        .unwrap();
    let outbox = publisher.outbox();
    runtime.spawn(control::serve(
        publisher.control(),
        Desk::new(outbox.clone(), LiveSettings::default()),
        None,
    ));
    let say = |line: serde_json::Value| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").unwrap();
        out.flush().unwrap();
    };
    say(serde_json::json!({
        "pid": std::process::id(),
        "labels": publisher.labels(),
        "maps": publisher.maps(),
        "control": publisher.control().endpoint(),
    }));
    // `run CELLS MICROSECONDS`: one run, with this time from cell to cell.
    for (run, line) in (1..).zip(std::io::stdin().lock().lines()) {
        let line = line.unwrap();
        let mut words = line.split(' ');
        let (Some("run"), Some(cells), Some(pause)) = (words.next(), words.next(), words.next())
        else {
            break;
        };
        let pause = std::time::Duration::from_micros(pause.parse().unwrap());
        let (_never, tick) = sync_channel::<()>(0);
        let end = publish_run(&outbox, run, cells.parse().unwrap(), || {
            let _ = tick.recv_timeout(pause);
        });
        say(serde_json::to_value(&end.totals).unwrap());
    }
    runtime.block_on(publisher.close());
}
