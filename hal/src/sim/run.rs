//! One run of the simulated board: which rows it gave, and the frame they come from.

use crossbeam_channel::{Receiver, at, never, select_biased};

use super::{
    Ahead, RenderRequest, RenderedFrame,
    plan::{Next, Plan},
};
use crate::{
    ChannelInfo, ChannelMask, Clock, ErrorKind, Gap, GapCause, HalError, HostInstant, ReadEvent,
    RunId, RunSummary, ScanActual, Strip, StripBuffer, StripFlags, StripHeader, SystemClock,
};

/// A scan that is set up.
#[derive(Clone)]
pub(super) struct Scan {
    pub(super) actual: ScanActual,
    pub(super) request: RenderRequest,
    pub(super) line_ns: u64,
    /// Which of SRS, TPEF, TRANS are delivered, in this order.
    pub(super) planes: Vec<usize>,
}

/// A run from arm to disarm.
pub(super) struct Run {
    pub(super) id: RunId,
    pub(super) ahead: Ahead,
    pub(super) frame: Option<(u64, RenderedFrame)>,
    pub(super) plan: Plan,
    pub(super) started: Option<HostInstant>,
    pub(super) sequence: u64,
    pub(super) lost_before: u32,
    pub(super) ended: bool,
    pub(super) stall_until: Option<HostInstant>,
    pub(super) stalled: Vec<bool>,
    pub(super) summary: RunSummary,
}

impl Run {
    /// Waits until `frame` is rendered.
    pub(super) fn render(
        &mut self,
        frame: u64,
        wake: &Receiver<()>,
        deadline: HostInstant,
    ) -> Result<bool, HalError> {
        let never = never();
        let frames = self.ahead.frames().unwrap_or(&never);
        while self.frame.as_ref().is_none_or(|(have, _)| *have < frame) {
            let following = self.frame.as_ref().map_or(0, |(have, _)| have + 1);
            select_biased! {
                recv(wake) -> _ => return Ok(false),
                recv(frames) -> rendered => {
                    self.frame = Some((following, rendered.map_err(|_| not_rendered())?));
                }
                recv(at(SystemClock::std_instant(deadline))) -> _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Gives the rows of `next`, which are ready.
    pub(super) fn take(
        &mut self,
        scan: &Scan,
        next: Next,
        mut buffer: StripBuffer,
    ) -> Result<ReadEvent, HalError> {
        let actual = &scan.actual;
        if next.first_row == 0 {
            self.summary.frames += 1;
        }
        self.summary.rows_scanned += u64::from(next.rows);
        let field = next.frame as u32;
        if next.lost {
            self.plan.done(next);
            self.summary.rows_lost += u64::from(next.rows);
            self.lost_before = self.lost_before.saturating_add(next.rows);
            return Ok(ReadEvent::Gap(Gap {
                frame: next.frame,
                field,
                first_row: next.first_row,
                rows: next.rows,
                cause: GapCause::BoardOverrun,
            }));
        }
        let samples = next.rows as usize * scan.planes.len() * actual.width as usize;
        let Some(out) = buffer.resize(samples) else {
            return Err(HalError::new(
                ErrorKind::Request,
                format!(
                    "a strip of {samples} samples does not fit into its buffer; set the scan up again"
                ),
            ));
        };
        let Some((_, frame)) = &self.frame else {
            return Err(not_rendered());
        };
        let width = actual.width as usize;
        let full = actual
            .channels
            .first()
            .map_or(u16::MAX, ChannelInfo::saturation);
        let rows = next.first_row..next.first_row + next.rows;
        let planes = || {
            scan.planes
                .iter()
                .filter_map(|&plane| frame.channels.get(plane))
        };
        let pairs = rows.flat_map(|row| planes().map(move |plane| (row, plane)));
        let mut saturated = false;
        for (line, (row, plane)) in out.chunks_exact_mut(width).zip(pairs) {
            let from = row as usize * width;
            line.copy_from_slice(&plane[from..from + width]);
            if actual.bidirectional && row % 2 == 1 {
                line.reverse();
            }
            saturated |= line.iter().any(|&sample| sample >= full);
        }
        self.plan.done(next);
        self.summary.rows_delivered += u64::from(next.rows);
        let scanned = next.frame * u64::from(actual.height) + u64::from(next.first_row);
        // The device's clock runs with the accelerated scan.
        let line_ns = actual.line_period_ns.unwrap_or(scan.line_ns);
        let header = StripHeader {
            run: self.id,
            boot: 0,
            frame: next.frame,
            field,
            source: None,
            sequence: self.sequence,
            first_row: next.first_row,
            rows: next.rows,
            width: actual.width,
            channels: ChannelMask::all(actual.channels.len()),
            bit_depth: actual.bit_depth(),
            odd_rows_reversed: actual.bidirectional,
            ticks_first_row: scanned.saturating_mul(line_ns),
            line_period_ns: actual.line_period_ns,
            received: SystemClock.now(),
            lost_rows: std::mem::take(&mut self.lost_before),
            flags: StripFlags {
                saturated,
                overrun: false,
                last_of_frame: next.first_row + next.rows == actual.height,
            },
        };
        self.sequence += 1;
        Ok(ReadEvent::Strip(Strip {
            header: StripHeader {
                flags: StripFlags {
                    overrun: header.lost_rows > 0,
                    ..header.flags
                },
                ..header
            },
            samples: buffer,
        }))
    }
}

pub(super) fn not_rendered() -> HalError {
    HalError::new(
        ErrorKind::Io,
        "the simulated microscope did not render its frame; report this with the seed",
    )
}
