//! Which endpoints may be bound or connected to.
//!
//! `tcp://HOST:PORT`, and `ipc:///DIRECTORY/NAME` for programs of the same user. Without keys a bind is only allowed
//! where no other machine can reach it.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
};

use crate::stages::publish::{PublishError, ipc::MAX_PATH_BYTES};

/// Checks an endpoint that this program will bind, and gives the path of an ipc endpoint.
///
/// # Errors
/// When it is neither `tcp://ADDRESS:PORT` nor `ipc:///DIRECTORY/NAME`, or there are no keys and other machines could
/// reach it.
pub fn check_bind(endpoint: &str, keys: bool) -> Result<Option<&Path>, PublishError> {
    if let Some(path) = path(endpoint)? {
        return Ok(Some(path));
    }
    let (host, _) = host_and_port(endpoint)?;
    let address = address(host);
    let loopback =
        host == "localhost" || address.is_some_and(|address| address.to_canonical().is_loopback());
    if loopback {
        Ok(None)
    } else if address.is_none() && host != "*" {
        Err(refused(
            endpoint,
            "an interface is named by its address: write tcp://192.168.0.7:PORT, or tcp://*:PORT for all",
        ))
    } else if keys {
        Ok(None)
    } else {
        Err(PublishError::NotLoopback {
            endpoint: endpoint.to_owned(),
        })
    }
}

/// Checks an endpoint that this program will connect to.
///
/// # Errors
/// When it is neither `tcp://HOST:PORT` nor `ipc:///DIRECTORY/NAME`.
pub fn check_connect(endpoint: &str) -> Result<(), PublishError> {
    if path(endpoint)?.is_some() {
        return Ok(());
    }
    let (_, port) = host_and_port(endpoint)?;
    if port == 0 {
        return Err(refused(endpoint, "port 0 cannot be connected to"));
    }
    Ok(())
}

/// The path of an ipc endpoint.
fn path(endpoint: &str) -> Result<Option<&Path>, PublishError> {
    let Some(path) = endpoint.strip_prefix("ipc://") else {
        return Ok(None);
    };
    if path.len() > MAX_PATH_BYTES {
        return Err(refused(
            endpoint,
            "the path is longer than the 107 bytes that a socket's may have",
        ));
    }
    let path = Path::new(path);
    // A path in the working directory is another one for every program.
    if !path.is_absolute() || path.file_name().is_none() || endpoint.ends_with('/') {
        return Err(refused(
            endpoint,
            "write it as ipc:///DIRECTORY/NAME, for example ipc:///run/senescope/labels",
        ));
    }
    Ok(Some(path))
}

fn host_and_port(endpoint: &str) -> Result<(&str, u16), PublishError> {
    let rest = endpoint.strip_prefix("tcp://").ok_or_else(|| {
        refused(
            endpoint,
            "write it as tcp://HOST:PORT or ipc:///DIRECTORY/NAME",
        )
    })?;
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
    fn without_keys_only_this_machine_may_reach_a_bind() {
        for allowed in [
            "tcp://127.0.0.1:5556",
            "tcp://127.8.9.1:0",
            "tcp://[::1]:1",
            "tcp://localhost:2",
            "ipc:///run/user/1000/senescope/labels",
        ] {
            check_bind(allowed, false).unwrap();
            check_bind(allowed, true).unwrap();
        }
        for wide in [
            "tcp://0.0.0.0:5556",
            "tcp://*:5556",
            "tcp://[::]:1",
            "tcp://192.168.0.7:1",
            "tcp://[::ffff:192.168.0.7]:1",
        ] {
            let error = check_bind(wide, false).unwrap_err();
            assert_eq!(error.kind(), PublishErrorKind::Configuration, "{wide}");
            let sentence = error.to_string();
            assert!(sentence.contains(&format!("`{wide}`")), "{sentence}");
            assert!(sentence.contains("`senescope keys new"), "{sentence}");
            check_bind(wide, true).unwrap();
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_and_without_keys() {
        let long = format!("ipc:///{}", "x".repeat(107));
        for refused in [
            "tcp://eth0:1",
            "tcp://localhost.example:1",
            "tcp://127.0.0.1",
            "tcp://127.0.0.1:65536",
            "tcp://:1",
            "ipc://",
            "ipc://labels",
            "ipc://@labels",
            "ipc://*",
            "ipc:///",
            "ipc:///run/senescope/",
            "ipc:///run/..",
            &long,
            "udp://127.0.0.1:1",
            "",
        ] {
            for keys in [false, true] {
                let error = check_bind(refused, keys).unwrap_err();
                assert_eq!(error.kind(), PublishErrorKind::Configuration, "{refused}");
                assert!(error.to_string().contains(&format!("`{refused}`")));
            }
        }
    }

    #[test]
    fn any_host_may_be_connected_to() {
        check_connect("tcp://microscope.example:5556").unwrap();
        check_connect("ipc:///run/senescope/labels").unwrap();
        check_connect("tcp://microscope.example:0").unwrap_err();
        check_connect("ipc://labels").unwrap_err();
    }
}
