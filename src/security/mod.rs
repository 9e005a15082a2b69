//! Who may connect to the daemon, and as what: CURVE certificates in files.
//!
//! A certificate is a file as pyzmq's `zmq.auth` writes and reads it. `NAME.key` holds the public key and the role,
//! `NAME.key_secret` both keys; a secret file that others can read is refused. The daemon has a pair of its own and a
//! folder of public certificates, its list of clients: the name of a file is the name of the client. It reads both when
//! it starts, so that a change takes a restart.
//!
//! | role | may |
//! |---|---|
//! | `viewer` | subscribe; ask `status`, `snapshot` and `since` |
//! | `operator` | the same; `start`, `stop` and whatever changes something; push frames |

mod certificate;
mod clients;
mod error;
mod files;
mod role;

pub use certificate::Certificate;
pub use clients::{Client, Clients};
pub use error::{SecurityError, SecurityErrorKind};
pub use files::{Created, client_keys, create, read_secret};
pub use role::Role;

use std::{path::Path, sync::Arc};

use crate::stages::publish::socket::ServerKeys;

/// What a daemon is secured with.
#[derive(Clone, Debug)]
pub struct Security {
    /// For sockets that every listed client may connect to.
    pub everybody: ServerKeys,
    /// For sockets that only operators may connect to.
    pub operators: ServerKeys,
    /// Whose key is whose.
    pub clients: Arc<Clients>,
}

impl Security {
    /// Reads the daemon's secret certificate and its folder of clients.
    ///
    /// # Errors
    /// When either cannot be read or is malformed, the secret is exposed, or nobody is listed.
    pub fn load(server_key: &Path, clients: &Path) -> Result<Self, SecurityError> {
        let pair = read_secret(server_key)?;
        let clients = Clients::load(clients)?;
        let keys = |least| ServerKeys {
            pair: pair.clone(),
            allowed: Arc::new(clients.keys(least)),
        };
        Ok(Self {
            everybody: keys(Role::Viewer),
            operators: keys(Role::Operator),
            clients: Arc::new(clients),
        })
    }
}
