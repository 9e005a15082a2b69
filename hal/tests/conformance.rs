//! Every backend runs the conformance suite.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must say where"
)]

mod pushing;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use pushing::{ALL, ANY, Client, HEIGHT, config, header, record};
use senescope_hal::{
    Board, Capabilities, HalError, HostInstant, Identity, Interrupter, ReadEvent, RunId,
    RunSummary, ScanActual, ScanRequest, StripBuffer,
    conformance::{Backend, Outcome, Unplug, run},
    ingest::{IngestBoard, IngestConfig, IngestListener},
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

/// A board that frames are pushed into, by a thread over TCP. Every seventh frame lacks a row of a channel.
struct Ingest {
    /// Each board listens here after the one before: its address must be free.
    address: SocketAddr,
}

/// The board with its listener and its pusher, which end with it.
struct Fed {
    board: IngestBoard,
    _listener: IngestListener,
    stop: Arc<AtomicBool>,
    pusher: Option<JoinHandle<()>>,
}

impl Fed {
    fn open(address: SocketAddr) -> Result<Self, HalError> {
        let config = IngestConfig {
            frame_timeout: Duration::from_millis(20),
            ..config()
        };
        let (board, port) = IngestBoard::new(config)?;
        let listener = IngestListener::bind(address, port)?;
        let (address, stop) = (listener.address(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let pusher = thread::spawn(move || push(&mut Client::connect(address), &stopped));
        Ok(Self {
            board,
            _listener: listener,
            stop,
            pusher: Some(pusher),
        })
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(pusher) = self.pusher.take() {
            pusher.join().unwrap();
        }
    }
}

/// Pushes frames for ever, each record until it is taken or too late.
fn push(client: &mut Client, stop: &AtomicBool) {
    let pause = crossbeam_channel::never::<()>();
    for frame in 0.. {
        let whole = if frame % 7 == 6 { 0b011 } else { ALL };
        let parts = [(0..3, ALL), (3..4, whole), (4..HEIGHT, ALL)];
        for (rows, mask) in parts {
            let bytes = record(&header(1, frame, rows, mask));
            loop {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                let reply = client.ask(&bytes);
                if reply.starts_with("0,") || reply.starts_with("-230,") {
                    break;
                }
                let again = reply.starts_with("-200,") || reply.starts_with("-225,");
                assert!(again, "{reply}");
                let _ = pause.recv_timeout(Duration::from_millis(1));
            }
        }
    }
}

impl Board for Fed {
    fn identity(&self) -> Identity {
        self.board.identity()
    }
    fn capabilities(&self) -> Capabilities {
        self.board.capabilities()
    }
    fn configure(&mut self, want: &ScanRequest) -> Result<ScanActual, HalError> {
        self.board.configure(want)
    }
    fn arm(&mut self) -> Result<RunId, HalError> {
        self.board.arm()
    }
    fn start(&mut self) -> Result<(), HalError> {
        self.board.start()
    }
    fn stop(&mut self) -> Result<(), HalError> {
        self.board.stop()
    }
    fn disarm(&mut self) -> Result<RunSummary, HalError> {
        self.board.disarm()
    }
    fn read(&mut self, buffer: StripBuffer, until: HostInstant) -> Result<ReadEvent, HalError> {
        self.board.read(buffer, until)
    }
    fn interrupter(&self) -> Box<dyn Interrupter> {
        self.board.interrupter()
    }
}

impl Backend for Ingest {
    fn open(&self) -> Result<Box<dyn Board>, HalError> {
        Ok(Box::new(Fed::open(self.address)?))
    }

    fn request(&self) -> ScanRequest {
        ScanRequest {
            frames: Some(10),
            ..ScanRequest::default()
        }
    }

    fn slow(&self) -> Result<(Box<dyn Board>, ScanRequest), &'static str> {
        let Ok((board, _)) = IngestBoard::new(config()) else {
            return Err("the configuration is refused");
        };
        Ok((Box::new(board), self.request()))
    }

    fn unplug(&self) -> Result<Unplug, &'static str> {
        Err("pushers come and go: there is no plug")
    }
}

#[test]
fn ingest() {
    // A port that is free now; the board's own listener takes it again and again.
    let free = std::net::TcpListener::bind(ANY).unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    check(&Ingest { address });
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
