//! The task that answers requests.

use std::sync::Arc;

use crate::{
    control::{Lifecycle, answer::answer},
    stages::publish::{Outbox, socket::RouterSocket},
};

/// Answers the requests that come to `socket`, until it is closed.
pub async fn serve(socket: Arc<RouterSocket>, outbox: Outbox, lifecycle: Lifecycle) {
    loop {
        match socket.recv().await {
            Ok((peer, request)) => socket.reply(&peer, answer(&request, &outbox, &lifecycle)),
            Err(error) => {
                tracing::debug!(%error, "the command socket is closed");
                return;
            }
        }
    }
}
