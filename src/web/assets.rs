//! The page itself, which is in the program: no other host is asked for anything.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{access::COOKIE, error::Refusal, server::Site};

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, type and text of each file beside `index.html`.
const FILES: &[(&str, &str, &str)] = &[
    (
        "page.css",
        "text/css; charset=utf-8",
        include_str!("assets/page.css"),
    ),
    ("page.js", SCRIPT, include_str!("assets/page.js")),
    (
        "connection.js",
        SCRIPT,
        include_str!("assets/connection.js"),
    ),
    ("frame.js", SCRIPT, include_str!("assets/frame.js")),
    ("gallery.js", SCRIPT, include_str!("assets/gallery.js")),
    ("labels.js", SCRIPT, include_str!("assets/labels.js")),
    ("figures.js", SCRIPT, include_str!("assets/figures.js")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// Only what this program serves may run, and no other page may show this one.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Of the page.
#[derive(Deserialize)]
pub(super) struct Token {
    token: Option<String>,
}

pub(super) async fn page(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Query(Token { token }): Query<Token>,
) -> Result<Response, Refusal> {
    if let Some(token) = token.filter(|token| site.access.role_of(token).is_some()) {
        // The address is shown and kept; a cookie is not.
        let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; Secure; SameSite=Strict");
        return Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response());
    }
    site.access.role(&headers)?;
    Ok(served(HTML, include_str!("assets/index.html")))
}

pub(super) async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(file, ..)| *file == name) {
        Some((_, kind, text)) => served(kind, text),
        None => Refusal::missing("there is no such file").into_response(),
    }
}

pub(super) async fn openapi() -> Response {
    served("application/json", include_str!("assets/openapi.json"))
}

fn served(kind: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (StatusCode::OK, headers, text).into_response()
}
