//! Not one byte is wrong.

use senescope_hal::{ReadEvent, RunSummary, ScanRequest};

use crate::support::{Emulator, Truth};

const FRAMES: u64 = 200;
const EDGE: u32 = 512;

#[test]
fn two_hundred_frames_come_over_a_pseudo_terminal_as_they_were_scanned() {
    let board = Emulator::on_pty(&["--speed", "max"]);
    let mut session = board.session();
    let request = ScanRequest {
        width: Some(EDGE),
        height: Some(EDGE),
        strip_rows: Some(21),
        frames: Some(FRAMES),
        ..ScanRequest::default()
    };
    let actual = session.configure(&request).unwrap();
    let truth = Truth::of(&actual);
    session.arm().unwrap();
    session.start().unwrap();
    loop {
        match session
            .read(session.now().after(std::time::Duration::from_secs(60)))
            .unwrap()
        {
            ReadEvent::Strip(strip) => {
                let (frame, row) = (strip.header.frame, strip.header.first_row);
                assert!(
                    *strip.samples == *truth.samples(&strip.header),
                    "frame {frame}, row {row}"
                );
            }
            ReadEvent::EndOfRun => break,
            other => panic!("{other:?}"),
        }
    }
    let rows = FRAMES * u64::from(EDGE);
    let expected = RunSummary {
        frames: FRAMES,
        rows_scanned: rows,
        rows_delivered: rows,
        rows_lost: 0,
    };
    assert_eq!(session.disarm().unwrap(), expected);
    let repaired: Vec<_> = session
        .counters()
        .into_iter()
        .filter(|(name, count)| *count > 0 && !matches!(*name, "strips" | "bytes"))
        .collect();
    assert_eq!(repaired, []);
}
