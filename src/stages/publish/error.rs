//! What can go wrong between this program and its subscribers.

/// Whose fault it is, and so what the exit code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishErrorKind {
    /// The configuration asks for what is not allowed.
    Configuration,
    /// A port is taken, or nobody answers.
    Unavailable,
    /// The operating system or the ZeroMQ library failed.
    Io,
    /// The other side sent what is not a message.
    Data,
}

/// An error of the stream's sockets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The endpoint cannot be understood or is not supported.
    #[error("the endpoint `{endpoint}` cannot be used: {reason}")]
    Endpoint {
        /// As configured.
        endpoint: String,
        /// Why, and what to write instead.
        reason: String,
    },
    /// The endpoint can be reached from other machines.
    #[error(
        "the endpoint `{endpoint}` can be reached from other machines, which needs keys: type `senescope keys new \
         --server` and `senescope keys new NAME --role viewer` (or operator), and set `publish.security.server_key` \
         and `publish.security.clients` to what they print; or bind to 127.0.0.1 and forward the port by ssh"
    )]
    NotLoopback {
        /// As configured.
        endpoint: String,
    },
    /// Another program has the port.
    #[error(
        "the endpoint `{endpoint}` is in use; stop the program that has it (perhaps another senescope), or \
         choose another place for it under `publish` in the configuration"
    )]
    InUse {
        /// As configured.
        endpoint: String,
    },
    /// Nobody answered.
    #[error("no answer from `{endpoint}` within {seconds} s; is a senescope daemon running there?")]
    NoAnswer {
        /// As asked for.
        endpoint: String,
        /// How long was waited.
        seconds: u64,
    },
    /// Somebody is there and hangs up.
    #[error(
        "`{endpoint}` does not let this program in: {}",
        if *keys {
            "is the key of `--key` listed there, is `--server-key` the key of that daemon, and has it keys at all? \
             (`senescope keys list` on its machine tells; it reads the list when it starts)"
        } else {
            "it may want keys; give `--key` and `--server-key` (`senescope keys new` makes them)"
        }
    )]
    TurnedAway {
        /// As asked for.
        endpoint: String,
        /// Keys were shown.
        keys: bool,
    },
    /// The socket failed.
    #[error("the socket `{endpoint}` failed: {reason}")]
    Socket {
        /// As configured.
        endpoint: String,
        /// What the library says.
        reason: String,
    },
    /// A message could not be read or written.
    #[error(transparent)]
    Message(#[from] crate::stages::publish::message::MessageError),
}

impl PublishError {
    /// Whose fault it is.
    pub fn kind(&self) -> PublishErrorKind {
        match self {
            Self::Endpoint { .. } | Self::NotLoopback { .. } => PublishErrorKind::Configuration,
            Self::InUse { .. } | Self::NoAnswer { .. } | Self::TurnedAway { .. } => {
                PublishErrorKind::Unavailable
            }
            Self::Socket { .. } => PublishErrorKind::Io,
            Self::Message(_) => PublishErrorKind::Data,
        }
    }
}
