//! A correction equals its formula, and none leaves the counts alone.

use senescope_hal::{
    ChannelInfo, ChannelName, HostInstant, Pacing, RunId, Strip, StripBuffer, StripFlags,
    StripHeader,
};

use super::*;
use crate::stages::assemble::Assembler;

const COUNTS: [u16; 4] = [0, 100, 2000, 4095];

fn scan() -> ScanActual {
    let mut channel = ChannelInfo::counts(ChannelName::srs(), 12);
    channel.dark_counts = Some(100.0);
    ScanActual {
        width: 4,
        height: 1,
        pixel_size_um: 0.2,
        dwell_ns: None,
        line_period_ns: None,
        bidirectional: false,
        strip_rows: 1,
        channels: vec![channel, ChannelInfo::counts(ChannelName::tpef(), 12)],
        clock_hz: 1,
        frames: None,
        pacing: Pacing::Live,
    }
}

/// One row of the first channel only.
fn strip() -> Strip {
    let mut samples = StripBuffer::detached(4);
    samples.resize(4).unwrap().copy_from_slice(&COUNTS);
    Strip {
        header: StripHeader {
            run: RunId::from_bits(1),
            boot: 0,
            frame: 7,
            field: 2,
            source: None,
            sequence: 0,
            first_row: 0,
            rows: 1,
            width: 4,
            channels: ChannelMask(1),
            bit_depth: 12,
            odd_rows_reversed: false,
            ticks_first_row: 0,
            line_period_ns: None,
            received: HostInstant(0),
            lost_rows: 0,
            flags: StripFlags::default(),
        },
        samples,
    }
}

fn through(mut corrector: Corrector, look: impl FnOnce(CorrectedRow<'_>)) {
    let mut look = Some(look);
    Assembler::new(&scan()).push(&strip(), |row| {
        (look.take().unwrap())(corrector.apply(row));
    });
    assert!(look.is_none());
}

#[test]
fn without_a_flat_field_the_counts_stay() {
    through(Corrector::new(&scan()), |row| {
        assert_eq!((row.frame, row.field, row.index), (7, 2, 0));
        assert_eq!(row.values[..4], COUNTS.map(f32::from));
        assert_eq!(row.values[4..], [0.0; 4]);
        assert_eq!(row.saturated[..4], [false, false, false, true]);
        assert_eq!(row.saturated_counts, [1, 0]);
        assert_eq!(row.present, ChannelMask(1));
    });
}

#[test]
fn the_gain_acts_on_what_lies_above_the_dark_counts() {
    let gains = vec![0.5, 0.5, 2.0, 1.0];
    let plane = Array2::from_shape_vec((1, 4), gains.clone()).unwrap();
    for flat in [FlatField::Row(gains), FlatField::Plane(plane)] {
        let corrector = Corrector::with_flat_fields(&scan(), [flat]).unwrap();
        assert_eq!(corrector.sample(0, 0, 2, 2000), 1050.0);
        assert_eq!(corrector.sample(1, 0, 2, 2000), 2000.0);
        through(corrector, |row| {
            assert_eq!(row.values[..4], [-100.0, 100.0, 1050.0, 4095.0]);
        });
    }
}

#[test]
fn a_flat_field_that_does_not_fit_is_refused_by_name() {
    let error = Corrector::with_flat_fields(&scan(), [FlatField::Row(vec![1.0; 3])]).unwrap_err();
    assert!(error.to_string().contains("SRS"), "{error}");
    for gain in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let flat = FlatField::Row(vec![1.0, gain, 1.0, 1.0]);
        let error = Corrector::with_flat_fields(&scan(), [FlatField::None, flat]).unwrap_err();
        assert!(matches!(error, CorrectError::Gain { ref channel, .. } if channel == "TPEF"));
    }
}
