//! A frame that is open: its samples as they come, and which of them are there.

use super::{
    pusher::SessionId,
    refusal::{Reason, Refusal},
    rows::{Line, Rows},
    setup::Scan,
};
use crate::{ChannelMask, HostInstant, StripBuffer};

/// Bytes of the account of one row.
pub(super) const ROW: u64 = size_of::<Row>() as u64;

/// Why a frame is not waited for any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// None of its rows came for too long.
    TimedOut,
    /// All frames are open, and a later one is whole.
    Overtaken,
    /// Its pusher was restarted.
    Restarted,
    /// The run was stopped.
    Stopped,
}

/// What is there of a row.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    channels: u32,
    /// When the last of it came.
    received: HostInstant,
}

/// An open frame.
pub(super) struct Frame {
    /// Whose it is.
    pub(super) session: SessionId,
    /// Its number as the pusher has it.
    pub(super) source: u32,
    /// Its field of view.
    pub(super) field: u16,
    /// Its number in the run, from its first row that was given on.
    pub(super) number: Option<u64>,
    /// When a row of it that was new came last.
    pub(super) newest: HostInstant,
    pub(super) given_up: Option<GivenUp>,
    /// The first row that was not given.
    next: u32,
    /// Lines that are not there.
    missing: usize,
    rows: Vec<Row>,
    /// Ordered like a strip's.
    samples: Vec<u16>,
    all: u32,
    width: usize,
}

/// Consecutive rows that are all whole, or all not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) first_row: u32,
    pub(super) rows: u32,
    pub(super) whole: bool,
    /// It ends where a strip ends.
    pub(super) full: bool,
}

impl Frame {
    /// An empty frame to which `rows` belong. `samples` is memory to be used again.
    pub(super) fn new(
        session: SessionId,
        rows: &Rows<'_>,
        scan: &Scan,
        mut samples: Vec<u16>,
        now: HostInstant,
    ) -> Self {
        let (height, width) = (scan.actual.height as usize, scan.actual.width as usize);
        let lines = height * scan.bits.len();
        samples.clear();
        samples.resize(lines * width, 0);
        Self {
            session,
            source: rows.header.frame,
            field: rows.header.field,
            number: None,
            newest: now,
            given_up: None,
            next: 0,
            missing: lines,
            rows: vec![Row::default(); height],
            samples,
            all: ChannelMask::all(scan.bits.len()).0,
            width,
        }
    }

    /// The memory of the samples, to be used again.
    pub(super) fn into_samples(self) -> Vec<u16> {
        self.samples
    }

    /// Whether all rows are there.
    pub(super) fn is_whole(&self) -> bool {
        self.missing == 0
    }

    /// Whether all rows were given.
    pub(super) fn is_given(&self) -> bool {
        self.next as usize >= self.rows.len()
    }

    /// Takes in what is new of `rows`, and says whether anything was.
    ///
    /// # Errors
    /// When they contradict what is there; nothing of them is taken in then.
    pub(super) fn take(&mut self, rows: &Rows<'_>, now: HostInstant) -> Result<bool, Refusal> {
        let source = self.source;
        if self.field != rows.header.field {
            let sentence = format!(
                "frame {source} is of field {} and this record of it of field {}",
                self.field, rows.header.field
            );
            return Err(Refusal::new(Reason::Conflict, sentence));
        }
        if let Some(row) = self.contradicted(rows) {
            let sentence = format!(
                "row {row} of frame {source} came before with other samples; give every frame a number of its own"
            );
            return Err(Refusal::new(Reason::Conflict, sentence));
        }
        Ok(self.join(rows, now))
    }

    /// The first row of which `rows` say something else than what is there.
    fn contradicted(&self, rows: &Rows<'_>) -> Option<usize> {
        let differs = |line: &Line<'_>| self.has(line) && !line.samples().eq(self.line(line));
        rows.lines().find(differs).map(|line| line.row)
    }

    fn join(&mut self, rows: &Rows<'_>, now: HostInstant) -> bool {
        let before = self.missing;
        for line in rows.lines() {
            if self.has(&line) {
                continue;
            }
            let place = self.place(&line);
            if let (Some(row), Some(out)) = (
                self.rows.get_mut(line.row),
                self.samples.get_mut(place..place + self.width),
            ) {
                out.iter_mut()
                    .zip(line.samples())
                    .for_each(|(to, from)| *to = from);
                row.channels |= 1 << line.channel;
                row.received = now;
                self.missing -= 1;
                self.newest = now;
            }
        }
        self.missing < before
    }

    /// The rows that come next, at most to the end of their strip. There must be some.
    pub(super) fn stretch(&self, strip_rows: u32) -> Stretch {
        let first_row = self.next;
        let height = self.rows.len() as u32;
        let end = ((first_row / strip_rows + 1).saturating_mul(strip_rows)).min(height);
        let rows = &self.rows[first_row as usize..end as usize];
        let is_whole = |row: &Row| row.channels == self.all;
        let whole = rows.first().is_some_and(is_whole);
        let same = rows.iter().take_while(|row| is_whole(row) == whole).count();
        Stretch {
            first_row,
            rows: same as u32,
            whole,
            full: same == rows.len(),
        }
    }

    /// Copies the rows of `stretch` into `buffer`; `None` when they do not fit.
    pub(super) fn copy(&self, stretch: Stretch, buffer: &mut StripBuffer) -> Option<()> {
        let row = self.width * self.all.count_ones() as usize;
        let start = stretch.first_row as usize * row;
        let from = self
            .samples
            .get(start..start + stretch.rows as usize * row)?;
        buffer.resize(from.len())?.copy_from_slice(from);
        Some(())
    }

    /// When the last of the rows of `stretch` came.
    pub(super) fn received(&self, stretch: Stretch) -> HostInstant {
        let first = stretch.first_row as usize;
        let rows = &self.rows[first..first + stretch.rows as usize];
        rows.iter()
            .map(|row| row.received)
            .max()
            .unwrap_or_default()
    }

    /// The next `rows` rows were given.
    pub(super) fn give(&mut self, rows: u32) {
        self.next += rows;
    }

    fn has(&self, line: &Line<'_>) -> bool {
        let row = self.rows.get(line.row);
        row.is_some_and(|row| row.channels & (1 << line.channel) != 0)
    }

    fn place(&self, line: &Line<'_>) -> usize {
        (line.row * self.all.count_ones() as usize + line.channel) * self.width
    }

    fn line(&self, line: &Line<'_>) -> impl Iterator<Item = u16> {
        let place = self.place(line);
        self.samples.iter().skip(place).take(self.width).copied()
    }
}
