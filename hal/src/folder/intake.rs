//! Takes units from the directory one after the other, each read to see that it is complete.
//!
//! One thread. The directory is looked at when an event told of it, when a file may have settled, and in any case
//! once a poll; never so often that looking takes more than a fifth of the time.

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    config::FolderConfig, entry::Entry, events::Events, expect::Expect, journal::Journal,
    ledger::Ledger, shelf::Shelf, unit::Unit,
};
use crate::{
    Clock, ErrorKind, HalError, HostInstant, SystemClock,
    replay::{ChannelMap, ReplayRequest, ReplaySource, set},
};

/// Least time between two looks.
const REST: Duration = Duration::from_millis(10);
/// A look is followed by at least this many times what it took.
const REST_FACTOR: u32 = 4;

/// A unit that was read.
pub(crate) struct Opened {
    pub(crate) unit: Unit,
    pub(crate) source: ReplaySource,
}

/// What comes next.
pub(crate) enum Next {
    /// A complete unit that fits.
    Unit(Box<Opened>),
    /// A unit was seen that is not given; ask again.
    Again,
    /// Nothing before this instant, or before the next event.
    Wait(HostInstant),
}

/// What was counted, by files.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) taken: u64,
    pub(crate) refused: u64,
    pub(crate) incomplete: u64,
    pub(crate) repeated: u64,
    pub(crate) replaced: u64,
    pub(crate) frames_skipped: u64,
}

impl Counts {
    /// By the name that is published.
    pub(crate) fn by_name(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::from([
            ("files_taken", self.taken),
            ("files_refused", self.refused),
            ("files_incomplete", self.incomplete),
            ("files_repeated", self.repeated),
            ("files_replaced", self.replaced),
            ("frames_skipped", self.frames_skipped),
        ])
    }
}

/// Why a unit is not given.
enum Not {
    /// It cannot be read completely.
    Complete(String),
    /// It can be read and is not of this scan.
    Fitting(String),
    /// It may still grow until then, though it can be read.
    Before(HostInstant),
    /// It belongs to a set that was not known.
    Planned,
}

/// Everything between the directory and the frames.
pub(crate) struct Intake {
    pub(crate) config: FolderConfig,
    pub(crate) journal: Journal,
    pub(crate) ledger: Ledger,
    pub(crate) events: Events,
    pub(crate) counts: Counts,
    shelf: Shelf,
    ready: VecDeque<Unit>,
    /// When the directory is looked at next, and not before when.
    next_look: HostInstant,
    rested: HostInstant,
    /// What is configured, as a number: what was refused under another is looked at again.
    scan: u32,
    /// No run is armed: a unit is only looked at, though it may have been given.
    only_looks: bool,
}

impl Intake {
    /// Opens directory and journal.
    ///
    /// # Errors
    /// See [`FolderBoard::new`](super::FolderBoard::new).
    pub(crate) fn new(config: FolderConfig, watch: fn(&Path) -> Events) -> Result<Self, HalError> {
        config.check()?;
        let shelf = Shelf::new(&config)?;
        let journal = Journal::open(&config.journal_path())?;
        Ok(Self {
            ledger: Ledger::default(),
            journal,
            events: watch(&config.directory),
            counts: Counts::default(),
            shelf,
            ready: VecDeque::new(),
            next_look: HostInstant::default(),
            rested: HostInstant::default(),
            scan: 0,
            only_looks: true,
            config,
        })
    }

    /// Looks for the first unit of a scan: what was refused under another configuration than `scan` may fit.
    pub(crate) fn seek(&mut self, scan: u32) {
        self.scan = scan;
        self.only_looks = true;
        self.begin_anew();
    }

    /// Begins a run: what was not written down as used is given again.
    pub(crate) fn rewind(&mut self) {
        self.ledger.clear();
        self.only_looks = false;
        self.begin_anew();
    }

    fn begin_anew(&mut self) {
        self.ready.clear();
        self.next_look = HostInstant::default();
    }

    /// Something happened in the directory.
    pub(crate) fn notice(&mut self) {
        self.next_look = self.next_look.min(self.rested);
    }

    /// The next unit that is complete and fits `expect`; without `expect` the first that is complete.
    ///
    /// # Errors
    /// `Disconnected` when the directory is gone; `Io` when the journal cannot be written; `Request` when, without
    /// `expect`, the files do not say something that must be known.
    pub(crate) fn next(&mut self, expect: Option<&Expect>) -> Result<Next, HalError> {
        let now = SystemClock.now();
        if self.events.told().try_recv().is_ok() {
            self.notice();
        }
        if now >= self.next_look {
            self.look(now)?;
        }
        let Some(unit) = self.ready.pop_front() else {
            return Ok(Next::Wait(self.next_look));
        };
        // Two sets may tell of the same file; it was given with the first of them.
        if self.was_given(&unit) {
            return Ok(Next::Again);
        }
        match self.open(&unit, expect)? {
            Ok(source) => return Ok(Next::Unit(Box::new(Opened { unit, source }))),
            Err(Not::Planned) => {
                let due = self.plan(SystemClock.now());
                self.next_look = self.next_look.min(due);
            }
            Err(Not::Complete(why)) => {
                // What changed meanwhile, or went away, is seen at the next look.
                if !self.shelf.is_unchanged(&unit) {
                    self.notice();
                    return Ok(Next::Again);
                }
                let (now, poll) = (SystemClock.now(), self.config.poll);
                match self.shelf.postpone(&unit, now, poll, &why) {
                    Some(again) => self.next_look = self.next_look.min(again),
                    None => self.counts.incomplete += unit.files.len() as u64,
                }
            }
            Err(Not::Before(instant)) => {
                self.shelf.defer(&unit, instant);
                self.next_look = self.next_look.min(instant);
            }
            Err(Not::Fitting(why)) => self.refuse(&unit, why)?,
        }
        Ok(Next::Again)
    }

    /// Writes down that `unit` does not fit the scan, because of `why`.
    ///
    /// # Errors
    /// `Io` when the journal cannot be written.
    pub(crate) fn refuse(&mut self, unit: &Unit, why: String) -> Result<(), HalError> {
        let path = self.config.directory.join(unit.name());
        tracing::warn!(
            "{} is left out: {why}; it is looked at again under another configuration",
            path.display()
        );
        self.counts.refused += unit.files.len() as u64;
        let entry = Entry::Refused {
            files: unit.files.to_vec(),
            config: self.scan,
            reason: why,
        };
        self.journal.write(&[entry], true)
    }

    fn look(&mut self, now: HostInstant) -> Result<(), HalError> {
        let (journal, scan) = (&self.journal, self.scan);
        let closed = |name: &str, stamp| journal.is_closed(name, stamp, scan);
        self.shelf.look(now, closed)?;
        let due = self.plan(now);
        let after = SystemClock.now();
        self.rested = after.after(REST.max(after.since(now) * REST_FACTOR));
        self.next_look = due.max(self.rested);
        Ok(())
    }

    fn was_given(&self, unit: &Unit) -> bool {
        let taken = |name: &str, stamp| !self.only_looks && self.ledger.has_taken(name, stamp);
        unit.files.iter().any(|file| {
            let closed = self.journal.is_closed(&file.name, file.stamp, self.scan);
            closed || taken(&file.name, file.stamp)
        })
    }

    /// Puts in order what is known of the directory, and says when it is to be looked at again.
    fn plan(&mut self, now: HostInstant) -> HostInstant {
        let (journal, scan, only_looks) = (&self.journal, self.scan, self.only_looks);
        let ledger = &self.ledger;
        let plan = self.shelf.plan(now, |name, stamp| {
            // Also what was closed since the last look.
            let closed = journal.is_closed(name, stamp, scan);
            closed || (!only_looks && ledger.has_taken(name, stamp))
        });
        self.counts.incomplete += plan.given_up;
        self.ready = plan.ready.into();
        let poll = now.after(self.config.poll);
        plan.due.map_or(poll, |due| due.min(poll))
    }

    fn open(
        &mut self,
        unit: &Unit,
        expect: Option<&Expect>,
    ) -> Result<Result<ReplaySource, Not>, HalError> {
        let incomplete = |why: String| Ok(Err(Not::Complete(why)));
        let path = self.config.directory.join(unit.name());
        if self.shelf.is_new(unit) {
            let members = match set::members(&path) {
                Ok(members) => members,
                Err(error) => return incomplete(error.to_string()),
            };
            let name = |path: &PathBuf| Some(path.file_name()?.to_str()?.to_owned());
            match self.shelf.join(members.iter().filter_map(name).collect()) {
                Ok(true) => return Ok(Err(Not::Planned)),
                Ok(false) => {}
                Err(why) => return incomplete(why),
            }
        }
        let mut source = match ReplaySource::open(&self.request(unit)) {
            Ok(source) => source,
            Err(error) => {
                return match (error.kind(), expect) {
                    (ErrorKind::Request | ErrorKind::Unsupported, None) => Err(asked(&error)),
                    (ErrorKind::Request | ErrorKind::Unsupported, Some(_)) => {
                        Ok(Err(Not::Fitting(error.to_string())))
                    }
                    _ => incomplete(error.to_string()),
                };
            }
        };
        match source.missing() {
            Ok(None) => {}
            Ok(Some(why)) => return incomplete(why),
            Err(error) => return incomplete(error.to_string()),
        }
        let since = self.shelf.settled_since(unit);
        if let Some((since, quiet)) = since.zip(source.quiet_before_end()) {
            let instant = since.after(quiet);
            if SystemClock.now() < instant {
                return Ok(Err(Not::Before(instant)));
            }
        }
        if !self.shelf.is_unchanged(unit) {
            return incomplete("it changed while it was read".to_owned());
        }
        if let Some(Err(why)) = expect.map(|expect| expect.admit(&mut source)) {
            return Ok(Err(Not::Fitting(why)));
        }
        Ok(Ok(source))
    }

    fn request(&self, unit: &Unit) -> ReplayRequest {
        let paths = unit.paths(&self.config.directory);
        let mut request = ReplayRequest {
            paths: Vec::new(),
            channels: Vec::new(),
            pixel_size_um: self.config.pixel_size_um,
            wanted: self.config.wanted.clone(),
        };
        for (file, path) in unit.files.iter().zip(paths) {
            let channel = self.shelf.channel(&file.name);
            match channel.and_then(|channel| self.config.channels.get(channel)) {
                Some(map) => request.channels.push(ChannelMap {
                    file: Some(path),
                    ..map.clone()
                }),
                // The other files of a set are found from the first.
                None if request.paths.is_empty() => request.paths.push(path),
                None => {}
            }
        }
        if !self.config.is_by_file() {
            request.channels = self.config.channels.clone();
        }
        request
    }
}

/// The error with the names of what is configured here; a replay is told the same things in other ways.
fn asked(error: &HalError) -> HalError {
    let message = format!(
        "{error} (of a watched folder, these are channels and pixel_size_um of its configuration; or move the file away)"
    );
    HalError::new(error.kind(), message)
}
