//! The live page and the HTTP interface.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

/// The live page and the HTTP interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Whether there is one.
    pub enabled: bool,
    /// Where. Other machines reach it only with tokens, through a proxy that speaks TLS.
    pub bind: SocketAddr,
    /// File with the token of operators, who may start and stop runs, change settings and mark labels.
    pub operator_token: Option<PathBuf>,
    /// File with the token of viewers; without it viewers need the operators'.
    pub viewer_token: Option<PathBuf>,
    /// Name under which a proxy that speaks TLS is reached.
    pub proxy_host: Option<String>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            enabled: true,
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            operator_token: None,
            viewer_token: None,
            proxy_host: None,
        }
    }
}
