//! Boards that do not keep to the protocol, each a thread on a TCP port or a pseudo-terminal of the test.
#![allow(dead_code, reason = "each test crate uses a part")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use senescope_hal::{
    ChannelMask, Pacing, StripFlags,
    wire::{
        ActualForm, BlockHeader, CapabilityForm, ChannelForm, LinkForm, LinkKind, RecordHeader,
    },
};

pub(crate) const WIDTH: u32 = 16;
pub(crate) const HEIGHT: u32 = 12;
pub(crate) const STRIP: u32 = 5;
pub(crate) const FRAMES: u64 = 3;
pub(crate) const BOOT: u64 = 77;
/// Strips in a frame, the last of which is lower.
const STRIPS: u64 = (HEIGHT as u64).div_ceil(STRIP as u64);
/// Longest time that a peer waits for its host before it looks whether the test is over.
const LOOK: Duration = Duration::from_millis(50);

/// Numbers that repeat themselves, as they come from `seed`.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// A peer on a TCP port, until it is dropped.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// Each host that connects, one after the other, is served by `serve` until that returns.
    pub(crate) fn new(mut serve: impl FnMut(TcpStream, &AtomicBool) + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(LOOK)).unwrap();
                stream.set_write_timeout(Some(LOOK)).unwrap();
                serve(stream, &ends);
            }
        });
        Self {
            address,
            over,
            thread: Some(thread),
        }
    }

    /// A board that gives `reply` for each line, or nothing.
    pub(crate) fn answering(
        mut reply: impl FnMut(&str) -> Option<Vec<u8>> + Send + 'static,
    ) -> Self {
        Self::new(move |stream, over| {
            let mut lines = BufReader::new(stream);
            let mut line = String::new();
            while !over.load(Ordering::Relaxed) {
                match lines.read_line(&mut line) {
                    Ok(0) => return,
                    Ok(_) => {
                        let answer = reply(line.trim()).unwrap_or_default();
                        if lines.get_mut().write_all(&answer).is_err() {
                            return;
                        }
                        line.clear();
                    }
                    Err(error) if is_wait(&error) => {}
                    Err(_) => return,
                }
            }
        })
    }

    /// A good board but for what `spoil` makes of its answers.
    pub(crate) fn spoilt(mut spoil: impl FnMut(&str, Vec<u8>) -> Vec<u8> + Send + 'static) -> Self {
        let mut board = GoodBoard::default();
        Self::answering(move |line| {
            let good = board.answer(line);
            if line.ends_with('?') || line.contains("? ") {
                Some(spoil(line, good))
            } else {
                None
            }
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the accept.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

pub(crate) fn is_wait(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

/// Sends what `next` gives until the host has gone or the test is over; reads and forgets what comes.
pub(crate) fn flood(mut stream: TcpStream, over: &AtomicBool, mut next: impl FnMut() -> Vec<u8>) {
    let mut thrown = [0; 4096];
    stream
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    while !over.load(Ordering::Relaxed) {
        match stream.write(&next()) {
            Err(error) if !is_wait(&error) => return,
            _ => {}
        }
        match stream.read(&mut thrown) {
            Ok(0) => return,
            Err(error) if !is_wait(&error) => return,
            _ => {}
        }
    }
}

/// `bytes` as a reply: a block and a newline.
pub(crate) fn block(bytes: &[u8]) -> Vec<u8> {
    let mut reply = Vec::new();
    BlockHeader::write(bytes.len(), &mut reply);
    reply.extend(bytes);
    reply.push(b'\n');
    reply
}

pub(crate) fn capability() -> CapabilityForm {
    let channel = |name: &str| ChannelForm {
        name: name.to_owned(),
        bit_depth: 12,
        dark_counts: None,
        wavelength_nm: None,
    };
    CapabilityForm {
        channels: vec![channel("SRS"), channel("TPEF")],
        width: [1, 512],
        height: [1, 512],
        dwell_ns: [100, 1_000_000],
        strip_rows: [1, 64],
        pixel_nm: None,
        bidirectional: true,
        clock_hz: 1_000_000,
        ring_strips: 16,
        pacing: Pacing::Live,
        link: LinkForm {
            kind: LinkKind::Tcp,
            bytes_per_s: 1 << 30,
        },
    }
}

pub(crate) fn actual() -> ActualForm {
    ActualForm {
        width: WIDTH,
        height: HEIGHT,
        dwell_ns: 1000,
        line_ns: 20_000,
        strip_rows: STRIP,
        bidirectional: false,
        channels: 0b11,
        frames: FRAMES,
        pixel_nm: Some(200),
    }
}

/// Strip `sequence` of run `run`.
pub(crate) fn header(run: u32, sequence: u64) -> RecordHeader {
    let (frame, strip) = (sequence / STRIPS, (sequence % STRIPS) as u32);
    RecordHeader {
        run,
        boot: BOOT,
        sequence,
        frame: frame as u32,
        field: 0,
        first_row: (strip * STRIP) as u16,
        rows: STRIP.min(HEIGHT - strip * STRIP) as u16,
        width: WIDTH as u16,
        channels: ChannelMask(0b11),
        bit_depth: 12,
        odd_rows_reversed: false,
        flags: StripFlags::default(),
        lost_rows: 0,
        line_period_ns: 20_000,
        ticks_first_row: sequence,
    }
}

/// The record of `header`, with a reply's frame around it.
pub(crate) fn record(header: &RecordHeader) -> Vec<u8> {
    let mut bytes = Vec::new();
    let samples = vec![header.sequence as u16 & 0xfff; header.payload() / 2];
    header.write(&samples, &mut bytes).unwrap();
    block(&bytes)
}

/// A board that keeps to the protocol, and has scanned everything as soon as it begins.
#[derive(Default)]
pub(crate) struct GoodBoard {
    run: u32,
    on: bool,
    asked: u64,
}

impl GoodBoard {
    pub(crate) fn answer(&mut self, line: &str) -> Vec<u8> {
        let strips = FRAMES * STRIPS;
        self.asked += 1;
        let text = if let Some(number) = line.strip_prefix("FETC:STR? ") {
            return match number.parse() {
                Ok(sequence) if self.on && sequence < strips => record(&header(self.run, sequence)),
                _ => b"#10\n".to_vec(),
            };
        } else {
            match line {
                "*IDN?" => "tests,hostile,1,0".to_owned(),
                "SYST:PROT?" | "*OPC?" => "1".to_owned(),
                "SYST:BOOT?" => BOOT.to_string(),
                "SYST:ERR?" => "0,\"No error\"".to_owned(),
                "SYST:CAP?" => return block(&serde_json::to_vec(&capability()).unwrap()),
                "SCAN:ACT?" => return block(&serde_json::to_vec(&actual()).unwrap()),
                "ACQ:STAT?" => {
                    let (next, rows) = if self.on {
                        (strips, FRAMES * u64::from(HEIGHT))
                    } else {
                        (0, 0)
                    };
                    format!("IDLE,{},{next},0,{rows},0,0,{}", self.run, self.asked)
                }
                "INIT" => {
                    self.run += 1;
                    self.on = true;
                    return Vec::new();
                }
                _ => return Vec::new(),
            }
        };
        (text + "\n").into_bytes()
    }
}
