//! Records over ZeroMQ: one message, one reply, as `hal/README.md` has it. The board itself is in `hal`.

use senescope_hal::{ingest::IngestPort, wire::MAX_RECORD};

use crate::stages::publish::{
    PublishError,
    socket::{RouterSocket, ServerKeys},
};

/// A bound socket at which records are taken.
#[derive(Debug)]
pub struct IngestSocket(RouterSocket);

impl IngestSocket {
    /// Binds, with keys as a CURVE server for those that may push; port 0 takes a free port.
    ///
    /// # Errors
    /// When the endpoint is not allowed or in use.
    pub async fn bind(endpoint: &str, keys: Option<&ServerKeys>) -> Result<Self, PublishError> {
        Ok(Self(RouterSocket::bind(endpoint, MAX_RECORD, keys).await?))
    }

    /// Where it is bound, with the port that was taken.
    pub fn endpoint(&self) -> &str {
        self.0.endpoint()
    }

    /// Gives what comes to `port`, until the socket is closed.
    pub async fn serve(self, port: IngestPort) {
        // All of its peers are one to the board: it tells sessions by what is in their records.
        let mut peer = port.messages();
        while let Ok((from, frames)) = self.0.recv().await {
            // A message of several frames is neither a record nor a line, like a character that no line has.
            let message = match frames.as_slice() {
                [message] => message.as_slice(),
                _ => b"\0",
            };
            self.0.reply(&from, peer.take(message));
        }
    }
}
