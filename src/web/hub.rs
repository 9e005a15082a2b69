//! The tasks that look on at what is published, once for all pages.

use std::sync::Arc;

use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{board::Map, events::Event, server::Site};
use crate::stages::publish::{CamMessage, Message, Published, message::decode};

/// Takes messages until the daemon ends.
pub(super) async fn events(site: Arc<Site>, mut published: Receiver<Arc<Published>>) {
    loop {
        let message = match published.recv().await {
            Ok(message) => message,
            Err(RecvError::Lagged(missed)) => {
                site.metrics.missed(missed);
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        match Event::of(&message) {
            Ok(event) => {
                site.metrics.take(&message);
                site.board().take(&event);
                // Without a page nobody needs it.
                let _ = site.events.send(event);
            }
            Err(error) => tracing::debug!(%error, "a message is not shown"),
        }
    }
}

/// Takes maps until the daemon ends.
pub(super) async fn maps(site: Arc<Site>, mut published: Receiver<Arc<Published>>) {
    loop {
        match published.recv().await {
            Ok(message) => {
                if let Some((label, map)) = shown(&message) {
                    site.board().take_map(label, map);
                }
            }
            // Maps that are not shown are not lost: subscribers have them.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

fn shown(message: &Published) -> Option<(u64, Map)> {
    let cam: Message<CamMessage> = decode(&message.header).ok()?;
    let cam = cam.body;
    let samples = cam.samples(message.payload.as_deref()?)?;
    // A spread lies in [0, 0.5].
    let scale = if cam.member == "spread" { 510.0 } else { 255.0 };
    let map = Map {
        samples: samples
            .iter()
            .map(|value| (value * scale).clamp(0.0, 255.0) as u8)
            .collect(),
        member: cam.member,
        class: cam.class,
        bbox: cam.bbox,
        range: cam.range,
        shape: cam.shape,
    };
    Some((cam.label_seq, map))
}
