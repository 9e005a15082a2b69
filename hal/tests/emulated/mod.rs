//! An emulated board in a thread of the test.
#![allow(dead_code, reason = "each test crate uses a part")]

use std::{io, net::Ipv4Addr, thread::JoinHandle, time::Duration};

use crossbeam_channel::{Sender, bounded};
use senescope_hal::{
    Board, Clock, ReadEvent, ScanRequest, StripBuffer, SystemClock,
    emulator::{Device, EmulatorConfig, Place, Port, serve},
    serial::{Address, SerialBoard, SerialConfig},
    sim::Speed,
};

/// A board that is prepared and done soon.
pub(crate) fn quick() -> EmulatorConfig {
    EmulatorConfig {
        speed: Speed::AsFastAsPossible,
        fields: 1,
        ..EmulatorConfig::of_seed(3)
    }
}

/// Scans a small frame on `emulated`, all of which comes.
pub(crate) fn scans(emulated: &Emulated) {
    let mut board = SerialBoard::open(emulated.config()).unwrap();
    let request = ScanRequest {
        width: Some(16),
        height: Some(16),
        frames: Some(1),
        ..ScanRequest::default()
    };
    let actual = board.configure(&request).unwrap();
    board.arm().unwrap();
    board.start().unwrap();
    loop {
        let buffer = StripBuffer::detached(actual.strip_samples());
        let deadline = SystemClock.now().after(Duration::from_secs(10));
        if let ReadEvent::EndOfRun = board.read(buffer, deadline).unwrap() {
            break;
        }
    }
    assert_eq!(board.disarm().unwrap().rows_delivered, 16);
}

/// Serves until it is dropped.
pub(crate) struct Emulated {
    address: String,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
    _folder: Option<tempfile::TempDir>,
}

impl Emulated {
    /// A board on a pseudo-terminal.
    pub(crate) fn on_pty(config: EmulatorConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Pty(folder.path().join("board"));
        let mut board = Self::at(place, config);
        board._folder = Some(folder);
        board
    }

    /// A board on a TCP port of the loopback interface.
    pub(crate) fn on_tcp(config: EmulatorConfig) -> Self {
        Self::at(Place::Tcp((Ipv4Addr::LOCALHOST, 0).into()), config)
    }

    /// A board at `place`.
    pub(crate) fn at(place: Place, config: EmulatorConfig) -> Self {
        let mut port = Port::open(place).unwrap();
        let address = port.address();
        let (stop, stopped) = bounded(1);
        let work = move || serve(&mut Device::new(config), &mut port, &stopped);
        Self {
            address,
            stop: Some(stop),
            thread: Some(std::thread::spawn(work)),
            _folder: None,
        }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> Address {
        self.address.parse().unwrap()
    }

    /// How to reach it, with the usual values.
    pub(crate) fn config(&self) -> SerialConfig {
        SerialConfig::at(self.address())
    }

    /// Pulls the plug.
    pub(crate) fn unplug(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        self.unplug();
    }
}
