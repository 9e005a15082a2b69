//! What the pipeline's threads call to publish.
//!
//! Numbers are assigned, headers written and late joiners' memory fed here, under one lock, so that the
//! order of numbers is the order on the wire. Two queues lead to the sockets' tasks: `labels` (run, label,
//! stat, hb), whose callers wait when it is full, and `maps` (cam), which sheds its oldest. The sockets
//! never wait for a subscriber, so a full queue means a busy host.
//!
//! Calls block and belong on OS threads, not on a tokio task.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use senescope_hal::{Clock, HostInstant, RunId};
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use uuid::Uuid;

use crate::{
    stages::publish::{
        CamMessage, Depth, Header, Heartbeat, Kind, LabelMessage, Listeners, Message, MessageError,
        Published, Run, RunEnd, RunReport, RunSettings, RunStart, RunState, Snapshot,
        SnapshotLimits, Stat, Total, VERSION,
        feed::Feed,
        message::encode,
        queue::{Item, Queue},
        sequence::Sequences,
        snapshot::Recent,
        topic::topic,
    },
    telemetry::{Discard, Edge, EdgeCounts},
};

/// A message that has its number and is on its way.
struct Posted {
    seq: u64,
    header: Vec<u8>,
}

/// Which run a message belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunIdentity {
    /// The run.
    pub run: RunId,
    /// Digest of the ensemble.
    pub model: String,
    /// Digest of the effective configuration.
    pub config: String,
}

#[derive(Debug)]
struct State {
    sequences: Sequences,
    at_run_start: Sequences,
    run: Option<(String, RunIdentity)>,
    recent: Recent,
    run_state: RunState,
}

/// The two queues and the counters of what passes them.
#[derive(Debug)]
pub(super) struct Lanes {
    pub(super) labels: Queue,
    pub(super) maps: Queue,
}

struct Shared {
    epoch: String,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// `None` when nothing listens and everything is only counted.
    lanes: Option<Lanes>,
    label_edge: Edge,
    map_edge: Edge,
    /// Counters when the present run began.
    edges_before: Mutex<[EdgeCounts; 2]>,
    shed: AtomicU64,
    feed: Feed,
}

/// A handle to publish with; see the module. Copies share everything.
#[derive(Clone)]
pub struct Outbox(Arc<Shared>);

impl Outbox {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        lanes: Option<Lanes>,
        snapshot: SnapshotLimits,
    ) -> Self {
        let label_edge = Edge::new("publish.label");
        let map_edge = Edge::new("publish.cam");
        Self(Arc::new(Shared {
            epoch: Uuid::new_v4().simple().to_string(),
            clock,
            state: Mutex::new(State {
                sequences: Sequences::default(),
                at_run_start: Sequences::default(),
                run: None,
                recent: Recent::new(snapshot),
                run_state: RunState::Idle,
            }),
            lanes,
            edges_before: Mutex::new([label_edge.counts(), map_edge.counts()]),
            label_edge,
            map_edge,
            shed: AtomicU64::new(0),
            feed: Feed::default(),
        }))
    }

    /// An outbox without sockets: numbers are assigned and counted, and nothing leaves.
    pub fn disabled(clock: Arc<dyn Clock>) -> Self {
        Self::new(
            clock,
            None,
            SnapshotLimits {
                labels: 0,
                bytes: 0,
            },
        )
    }

    /// This start of the daemon: 32 hexadecimal digits.
    pub fn epoch(&self) -> &str {
        &self.0.epoch
    }

    /// What is published from now on beside maps, in this process.
    pub fn look_on(&self) -> Receiver<Arc<Published>> {
        self.0.feed.labels()
    }

    /// The maps that are published from now on, in this process.
    pub fn look_on_maps(&self) -> Receiver<Arc<Published>> {
        self.0.feed.maps()
    }

    /// Says where the daemon is, for heartbeats and the command socket.
    pub fn set_state(&self, run_state: RunState) {
        self.state().run_state = run_state;
    }

    /// Where the daemon is, as last said.
    pub fn run_state(&self) -> RunState {
        self.state().run_state
    }

    /// The present run; `None` between runs.
    pub fn run(&self) -> Option<RunIdentity> {
        self.state()
            .run
            .as_ref()
            .map(|(_, identity)| identity.clone())
    }

    /// The last number of each kind.
    pub fn last_seq(&self) -> BTreeMap<Kind, u64> {
        self.state().sequences.to_map()
    }

    /// Messages shed since the daemon started.
    pub fn shed(&self) -> u64 {
        self.0.shed.load(Ordering::Relaxed)
    }

    /// Begins a run. Everything until [`Self::run_end`] belongs to it.
    ///
    /// # Errors
    /// When the message cannot be encoded.
    pub fn run_start(&self, identity: RunIdentity, start: RunStart) -> Result<u64, MessageError> {
        self.room_for_labels();
        let mut state = self.state();
        state.at_run_start = state.sequences;
        state.run = Some((identity.run.to_string(), identity));
        *lock(&self.0.edges_before) = [self.0.label_edge.counts(), self.0.map_edge.counts()];
        let posted = self.post(&mut state, Kind::Run, None, None, Run::Start(start), None)?;
        state.recent.start(posted.header);
        Ok(posted.seq)
    }

    /// Settings of this digest are in force from now on. Waits like a label.
    ///
    /// # Errors
    /// When the message cannot be encoded.
    pub fn settings(&self, config: String, settings: RunSettings) -> Result<u64, MessageError> {
        self.room_for_labels();
        let mut state = self.state();
        if let Some((_, identity)) = &mut state.run {
            identity.config = config;
        }
        let body = Run::Settings(settings);
        self.post(&mut state, Kind::Run, None, None, body, None)
            .map(|posted| posted.seq)
    }

    /// Publishes a label and gives its number. Waits while the queue of labels is full.
    ///
    /// # Errors
    /// When the message cannot be encoded.
    pub fn label(&self, label: LabelMessage) -> Result<u64, MessageError> {
        self.room_for_labels();
        let (field, acquired) = (label.field, label.t_acq_ns);
        let mut state = self.state();
        let posted = self.post(&mut state, Kind::Label, Some(field), acquired, label, None)?;
        state.recent.label(posted.header);
        Ok(posted.seq)
    }

    /// Publishes a map and gives its number. Never waits: when the queue of maps is full, its oldest are
    /// shed and counted.
    ///
    /// # Errors
    /// When the message cannot be encoded.
    pub fn cam(&self, mut cam: CamMessage) -> Result<u64, MessageError> {
        let (field, acquired) = (cam.field, cam.t_acq_ns);
        let payload = std::mem::take(&mut cam.payload);
        self.post(
            &mut self.state(),
            Kind::Cam,
            Some(field),
            acquired,
            cam,
            Some(payload),
        )
        .map(|posted| posted.seq)
    }

    /// Publishes counters; the publisher's own edges and queues are added. Waits like a label.
    ///
    /// # Errors
    /// When the message cannot be encoded.
    pub fn stat(&self, mut stat: Stat) -> Result<u64, MessageError> {
        self.room_for_labels();
        stat.edges.extend(self.edges());
        stat.queues.extend(self.depths());
        self.post(&mut self.state(), Kind::Stat, None, None, stat, None)
            .map(|posted| posted.seq)
    }

    /// Publishes a sign of life, unless the queue of labels is full. Never waits.
    ///
    /// # Errors
    /// When the message cannot be encoded.
    pub fn heartbeat(&self, listeners: Listeners) -> Result<(), MessageError> {
        if self
            .0
            .lanes
            .as_ref()
            .is_none_or(|lanes| !lanes.labels.has_room())
        {
            return Ok(());
        }
        let mut state = self.state();
        let heartbeat = Heartbeat {
            last_seq: state.sequences.to_map(),
            shed: self.shed(),
            state: state.run_state,
            listeners,
        };
        self.post(&mut state, Kind::Hb, None, None, heartbeat, None)
            .map(drop)
    }

    /// Ends the run: waits until all its labels and maps are in their sockets, and publishes the totals.
    ///
    /// # Errors
    /// When the message cannot be encoded.
    pub fn run_end(&self, report: RunReport) -> Result<RunEnd, MessageError> {
        if let Some(lanes) = &self.0.lanes {
            lanes.maps.wait_until_empty();
            lanes.labels.wait_until_empty();
        }
        let [labels, maps] = self.edges();
        let mut state = self.state();
        let totals = [Kind::Label, Kind::Cam, Kind::Stat].map(|kind| {
            let last_seq = state.sequences.last(kind);
            let assigned = last_seq - state.at_run_start.last(kind);
            let shed = match kind {
                Kind::Label => assigned.saturating_sub(labels.left),
                Kind::Cam => assigned.saturating_sub(maps.left),
                _ => 0,
            };
            let total = Total {
                assigned,
                last_seq,
                sent: assigned - shed,
                shed,
            };
            (kind, total)
        });
        let end = RunEnd {
            finish: report.finish,
            detail: report.detail,
            totals: totals.into(),
            rows: report.rows,
            gaps: report.gaps,
            edges: report.edges.into_iter().chain([labels, maps]).collect(),
        };
        let body = Run::End(end.clone());
        let posted = self.post(&mut state, Kind::Run, None, None, body, None)?;
        state.recent.end(posted.header);
        state.run = None;
        Ok(end)
    }

    /// The edges from the pipeline to the sockets, since the present run began.
    pub fn edges(&self) -> [EdgeCounts; 2] {
        let before = lock(&self.0.edges_before);
        [
            since(self.0.label_edge.counts(), &before[0]),
            since(self.0.map_edge.counts(), &before[1]),
        ]
    }

    /// How full the queues are.
    pub fn depths(&self) -> BTreeMap<String, Depth> {
        self.0.lanes.as_ref().map_or_else(BTreeMap::new, |lanes| {
            [
                ("publish.labels".to_owned(), lanes.labels.depth()),
                ("publish.maps".to_owned(), lanes.maps.depth()),
            ]
            .into()
        })
    }

    /// What a late joiner is told.
    ///
    /// # Errors
    /// When a kept message cannot be read again.
    pub fn snapshot(&self) -> Result<Snapshot, MessageError> {
        let (last_seq, recent) = {
            let state = self.state();
            (state.sequences.to_map(), state.recent.copy())
        };
        Snapshot::new(self.0.epoch.clone(), last_seq, &recent)
    }

    pub(super) fn lanes(&self) -> Option<&Lanes> {
        self.0.lanes.as_ref()
    }

    /// An item was given to its socket, or not.
    pub(super) fn settled(&self, kind: Kind, sent: bool) {
        let Some(edge) = self.edge(kind) else { return };
        if sent {
            edge.leave(1);
        } else {
            self.discard(edge, Discard::Cancelled, 1);
        }
    }

    fn edge(&self, kind: Kind) -> Option<&Edge> {
        match kind {
            Kind::Label => Some(&self.0.label_edge),
            Kind::Cam => Some(&self.0.map_edge),
            Kind::Run | Kind::Stat | Kind::Hb => None,
        }
    }

    fn discard(&self, edge: &Edge, reason: Discard, items: u64) {
        edge.discard(reason, items);
        self.0.shed.fetch_add(items, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    fn room_for_labels(&self) {
        if let Some(lanes) = &self.0.lanes {
            lanes.labels.wait_for_room();
        }
    }

    fn post<Body: Serialize>(
        &self,
        state: &mut State,
        kind: Kind,
        field: Option<u32>,
        acquired: Option<HostInstant>,
        body: Body,
        payload: Option<Vec<u8>>,
    ) -> Result<Posted, MessageError> {
        let run = state.run.as_ref();
        let mut numbered = state.sequences;
        let seq = numbered.next(kind);
        let message = Message {
            header: Header {
                v: VERSION,
                kind,
                epoch: self.0.epoch.clone(),
                seq,
                run: run.map(|(name, _)| name.clone()),
                t_acq_ns: acquired,
                t_pub_ns: self.0.clock.now(),
                model: run.map(|(_, identity)| identity.model.clone()),
                config: run.map(|(_, identity)| identity.config.clone()),
            },
            body,
        };
        let topic = topic(kind, message.header.run.as_deref(), field);
        let header = encode(&message)?;
        state.sequences = numbered;
        self.0.feed.show(kind, &header, payload.as_deref());
        let frames = [topic.into_bytes(), header.clone()]
            .into_iter()
            .chain(payload)
            .collect();
        self.hand_over(Item { kind, frames });
        Ok(Posted { seq, header })
    }

    fn hand_over(&self, item: Item) {
        let kind = item.kind;
        if let Some(edge) = self.edge(kind) {
            edge.enter(1);
        }
        match (&self.0.lanes, kind) {
            (None, _) => self.settled(kind, true),
            (Some(lanes), Kind::Cam) => {
                let shed = lanes.maps.put_shedding(item);
                self.discard(&self.0.map_edge, Discard::PublisherBusy, shed);
            }
            (Some(lanes), _) => {
                if !lanes.labels.put(item) {
                    self.settled(kind, false);
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The counts that were added after `before`.
fn since(now: EdgeCounts, before: &EdgeCounts) -> EdgeCounts {
    EdgeCounts {
        entered: now.entered - before.entered,
        left: now.left - before.left,
        discarded: now
            .discarded
            .into_iter()
            .map(|(reason, items)| (reason, items - before.discarded.get(&reason).unwrap_or(&0)))
            .filter(|(_, items)| *items > 0)
            .collect(),
        ..now
    }
}
