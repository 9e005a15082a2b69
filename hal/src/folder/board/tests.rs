//! What cannot be seen from outside: a directory that gives no events, as on a share.

use std::{fs, path::PathBuf, time::Duration};

use super::*;
use crate::StripPool;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
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
