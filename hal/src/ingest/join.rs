//! Records become frames, and frames become rows in order.
//!
//! At most [`IngestConfig::frames_ahead`] frames are open, in the order of their numbers. The first of them gives
//! rows as soon as a strip of them is whole; a frame gets its number in the run with its first row. Time is given,
//! not asked for.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{
    config::IngestConfig,
    frame::{Frame, GivenUp, Stretch},
    pusher::{Past, Pusher, SessionId, session_of},
    refusal::{Reason, Refusal},
    rows::Rows,
    setup::Scan,
};
use crate::{ErrorKind, HalError, HostInstant, StripBuffer, wire::RecordHeader};

/// Sessions that ended and are remembered, so that a late record does not begin one again.
const ENDED: usize = 64;

/// What is counted; each is there from the start.
const COUNTERS: [&str; 17] = [
    "records_accepted",
    "records_repeated",
    "records_refused_conflict",
    "records_refused_damaged",
    "records_refused_no_run",
    "records_refused_other_pusher",
    "records_refused_range",
    "records_refused_too_far_ahead",
    "records_refused_too_late",
    "frames_joined",
    "frames_timed_out",
    "frames_overtaken",
    "frames_cut_by_restart",
    "frames_cut_by_stop",
    "frames_skipped",
    "lines_refused",
    "connections_refused",
];

/// How a record was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Something of it was new.
    Accepted,
    /// All of it was there.
    Known,
}

/// What comes next of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// These rows of a frame.
    Rows {
        frame: u64,
        field: u16,
        stretch: Stretch,
    },
    /// Nothing before a record comes, or this instant.
    Wait(Option<HostInstant>),
    /// The run is over.
    End,
}

#[derive(Default)]
struct Run {
    /// How many frames are wanted.
    frames: Option<u64>,
    stopped: bool,
    /// Frames that have a number.
    begun: u64,
    open: VecDeque<Frame>,
    pusher: Option<Pusher>,
    ended: VecDeque<SessionId>,
}

/// What the board and the ports share.
pub(super) struct Joiner {
    scan: Scan,
    timeout: Duration,
    ahead: usize,
    run: Option<Run>,
    /// Memory of frames that were given.
    spare: Vec<Vec<u16>>,
    counts: BTreeMap<&'static str, u64>,
}

impl Joiner {
    pub(super) fn new(config: &IngestConfig, scan: Scan) -> Self {
        Self {
            scan,
            timeout: config.frame_timeout,
            ahead: config.frames_ahead,
            run: None,
            spare: Vec::with_capacity(config.frames_ahead),
            counts: COUNTERS.map(|name| (name, 0)).into(),
        }
    }

    /// Another scan is wanted. No run is on.
    pub(super) fn configure(&mut self, scan: Scan) {
        self.run = None;
        self.spare.clear();
        self.scan = scan;
    }

    pub(super) fn scan(&self) -> &Scan {
        &self.scan
    }

    /// A run begins, of so many frames.
    pub(super) fn begin(&mut self, frames: Option<u64>) {
        self.run = Some(Run {
            frames,
            ..Run::default()
        });
    }

    /// Nothing more is taken; what was begun is still to be given.
    pub(super) fn stop(&mut self) {
        if let Some(run) = &mut self.run {
            run.stopped = true;
            run.give_up(GivenUp::Stopped);
        }
    }

    /// The run is over, with whatever was not given.
    pub(super) fn end(&mut self) {
        self.run = None;
    }

    /// Whether records are taken.
    pub(super) fn is_running(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.is_full())
    }

    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.clone()
    }

    /// Takes a whole record.
    ///
    /// # Errors
    /// What is wrong with it, and what its sender is to do.
    pub(super) fn take(
        &mut self,
        record: &[u8],
        connection: Option<u64>,
        now: HostInstant,
    ) -> Result<Taken, Refusal> {
        let taken = self.try_take(record, connection, now)?;
        self.count(match taken {
            Taken::Accepted => "records_accepted",
            Taken::Known => "records_repeated",
        });
        Ok(taken)
    }

    fn try_take(
        &mut self,
        record: &[u8],
        connection: Option<u64>,
        now: HostInstant,
    ) -> Result<Taken, Refusal> {
        let (header, payload) = RecordHeader::read(record)?;
        let rows = Rows::fit(&self.scan, header, payload)?;
        let Some(run) = self.run.as_mut().filter(|run| !run.stopped) else {
            return Err(no_run("no run is on; start one, and send again"));
        };
        run.admit(session_of(&header), connection, now)?;
        let Some(pusher) = &mut run.pusher else {
            return Err(no_run("no run is on; start one, and send again"));
        };
        pusher.heard(connection, now);
        let (session, source) = (pusher.id, header.frame);
        let ours = |frame: &&mut Frame| {
            frame.session == session && frame.source == source && frame.given_up.is_none()
        };
        if let Some(frame) = run.open.iter_mut().find(ours) {
            return Ok(match frame.take(&rows, now)? {
                true => Taken::Accepted,
                false => Taken::Known,
            });
        }
        match pusher.past(source) {
            Past::Whole => return Ok(Taken::Known),
            Past::GivenUp => {
                let sentence = format!(
                    "frame {source} was given up, or jumped over; send the frames that follow, and number them on"
                );
                return Err(Refusal::new(Reason::TooLate, sentence));
            }
            Past::Future => {}
        }
        if run.is_full() {
            return Err(no_run(
                "the run has all its frames; start another, and send again",
            ));
        }
        if run.open.len() >= self.ahead {
            let sentence = format!(
                "{} frames are open, and frame {source} is one too many; send it again in a moment",
                run.open.len()
            );
            return Err(Refusal::new(Reason::TooFarAhead, sentence));
        }
        let samples = self.spare.pop().unwrap_or_default();
        let mut frame = Frame::new(session, &rows, &self.scan, samples, now);
        frame.take(&rows, now)?;
        let earlier = |open: &Frame| open.session != session || open.source < source;
        let place = run.open.partition_point(earlier);
        run.open.insert(place, frame);
        Ok(Taken::Accepted)
    }

    /// What comes next. Gives the first frame up when its time has come.
    pub(super) fn next(&mut self, now: HostInstant) -> Next {
        let Some(run) = &mut self.run else {
            return Next::End;
        };
        let overtaken =
            run.open.len() >= self.ahead && run.open.iter().skip(1).any(Frame::is_whole);
        let is_full = run.is_full();
        let Some(front) = run.open.front_mut() else {
            return if is_full { Next::End } else { Next::Wait(None) };
        };
        let stretch = front.stretch(self.scan.actual.strip_rows);
        if !(stretch.whole && stretch.full) && front.given_up.is_none() {
            let due = front.newest.after(self.timeout);
            front.given_up = if overtaken {
                Some(GivenUp::Overtaken)
            } else if now >= due {
                Some(GivenUp::TimedOut)
            } else {
                return Next::Wait(Some(due));
            };
        }
        let frame = match front.number {
            Some(number) => number,
            None => {
                let number = run.begun;
                front.number = Some(number);
                run.begun += 1;
                let ours = run
                    .pusher
                    .as_mut()
                    .filter(|pusher| pusher.id == front.session);
                let skipped = ours.map_or(0, |pusher| pusher.begin(front.source));
                *self.counts.entry("frames_skipped").or_default() += skipped;
                number
            }
        };
        Next::Rows {
            frame,
            field: front.field,
            stretch,
        }
    }

    /// Copies rows that come next, and says when the last of them came.
    ///
    /// # Errors
    /// `Request` when the buffer is smaller than a strip.
    pub(super) fn copy(
        &self,
        stretch: Stretch,
        buffer: &mut StripBuffer,
    ) -> Result<HostInstant, HalError> {
        let front = self.run.as_ref().and_then(|run| run.open.front());
        front
            .and_then(|front| {
                front
                    .copy(stretch, buffer)
                    .map(|()| front.received(stretch))
            })
            .ok_or_else(|| {
                HalError::new(
                    ErrorKind::Request,
                    "the strip buffer is smaller than a strip; set the scan up again",
                )
            })
    }

    /// The rows that come next were given.
    pub(super) fn given(&mut self, stretch: Stretch) {
        let Some(run) = &mut self.run else {
            return;
        };
        let Some(front) = run.open.front_mut() else {
            return;
        };
        front.give(stretch.rows);
        if !front.is_given() {
            return;
        }
        let Some(frame) = run.open.pop_front() else {
            return;
        };
        if let Some(pusher) = run
            .pusher
            .as_mut()
            .filter(|pusher| pusher.id == frame.session)
        {
            pusher.close(frame.source, frame.is_whole());
        }
        let name = match frame.given_up {
            _ if frame.is_whole() => "frames_joined",
            Some(GivenUp::TimedOut) | None => "frames_timed_out",
            Some(GivenUp::Overtaken) => "frames_overtaken",
            Some(GivenUp::Restarted) => "frames_cut_by_restart",
            Some(GivenUp::Stopped) => "frames_cut_by_stop",
        };
        self.spare.push(frame.into_samples());
        self.count(name);
    }

    /// A connection was closed.
    pub(super) fn left(&mut self, connection: u64) {
        if let Some(pusher) = self.run.as_mut().and_then(|run| run.pusher.as_mut()) {
            pusher.left(connection);
        }
    }

    /// One more of what `name` counts.
    pub(super) fn count(&mut self, name: &'static str) {
        *self.counts.entry(name).or_default() += 1;
    }
}

impl Run {
    /// Whether no other frame is taken.
    fn is_full(&self) -> bool {
        let unnumbered = self.open.iter().filter(|frame| frame.number.is_none());
        let frames = self.begun + unnumbered.count() as u64;
        self.stopped || self.frames.is_some_and(|wanted| frames >= wanted)
    }

    /// No open frame is waited for any longer.
    fn give_up(&mut self, why: GivenUp) {
        for frame in &mut self.open {
            frame.given_up.get_or_insert(why);
        }
    }

    /// Makes `session` the present one.
    fn admit(
        &mut self,
        session: SessionId,
        connection: Option<u64>,
        now: HostInstant,
    ) -> Result<(), Refusal> {
        if let Some(present) = &self.pusher {
            if present.id == session {
                return Ok(());
            }
            if self.ended.contains(&session) {
                let sentence = "the frames of this pusher were ended by another; begin anew with another boot or run";
                return Err(Refusal::new(Reason::TooLate, sentence));
            }
            if !present.gives_way(session, connection, now) {
                let sentence = "another program pushes frames; end it, and send again";
                return Err(Refusal::new(Reason::OtherPusher, sentence));
            }
            if self.ended.len() >= ENDED {
                self.ended.pop_front();
            }
            self.ended.push_back(present.id);
            self.give_up(GivenUp::Restarted);
        }
        self.pusher = Some(Pusher::new(session, connection, now));
        Ok(())
    }
}

fn no_run(sentence: &'static str) -> Refusal {
    Refusal::new(Reason::NoRun, sentence)
}
