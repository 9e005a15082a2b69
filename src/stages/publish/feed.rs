//! What is published, for those in this process who look on.
//!
//! Bounded: who is slow misses the oldest messages, is told how many, and sees it in the numbers as a subscriber does.

use std::sync::Arc;

use tokio::sync::broadcast::{Receiver, Sender, channel};

use super::Kind;

/// Messages of the socket of labels that somebody may be behind.
const LABELS: usize = 4096;
/// Maps that somebody may be behind: each has 64 KiB.
const MAPS: usize = 128;

/// A message as it was published.
#[derive(Debug)]
pub struct Published {
    /// What it is about.
    pub kind: Kind,
    /// Its header: CBOR.
    pub header: Vec<u8>,
    /// What the header describes.
    pub payload: Option<Vec<u8>>,
}

/// Hands messages to whoever looks on.
#[derive(Debug)]
pub(super) struct Feed {
    labels: Sender<Arc<Published>>,
    maps: Sender<Arc<Published>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            labels: channel(LABELS).0,
            maps: channel(MAPS).0,
        }
    }
}

impl Feed {
    /// Never waits. Costs a copy when somebody looks on.
    pub(super) fn show(&self, kind: Kind, header: &[u8], payload: Option<&[u8]>) {
        let to = match kind {
            Kind::Cam => &self.maps,
            _ => &self.labels,
        };
        if to.receiver_count() > 0 {
            // Nobody looks on any more: nothing is lost.
            let _ = to.send(Arc::new(Published {
                kind,
                header: header.to_vec(),
                payload: payload.map(<[u8]>::to_vec),
            }));
        }
    }

    pub(super) fn labels(&self) -> Receiver<Arc<Published>> {
        self.labels.subscribe()
    }

    pub(super) fn maps(&self) -> Receiver<Arc<Published>> {
        self.maps.subscribe()
    }
}
