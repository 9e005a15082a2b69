//! The task that answers requests.

use std::sync::Arc;

use crate::{
    control::answer::{StopRun, answer},
    stages::publish::{Outbox, socket::RouterSocket},
};

/// Answers the requests that come to `socket`, until it is closed.
pub async fn serve(socket: Arc<RouterSocket>, outbox: Outbox, stop: StopRun) {
    loop {
        match socket.recv().await {
            Ok((peer, request)) => socket.reply(&peer, answer(&request, &outbox, &stop)),
            Err(error) => {
                tracing::debug!(%error, "the command socket is closed");
                return;
            }
        }
    }
}
