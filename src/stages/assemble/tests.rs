//! Laws of assembling: order, conservation, independence from the cut.

use proptest::prelude::*;
use senescope_hal::{
    ChannelInfo, ChannelMask, ChannelName, Gap, GapCause, HostInstant, Pacing, RunId, ScanActual,
    Strip, StripBuffer, StripFlags, StripHeader,
};

use super::*;

const WIDTH: u32 = 3;
const HEIGHT: u32 = 11;
const CHANNELS: usize = 2;

fn scan() -> ScanActual {
    ScanActual {
        width: WIDTH,
        height: HEIGHT,
        pixel_size_um: 0.2,
        dwell_ns: None,
        line_period_ns: None,
        bidirectional: true,
        strip_rows: HEIGHT,
        channels: vec![
            ChannelInfo::counts(ChannelName::srs(), 16),
            ChannelInfo::counts(ChannelName::tpef(), 16),
        ],
        clock_hz: 1,
        frames: None,
        pacing: Pacing::Live,
    }
}

/// The sample that the scene has at a place.
fn sample(frame: u64, row: u32, channel: usize, column: u32) -> u16 {
    u16::try_from(1 + frame as u32 * 1000 + row * 20 + channel as u32 * 10 + column).unwrap()
}

fn strip(frame: u64, first_row: u32, rows: u32, mask: ChannelMask, reversed: bool) -> Strip {
    let channels: Vec<usize> = (0..CHANNELS).filter(|c| mask.has(*c)).collect();
    let mut samples = StripBuffer::detached(rows as usize * channels.len() * WIDTH as usize);
    let values = (first_row..first_row + rows).flat_map(|row| {
        channels.iter().flat_map(move |channel| {
            (0..WIDTH).map(move |column| {
                let flip = reversed && row % 2 == 1;
                let column = if flip { WIDTH - 1 - column } else { column };
                sample(frame, row, *channel, column)
            })
        })
    });
    let length = rows as usize * channels.len() * WIDTH as usize;
    samples
        .resize(length)
        .unwrap()
        .iter_mut()
        .zip(values)
        .for_each(|(to, from)| *to = from);
    Strip {
        header: StripHeader {
            run: RunId::from_bits(1),
            boot: 0,
            frame,
            field: 0,
            source: None,
            sequence: 0,
            first_row,
            rows,
            width: WIDTH,
            channels: mask,
            bit_depth: 16,
            odd_rows_reversed: reversed,
            ticks_first_row: 0,
            line_period_ns: None,
            received: HostInstant(0),
            lost_rows: 0,
            flags: StripFlags::default(),
        },
        samples,
    }
}

fn gap(frame: u64, first_row: u32, rows: u32) -> Gap {
    Gap {
        frame,
        field: 0,
        first_row,
        rows,
        cause: GapCause::Link,
    }
}

type Seen = (u64, u32, Vec<Option<Vec<u16>>>);

fn record(seen: &mut Vec<Seen>) -> impl FnMut(FrameRow<'_>) + '_ {
    |row| {
        let channels = (0..CHANNELS)
            .map(|channel| row.channel(channel).map(<[u16]>::to_vec))
            .collect();
        seen.push((row.frame().frame(), row.index(), channels));
    }
}

fn expected(frame: u64, row: u32, present: bool) -> Seen {
    let channels = (0..CHANNELS)
        .map(|channel| {
            present.then(|| (0..WIDTH).map(|x| sample(frame, row, channel, x)).collect())
        })
        .collect();
    (frame, row, channels)
}

proptest! {
    #[test]
    fn any_cut_of_a_lossy_run_gives_the_same_rows(
        lost in proptest::collection::vec(any::<bool>(), 3 * HEIGHT as usize),
        told in proptest::collection::vec(any::<bool>(), 3 * HEIGHT as usize),
        cuts in proptest::collection::vec(1_u32..=HEIGHT, 64),
        reversed in any::<bool>(),
    ) {
        let mut assembler = Assembler::new(&scan());
        let mut seen = Vec::new();
        let mut cuts = cuts.into_iter().cycle();
        let all = ChannelMask::all(CHANNELS);
        let mut heard = [false; 3];
        for frame in 0..3_u64 {
            let at = |row: u32| (frame as u32 * HEIGHT + row) as usize;
            let mut row = 0;
            while row < HEIGHT {
                let limit = cuts.next().unwrap();
                let run = (row..HEIGHT).take(limit as usize).take_while(|r| lost[at(*r)] == lost[at(row)]).count() as u32;
                if !lost[at(row)] {
                    assembler.push(&strip(frame, row, run, all, reversed), record(&mut seen));
                    heard[frame as usize] = true;
                } else if told[at(row)] {
                    assembler.gap(&gap(frame, row, run), record(&mut seen));
                    heard[frame as usize] = true;
                }
                row += run;
            }
        }
        assembler.finish(record(&mut seen));
        let want: Vec<Seen> = (0..3_u64)
            .filter(|frame| heard[*frame as usize])
            .flat_map(|frame| (0..HEIGHT).map(move |row| (frame, row)))
            .map(|(frame, row)| expected(frame, row, !lost[(frame as u32 * HEIGHT + row) as usize]))
            .collect();
        prop_assert_eq!(&seen, &want);
        let totals = assembler.totals();
        prop_assert_eq!(totals.offered, totals.delivered + totals.discarded);
        prop_assert_eq!(totals.delivered + totals.missing, totals.frames * u64::from(HEIGHT));
    }
}

#[test]
fn what_comes_twice_late_or_misshapen_is_counted_and_dropped() {
    let mut assembler = Assembler::new(&scan());
    let mut seen = Vec::new();
    let all = ChannelMask::all(CHANNELS);
    assembler.push(&strip(1, 0, 4, all, false), record(&mut seen));
    assembler.push(&strip(1, 2, 3, all, false), record(&mut seen));
    assembler.push(&strip(0, 0, 2, all, false), record(&mut seen));
    let mut narrow = strip(1, 5, 1, all, false);
    narrow.header.width = WIDTH - 1;
    assembler.push(&narrow, record(&mut seen));
    let mut short = strip(1, 5, 1, all, false);
    short.samples.resize(1).unwrap();
    assembler.push(&short, record(&mut seen));
    let mut beyond = strip(1, HEIGHT - 1, 2, all, false);
    beyond.header.first_row = u32::MAX - 1;
    assembler.push(&beyond, record(&mut seen));
    assembler.finish(record(&mut seen));
    let want: Vec<Seen> = (0..HEIGHT).map(|row| expected(1, row, row < 5)).collect();
    assert_eq!(seen, want);
    assert_eq!(
        assembler.totals(),
        RowTotals {
            offered: 13,
            delivered: 5,
            missing: u64::from(HEIGHT) - 5,
            discarded: 8,
            frames: 1
        }
    );
}

#[test]
fn a_channel_that_a_strip_lacks_is_missing_in_its_rows_only() {
    let mut assembler = Assembler::new(&scan());
    let mut seen = Vec::new();
    assembler.push(&strip(0, 0, 1, ChannelMask(0b10), false), record(&mut seen));
    assembler.push(&strip(0, 1, 1, ChannelMask(0b11), false), record(&mut seen));
    assert_eq!(seen[0].2[0], None);
    assert_eq!(seen[0].2[1], expected(0, 0, true).2[1]);
    assert_eq!(seen[1], expected(0, 1, true));
    assert!(!assembler.frame().is_whole(0));
    assert!(assembler.frame().is_whole(1));
}

#[test]
fn a_new_frame_leaves_nothing_of_the_old_one() {
    let mut assembler = Assembler::new(&scan());
    let all = ChannelMask::all(CHANNELS);
    assembler.push(&strip(0, 0, HEIGHT, all, false), |_| {});
    assembler.push(&strip(1, 0, 1, all, false), |_| {});
    assert_eq!(assembler.frame().frame(), 1);
    assert_eq!(assembler.frame().row(0, 1), None);
    let plane = assembler.frame().channel(0).unwrap();
    assert!(plane.iter().skip(WIDTH as usize).all(|sample| *sample == 0));
}
