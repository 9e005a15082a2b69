//! What a request is told that is not granted.

use axum::{
    Json,
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// A status and a sentence.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) StatusCode, pub(super) String);

#[derive(Serialize)]
struct Body {
    error: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(Body { error: self.1 })).into_response()
    }
}

impl Refusal {
    /// It cannot be done now.
    pub(super) fn conflict(sentence: impl Into<String>) -> Self {
        Self(StatusCode::CONFLICT, sentence.into())
    }

    /// What was asked for is not there.
    pub(super) fn missing(sentence: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, sentence.into())
    }

    /// The request is wrong.
    pub(super) fn wrong(sentence: impl Into<String>) -> Self {
        Self(StatusCode::UNPROCESSABLE_ENTITY, sentence.into())
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        Self(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        Self(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        Self(rejection.status(), rejection.body_text())
    }
}
