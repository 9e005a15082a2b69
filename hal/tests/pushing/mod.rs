//! What the tests of pushed frames share: a small scan, its records, and a client.
#![allow(dead_code, reason = "each test crate uses a part")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use senescope_hal::{
    Board, ChannelInfo, ChannelMask, Clock, ReadEvent, StripFlags, StripPool, SystemClock,
    ingest::{IngestBoard, IngestConfig, IngestPort},
    wire::RecordHeader,
};

pub(crate) const WIDTH: u32 = 5;
pub(crate) const HEIGHT: u32 = 7;
pub(crate) const STRIP: u32 = 3;
pub(crate) const CHANNELS: usize = 3;
/// All channels.
pub(crate) const ALL: u32 = 0b111;
/// A free port of this machine.
pub(crate) const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Three channels of 12 bits. Nothing is given up in the time of a test.
pub(crate) fn config() -> IngestConfig {
    let channel = |name: &str| ChannelInfo::counts(name.into(), 12);
    IngestConfig {
        channels: ["SRS", "TPEF", "TRANS"].map(channel).to_vec(),
        width: WIDTH,
        height: HEIGHT,
        pixel_size_um: 0.5,
        dwell_ns: None,
        line_period_ns: None,
        strip_rows: STRIP,
        frame_timeout: Duration::from_secs(3600),
        frames_ahead: 4,
    }
}

/// A sample of a session, never at the digitiser's limit.
pub(crate) fn sample(boot: u64, frame: u32, row: u32, channel: u32, column: u32) -> u16 {
    let numbers = [boot as u32, frame, row, channel, column];
    let mixed = numbers.iter().fold(17_u32, |sum, number| {
        (sum ^ number).wrapping_mul(0x9e37_79b1).rotate_left(7)
    });
    (mixed >> 5) as u16 % 4095
}

/// Some rows of a frame.
pub(crate) fn header(boot: u64, frame: u32, rows: std::ops::Range<u32>, mask: u32) -> RecordHeader {
    RecordHeader {
        run: 1,
        boot,
        sequence: 0,
        frame,
        field: 0,
        first_row: rows.start as u16,
        rows: rows.len() as u16,
        width: WIDTH as u16,
        channels: ChannelMask(mask),
        bit_depth: 12,
        odd_rows_reversed: false,
        flags: StripFlags::default(),
        lost_rows: 0,
        line_period_ns: 0,
        ticks_first_row: 0,
    }
}

/// The record of `header` with the samples that belong to it.
pub(crate) fn record(header: &RecordHeader) -> Vec<u8> {
    let mut samples = Vec::new();
    for row in u32::from(header.first_row)..u32::from(header.first_row) + u32::from(header.rows) {
        for channel in (0..16).filter(|channel| header.channels.has(*channel as usize)) {
            let width = u32::from(header.width);
            let mut line: Vec<_> = (0..width)
                .map(|column| sample(header.boot, header.frame, row, channel, column))
                .collect();
            if header.odd_rows_reversed && row % 2 == 1 {
                line.reverse();
            }
            samples.extend(line);
        }
    }
    let mut bytes = Vec::new();
    header.write(&samples, &mut bytes).unwrap();
    bytes
}

/// A whole frame in one record.
pub(crate) fn frame(boot: u64, frame: u32) -> Vec<u8> {
    record(&header(boot, frame, 0..HEIGHT, ALL))
}

/// A board that runs.
pub(crate) fn running(config: IngestConfig) -> (IngestBoard, IngestPort) {
    let (mut board, port) = IngestBoard::new(config).unwrap();
    board.configure(&Default::default()).unwrap();
    board.arm().unwrap();
    board.start().unwrap();
    (board, port)
}

/// What is there to be read, waiting at most for `patience`.
pub(crate) fn event(board: &mut dyn Board, patience: Duration) -> ReadEvent {
    let pool = StripPool::new(1, 3 * CHANNELS * (WIDTH * HEIGHT) as usize);
    let deadline = SystemClock.now().after(patience);
    board.read(pool.take().unwrap(), deadline).unwrap()
}

/// A pusher over TCP.
pub(crate) struct Client {
    pub(crate) stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let patience = Some(Duration::from_secs(30));
        stream.set_read_timeout(patience).unwrap();
        stream.set_write_timeout(patience).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// The next line; empty when the connection is closed.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line
    }

    pub(crate) fn ask(&mut self, bytes: &[u8]) -> String {
        self.send(bytes).unwrap();
        self.line()
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
        rest
    }
}
