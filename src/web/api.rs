//! What is asked and told over HTTP beside the page itself.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{error::Refusal, events::Event, exposition::negotiated, server::Site};
use crate::{
    config::Effective,
    recording::{MarkLine, MarkedClass, mark},
    stages::publish::Kind,
};

/// Most labels of one answer.
const MOST_LABELS: usize = 4096;
/// Between two signs of life of an event stream.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Alive.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Ready to classify: the ensemble is loaded and has passed its golden vectors.
pub(super) async fn readyz(State(site): State<Arc<Site>>) -> Response {
    if site.desk.lifecycle.is_quitting() {
        (StatusCode::SERVICE_UNAVAILABLE, "ending\n").into_response()
    } else if !site.ready.load(Ordering::Acquire) {
        (StatusCode::SERVICE_UNAVAILABLE, "loading the ensemble\n").into_response()
    } else {
        "ok\n".into_response()
    }
}

/// Where the daemon is.
#[derive(Serialize)]
pub(super) struct Status {
    software: &'static str,
    epoch: String,
    state: &'static str,
    run: Option<String>,
    config: String,
    last_seq: Value,
    shed: u64,
    recording: Option<String>,
    stat: Option<Value>,
    run_end: Option<Value>,
}

pub(super) async fn status(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
) -> Result<Json<Status>, Refusal> {
    site.access.role(&headers)?;
    let outbox = &site.desk.outbox;
    let board = site.board();
    Ok(Json(Status {
        software: env!("CARGO_PKG_VERSION"),
        epoch: outbox.epoch().to_owned(),
        state: outbox.run_state().as_str(),
        run: outbox.run().map(|identity| identity.run.to_string()),
        config: site.desk.settings.now().digest().to_owned(),
        last_seq: json!(outbox.last_seq()),
        shed: outbox.shed(),
        recording: site
            .desk
            .lifecycle
            .recording()
            .map(|folder| folder.display().to_string()),
        stat: board.stat().cloned(),
        run_end: board.run_end().cloned(),
    }))
}

pub(super) async fn metrics(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    site.access.role(&headers)?;
    let outbox = &site.desk.outbox;
    let text = site
        .metrics
        .text(outbox.run_state(), outbox.shed())
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let (kind, text) = negotiated(&headers, text);
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Which labels.
#[derive(Deserialize)]
pub(super) struct LabelQuery {
    /// Those above this number.
    #[serde(default)]
    since: u64,
    /// At most so many: the newest.
    #[serde(default = "most_labels")]
    limit: usize,
}

fn most_labels() -> usize {
    256
}

pub(super) async fn labels(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    query: Result<Query<LabelQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    site.access.role(&headers)?;
    let Query(query) = query?;
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/event-stream")) {
        return Ok(label_events(&site, &headers, &query));
    }
    let labels = site
        .board()
        .labels(query.since, query.limit.min(MOST_LABELS));
    let labels: Vec<_> = labels.iter().map(|label| &*label.value).collect();
    Ok(Json(json!({ "labels": labels })).into_response())
}

/// First what is known above a number, then what comes. A browser that connects anew says where it was.
fn label_events(site: &Site, headers: &HeaderMap, query: &LabelQuery) -> Response {
    let events = site.events.subscribe();
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(query.since);
    let known = site.board().labels(last, query.limit.min(MOST_LABELS));
    let seen = known.last().map_or(last, |label| label.seq);
    let known = futures_util::stream::iter(known.into_iter().map(|label| Ok(sse_of(&label))));
    let to_come = futures_util::stream::unfold((events, seen), |(mut events, seen)| async move {
        let event = next_label(&mut events, seen).await?;
        let (event, seen) = event;
        Some((Ok::<_, Infallible>(event), (events, seen)))
    });
    let stream = futures_util::StreamExt::chain(known, to_come);
    Sse::new(stream)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

async fn next_label(events: &mut Receiver<Event>, seen: u64) -> Option<(sse::Event, u64)> {
    loop {
        match events.recv().await {
            Ok(event) if event.kind == Kind::Label && event.seq > seen => {
                return Some((sse_of(&event), event.seq));
            }
            Ok(event) if event.kind == Kind::Run => {
                return Some((sse::Event::default().event("run").data(&*event.json), seen));
            }
            Ok(_) => {}
            Err(RecvError::Lagged(missed)) => {
                let data = json!({ "missed": missed }).to_string();
                return Some((sse::Event::default().event("missed").data(data), seen));
            }
            Err(RecvError::Closed) => return None,
        }
    }
}

fn sse_of(label: &Event) -> sse::Event {
    sse::Event::default()
        .event("label")
        .id(label.seq.to_string())
        .data(&*label.json)
}

/// Which maps of a label there are.
pub(super) async fn maps(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    seq: Result<Path<u64>, PathRejection>,
) -> Result<Json<Value>, Refusal> {
    site.access.role(&headers)?;
    let Path(seq) = seq?;
    let board = site.board();
    let maps = board.maps(seq);
    if maps.is_empty() {
        return Err(Refusal::missing(
            "this label has no map, or it is too old to be kept",
        ));
    }
    Ok(Json(json!({ "maps": maps })))
}

/// A map as PNG, 8 bit.
pub(super) async fn map(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    place: Result<Path<(u64, String)>, PathRejection>,
) -> Result<Response, Refusal> {
    site.access.role(&headers)?;
    let Path((seq, member)) = place?;
    let found = {
        let board = site.board();
        board
            .maps(seq)
            .iter()
            .find(|map| map.member == member)
            .cloned()
    };
    let map = found.ok_or_else(|| {
        Refusal::missing("this label has no such map, or it is too old to be kept")
    })?;
    let [rows, columns] = map.shape;
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(&map.samples, columns, rows, ExtendedColorType::L8)
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let kept = [
        (header::CONTENT_TYPE, "image/png"),
        (header::CACHE_CONTROL, "private, max-age=3600, immutable"),
    ];
    Ok((kept, png).into_response())
}

pub(super) async fn start(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    site.access.operator(&headers)?;
    site.desk.lifecycle.start().map_err(Refusal::conflict)?;
    Ok(state(&site))
}

pub(super) async fn stop(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    site.access.operator(&headers)?;
    site.desk.lifecycle.stop().map_err(Refusal::conflict)?;
    Ok(state(&site))
}

fn state(site: &Site) -> Json<Value> {
    Json(json!({ "state": site.desk.outbox.run_state() }))
}

/// Changes of settings, `section.key=value` each.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    set: Vec<String>,
}

pub(super) async fn settings(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    site.access.role(&headers)?;
    Ok(in_force(&site.desk.settings.now()))
}

pub(super) async fn set(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    changes: Result<Json<Changes>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    site.access.operator(&headers)?;
    let Json(changes) = changes?;
    let settings = site.desk.settings.change(&changes.set);
    let settings = settings.map_err(|error| Refusal::wrong(error.to_string()))?;
    Ok(in_force(&settings))
}

fn in_force(settings: &Effective) -> Json<Value> {
    Json(json!({ "config": settings.digest(), "settings": &**settings }))
}

pub(super) async fn reprocess(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    changes: Result<Json<Changes>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    site.access.operator(&headers)?;
    let Json(changes) = changes?;
    let work = site
        .desk
        .reprocess(&changes.set)
        .map_err(Refusal::conflict)?;
    let said = tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
        .map_err(Refusal::conflict)?;
    Ok(Json(json!(said)))
}

/// What a cell is, when its label is wrong.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    run: String,
    #[serde(deserialize_with = "whole")]
    frame: u64,
    #[serde(deserialize_with = "whole")]
    cell: u32,
    class: MarkedClass,
}

/// A whole number, which JSON may write as 7.0.
fn whole<'de, D: Deserializer<'de>, Number: TryFrom<u64>>(text: D) -> Result<Number, D::Error> {
    let number = serde_json::Number::deserialize(text)?;
    let from_float = || {
        let float = number.as_f64()?;
        // Beyond 2^53 not every whole number is a float.
        (float.fract() == 0.0 && (0.0..9e15).contains(&float)).then_some(float as u64)
    };
    number
        .as_u64()
        .or_else(from_float)
        .and_then(|number| Number::try_from(number).ok())
        .ok_or_else(|| {
            serde::de::Error::custom(format!("{number} is not in the range of this number"))
        })
}

pub(super) async fn marks(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    said: Result<Json<Mark>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    site.access.operator(&headers)?;
    let Json(said) = said?;
    let labels = site.board().labels(0, MOST_LABELS);
    let known = labels.iter().any(|label| {
        let number = |field: &str| label.value.get(field).and_then(Value::as_u64);
        label.text("run") == Some(&said.run)
            && number("frame") == Some(said.frame)
            && number("cell") == Some(u64::from(said.cell))
    });
    if !known {
        return Err(Refusal::missing(
            "no label of this cell is known here any more",
        ));
    }
    let folder = site.desk.lifecycle.recording().ok_or_else(|| {
        Refusal::conflict(
            "the run is not recorded, and a mark belongs to a recording; set `record.enabled`",
        )
    })?;
    let line = MarkLine {
        frame: said.frame,
        cell: said.cell,
        class: said.class,
        marked_utc: jiff::Timestamp::now().to_string(),
    };
    let written = tokio::task::spawn_blocking(move || mark(&folder, &line)).await;
    match written {
        Ok(Ok(())) => Ok(Json(json!({ "marked": true }))),
        Ok(Err(error)) => Err(Refusal(
            StatusCode::INSUFFICIENT_STORAGE,
            format!("the mark cannot be written: {error}"),
        )),
        Err(error) => Err(Refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            error.to_string(),
        )),
    }
}
