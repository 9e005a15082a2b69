//! The files that wait in the directory: which belong together, and which have settled.
//!
//! A file has settled when its stamp stayed the same at all looks for as long as is configured, by the clock of
//! this host. The clock of the file's server is only used to put files in order.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
    time::Duration,
};

use super::{
    config::FolderConfig,
    limits::{MAX_UNIT_FILES, MAX_WAITING},
    listing::Directory,
    names::{Names, Role, is_never_read},
    unit::{FileStamp, Stamp, Unit},
};
use crate::{ErrorKind, HalError, HostInstant};

/// A file that waits.
#[derive(Debug)]
struct Waiting {
    stamp: Stamp,
    role: Role,
    /// When it was first seen with this stamp.
    since: HostInstant,
    /// The files of its set, once one of them was looked into.
    set: Option<Arc<[String]>>,
    /// Not to be tried before.
    again: HostInstant,
    /// It was reported when this was the last change of its unit, and is not tried again until the next.
    given_up: Option<HostInstant>,
}

/// What may be given.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Units whose files are all there and have settled, in the order in which they are given.
    pub(crate) ready: Vec<Unit>,
    /// When a unit that is not ready may be, if nothing changes.
    pub(crate) due: Option<HostInstant>,
    /// Files that were given up at this look.
    pub(crate) given_up: u64,
}

/// Files that belong together, as far as they are there.
struct Group<'a> {
    names: Vec<&'a str>,
    /// What is not there, as a clause.
    lacks: Option<String>,
}

/// The files that wait.
#[derive(Debug)]
pub(crate) struct Shelf {
    directory: Directory,
    names: Names,
    settle: Duration,
    give_up: Duration,
    waiting: BTreeMap<String, Waiting>,
    /// Names that sets ask for and no pattern takes.
    companions: BTreeSet<String>,
    /// Names that were told to be those of two channels.
    ambiguous: BTreeSet<String>,
    /// Names that are not UTF-8 were told.
    unreadable: bool,
}

impl Shelf {
    /// Nothing was looked at yet.
    ///
    /// # Errors
    /// `NotFound` or `Io` of the directory, `Request` of a pattern.
    pub(crate) fn new(config: &FolderConfig) -> Result<Self, HalError> {
        Ok(Self {
            directory: Directory::open(&config.directory)?,
            names: Names::new(config)?,
            settle: config.settle,
            give_up: config.give_up,
            waiting: BTreeMap::new(),
            companions: BTreeSet::new(),
            ambiguous: BTreeSet::new(),
            unreadable: false,
        })
    }

    /// Looks at the directory. Files that are `closed` are not kept.
    ///
    /// # Errors
    /// `Disconnected` when the directory is gone; `Request` beyond the limits.
    pub(crate) fn look(
        &mut self,
        now: HostInstant,
        closed: impl Fn(&str, Stamp) -> bool,
    ) -> Result<(), HalError> {
        let mut before = mem::take(&mut self.waiting);
        let (directory, waiting) = (&self.directory, &mut self.waiting);
        let (names, companions, ambiguous) = (&self.names, &self.companions, &mut self.ambiguous);
        let unreadable = directory.list(|name| {
            let role = match names.role(name) {
                Ok(Some(role)) => role,
                Ok(None) if companions.contains(name) => Role::Companion,
                Ok(None) => return Ok(()),
                Err(why) => {
                    if ambiguous.len() < MAX_UNIT_FILES && ambiguous.insert(name.to_owned()) {
                        let path = directory.path().join(name);
                        tracing::warn!("{} is not taken: {why}", path.display());
                    }
                    return Ok(());
                }
            };
            let Some(stamp) = directory.stamp(name).filter(|stamp| !closed(name, *stamp)) else {
                return Ok(());
            };
            let new = || Waiting {
                stamp,
                role,
                since: now,
                set: None,
                again: HostInstant::default(),
                given_up: None,
            };
            let kept = before.remove(name).filter(|file| file.stamp == stamp);
            waiting.insert(name.to_owned(), kept.unwrap_or_else(new));
            if waiting.len() > MAX_WAITING {
                let message = format!(
                    "more than {MAX_WAITING} files wait in {}; move some of them out of it",
                    directory.path().display()
                );
                return Err(HalError::new(ErrorKind::Request, message));
            }
            Ok(())
        })?;
        if unreadable > 0 && !mem::replace(&mut self.unreadable, true) {
            tracing::warn!(
                "{} names in {} are not UTF-8; such files are never taken",
                unreadable,
                self.directory.path().display()
            );
        }
        Ok(())
    }

    /// What may be given `now`. Files that are `taken` were given, and are not given again.
    pub(crate) fn plan(&mut self, now: HostInstant, taken: impl Fn(&str, Stamp) -> bool) -> Plan {
        let mut plan = Plan::default();
        let mut given_up = Vec::new();
        for group in self.groups() {
            let files = || {
                let pairs = group.names.iter();
                pairs.filter_map(|name| Some((*name, self.waiting.get(*name)?)))
            };
            let given = files()
                .filter(|(name, file)| taken(name, file.stamp))
                .count();
            if given == group.names.len() {
                continue;
            }
            let lacks = match (&group.lacks, given) {
                (None, 1..) => Some(
                    "a part of its files were given before, and only others are new".to_owned(),
                ),
                (lacks, _) => lacks.clone(),
            };
            let changed = files().map(|(_, file)| file.since).max().unwrap_or(now);
            let due = &mut plan.due;
            let mut wait = |instant: HostInstant| {
                *due = Some(due.map_or(instant, |due| due.min(instant)));
            };
            let is_new = |file: &Waiting| file.given_up != Some(changed);
            let Some((first, lead)) = files().next().filter(|(_, file)| is_new(file)) else {
                continue;
            };
            match lacks {
                Some(why) if now >= changed.after(self.give_up) => {
                    self.report(first, &why);
                    plan.given_up += group.names.len() as u64;
                    given_up.push((first.to_owned(), changed));
                }
                Some(_) => wait(changed.after(self.give_up)),
                None => {
                    let due = changed.after(self.settle).max(lead.again);
                    if due > now {
                        wait(due);
                        continue;
                    }
                    let stamp = |(name, file): (&str, &Waiting)| FileStamp {
                        name: name.to_owned(),
                        stamp: file.stamp,
                    };
                    plan.ready.push(Unit {
                        files: files().map(stamp).collect(),
                    });
                }
            }
        }
        for (name, changed) in given_up {
            if let Some(file) = self.waiting.get_mut(&name) {
                file.given_up = Some(changed);
            }
        }
        plan.ready.sort_by(|a, b| a.order().cmp(&b.order()));
        plan
    }

    /// Notes that `unit` cannot be read completely. Gives when it is tried again, or `None` when it is given up.
    pub(crate) fn postpone(
        &mut self,
        unit: &Unit,
        now: HostInstant,
        poll: Duration,
        why: &str,
    ) -> Option<HostInstant> {
        let files = unit.files.iter();
        let changed = files.filter_map(|file| Some(self.waiting.get(&file.name)?.since));
        let changed = changed.max().unwrap_or(now);
        let last = changed.after(self.give_up);
        if now >= last {
            self.report(unit.name(), why);
        }
        let file = self.waiting.get_mut(unit.name())?;
        if now >= last {
            file.given_up = Some(changed);
            return None;
        }
        // Ever more rarely: a large file takes long to be tried.
        file.again = now.after(now.since(changed).max(poll)).min(last);
        Some(file.again)
    }

    /// Notes that `unit` is not to be tried before `instant`.
    pub(crate) fn defer(&mut self, unit: &Unit, instant: HostInstant) {
        if let Some(file) = self.waiting.get_mut(unit.name()) {
            file.again = instant;
        }
    }

    /// Notes that the files `set` are one unit. Says whether there are others than the one in which that is written.
    ///
    /// # Errors
    /// A clause, when there are too many.
    pub(crate) fn join(&mut self, set: Vec<String>) -> Result<bool, String> {
        if set.len() > MAX_UNIT_FILES {
            return Err(format!(
                "it is one of a set of {} files; at most {MAX_UNIT_FILES} are read as one",
                set.len()
            ));
        }
        let set: Arc<[String]> = set.into();
        for name in set.iter() {
            if let Some(file) = self.waiting.get_mut(name) {
                file.set = Some(Arc::clone(&set));
            } else if !is_never_read(name) && self.companions.len() < MAX_WAITING {
                self.companions.insert(name.clone());
            }
        }
        Ok(set.len() > 1)
    }

    /// Whether the set of `unit` is not known yet.
    pub(crate) fn is_new(&self, unit: &Unit) -> bool {
        let file = self.waiting.get(unit.name());
        file.is_some_and(|file| file.role == Role::Whole && file.set.is_none())
    }

    /// Which channel of its own the file called `name` has.
    pub(crate) fn channel(&self, name: &str) -> Option<usize> {
        match self.waiting.get(name)?.role {
            Role::Whole | Role::Companion => None,
            Role::Channel { channel, .. } => Some(channel),
        }
    }

    /// When the last of the files of `unit` was first seen as it is.
    pub(crate) fn settled_since(&self, unit: &Unit) -> Option<HostInstant> {
        let files = unit.files.iter();
        files
            .filter_map(|file| Some(self.waiting.get(&file.name)?.since))
            .max()
    }

    /// Whether the files of `unit` are as they were when it was planned.
    pub(crate) fn is_unchanged(&self, unit: &Unit) -> bool {
        let mut files = unit.files.iter();
        files.all(|file| self.directory.stamp(&file.name) == Some(file.stamp))
    }

    fn groups(&self) -> Vec<Group<'_>> {
        let mut sets: BTreeSet<&Arc<[String]>> = BTreeSet::new();
        let mut keys: BTreeMap<&str, Vec<Option<&str>>> = BTreeMap::new();
        let mut groups = Vec::new();
        for (name, file) in &self.waiting {
            match (&file.role, &file.set) {
                (Role::Channel { channel, key }, _) => {
                    let none = || vec![None; self.names.channels()];
                    let files = keys.entry(key).or_insert_with(none);
                    if let Some(place) = files.get_mut(*channel) {
                        *place = Some(name.as_str());
                    }
                }
                (Role::Whole | Role::Companion, Some(set)) if set.len() > 1 => {
                    sets.insert(set);
                }
                (Role::Companion, None) => {}
                (Role::Whole | Role::Companion, _) => groups.push(Group {
                    names: vec![name],
                    lacks: None,
                }),
            }
        }
        groups.extend(sets.into_iter().map(|set| {
            let is_there = |name: &&String| self.waiting.contains_key(*name);
            let lacks = set.iter().find(|name| !is_there(name));
            Group {
                names: set.iter().filter(is_there).map(String::as_str).collect(),
                lacks: lacks
                    .map(|name| format!("{name} of its set is not there, or was given before")),
            }
        }));
        groups.extend(keys.into_values().map(|files| {
            let lacks = files.iter().position(Option::is_none);
            let channel = lacks.map(|channel| self.names.channel(channel));
            Group {
                names: files.into_iter().flatten().collect(),
                lacks: channel.map(|name| {
                    format!("its file of the channel {name} is not there, or was given before")
                }),
            }
        }));
        groups
    }

    fn report(&self, name: &str, why: &str) {
        let path = self.directory.path().join(name);
        tracing::warn!(
            "{} has not changed for {:?} and is not complete: {why}; it is looked at again when it changes",
            path.display(),
            self.give_up
        );
    }
}
