//! The frame that is being scanned, as the page draws it: reduced, and always the freshest.

use std::sync::{Mutex, MutexGuard, PoisonError};

use senescope_hal::ScanActual;

use crate::{pipeline::Viewer, stages::assemble::FrameRow};

/// Longest edge of the picture, in its own pixels.
const LONGEST_EDGE: u32 = 1024;
/// Bytes in front of the samples of [`Rows::to_bytes`].
const HEADER_BYTES: usize = 20;

/// The picture of the present frame. Holds one frame only: who is slow misses rows, and the board never waits.
#[derive(Debug, Default)]
pub struct Canvas {
    picture: Mutex<Picture>,
}

#[derive(Debug, Default)]
struct Picture {
    /// Frames that were begun: a frame's index begins anew with each run.
    epoch: u64,
    frame: u64,
    field: u32,
    /// Samples of a row and rows, reduced.
    width: usize,
    height: usize,
    /// Edge of a reduced pixel in pixels.
    factor: u32,
    channels: usize,
    /// Reduced rows that are whole.
    rows: usize,
    /// Channel by channel, row by row.
    samples: Vec<u16>,
    /// Sums of the row that is not whole yet, channel by channel.
    sums: Vec<u32>,
    summed: u32,
}

/// How far somebody has seen the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    epoch: u64,
    rows: usize,
}

/// Rows that somebody has not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Index of the frame in the run.
    pub frame: u64,
    /// Field of view.
    pub field: u32,
    /// Samples of a row, reduced.
    pub width: usize,
    /// Rows of the frame, reduced.
    pub height: usize,
    /// Edge of a reduced pixel in pixels.
    pub factor: u32,
    /// The first of them.
    pub first_row: usize,
    /// How many.
    pub rows: usize,
    /// Counts: channel by channel, row by row.
    pub samples: Vec<u16>,
}

impl Canvas {
    /// At most `most` rows that were not `seen`, which is moved on; of the present frame only.
    pub fn rows(&self, seen: &mut Seen, most: usize) -> Option<Rows> {
        let picture = self.lock();
        if seen.epoch != picture.epoch {
            *seen = Seen {
                epoch: picture.epoch,
                rows: 0,
            };
        }
        let rows = picture.rows.saturating_sub(seen.rows).min(most);
        if rows == 0 {
            return None;
        }
        let mut samples = Vec::with_capacity(picture.channels * rows * picture.width);
        for plane in picture.planes() {
            let from = seen.rows * picture.width;
            samples.extend_from_slice(plane.get(from..from + rows * picture.width)?);
        }
        let first_row = seen.rows;
        seen.rows += rows;
        Some(Rows {
            frame: picture.frame,
            field: picture.field,
            width: picture.width,
            height: picture.height,
            factor: picture.factor,
            first_row,
            rows,
            samples,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Picture> {
        // A torn row would be drawn over by the next frame.
        self.picture.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Viewer for Canvas {
    fn row(&self, scan: &ScanActual, row: FrameRow<'_>) {
        let mut picture = self.lock();
        if row.index() == 0 {
            picture.begin(scan, row);
        }
        picture.add(row);
    }
}

impl Picture {
    fn begin(&mut self, scan: &ScanActual, row: FrameRow<'_>) {
        let factor = scan.width.max(scan.height).div_ceil(LONGEST_EDGE).max(1);
        self.epoch += 1;
        self.frame = row.frame().frame();
        self.field = row.frame().field();
        self.factor = factor;
        self.width = (scan.width / factor) as usize;
        self.height = (scan.height / factor) as usize;
        self.channels = scan.channels.len();
        self.rows = 0;
        self.summed = 0;
        self.samples
            .resize(self.channels * self.width * self.height, 0);
        self.sums.clear();
        self.sums.resize(self.channels * self.width, 0);
    }

    fn add(&mut self, row: FrameRow<'_>) {
        if self.rows >= self.height {
            return;
        }
        let (width, factor) = (self.width, self.factor as usize);
        for (channel, sums) in self.sums.chunks_exact_mut(width.max(1)).enumerate() {
            // What is missing stays dark.
            let Some(counts) = row.channel(channel) else {
                continue;
            };
            for (sum, counts) in sums.iter_mut().zip(counts.chunks_exact(factor)) {
                *sum += counts.iter().map(|count| u32::from(*count)).sum::<u32>();
            }
        }
        self.summed += 1;
        if self.summed < self.factor {
            return;
        }
        let area = self.factor * self.factor;
        let at = self.rows * width;
        let plane = width * self.height;
        for (channel, sums) in self.sums.chunks_exact_mut(width.max(1)).enumerate() {
            let from = channel * plane + at;
            if let Some(row) = self.samples.get_mut(from..from + width) {
                for (sample, sum) in row.iter_mut().zip(sums) {
                    *sample = u16::try_from(*sum / area).unwrap_or(u16::MAX);
                    *sum = 0;
                }
            }
        }
        self.summed = 0;
        self.rows += 1;
    }

    fn planes(&self) -> impl Iterator<Item = &[u16]> {
        self.samples
            .chunks_exact((self.width * self.height).max(1))
            .take(self.channels)
    }
}

impl Rows {
    /// As the page reads it: `u8` 1, `u8` channels, `u16` width, height, first row, rows and factor, `u32` frame and
    /// field, then the samples as `u16`, channel by channel; little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let short = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        let channels = self.samples.len() / (self.rows * self.width).max(1);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + 2 * self.samples.len());
        bytes.extend([1, u8::try_from(channels).unwrap_or(u8::MAX)]);
        let factor = usize::try_from(self.factor).unwrap_or(usize::MAX);
        for number in [self.width, self.height, self.first_row, self.rows, factor] {
            bytes.extend(short(number).to_le_bytes());
        }
        let frame = u32::try_from(self.frame).unwrap_or(u32::MAX);
        bytes.extend(frame.to_le_bytes());
        bytes.extend(self.field.to_le_bytes());
        bytes.extend(self.samples.iter().flat_map(|sample| sample.to_le_bytes()));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use senescope_hal::{
        ChannelInfo, ChannelMask, ChannelName, HostInstant, Pacing, RunId, Strip, StripBuffer,
        StripFlags, StripHeader,
    };

    use super::*;
    use crate::stages::assemble::Assembler;

    fn scan(edge: u32) -> ScanActual {
        ScanActual {
            width: edge,
            height: edge,
            pixel_size_um: 0.2,
            dwell_ns: None,
            line_period_ns: None,
            bidirectional: false,
            strip_rows: 1,
            channels: [ChannelName::srs(), ChannelName::tpef()]
                .map(|name| ChannelInfo::counts(name, 16))
                .into(),
            clock_hz: 1,
            frames: None,
            pacing: Pacing::Live,
        }
    }

    /// What is at a place of a frame.
    fn count(frame: u64, channel: u32, y: u32, x: u32) -> u16 {
        (10_000 * u32::from(frame as u8) + 5000 * channel + 2 * (x / 2) + 7 * (y / 2)) as u16
    }

    /// Rows of a frame, as a board sends them.
    fn strip(edge: u32, frame: u64, rows: std::ops::Range<u32>) -> Strip {
        let of_row =
            |y| (0..2).flat_map(move |channel| (0..edge).map(move |x| count(frame, channel, y, x)));
        let counts: Vec<u16> = rows.clone().flat_map(of_row).collect();
        let mut samples = StripBuffer::detached(counts.len());
        let room = samples.resize(counts.len()).unwrap();
        room.copy_from_slice(&counts);
        Strip {
            header: StripHeader {
                run: RunId::from_bits(1),
                boot: 0,
                frame,
                field: 3,
                source: None,
                sequence: 0,
                first_row: rows.start,
                rows: rows.len() as u32,
                width: edge,
                channels: ChannelMask(3),
                bit_depth: 16,
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

    /// Everything that is new for somebody.
    fn all(canvas: &Canvas, seen: &mut Seen) -> Vec<Rows> {
        std::iter::from_fn(|| canvas.rows(seen, 3)).collect()
    }

    #[test]
    fn rows_come_once_as_they_are_scanned() {
        let (scan, canvas, mut seen) = (scan(8), Canvas::default(), Seen::default());
        let mut assembler = Assembler::new(&scan);
        assert_eq!(canvas.rows(&mut seen, 3), None);
        let mut next = 0;
        for rows in [0..2, 2..3, 3..8] {
            assembler.push(&strip(8, 0, rows.clone()), |row| canvas.row(&scan, row));
            for part in all(&canvas, &mut seen) {
                assert_eq!((part.first_row, part.frame, part.field), (next, 0, 3));
                assert_eq!((part.width, part.height, part.factor), (8, 8, 1));
                next += part.rows;
                let wanted = (0..2).flat_map(|channel| {
                    let rows = part.first_row as u32..next as u32;
                    rows.flat_map(move |y| (0..8).map(move |x| count(0, channel, y, x)))
                });
                assert!(part.samples.iter().copied().eq(wanted));
                assert_eq!(part.to_bytes().len(), HEADER_BYTES + 2 * part.samples.len());
            }
            assert_eq!(next, rows.end as usize);
        }
    }

    #[test]
    fn who_is_late_sees_the_present_frame_only() {
        let (scan, canvas, mut seen) = (scan(8), Canvas::default(), Seen::default());
        let mut assembler = Assembler::new(&scan);
        assembler.push(&strip(8, 0, 0..4), |row| canvas.row(&scan, row));
        assert_eq!(all(&canvas, &mut seen).len(), 2);
        assembler.push(&strip(8, 0, 4..8), |row| canvas.row(&scan, row));
        assembler.push(&strip(8, 1, 0..1), |row| canvas.row(&scan, row));
        let [rows] = &all(&canvas, &mut seen)[..] else {
            panic!("there is one row");
        };
        assert_eq!((rows.frame, rows.first_row, rows.rows), (1, 0, 1));
    }

    #[test]
    fn a_large_frame_is_reduced_to_means() {
        let (scan, canvas, mut seen) = (scan(2048), Canvas::default(), Seen::default());
        let mut assembler = Assembler::new(&scan);
        assembler.push(&strip(2048, 0, 0..3), |row| canvas.row(&scan, row));
        // The second row is not whole yet.
        let [rows] = &all(&canvas, &mut seen)[..] else {
            panic!("there is one row");
        };
        assert_eq!((rows.width, rows.height, rows.factor), (1024, 1024, 2));
        let wanted = (0..2).flat_map(|channel| (0..1024).map(move |x| count(0, channel, 0, 2 * x)));
        assert!(rows.samples.iter().copied().eq(wanted));
    }
}
