//! What the tests of the replay share.
#![allow(dead_code, reason = "each test crate uses a part")]

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use senescope_hal::{
    Gap, ReadEvent, RunSummary, ScanRequest, Session, SystemClock,
    replay::{ReplayBoard, ReplayRequest, ReplaySource, ReplaySpeed},
};

/// The files that tifffile wrote.
pub(crate) fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The public recordings beside the checkout, when they are there.
pub(crate) fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    if root.is_dir() {
        return Some(root);
    }
    println!(
        "skipped: the public recordings are not at {}",
        root.display()
    );
    None
}

/// A golden file with a pixel size.
pub(crate) fn replay(name: &str) -> ReplaySource {
    let request = ReplayRequest {
        paths: vec![golden().join(name)],
        pixel_size_um: Some(0.5),
        ..ReplayRequest::default()
    };
    ReplaySource::open(&request).unwrap()
}

/// Everything that a run gave.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Recording {
    /// Counts by frame and channel; rows that did not come are zero.
    pub(crate) frames: Vec<Vec<Vec<u16>>>,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) summary: RunSummary,
    pub(crate) strips: u64,
}

impl Recording {
    fn reach(&mut self, frame: usize, blank: &[Vec<u16>]) {
        while self.frames.len() <= frame {
            self.frames.push(blank.to_vec());
        }
    }
}

pub(crate) fn play(source: ReplaySource) -> Recording {
    play_with(
        source,
        &ScanRequest {
            strip_rows: Some(5),
            ..ScanRequest::default()
        },
    )
}

pub(crate) fn play_with(source: ReplaySource, want: &ScanRequest) -> Recording {
    let board = ReplayBoard::new(source, ReplaySpeed::Max).unwrap();
    let mut session = Session::new(Box::new(board), Arc::new(SystemClock), 64 << 20);
    let actual = session.configure(want).unwrap();
    session.arm().unwrap();
    session.start().unwrap();
    let plane = vec![0; actual.width as usize * actual.height as usize];
    let blank = vec![plane; actual.channels.len()];
    let mut recording = Recording::default();
    loop {
        let frame = match session
            .read(session.now().after(Duration::from_secs(60)))
            .unwrap()
        {
            ReadEvent::Strip(strip) => {
                let index = strip.header.frame as usize;
                recording.reach(index, &blank);
                for row in 0..strip.header.rows {
                    let start = ((strip.header.first_row + row) * actual.width) as usize;
                    for (channel, plane) in recording.frames[index].iter_mut().enumerate() {
                        let counts = strip.row(row, channel).unwrap();
                        plane[start..start + counts.len()].copy_from_slice(counts);
                    }
                }
                assert_eq!(strip.header.sequence, recording.strips);
                recording.strips += 1;
                index
            }
            ReadEvent::Gap(gap) => {
                recording.gaps.push(gap.clone());
                gap.frame as usize
            }
            ReadEvent::Idle => continue,
            ReadEvent::EndOfRun => break,
        };
        recording.reach(frame, &blank);
    }
    recording.summary = session.disarm().unwrap();
    recording
}
