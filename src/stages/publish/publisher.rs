//! The sockets with the tasks that feed them.

use std::{sync::Arc, time::Duration};

use senescope_hal::Clock;
use tokio::task::JoinHandle;

use crate::stages::publish::{
    Listeners, Outbox, PublishError, SnapshotLimits,
    outbox::Lanes,
    queue::Queue,
    socket::{Backlog, MAX_REQUEST_BYTES, PubSocket, RouterSocket, ServerKeys},
};

/// Time between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Fewest bytes of a message on average, to size tables of messages from bytes of backlog.
const LABEL_BYTES: usize = 1 << 10;
/// See [`LABEL_BYTES`].
const MAP_BYTES: usize = 32 << 10;
/// Longest such table.
const MAX_MESSAGES: usize = 1 << 16;

/// Where to publish and how much may wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishConfig {
    /// Endpoint of labels.
    pub labels: String,
    /// Endpoint of maps.
    pub maps: String,
    /// Endpoint of commands.
    pub control: String,
    /// Bytes of labels that may wait for one subscriber.
    pub labels_backlog_bytes: usize,
    /// Bytes of maps that may wait for one subscriber.
    pub maps_backlog_bytes: usize,
    /// Bytes of labels between the pipeline and the socket.
    pub labels_queue_bytes: usize,
    /// Bytes of maps between the pipeline and the socket.
    pub maps_queue_bytes: usize,
    /// What is kept for late joiners.
    pub snapshot: SnapshotLimits,
}

impl Default for PublishConfig {
    fn default() -> Self {
        Self {
            labels: "tcp://127.0.0.1:5556".to_owned(),
            maps: "tcp://127.0.0.1:5557".to_owned(),
            control: "tcp://127.0.0.1:5558".to_owned(),
            labels_backlog_bytes: 16 << 20,
            maps_backlog_bytes: 64 << 20,
            labels_queue_bytes: 4 << 20,
            maps_queue_bytes: 16 << 20,
            snapshot: SnapshotLimits::default(),
        }
    }
}

/// Bound sockets. Publish through [`Self::outbox`]; end with [`Self::close`].
pub struct Publisher {
    outbox: Outbox,
    labels: Arc<PubSocket>,
    maps: Arc<PubSocket>,
    control: Arc<RouterSocket>,
    pumps: [JoinHandle<()>; 2],
    heartbeat: JoinHandle<()>,
}

impl Publisher {
    /// Binds the three sockets, with keys as CURVE servers, and starts signs of life. Must be called on a tokio runtime, and the runtime
    /// must live until [`Self::close`] is done.
    ///
    /// # Errors
    /// When an endpoint is not allowed or in use; nothing is bound then.
    pub async fn bind(
        config: &PublishConfig,
        keys: Option<&ServerKeys>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PublishError> {
        let labels = backlog(config.labels_backlog_bytes, LABEL_BYTES);
        let maps = backlog(config.maps_backlog_bytes, MAP_BYTES);
        let labels = Arc::new(PubSocket::bind(&config.labels, labels, keys).await?);
        let maps = Arc::new(PubSocket::bind(&config.maps, maps, keys).await?);
        let control = RouterSocket::bind(&config.control, MAX_REQUEST_BYTES, keys).await?;
        let control = Arc::new(control);
        let lanes = Lanes {
            labels: Queue::new(config.labels_queue_bytes),
            maps: Queue::new(config.maps_queue_bytes),
        };
        let outbox = Outbox::new(clock, Some(lanes), config.snapshot);
        let pumps = [
            tokio::spawn(pump(outbox.clone(), labels.clone(), |lanes| &lanes.labels)),
            tokio::spawn(pump(outbox.clone(), maps.clone(), |lanes| &lanes.maps)),
        ];
        let heartbeat = tokio::spawn(beat(outbox.clone(), labels.clone(), maps.clone()));
        Ok(Self {
            outbox,
            labels,
            maps,
            control,
            pumps,
            heartbeat,
        })
    }

    /// What to publish with.
    pub fn outbox(&self) -> Outbox {
        self.outbox.clone()
    }

    /// Where labels are bound, with the port that was taken.
    pub fn labels(&self) -> &str {
        self.labels.endpoint()
    }

    /// Where maps are bound.
    pub fn maps(&self) -> &str {
        self.maps.endpoint()
    }

    /// The bound command socket, for [`crate::control::serve`].
    pub fn control(&self) -> Arc<RouterSocket> {
        self.control.clone()
    }

    /// Connected subscribers.
    pub async fn listeners(&self) -> Listeners {
        listeners(&self.labels, &self.maps).await
    }

    /// Takes no more messages, gives those that wait to the sockets, lets these send for two seconds at
    /// most, and gives the ports up.
    pub async fn close(self) {
        if let Some(lanes) = self.outbox.lanes() {
            lanes.labels.close();
            lanes.maps.close();
        }
        self.heartbeat.abort();
        for pump in self.pumps {
            if let Err(error) = pump.await {
                tracing::error!(%error, "a publishing task failed; its last messages are lost");
            }
        }
        tokio::join!(self.labels.close(), self.maps.close(), self.control.close());
    }
}

fn backlog(bytes: usize, message_bytes: usize) -> Backlog {
    let messages = (bytes / message_bytes).clamp(16, MAX_MESSAGES);
    Backlog {
        bytes,
        messages: u32::try_from(messages).unwrap_or(u32::MAX),
    }
}

async fn listeners(labels: &PubSocket, maps: &PubSocket) -> Listeners {
    let (labels, maps) = tokio::join!(labels.listeners(), maps.listeners());
    Listeners { labels, maps }
}

async fn pump(outbox: Outbox, socket: Arc<PubSocket>, queue: fn(&Lanes) -> &Queue) {
    let Some(queue) = outbox.lanes().map(queue) else {
        return;
    };
    // Nobody may wait for a task that is gone, however it went.
    let _closing = Closing(queue);
    while let Some(item) = queue.take().await {
        let sent = socket.send(item.frames).await;
        if let Err(error) = &sent {
            tracing::error!(%error, kind = %item.kind, "a message is lost");
        }
        outbox.settled(item.kind, sent.is_ok());
        queue.sent();
    }
}

/// Closes a queue when the task that empties it ends.
struct Closing<'a>(&'a Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
        self.0.sent();
    }
}

async fn beat(outbox: Outbox, labels: Arc<PubSocket>, maps: Arc<PubSocket>) {
    let mut ticks = tokio::time::interval(HEARTBEAT);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let listeners = listeners(&labels, &maps).await;
        if let Err(error) = outbox.heartbeat(listeners) {
            tracing::error!(%error, "a heartbeat is lost");
        }
    }
}
