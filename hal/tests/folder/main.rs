//! A watched folder gives every frame of every file, whatever way the files come.
//!
//! Frames are told apart by their first sample. Times are short where a test waits for them to pass, and long
//! where it must not fail on a machine that does other work.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod arriving;
mod kill;
mod scan_image;
mod scans;
mod sets;
mod tiff;

use std::{path::Path, sync::Arc, time::Duration};

use senescope_hal::{
    FrameSource, HostInstant, ReadEvent, ScanActual, ScanRequest, Session, SystemClock,
    folder::{FolderBoard, FolderConfig},
};

/// How long a frame is waited for that must come.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long is waited for a frame that must not come: many times the time to settle.
const LULL: Duration = Duration::from_millis(400);

/// A configuration that finds files quickly.
fn config(folder: &Path) -> FolderConfig {
    FolderConfig {
        pixel_size_um: Some(0.5),
        settle: Duration::from_millis(40),
        poll: Duration::from_millis(20),
        give_up: Duration::from_millis(200),
        first_file: Some(PATIENCE),
        ..FolderConfig::new(folder)
    }
}

/// A frame as it was read.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    frame: u64,
    /// The first sample of each channel.
    firsts: Vec<u16>,
    source: Arc<FrameSource>,
}

/// A running session on a watched folder.
struct Reader {
    session: Session,
    actual: ScanActual,
}

impl Reader {
    fn start(config: FolderConfig) -> Self {
        Self::with(config, &ScanRequest::default())
    }

    fn with(config: FolderConfig, want: &ScanRequest) -> Self {
        let board = FolderBoard::new(config).unwrap();
        let mut session = Session::new(Box::new(board), Arc::new(SystemClock), 64 << 20);
        let actual = session.configure(want).unwrap();
        session.arm().unwrap();
        session.start().unwrap();
        Self { session, actual }
    }

    /// The next frame, whole, if it comes within `span`; `None` also at the end of the run.
    fn within(&mut self, span: Duration) -> Option<Seen> {
        let deadline = self.session.now().after(span);
        self.until(deadline)
    }

    fn until(&mut self, deadline: HostInstant) -> Option<Seen> {
        let mut firsts = Vec::new();
        loop {
            match self.session.read(deadline).unwrap() {
                ReadEvent::Strip(strip) => {
                    let header = &strip.header;
                    if header.first_row == 0 {
                        let channels = 0..self.actual.channels.len();
                        firsts = channels.map(|at| strip.row(0, at).unwrap()[0]).collect();
                    }
                    if header.flags.last_of_frame {
                        let source = header.source.clone().unwrap();
                        return Some(Seen {
                            frame: header.frame,
                            firsts,
                            source,
                        });
                    }
                }
                ReadEvent::Idle if self.session.now() >= deadline && firsts.is_empty() => {
                    return None;
                }
                ReadEvent::Idle => {}
                ReadEvent::EndOfRun => return None,
                ReadEvent::Gap(gap) => panic!("{gap:?}"),
            }
        }
    }

    /// The next frame, which must come, and is acknowledged.
    fn take(&mut self) -> Seen {
        let seen = self.within(PATIENCE).expect("a frame");
        self.session.acknowledge(seen.frame).unwrap();
        seen
    }

    /// The first sample of the first channel of the next `count` frames.
    fn take_ids(&mut self, count: usize) -> Vec<u16> {
        (0..count).map(|_| self.take().firsts[0]).collect()
    }

    /// Nothing comes.
    fn rests(&mut self) {
        let seen = self.within(LULL);
        assert!(seen.is_none(), "{seen:?}");
    }

    fn count(&self, name: &str) -> u64 {
        self.session.counters()[name]
    }

    /// Waits until `name` was counted `count` times.
    fn wait_for(&mut self, name: &str, count: u64) {
        let deadline = self.session.now().after(PATIENCE);
        while self.count(name) < count {
            assert!(
                self.session.now() < deadline,
                "{name}: {}",
                self.count(name)
            );
            let seen = self.within(Duration::from_millis(20));
            assert!(seen.is_none(), "{seen:?}");
        }
        assert_eq!(self.count(name), count, "{name}");
    }
}

/// Lets time pass.
fn pause(span: Duration) {
    let (_keep, never) = crossbeam_channel::bounded::<()>(1);
    let _ = never.recv_timeout(span);
}

/// A source of seeded draws: splitmix64.
struct Draws(u64);

impl Draws {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) % end
    }
}
