//! The board that frames are pushed into.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use senescope_hal::{
    Board, Capabilities, HalError, HostInstant, Identity, Interrupter, ReadEvent, RunId,
    RunSummary, ScanActual, ScanRequest, StripBuffer,
    conformance::{Backend, Unplug},
    ingest::{IngestBoard, IngestConfig, IngestListener},
};

use crate::{
    check,
    pushing::{ALL, ANY, Client, HEIGHT, config, header, record},
};

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
