//! Who may look, and who may operate.
//!
//! Bound to loopback without tokens, whoever can reach the port is an operator, as on the command socket. A page of
//! another site in the same browser is not: a request must name a host of this machine (against rebinding of names), and
//! one that changes something must come from this page.

use std::{io, net::SocketAddr, path::Path};

use axum::http::{HeaderMap, StatusCode, header};
use sha2::{Digest, Sha256};

use super::error::Refusal;
use crate::{config::Http, security::Role};

/// Shortest token: 128 bits in hexadecimal.
const SHORTEST_TOKEN: usize = 32;
/// Largest token file.
const LARGEST_FILE: u64 = 4096;
/// The cookie in which a browser keeps its token.
pub(super) const COOKIE: &str = "senescope_token";

/// Why the page is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// Others could reach it without a token.
    #[error(
        "`http.bind` is {0}, which other machines can reach: set `http.operator_token` to a file with a token, and \
         `http.proxy_host` to the name of a proxy in front that speaks TLS; or bind to 127.0.0.1"
    )]
    Open(SocketAddr),
    /// A proxy would let everybody in.
    #[error(
        "`http.proxy_host` is set, so that other machines reach the live page through a proxy: set \
         `http.operator_token` to a file with a token"
    )]
    Proxy,
    /// A file with a token cannot be read.
    #[error("{path}, which `http.operator_token` or `http.viewer_token` names, cannot be read")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// What is in it is none.
    #[error(
        "the token file {0} has no token of at least {SHORTEST_TOKEN} printable characters on its first line; \
         make one with `openssl rand -hex 32`"
    )]
    Token(String),
}

/// Who may do what.
#[derive(Debug)]
pub struct Access {
    operator: Option<[u8; 32]>,
    viewer: Option<[u8; 32]>,
    proxy_host: Option<String>,
}

impl Access {
    /// As it is configured.
    ///
    /// # Errors
    /// When other machines could reach the page without a token, or a token cannot be read.
    pub fn of(config: &Http) -> Result<Self, AccessError> {
        let token = |path: &Option<std::path::PathBuf>| path.as_deref().map(read).transpose();
        let access = Self {
            operator: token(&config.operator_token)?,
            viewer: token(&config.viewer_token)?,
            proxy_host: config.proxy_host.clone(),
        };
        let is_local = config.bind.ip().to_canonical().is_loopback();
        match (&access.operator, &access.proxy_host) {
            (None, Some(_)) => Err(AccessError::Proxy),
            (Some(_), Some(_)) => Ok(access),
            (_, None) if is_local => Ok(access),
            (_, None) => Err(AccessError::Open(config.bind)),
        }
    }

    /// Whether a token is needed.
    pub(super) fn has_tokens(&self) -> bool {
        self.operator.is_some() || self.viewer.is_some()
    }

    /// The role of a token.
    pub(super) fn role_of(&self, token: &str) -> Option<Role> {
        // Digests are compared: how long that takes tells nothing of the token.
        let given = digest(token);
        if self.operator == Some(given) {
            Some(Role::Operator)
        } else if self.viewer == Some(given) {
            Some(Role::Viewer)
        } else {
            None
        }
    }

    /// The role of who sends a request with these headers.
    ///
    /// # Errors
    /// When the host is not one of this page's, or a token is needed and there is none that is known.
    pub(super) fn role(&self, headers: &HeaderMap) -> Result<Role, Refusal> {
        let host = text(headers, header::HOST).unwrap_or_default();
        if !self.is_host(host) {
            return Err(Refusal(
                StatusCode::MISDIRECTED_REQUEST,
                "this host is not served here; use 127.0.0.1 or localhost, or set `http.proxy_host`"
                    .to_owned(),
            ));
        }
        if !self.has_tokens() {
            return Ok(Role::Operator);
        }
        let bearer = text(headers, header::AUTHORIZATION)
            .and_then(|value| value.strip_prefix("Bearer "))
            .map(str::trim);
        let cookie = text(headers, header::COOKIE).and_then(|cookies| {
            let mut pairs = cookies
                .split(';')
                .filter_map(|pair| pair.trim().split_once('='));
            pairs
                .find(|(name, _)| *name == COOKIE)
                .map(|(_, token)| token)
        });
        let token = bearer.or(cookie);
        token.and_then(|token| self.role_of(token)).ok_or_else(|| {
            Refusal(
                StatusCode::UNAUTHORIZED,
                "a token is needed: open the page as /?token=…, or send `Authorization: Bearer …`"
                    .to_owned(),
            )
        })
    }

    /// Whether a request with these headers may change something.
    ///
    /// # Errors
    /// As [`Self::role`], when it is a viewer's, and when it comes from another site.
    pub(super) fn operator(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let role = self.role(headers)?;
        self.same_site(headers)?;
        if role >= Role::Operator {
            Ok(())
        } else {
            Err(Refusal(
                StatusCode::FORBIDDEN,
                "this needs the operators' token, and yours is a viewer's".to_owned(),
            ))
        }
    }

    /// A browser says from which page a request comes.
    pub(super) fn same_site(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(origin) = text(headers, header::ORIGIN) else {
            return Ok(());
        };
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        let asked = text(headers, header::HOST).unwrap_or_default();
        if host == asked
            || self
                .proxy_host
                .as_deref()
                .is_some_and(|proxy| name_of(host) == proxy)
        {
            Ok(())
        } else {
            Err(Refusal(
                StatusCode::FORBIDDEN,
                "a page of another site may not do this".to_owned(),
            ))
        }
    }

    fn is_host(&self, host: &str) -> bool {
        let name = name_of(host);
        let local = name.eq_ignore_ascii_case("localhost")
            || name
                .trim_start_matches('[')
                .trim_end_matches(']')
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.to_canonical().is_loopback());
        local
            || self
                .proxy_host
                .as_deref()
                .is_some_and(|proxy| proxy.eq_ignore_ascii_case(name))
    }
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn read(path: &Path) -> Result<[u8; 32], AccessError> {
    let name = path.display().to_string();
    let failed = |source| AccessError::Read {
        path: name.clone(),
        source,
    };
    if std::fs::metadata(path).map_err(failed)?.len() > LARGEST_FILE {
        return Err(AccessError::Token(name));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let token = text.lines().next().unwrap_or_default().trim();
    let fine = token.len() >= SHORTEST_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic());
    if fine {
        Ok(digest(token))
    } else {
        Err(AccessError::Token(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn without_tokens_who_is_on_this_machine_operates() {
        let access = Access::of(&Http::default()).unwrap();
        for host in ["127.0.0.1:8080", "localhost", "[::1]:8080", "LOCALHOST:1"] {
            access.operator(&headers(&[("host", host)])).unwrap();
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example:8080",
            "10.0.0.7:8080",
            "",
        ] {
            let refusal = access.role(&headers(&[("host", host)])).unwrap_err();
            assert_eq!(refusal.0, StatusCode::MISDIRECTED_REQUEST, "{host}");
        }
        let own = [
            ("host", "localhost:8080"),
            ("origin", "http://localhost:8080"),
        ];
        access.operator(&headers(&own)).unwrap();
        for origin in ["http://evil.example", "null", "http://localhost:9"] {
            let other = [("host", "localhost:8080"), ("origin", origin)];
            assert_eq!(
                access.operator(&headers(&other)).unwrap_err().0,
                StatusCode::FORBIDDEN
            );
        }
    }

    #[test]
    fn tokens_have_roles() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, token: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("{token}\n")).unwrap();
            Some(path)
        };
        let (operator, viewer) = ("o".repeat(64), "v".repeat(32));
        let config = Http {
            bind: "0.0.0.0:8080".parse().unwrap(),
            operator_token: file("operator", &operator),
            viewer_token: file("viewer", &viewer),
            proxy_host: Some("scope.example".to_owned()),
            ..Http::default()
        };
        let access = Access::of(&config).unwrap();
        let of = |token: &str| {
            let bearer = format!("Bearer {token}");
            let cookie = format!("a=b; {COOKIE}={token}");
            let by = |name, value: &str| {
                let headers = headers(&[("host", "scope.example"), (name, value)]);
                access.role(&headers).map_err(|refusal| refusal.0)
            };
            (by("authorization", &bearer), by("cookie", &cookie))
        };
        assert_eq!(of(&operator), (Ok(Role::Operator), Ok(Role::Operator)));
        assert_eq!(of(&viewer), (Ok(Role::Viewer), Ok(Role::Viewer)));
        let none = Err(StatusCode::UNAUTHORIZED);
        assert_eq!(of("x"), (none, none));
        let bearer = format!("Bearer {viewer}");
        let viewer = headers(&[("host", "scope.example"), ("authorization", &bearer)]);
        assert_eq!(
            access.operator(&viewer).unwrap_err().0,
            StatusCode::FORBIDDEN
        );

        let open = Http {
            proxy_host: None,
            ..config.clone()
        };
        assert!(matches!(Access::of(&open), Err(AccessError::Open(_))));
        // A proxy on this machine makes everybody local.
        let behind_a_proxy = Http {
            bind: Http::default().bind,
            operator_token: None,
            ..config.clone()
        };
        assert!(matches!(
            Access::of(&behind_a_proxy),
            Err(AccessError::Proxy)
        ));
        let short = Http {
            viewer_token: file("short", "abc"),
            ..config
        };
        assert!(matches!(Access::of(&short), Err(AccessError::Token(_))));
    }
}
