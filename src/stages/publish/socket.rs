//! The sockets. The only file that names the ZeroMQ library; `deploy/docs/adr/0001-zeromq-library.md` says
//! why this one.
//!
//! Every limit that a hostile or slow peer could lean on is set here: bytes waiting for a subscriber, bytes
//! of a received message, time for a handshake, bytes and number of subscriptions. Everything is asynchronous
//! and needs a tokio runtime. With keys a bound socket is a CURVE server: NULL, PLAIN and keys that are not
//! listed do not get past the handshake. Without keys, binds are limited to this machine.

mod admission;
mod curve;
mod pace;
mod turned_away;

use std::{future::Future, io, time::Duration};

use omq_tokio::{Error, IdentitySocket, Message, Options, Socket, SocketType, TrySendError};

use crate::stages::publish::{PublishError, endpoint, ipc::Claim};
use admission::Admission;
use pace::Pace;
use turned_away::TurnedAway;

pub use curve::{ClientKeys, KeyPair, PublicKey, ServerKeys};

/// The frames of one message.
pub type Frames = Vec<Vec<u8>>;

/// Longest request or subscription that a daemon takes, in bytes.
pub const MAX_REQUEST_BYTES: usize = 64 << 10;

/// Longest message that a subscriber of ours takes, in bytes.
pub const MAX_RECEIVED_BYTES: usize = 16 << 20;

/// A longer handshake lets half-open connections keep others out.
const HANDSHAKE: Duration = Duration::from_secs(2);
/// How long a closing socket goes on sending what waits.
const LINGER: Duration = Duration::from_secs(2);
/// How often a silent peer is asked for a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// After this much silence a peer is gone. A subscriber that has stopped reading is, too.
const SILENCE: Duration = Duration::from_secs(30);
/// Messages that wait in a socket which is not limited otherwise.
const FEW_MESSAGES: u32 = 64;

fn options() -> Options {
    Options::default()
        .handshake_timeout(HANDSHAKE)
        .linger(LINGER)
        .heartbeat_interval(HEARTBEAT)
        .heartbeat_timeout(SILENCE)
        .heartbeat_ttl(SILENCE)
}

fn failed(endpoint: &str, error: &Error) -> PublishError {
    match error {
        Error::Io(io) if io.kind() == io::ErrorKind::AddrInUse => PublishError::InUse {
            endpoint: endpoint.to_owned(),
        },
        Error::InvalidEndpoint(reason) => PublishError::Endpoint {
            endpoint: endpoint.to_owned(),
            reason: reason.clone(),
        },
        other => PublishError::Socket {
            endpoint: endpoint.to_owned(),
            reason: other.to_string(),
        },
    }
}

/// A socket that others connect to.
struct Bound {
    socket: Socket,
    endpoint: String,
    /// Of the path of an ipc endpoint.
    claim: Option<Claim>,
}

async fn bound(
    kind: SocketType,
    options: Options,
    endpoint: &str,
    keys: Option<&ServerKeys>,
) -> Result<Bound, PublishError> {
    let place = endpoint::check_bind(endpoint, keys.is_some())?;
    let claim = place.map(|path| Claim::of(endpoint, path)).transpose()?;
    let options = curve::serving(options, keys);
    let socket = Socket::try_new(kind, options).map_err(|error| failed(endpoint, &error))?;
    let actual = socket
        .bind(endpoint)
        .await
        .map_err(|error| failed(endpoint, &error))?;
    Ok(Bound {
        socket,
        endpoint: actual.to_string(),
        claim,
    })
}

async fn connected(
    kind: SocketType,
    options: Options,
    endpoint: &str,
    keys: Option<&ClientKeys>,
) -> Result<(Socket, TurnedAway), PublishError> {
    endpoint::check_connect(endpoint)?;
    let options = curve::connecting(options, keys);
    let socket = Socket::try_new(kind, options).map_err(|error| failed(endpoint, &error))?;
    let turned_away = TurnedAway::of(socket.monitor(), endpoint, keys.is_some());
    socket
        .connect(endpoint)
        .await
        .map_err(|error| failed(endpoint, &error))?;
    Ok((socket, turned_away))
}

fn frames(message: &Message) -> Frames {
    message.iter().map(|part| part.to_vec()).collect()
}

/// How much may wait for one subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Bytes. Messages beyond are lost to that subscriber alone.
    pub bytes: usize,
    /// Messages. A table of this size is allocated.
    pub messages: u32,
}

/// A bound PUB socket.
#[derive(Debug)]
pub struct PubSocket {
    socket: Socket,
    endpoint: String,
    _claim: Option<Claim>,
    /// With keys: see [`pace`].
    pace: Option<Pace>,
}

impl PubSocket {
    /// Binds, with keys as a CURVE server; port 0 takes a free port.
    ///
    /// # Errors
    /// When the endpoint is not allowed or in use.
    pub async fn bind(
        endpoint: &str,
        backlog: Backlog,
        keys: Option<&ServerKeys>,
    ) -> Result<Self, PublishError> {
        let admission = Admission::default();
        let options = options()
            .send_hwm(backlog.messages)
            .transmit_slot_cap(backlog.bytes)
            .max_message_size(MAX_REQUEST_BYTES)
            .subscription_admission(move |request| admission.admits(request));
        let bound = bound(SocketType::Pub, options, endpoint, keys).await?;
        Ok(Self {
            socket: bound.socket,
            endpoint: bound.endpoint,
            _claim: bound.claim,
            pace: keys.map(|_| Pace::new()),
        })
    }

    /// Where it is bound, with the port that was taken.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Gives a message to the socket. Never waits for a subscriber: one whose backlog is full loses the
    /// message, the others do not. To be called from one task, which is what keeps the order.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn send(&self, frames: Frames) -> Result<(), PublishError> {
        if let Some(pace) = &self.pace {
            pace.wait(frames.iter().map(Vec::len).sum()).await;
        }
        let mut message = Message::multipart(frames);
        // The library's own `send` drops for everybody when the queue in front of its writer is full;
        // only `try_send` tells.
        loop {
            message = match self.socket.try_send(message) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(returned)) => returned,
                Err(TrySendError::Error(error)) => return Err(failed(&self.endpoint, &error)),
                Err(_) => return Err(failed(&self.endpoint, &Error::Closed)),
            };
            self.socket.wait_send_ready().await;
        }
    }

    /// Connected subscribers.
    pub async fn listeners(&self) -> u64 {
        let connections = self.socket.connections().await;
        connections.map_or(0, |list| list.len() as u64)
    }

    /// Sends what waits, for two seconds at most, and gives the port up.
    pub async fn close(&self) {
        if let Err(error) = self.socket.clone().close().await {
            tracing::debug!(endpoint = self.endpoint, %error, "a socket did not close cleanly");
        }
    }
}

/// Who sent a request, and where the reply goes.
#[derive(Clone, Debug)]
pub struct ReplyTo {
    /// Chosen by the peer, and so not an identity to trust.
    route: Vec<u8>,
    /// REQ peers put an empty frame before the request and expect it before the reply.
    delimited: bool,
    key: Option<PublicKey>,
}

impl ReplyTo {
    /// The key that the connection of this very request has proved to hold; `None` without CURVE.
    pub fn key(&self) -> Option<PublicKey> {
        self.key
    }
}

/// A bound ROUTER socket that answers requests.
#[derive(Debug)]
pub struct RouterSocket {
    socket: IdentitySocket,
    endpoint: String,
    _claim: Option<Claim>,
    secured: bool,
}

impl RouterSocket {
    /// Binds for requests of at most `most` bytes, with keys as a CURVE server; port 0 takes a free port.
    ///
    /// # Errors
    /// When the endpoint is not allowed or in use.
    pub async fn bind(
        endpoint: &str,
        most: usize,
        keys: Option<&ServerKeys>,
    ) -> Result<Self, PublishError> {
        let options = options()
            .send_hwm(FEW_MESSAGES)
            .recv_hwm(FEW_MESSAGES)
            .max_message_size(most);
        let bound = bound(SocketType::Router, options, endpoint, keys).await?;
        let socket = IdentitySocket::try_from(bound.socket)
            .map_err(|error| failed(&bound.endpoint, &error))?;
        Ok(Self {
            socket,
            endpoint: bound.endpoint,
            _claim: bound.claim,
            secured: keys.is_some(),
        })
    }

    /// Only peers with a listed key get here.
    pub fn is_secured(&self) -> bool {
        self.secured
    }

    /// Where it is bound, with the port that was taken.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The next request and who asks.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn recv(&self) -> Result<(ReplyTo, Frames), PublishError> {
        let (peer, message) = self
            .socket
            .recv_from()
            .await
            .map_err(|error| failed(&self.endpoint, &error))?;
        let mut request = frames(&message);
        let delimited = request.len() > 1 && request.first().is_some_and(Vec::is_empty);
        if delimited {
            request.remove(0);
        }
        let to = ReplyTo {
            route: peer.to_bytes().to_vec(),
            delimited,
            key: PublicKey::of_peer(peer.peer_info().authentication.public_key.as_ref()),
        };
        Ok((to, request))
    }

    /// Answers. A peer that is gone or does not read its replies gets none.
    pub fn reply(&self, to: &ReplyTo, reply: Vec<u8>) {
        let delimiter = to.delimited.then(Vec::new);
        let message = Message::multipart(delimiter.into_iter().chain([reply]));
        if let Err(error) = self.socket.try_send_to(&to.route, message) {
            tracing::debug!(endpoint = self.endpoint, ?error, "a reply was not taken");
        }
    }

    /// Gives the port up.
    pub async fn close(&self) {
        if let Err(error) = Socket::clone(&self.socket).close().await {
            tracing::debug!(endpoint = self.endpoint, %error, "a socket did not close cleanly");
        }
    }
}

/// A SUB socket. Reconnects by itself.
#[derive(Debug)]
pub struct SubSocket {
    socket: Socket,
    endpoint: String,
    turned_away: TurnedAway,
}

impl SubSocket {
    /// Connects and subscribes to `prefixes`. Does not wait for the other side to be there.
    ///
    /// # Errors
    /// When the endpoint cannot be understood.
    pub async fn connect(
        endpoint: &str,
        prefixes: &[String],
        keys: Option<&ClientKeys>,
    ) -> Result<Self, PublishError> {
        let options = options().max_message_size(MAX_RECEIVED_BYTES);
        let (socket, turned_away) = connected(SocketType::Sub, options, endpoint, keys).await?;
        for prefix in prefixes {
            socket
                .subscribe(prefix.clone())
                .await
                .map_err(|error| failed(endpoint, &error))?;
        }
        Ok(Self {
            socket,
            endpoint: endpoint.to_owned(),
            turned_away,
        })
    }

    /// The next message. May be cancelled without losing one.
    ///
    /// # Errors
    /// When the socket is closed, or the other side does not let this program in.
    pub async fn recv(&self) -> Result<Frames, PublishError> {
        tokio::select! {
            message = self.socket.recv() => message
                .map(|message| frames(&message))
                .map_err(|error| failed(&self.endpoint, &error)),
            error = self.turned_away.wait() => Err(error),
        }
    }
}

/// Asks one question and waits for its answer.
///
/// # Errors
/// When the endpoint cannot be understood, there is no answer within `patience`, or the other side does not let
/// this program in.
pub async fn ask(
    endpoint: &str,
    request: Vec<u8>,
    patience: Duration,
    keys: Option<&ClientKeys>,
) -> Result<Vec<u8>, PublishError> {
    let options = options()
        .linger(Duration::ZERO)
        .max_message_size(MAX_RECEIVED_BYTES);
    let (socket, turned_away) = connected(SocketType::Req, options, endpoint, keys).await?;
    let exchange = async {
        socket.send(Message::single(request)).await?;
        socket.recv().await
    };
    let answer = tokio::select! {
        answer = within(endpoint, patience, exchange) => answer,
        error = turned_away.wait() => Err(error),
    };
    if let Err(error) = socket.clone().close().await {
        tracing::debug!(endpoint, %error, "a socket did not close cleanly");
    }
    let mut answer = frames(&answer?);
    Ok(answer.pop().unwrap_or_default())
}

async fn within<T>(
    endpoint: &str,
    patience: Duration,
    exchange: impl Future<Output = omq_tokio::Result<T>>,
) -> Result<T, PublishError> {
    match tokio::time::timeout(patience, exchange).await {
        Ok(result) => result.map_err(|error| failed(endpoint, &error)),
        Err(_) => Err(PublishError::NoAnswer {
            endpoint: endpoint.to_owned(),
            seconds: patience.as_secs(),
        }),
    }
}
