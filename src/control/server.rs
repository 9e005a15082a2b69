//! The task that answers requests.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::{
    control::answer::{StopRun, answer},
    stages::publish::{Outbox, socket::RouterSocket},
};

/// A serving command socket. Ends when it is dropped.
#[derive(Debug)]
pub struct Control(JoinHandle<()>);

impl Drop for Control {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts to answer the requests that come to `socket`. Must be called on a tokio runtime.
pub fn serve(socket: Arc<RouterSocket>, outbox: Outbox, stop: StopRun) -> Control {
    Control(tokio::spawn(async move {
        loop {
            match socket.recv().await {
                Ok((peer, request)) => socket.reply(&peer, answer(&request, &outbox, &stop)),
                Err(error) => {
                    tracing::debug!(%error, "the command socket is closed");
                    return;
                }
            }
        }
    }))
}
