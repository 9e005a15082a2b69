//! The Python client of `deploy/client` pushes into a board over TCP.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must say where"
)]

mod pushing;
mod python;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use pushing::{ANY, config};
use python::python;
use senescope_hal::{
    ReadEvent, ScanRequest, Session, SystemClock,
    ingest::{IngestBoard, IngestConfig, IngestListener},
};

const WIDTH: u32 = 300;
const HEIGHT: u32 = 217;
const FRAMES: u32 = 6;

/// Frames channel by channel, of both containers, and a restart of the script between them.
const SCRIPT: &str = r#"
import sys
import numpy
from senescope import IngestError, Pusher
from senescope.adapters.generator import push_all

def image(frame, channel, scan):
    rows, columns = numpy.mgrid[: scan.height, : scan.width]
    return (frame * 1009 + channel * 337 + rows * 13 + columns) % 4095

address, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with Pusher(address, timeout_s=30) as pusher:
    scan = pusher.scan()
    names = [channel.name for channel in scan.channels]
    assert names == ["SRS", "TPEF", "TRANS"] and scan.running, scan
    def images(frame):
        counts = {name: image(frame, at, scan).astype("u2") for at, name in enumerate(names)}
        counts["TRANS"] = (counts["TRANS"] % 256).astype("u1")
        return counts
    # The numbers of the script are its own.
    middle = (first + last) // 2
    push_all(pusher, (images(frame) for frame in range(first, middle)), first=100)
    for frame in range(middle, last):
        for name, counts in images(frame).items():
            pusher.push(1000 + 7 * frame, {name: counts})
    try:
        pusher.push(0, {"TRANS": images(0)["TRANS"]})
        raise SystemExit("a frame from the past was taken")
    except IngestError as error:
        assert error.number in (-230, -200), error
"#;

fn client() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/client")
}

fn command(python: &Path) -> Command {
    let mut command = Command::new(python);
    command
        .env("PYTHONPATH", client().join("src"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn expected(frame: u32, channel: u32, row: u32, column: u32) -> u16 {
    let counts = (frame * 1009 + channel * 337 + row * 13 + column) % 4095;
    let counts = if channel == 2 { counts % 256 } else { counts };
    counts as u16
}

#[test]
fn frames_of_a_script_arrive_as_they_are() {
    let Some(python) = python() else { return };
    let (board, port) = IngestBoard::new(IngestConfig {
        width: WIDTH,
        height: HEIGHT,
        strip_rows: 16,
        frames_ahead: 2,
        ..config()
    })
    .unwrap();
    let listener = IngestListener::bind(ANY, port).unwrap();
    let mut session = Session::new(Box::new(board), Arc::new(SystemClock), 64 << 20);
    let want = ScanRequest {
        frames: Some(u64::from(FRAMES)),
        ..ScanRequest::default()
    };
    session.configure(&want).unwrap();
    session.arm().unwrap();
    session.start().unwrap();
    let address = listener.address().to_string();
    let half = FRAMES / 2;
    let mut scripts = [(0, half), (half, FRAMES)].map(|(first, last)| {
        command(&python)
            .args([
                "-c",
                SCRIPT,
                &address,
                &first.to_string(),
                &last.to_string(),
            ])
            .spawn()
            .unwrap()
    });
    // Both push at once: the one that comes second waits until the first has ended, and either may be the first.
    let mut begun = None;
    let (mut rows, mut frames) = (0, 0);
    loop {
        match session
            .read(session.now().after(Duration::from_secs(60)))
            .unwrap()
        {
            ReadEvent::Strip(strip) => {
                let header = &strip.header;
                let swapped = *begun
                    .get_or_insert_with(|| strip.row(0, 0).unwrap()[0] != expected(0, 0, 0, 0));
                let number = header.frame as u32;
                let number = if swapped {
                    (number + half) % FRAMES
                } else {
                    number
                };
                for row in 0..header.rows {
                    for channel in 0..3 {
                        let at = header.first_row + row;
                        let line: Vec<_> = (0..WIDTH)
                            .map(|column| expected(number, channel, at, column))
                            .collect();
                        assert_eq!(strip.row(row, channel as usize).unwrap(), line);
                    }
                }
                rows += header.rows;
                frames += u32::from(header.flags.last_of_frame);
            }
            ReadEvent::Gap(gap) => panic!("{gap:?}"),
            ReadEvent::Idle => panic!("the scripts push nothing"),
            ReadEvent::EndOfRun => break,
        }
    }
    assert_eq!((frames, rows), (FRAMES, FRAMES * HEIGHT));
    for script in &mut scripts {
        assert!(script.wait().unwrap().success());
    }
    assert!(session.counters()["frames_joined"] == u64::from(FRAMES));
}

#[test]
fn its_own_tests_pass() {
    let Some(python) = python() else { return };
    let tests = client().join("tests");
    let run = command(&python)
        .args(["-m", "unittest", "discover", "-s"])
        .arg(tests)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    assert!(said.contains("\nOK") && said.contains("Ran "), "{said}");
}
