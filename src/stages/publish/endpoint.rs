//! Which endpoints may be bound or connected to.
//!
//! Only `tcp://HOST:PORT`. A bind is only allowed to the loopback interface as long as there are no keys.

use std::net::{IpAddr, SocketAddr};

use crate::stages::publish::PublishError;

/// Checks an endpoint that this program will bind.
///
/// # Errors
/// When it is not `tcp://ADDRESS:PORT`, or the address is not of the loopback interface.
pub fn check_bind(endpoint: &str) -> Result<(), PublishError> {
    let (host, _) = host_and_port(endpoint)?;
    let loopback = host == "localhost"
        || address(host).is_some_and(|address| address.to_canonical().is_loopback());
    if loopback {
        Ok(())
    } else {
        Err(PublishError::NotLoopback {
            endpoint: endpoint.to_owned(),
        })
    }
}

/// Checks an endpoint that this program will connect to.
///
/// # Errors
/// When it is not `tcp://HOST:PORT`.
pub fn check_connect(endpoint: &str) -> Result<(), PublishError> {
    let (_, port) = host_and_port(endpoint)?;
    if port == 0 {
        return Err(refused(endpoint, "port 0 cannot be connected to"));
    }
    Ok(())
}

fn host_and_port(endpoint: &str) -> Result<(&str, u16), PublishError> {
    if endpoint.starts_with("ipc://") {
        return Err(refused(
            endpoint,
            "ipc is not supported in this version; write tcp://127.0.0.1:PORT",
        ));
    }
    let rest = endpoint
        .strip_prefix("tcp://")
        .ok_or_else(|| refused(endpoint, "write it as tcp://HOST:PORT"))?;
    let (host, port) = rest
        .rsplit_once(':')
        .ok_or_else(|| refused(endpoint, "the port is missing; write tcp://HOST:PORT"))?;
    let port = port
        .parse()
        .map_err(|_| refused(endpoint, "the port must be a number from 0 to 65535"))?;
    if host.is_empty() {
        return Err(refused(endpoint, "the host is missing"));
    }
    Ok((host, port))
}

/// The address in `host`, which may be an IPv6 address in brackets.
fn address(host: &str) -> Option<IpAddr> {
    format!("{host}:0")
        .parse::<SocketAddr>()
        .ok()
        .map(|address| address.ip())
}

fn refused(endpoint: &str, reason: &str) -> PublishError {
    PublishError::Endpoint {
        endpoint: endpoint.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::publish::PublishErrorKind;

    #[test]
    fn only_loopback_may_be_bound() {
        for allowed in [
            "tcp://127.0.0.1:5556",
            "tcp://127.8.9.1:0",
            "tcp://[::1]:1",
            "tcp://localhost:2",
        ] {
            check_bind(allowed).unwrap();
        }
        for refused in [
            "tcp://0.0.0.0:5556",
            "tcp://*:5556",
            "tcp://[::]:1",
            "tcp://192.168.0.7:1",
            "tcp://eth0:1",
            "tcp://localhost.example:1",
            "tcp://127.0.0.1",
            "tcp://127.0.0.1:65536",
            "tcp://:1",
            "ipc:///tmp/x",
            "udp://127.0.0.1:1",
            "",
        ] {
            let error = check_bind(refused).unwrap_err();
            assert_eq!(error.kind(), PublishErrorKind::Configuration, "{refused}");
            assert!(error.to_string().contains(&format!("`{refused}`")));
        }
    }

    #[test]
    fn any_host_may_be_connected_to() {
        check_connect("tcp://microscope.example:5556").unwrap();
        check_connect("tcp://microscope.example:0").unwrap_err();
    }
}
