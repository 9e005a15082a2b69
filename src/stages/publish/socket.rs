//! The sockets. The only file that names the ZeroMQ library; `deploy/docs/adr/0001-zeromq-library.md` says
//! why this one.
//!
//! Every limit that a hostile or slow peer could lean on is set here: bytes waiting for a subscriber, bytes
//! of a received message, time for a handshake, bytes of a subscription. Everything is asynchronous and
//! needs a tokio runtime. There are no keys yet, so that binds are limited to the loopback interface.

use std::{future::Future, io, time::Duration};

use omq_tokio::{Error, IdentitySocket, Message, Options, Socket, SocketType, TrySendError};

use crate::stages::publish::{PublishError, endpoint, topic};

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

async fn bound(
    kind: SocketType,
    options: Options,
    endpoint: &str,
) -> Result<(Socket, String), PublishError> {
    endpoint::check_bind(endpoint)?;
    let socket = Socket::try_new(kind, options).map_err(|error| failed(endpoint, &error))?;
    let actual = socket
        .bind(endpoint)
        .await
        .map_err(|error| failed(endpoint, &error))?;
    Ok((socket, actual.to_string()))
}

async fn connected(
    kind: SocketType,
    options: Options,
    endpoint: &str,
) -> Result<Socket, PublishError> {
    endpoint::check_connect(endpoint)?;
    let socket = Socket::try_new(kind, options).map_err(|error| failed(endpoint, &error))?;
    socket
        .connect(endpoint)
        .await
        .map_err(|error| failed(endpoint, &error))?;
    Ok(socket)
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
}

impl PubSocket {
    /// Binds; port 0 takes a free port.
    ///
    /// # Errors
    /// When the endpoint is not allowed or in use.
    pub async fn bind(endpoint: &str, backlog: Backlog) -> Result<Self, PublishError> {
        let options = options()
            .send_hwm(backlog.messages)
            .transmit_slot_cap(backlog.bytes)
            .max_message_size(MAX_REQUEST_BYTES)
            .subscription_admission(|request| request.prefix.len() <= topic::MAX_PREFIX_BYTES);
        let (socket, endpoint) = bound(SocketType::Pub, options, endpoint).await?;
        Ok(Self { socket, endpoint })
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

/// Who sent a request: where the reply goes. Not an identity to trust.
#[derive(Clone, Debug)]
pub struct ReplyTo {
    route: Vec<u8>,
    /// REQ peers put an empty frame before the request and expect it before the reply.
    delimited: bool,
}

/// A bound ROUTER socket that answers requests.
#[derive(Debug)]
pub struct RouterSocket {
    socket: IdentitySocket,
    endpoint: String,
}

impl RouterSocket {
    /// Binds for requests of at most `most` bytes; port 0 takes a free port.
    ///
    /// # Errors
    /// When the endpoint is not allowed or in use.
    pub async fn bind(endpoint: &str, most: usize) -> Result<Self, PublishError> {
        let options = options()
            .send_hwm(FEW_MESSAGES)
            .recv_hwm(FEW_MESSAGES)
            .max_message_size(most);
        let (socket, endpoint) = bound(SocketType::Router, options, endpoint).await?;
        let socket = IdentitySocket::try_from(socket).map_err(|error| failed(&endpoint, &error))?;
        Ok(Self { socket, endpoint })
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
        let route = peer.to_bytes().to_vec();
        Ok((ReplyTo { route, delimited }, request))
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
}

impl SubSocket {
    /// Connects and subscribes to `prefixes`. Does not wait for the other side to be there.
    ///
    /// # Errors
    /// When the endpoint cannot be understood.
    pub async fn connect(endpoint: &str, prefixes: &[String]) -> Result<Self, PublishError> {
        let options = options().max_message_size(MAX_RECEIVED_BYTES);
        let socket = connected(SocketType::Sub, options, endpoint).await?;
        for prefix in prefixes {
            socket
                .subscribe(prefix.clone())
                .await
                .map_err(|error| failed(endpoint, &error))?;
        }
        let endpoint = endpoint.to_owned();
        Ok(Self { socket, endpoint })
    }

    /// The next message. May be cancelled without losing one.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn recv(&self) -> Result<Frames, PublishError> {
        let message = self.socket.recv().await;
        message
            .map(|message| frames(&message))
            .map_err(|error| failed(&self.endpoint, &error))
    }
}

/// Asks one question and waits for its answer.
///
/// # Errors
/// When the endpoint cannot be understood, or there is no answer within `patience`.
pub async fn ask(
    endpoint: &str,
    request: Vec<u8>,
    patience: Duration,
) -> Result<Vec<u8>, PublishError> {
    let options = options()
        .linger(Duration::ZERO)
        .max_message_size(MAX_RECEIVED_BYTES);
    let socket = connected(SocketType::Req, options, endpoint).await?;
    let exchange = async {
        socket.send(Message::single(request)).await?;
        socket.recv().await
    };
    let answer = within(endpoint, patience, exchange).await;
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
