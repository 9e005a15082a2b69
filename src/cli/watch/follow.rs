//! From received frames to labels in order.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use crate::{
    control::{self, Reply, Request},
    stages::publish::{
        CamMessage, Frames, Heartbeat, Kind, LabelMessage, Message, Run, RunEnd, Stat,
        message::{decode, decode_header},
        socket::ClientKeys,
        subscriber::{Arrival, Comparison, Tally},
    },
};

/// How long the command socket may take for a snapshot.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a message meant.
#[derive(Debug)]
pub(super) enum Event {
    /// A label that was not known.
    Label(Box<Message<LabelMessage>>),
    /// A sentence for the person who watches.
    Note(String),
    /// This run is over.
    End(String, Box<RunEnd>),
}

/// The answer to `snapshot`, as far as it is used.
#[derive(Deserialize)]
struct Snapshot {
    epoch: String,
    last_seq: BTreeMap<Kind, u64>,
    labels: Vec<Message<LabelMessage>>,
}

/// Keeps track of one daemon.
#[derive(Debug)]
pub(super) struct Follower {
    control: String,
    keys: Option<ClientKeys>,
    tally: Tally,
    /// A sign of life was seen, and the snapshot taken.
    joined: bool,
    /// What was wrong with the last frame that was told of.
    warnings: Vec<String>,
}

impl Follower {
    /// Follows the daemon whose command socket is at `control`.
    pub(super) fn new(control: &str, keys: Option<ClientKeys>) -> Self {
        Self {
            control: control.to_owned(),
            keys,
            tally: Tally::default(),
            joined: false,
            warnings: Vec::new(),
        }
    }

    /// Takes a message of the socket of labels.
    pub(super) async fn message(&mut self, frames: &Frames) -> Vec<Event> {
        let mut events = Vec::new();
        let bytes = frames.get(1).map_or(&[][..], Vec::as_slice);
        let header = match decode_header(bytes) {
            Ok(header) => header,
            Err(error) => return vec![Event::Note(error.to_string())],
        };
        if !self.joined {
            if header.kind != Kind::Hb {
                return events;
            }
            self.joined = true;
            self.take_snapshot(&mut events).await;
        }
        match self.tally.look(&header) {
            Arrival::Known => return events,
            Arrival::NewEpoch => {
                events.push(Event::Note("the daemon was restarted".to_owned()));
                self.take_snapshot(&mut events).await;
            }
            Arrival::After { missing } if header.kind == Kind::Label => {
                events.push(Event::Note(format!(
                    "{missing} label(s) did not arrive in time"
                )));
                self.take_snapshot(&mut events).await;
            }
            Arrival::After { .. } | Arrival::InOrder => {}
        }
        if self.tally.see(&header) == Arrival::Known {
            return events;
        }
        match header.kind {
            Kind::Label => match decode(bytes) {
                Ok(label) => events.push(Event::Label(Box::new(label))),
                Err(error) => events.push(Event::Note(error.to_string())),
            },
            Kind::Run => match decode::<Run>(bytes).map(|message| message.body) {
                Ok(Run::Start(_)) => events.push(Event::Note("a run begins".to_owned())),
                Ok(Run::Settings(settings)) => {
                    let changed = settings.changed.iter();
                    let changed: Vec<_> = changed
                        .map(|(key, value)| format!("{key} = {value}"))
                        .collect();
                    let frame = settings.frame;
                    let note = match changed.as_slice() {
                        [] => format!(
                            "from frame {frame} on, the settings are those of the run's start again"
                        ),
                        changed => format!("from frame {frame} on, {}", changed.join(", ")),
                    };
                    events.push(Event::Note(note));
                }
                Ok(Run::End(end)) => {
                    events.push(Event::End(header.run.unwrap_or_default(), Box::new(end)));
                }
                Err(error) => events.push(Event::Note(error.to_string())),
            },
            Kind::Hb => {
                // A heartbeat follows the labels in the same queue: what it knows and we do not is lost.
                let last = decode::<Heartbeat>(bytes)
                    .ok()
                    .and_then(|beat| beat.body.last_seq.get(&Kind::Label).copied());
                if last > self.tally.last(Kind::Label).or(Some(0)) {
                    self.take_snapshot(&mut events).await;
                }
            }
            Kind::Stat => {
                let warnings = decode::<Stat>(bytes).map(|message| message.body.warnings);
                // The same frame is told of every second.
                if let Ok(warnings) = warnings
                    && warnings != self.warnings
                {
                    events.extend(warnings.iter().cloned().map(Event::Note));
                    self.warnings = warnings;
                }
            }
            Kind::Cam => {}
        }
        events
    }

    /// Takes a message of the socket of maps; `None` when it is none or known.
    pub(super) fn map(&mut self, frames: &Frames) -> Option<Message<CamMessage>> {
        let bytes = frames.get(1)?;
        let header = decode_header(bytes).ok()?;
        if header.kind != Kind::Cam || self.tally.see(&header) == Arrival::Known {
            return None;
        }
        decode(bytes).ok()
    }

    /// Compares what arrived with what was sent.
    pub(super) fn compare(&self, run: &str, end: &RunEnd, kinds: &[Kind]) -> Comparison {
        self.tally.compare(run, end, kinds)
    }

    async fn take_snapshot(&mut self, events: &mut Vec<Event>) {
        let keys = self.keys.as_ref();
        let snapshot = Request::of("snapshot");
        match control::request::<Snapshot>(&self.control, &snapshot, PATIENCE, keys).await {
            Ok(Reply::Granted(mut snapshot)) => {
                for label in std::mem::take(&mut snapshot.labels) {
                    if self.tally.see(&label.header) != Arrival::Known {
                        events.push(Event::Label(Box::new(label)));
                    }
                }
                // Maps are not in a snapshot.
                snapshot.last_seq.remove(&Kind::Cam);
                self.tally.know(&snapshot.epoch, &snapshot.last_seq);
            }
            Ok(Reply::Refused(sentence)) => events.push(Event::Note(format!(
                "labels from before are not shown: {sentence}"
            ))),
            Err(error) => events.push(Event::Note(format!(
                "labels from before are not shown: {error}"
            ))),
        }
    }
}
