//! How a connecting socket learns that it is not let in.

use omq_tokio::{MonitorEvent, MonitorRecvError, MonitorStream};
use tokio::sync::Mutex;

use crate::stages::publish::PublishError;

/// Connections in a row that came to nothing before it is believed. The first ones may meet a daemon that is just
/// ending or beginning.
const ATTEMPTS: u32 = 4;

/// Watches the handshakes of a socket.
///
/// A server that does not know a key says so; one with another key, or with none, hangs up.
#[derive(Debug)]
pub(super) struct TurnedAway {
    endpoint: String,
    keys: bool,
    /// The events, and connections since the last handshake that succeeded.
    state: Mutex<(MonitorStream, u32)>,
}

impl TurnedAway {
    pub(super) fn of(events: MonitorStream, endpoint: &str, keys: bool) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            keys,
            state: Mutex::new((events, 0)),
        }
    }

    /// Returns when the other side does not let this socket in; otherwise never. May be cancelled.
    pub(super) async fn wait(&self) -> PublishError {
        let mut state = self.state.lock().await;
        let (events, attempts) = &mut *state;
        loop {
            match events.recv().await {
                Ok(MonitorEvent::HandshakeSucceeded { .. }) => *attempts = 0,
                Ok(MonitorEvent::Connected { .. }) => *attempts += 1,
                Ok(MonitorEvent::ConnectStopped { .. }) => break,
                // The socket itself says that it is closed.
                Err(MonitorRecvError::Closed) => std::future::pending().await,
                Ok(_) | Err(_) => {}
            }
            if *attempts >= ATTEMPTS {
                break;
            }
        }
        PublishError::TurnedAway {
            endpoint: self.endpoint.clone(),
            keys: self.keys,
        }
    }
}
