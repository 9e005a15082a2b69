//! The task that answers requests.

use std::sync::Arc;

use crate::{
    control::{
        Desk,
        answer::{Answered, answer},
        command::Caller,
    },
    security::Clients,
    stages::publish::socket::{ReplyTo, RouterSocket},
};

/// Answers the requests that come to `socket`, until it is closed. `clients` says whose keys are whose, when the socket
/// has keys; it answers nobody else.
pub async fn serve(socket: Arc<RouterSocket>, desk: Desk, clients: Option<Arc<Clients>>) {
    loop {
        match socket.recv().await {
            Ok((peer, request)) => {
                let caller = caller(&peer, socket.is_secured(), clients.as_deref());
                match answer(&request, &caller, &desk) {
                    Answered::Now(answer) => socket.reply(&peer, answer),
                    Answered::Later(work) => {
                        let socket = Arc::clone(&socket);
                        tokio::task::spawn_blocking(move || socket.reply(&peer, work()));
                    }
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the command socket is closed");
                return;
            }
        }
    }
}

/// Known by the key that the connection has proved to hold, never by a name that it chose.
fn caller(peer: &ReplyTo, secured: bool, clients: Option<&Clients>) -> Caller {
    if !secured {
        return Caller::Anybody;
    }
    let client = peer.key().and_then(|key| clients?.of(&key));
    client.map_or(Caller::Stranger, |client| Caller::Client {
        name: client.name.clone(),
        role: client.role,
    })
}
