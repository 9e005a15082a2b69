//! A record that fits the scan: rows of some of its channels.

use super::{
    refusal::{Reason, Refusal},
    setup::{Scan, names},
};
use crate::wire::RecordHeader;

/// Rows that were pushed.
pub(super) struct Rows<'a> {
    pub(super) header: RecordHeader,
    payload: &'a [u8],
    /// The channels of the scan in the order in which the record has them.
    channels: Vec<usize>,
}

/// One channel of one row.
pub(super) struct Line<'a> {
    /// Row of the frame.
    pub(super) row: usize,
    /// Channel of the scan.
    pub(super) channel: usize,
    samples: &'a [[u8; 2]],
    /// The samples run from right to left.
    reversed: bool,
}

impl Line<'_> {
    /// The samples from left to right.
    pub(super) fn samples(&self) -> impl Iterator<Item = u16> {
        let last = self.samples.len().saturating_sub(1);
        let place = move |index| if self.reversed { last - index } else { index };
        (0..self.samples.len()).map(move |index| u16::from_le_bytes(self.samples[place(index)]))
    }
}

impl<'a> Rows<'a> {
    /// The rows of a record, when they can belong to `scan`.
    ///
    /// # Errors
    /// What of them cannot.
    pub(super) fn fit(
        scan: &Scan,
        header: RecordHeader,
        payload: &'a [u8],
    ) -> Result<Self, Refusal> {
        let actual = &scan.actual;
        if u32::from(header.width) != actual.width {
            let sentence = format!(
                "the record has {} samples in a row and the scan has {}",
                header.width, actual.width
            );
            return Err(Refusal::new(Reason::Conflict, sentence));
        }
        let end = u32::from(header.first_row) + u32::from(header.rows);
        if end > actual.height {
            let sentence = format!(
                "the record reaches to row {} and the scan has {} rows",
                end - 1,
                actual.height
            );
            return Err(Refusal::new(Reason::Conflict, sentence));
        }
        let channels = scan.channels_of(header.channels.0).map_err(|bit| {
            let sentence = format!(
                "bit {bit} of the channel mask is none of the scan's; it takes {} as bits {:?}",
                names(&actual.channels),
                scan.bits
            );
            Refusal::new(Reason::Range, sentence)
        })?;
        let rows = Self {
            header,
            payload,
            channels,
        };
        for info in rows
            .channels
            .iter()
            .filter_map(|&at| actual.channels.get(at))
        {
            if info.bit_depth != header.bit_depth {
                let sentence = format!(
                    "the record has {} bits and the channel {} has {}",
                    header.bit_depth, info.name, info.bit_depth
                );
                return Err(Refusal::new(Reason::Conflict, sentence));
            }
        }
        for line in rows.lines() {
            let Some(info) = actual.channels.get(line.channel) else {
                continue;
            };
            let most = line.samples().max().unwrap_or(0);
            if most > info.saturation() {
                let sentence = format!(
                    "a sample of {most} in row {} of the channel {}, which has {} bits; configure its true depth",
                    line.row, info.name, info.bit_depth
                );
                return Err(Refusal::new(Reason::Range, sentence));
            }
        }
        Ok(rows)
    }

    /// Row by row, and within a row channel by channel.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'a>> {
        let width = usize::from(self.header.width);
        let (pairs, _) = self.payload.as_chunks::<2>();
        let first = usize::from(self.header.first_row);
        let reversed = self.header.odd_rows_reversed;
        pairs
            .chunks_exact(width)
            .enumerate()
            .map(move |(index, samples)| {
                let row = first + index / self.channels.len();
                Line {
                    row,
                    channel: self.channels[index % self.channels.len()],
                    samples,
                    reversed: reversed && row % 2 == 1,
                }
            })
    }
}
