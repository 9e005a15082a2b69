//! The page's WebSocket: events as they come, and the rows of the present frame, the freshest first.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, Utf8Bytes, WebSocket},
    },
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::json;
use tokio::{
    sync::broadcast::error::RecvError,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{canvas::Seen, error::Refusal, server::Site};
use crate::security::Role;

/// Between two looks at the picture.
const LOOK: Duration = Duration::from_millis(50);
/// Most bytes of rows that a page is sent between two looks: 10 MB a second.
const LOOK_BYTES: usize = 512 << 10;
/// A page that does not take a message for this long is let go.
const PATIENCE: Duration = Duration::from_secs(30);
/// Labels of before that a page is sent.
const LABELS: usize = 1024;
/// Largest message of a page: it has nothing to say.
const LARGEST: usize = 1024;

pub(super) async fn live(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refusal> {
    let role = site.access.role(&headers)?;
    // A script of another site must not look through this browser.
    site.access.same_site(&headers)?;
    let Ok(seat) = Arc::clone(&site.seats).try_acquire_owned() else {
        return Err(Refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many pages are open".to_owned(),
        ));
    };
    Ok(upgrade
        .max_message_size(LARGEST)
        .max_frame_size(LARGEST)
        .on_upgrade(async move |socket| {
            site.metrics.pages(1);
            show(&site, socket, role).await;
            site.metrics.pages(-1);
            drop(seat);
        }))
}

async fn show(site: &Site, mut socket: WebSocket, role: Role) {
    let mut events = site.events.subscribe();
    if !greet(site, &mut socket, role).await {
        return;
    }
    let mut seen = Seen::default();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut state = None;
    loop {
        let goes_on = tokio::select! {
            event = events.recv() => match event {
                Ok(event) => text(&mut socket, &event.json).await,
                Err(RecvError::Lagged(missed)) => {
                    text(&mut socket, &json!({ "type": "missed", "events": missed }).to_string()).await
                        && greet(site, &mut socket, role).await
                }
                Err(RecvError::Closed) => false,
            },
            _ = looks.tick() => {
                let now = site.desk.outbox.run_state();
                let told = state == Some(now)
                    || text(&mut socket, &json!({ "type": "state", "state": now }).to_string()).await;
                state = Some(now);
                told && rows(site, &mut socket, &mut seen).await
            }
            said = socket.recv() => matches!(said, Some(Ok(_))),
        };
        if !goes_on {
            return;
        }
    }
}

/// What a page must know that comes late, or that missed something.
async fn greet(site: &Site, socket: &mut WebSocket, role: Role) -> bool {
    let known: Vec<Arc<str>> = {
        let board = site.board();
        let labels = board.labels(0, LABELS);
        let run = board.run().chain(&labels);
        run.map(|event| Arc::clone(&event.json)).collect()
    };
    let hello = json!({
        "type": "hello",
        "operator": role >= Role::Operator,
        "epoch": site.desk.outbox.epoch(),
        "software": env!("CARGO_PKG_VERSION"),
    });
    if !text(socket, &hello.to_string()).await {
        return false;
    }
    for event in known {
        if !text(socket, &event).await {
            return false;
        }
    }
    true
}

/// The rows that were not seen, as many as may be sent between two looks.
async fn rows(site: &Site, socket: &mut WebSocket, seen: &mut Seen) -> bool {
    let mut left = LOOK_BYTES;
    while left > 0 {
        let Some(rows) = site.canvas.rows(seen, 64) else {
            break;
        };
        let bytes = rows.to_bytes();
        left = left.saturating_sub(bytes.len());
        if !send(socket, Message::Binary(bytes.into())).await {
            return false;
        }
    }
    true
}

async fn text(socket: &mut WebSocket, text: &str) -> bool {
    send(socket, Message::Text(Utf8Bytes::from(text))).await
}

/// Whether it was taken in time.
async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(PATIENCE, socket.send(message)).await, Ok(Ok(())))
}
