//! What cannot be seen from outside: a directory that gives no events, as on a share.

use std::{fs, path::PathBuf, time::Duration};

use super::*;
use crate::StripPool;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// Reads until a frame is whole or `span` is over, and acknowledges it.
fn next_frame(board: &mut FolderBoard, pool: &StripPool, span: Duration) -> Option<u64> {
    let deadline = SystemClock.now().after(span);
    while SystemClock.now() < deadline {
        let buffer = pool.take().unwrap();
        if let ReadEvent::Strip(strip) = board.read(buffer, deadline).unwrap()
            && strip.header.flags.last_of_frame
        {
            board.acknowledge(strip.header.frame).unwrap();
            return Some(strip.header.frame);
        }
    }
    None
}

/// The last file of a set waits by itself too until it was looked into; that must not bring the set again when all of
/// it was used meanwhile.
#[test]
fn the_last_file_of_a_set_does_not_bring_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str| fs::copy(golden(name), folder.path().join(name)).unwrap();
    put("ome-tczyx.ome.tif");
    let config = FolderConfig {
        settle: Duration::from_millis(20),
        poll: Duration::from_secs(1),
        give_up: Duration::from_secs(60),
        pixel_size_um: Some(0.5),
        ..FolderConfig::new(folder.path())
    };
    let mut board = FolderBoard::watching(config, |_| Events::none()).unwrap();
    let actual = board.configure(&ScanRequest::default()).unwrap();
    board.arm().unwrap();
    board.start().unwrap();
    let pool = StripPool::new(3, actual.strip_samples());
    let patience = Duration::from_secs(60);
    for frame in 0..4 {
        assert_eq!(next_frame(&mut board, &pool, patience), Some(frame));
    }
    put("set-SRS.ome.tif");
    put("set-TPEF.ome.tif");
    assert_eq!(
        next_frame(&mut board, &pool, Duration::from_millis(1_500)),
        None
    );
    put("set-TRANS.ome.tif");
    let mut frames = 4;
    while next_frame(&mut board, &pool, Duration::from_secs(3)) == Some(frames) {
        frames += 1;
    }
    assert_eq!(board.counters()["files_taken"], 4, "{frames} frames");
}

#[test]
fn without_events_files_are_found_by_looking() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str| fs::copy(golden("ome-tczyx.ome.tif"), folder.path().join(name)).unwrap();
    put("a.ome.tif");
    let config = FolderConfig {
        settle: Duration::from_millis(20),
        poll: Duration::from_millis(20),
        ..FolderConfig::new(folder.path())
    };
    let mut board = FolderBoard::watching(config, |_| Events::none()).unwrap();
    let actual = board.configure(&ScanRequest::default()).unwrap();
    board.arm().unwrap();
    board.start().unwrap();
    let pool = StripPool::new(3, actual.strip_samples());
    let deadline = SystemClock.now().after(Duration::from_secs(60));
    let mut frames = 0;
    while frames < 8 {
        if let ReadEvent::Strip(strip) = board.read(pool.take().unwrap(), deadline).unwrap() {
            frames += u64::from(strip.header.flags.last_of_frame);
            if frames == 4 && strip.header.frame == 3 {
                put("b.ome.tif");
            }
        }
        assert!(SystemClock.now() < deadline, "{frames} frames");
    }
    assert_eq!(board.counters()["files_taken"], 2);
}
