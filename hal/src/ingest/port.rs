//! The way into the board, for any transport.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{
    join::{Joiner, Taken},
    query,
    refusal::Refusal,
};
use crate::{
    Clock, SystemClock,
    wire::{ErrorQueue, MAGIC, NO_ERROR, units},
};

/// What the board and the ports share.
pub(super) struct Shared {
    joiner: Mutex<Joiner>,
    /// Tells the board to look again.
    news: Sender<()>,
    peers: AtomicU64,
}

impl Shared {
    pub(super) fn new(joiner: Joiner) -> (Arc<Self>, Receiver<()>) {
        let (news, heard) = bounded(1);
        let shared = Self {
            joiner: Mutex::new(joiner),
            news,
            peers: AtomicU64::new(0),
        };
        (Arc::new(shared), heard)
    }

    /// Nothing that is done under the lock leaves it half done.
    pub(super) fn joiner(&self) -> MutexGuard<'_, Joiner> {
        self.joiner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way into an [`IngestBoard`](super::IngestBoard). It may outlive the board, and then says that no run is on.
#[derive(Clone)]
pub struct IngestPort(pub(super) Arc<Shared>);

impl IngestPort {
    /// A peer with a connection: it is expected to go on until this is dropped.
    pub fn connection(&self) -> IngestPeer {
        let number = self.0.peers.fetch_add(1, Ordering::Relaxed);
        IngestPeer::new(self.clone(), Some(number))
    }

    /// Peers without connections, of whom only messages are seen. A pusher who is silent for 2 s has gone.
    pub fn messages(&self) -> IngestPeer {
        IngestPeer::new(self.clone(), None)
    }
}

/// One who sends messages, each a record or a line.
pub struct IngestPeer {
    port: IngestPort,
    connection: Option<u64>,
    errors: ErrorQueue,
}

/// What a message is answered with.
pub(super) struct Answer {
    /// One line, or a block and the end of a line.
    pub(super) bytes: Vec<u8>,
    /// Where the next message begins cannot be told.
    pub(super) ends_the_stream: bool,
}

impl IngestPeer {
    fn new(port: IngestPort, connection: Option<u64>) -> Self {
        Self {
            port,
            connection,
            errors: ErrorQueue::default(),
        }
    }

    /// Takes one message, a record or a line, and gives its reply, which ends with `\n`. Does not block.
    pub fn take(&mut self, message: &[u8]) -> Vec<u8> {
        self.answer(message).bytes
    }

    pub(super) fn answer(&mut self, message: &[u8]) -> Answer {
        let answer = if message.starts_with(&MAGIC) {
            self.record(message)
        } else {
            self.line(message)
        };
        answer.unwrap_or_else(|refusal| self.refuse(&refusal))
    }

    /// The reply to what is refused. It can be asked for again.
    pub(super) fn refuse(&mut self, refusal: &Refusal) -> Answer {
        self.port.0.joiner().count(refusal.reason.counter());
        let line = refusal.to_string();
        self.errors.push(line.as_str());
        Answer {
            bytes: (line + "\n").into_bytes(),
            ends_the_stream: refusal.reason.ends_the_stream(),
        }
    }

    fn record(&self, record: &[u8]) -> Result<Answer, Refusal> {
        let now = SystemClock.now();
        let taken = self.port.0.joiner().take(record, self.connection, now)?;
        // The board looks once, however many records came.
        let _ = self.port.0.news.try_send(());
        Ok(Answer::go_on(match taken {
            Taken::Accepted => b"0,\"accepted\"\n".to_vec(),
            Taken::Known => b"0,\"known\"\n".to_vec(),
        }))
    }

    fn line(&mut self, line: &[u8]) -> Result<Answer, Refusal> {
        let mut bytes = Vec::new();
        for unit in units(line)? {
            if !bytes.is_empty() {
                bytes.push(b';');
            }
            query::answer(&unit, &self.port.0, &mut self.errors, &mut bytes)?;
        }
        if bytes.is_empty() {
            bytes.extend(NO_ERROR.bytes());
        }
        bytes.push(b'\n');
        Ok(Answer::go_on(bytes))
    }
}

impl Drop for IngestPeer {
    fn drop(&mut self) {
        if let Some(connection) = self.connection {
            self.port.0.joiner().left(connection);
        }
    }
}

impl Answer {
    fn go_on(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            ends_the_stream: false,
        }
    }
}
