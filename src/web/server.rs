//! Routes, and the task that serves them.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, broadcast},
};

use super::{
    access::Access, api, assets, board::Board, canvas::Canvas, error::Refusal, events::Event, hub,
    live, metrics::Metrics,
};
use crate::control::Desk;

/// Largest body of a request.
const LARGEST_BODY: usize = 64 << 10;
/// Pages that may be open.
const SEATS: usize = 16;
/// Events that a page may be behind.
const EVENTS: usize = 4096;

/// Why the page is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// The address is taken, or not of this machine.
    #[error(
        "the live page cannot be bound to {address}; set `http.bind` to another, or `http.enabled` to false"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// What requests are answered from.
#[derive(Debug)]
pub struct Site {
    pub(super) desk: Desk,
    pub(super) canvas: Arc<Canvas>,
    pub(super) access: Access,
    pub(super) metrics: Metrics,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) seats: Arc<Semaphore>,
    pub(super) ready: AtomicBool,
    board: Mutex<Board>,
}

impl Site {
    /// The page of a daemon: `canvas` shows its frames.
    pub fn new(desk: Desk, canvas: Arc<Canvas>, access: Access) -> Self {
        Self {
            desk,
            canvas,
            access,
            metrics: Metrics::new(),
            events: broadcast::Sender::new(EVENTS),
            seats: Arc::new(Semaphore::new(SEATS)),
            ready: AtomicBool::new(false),
            board: Mutex::default(),
        }
    }

    /// From now on the daemon says that it can classify.
    pub fn ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    pub(super) fn board(&self) -> MutexGuard<'_, Board> {
        // Each change is whole.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Binds `address` and serves `site` on this runtime until it ends; gives where it is bound.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(address: SocketAddr, site: Arc<Site>) -> Result<SocketAddr, WebError> {
    let failed = |source| WebError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let outbox = &site.desk.outbox;
    tokio::spawn(hub::events(Arc::clone(&site), outbox.look_on()));
    tokio::spawn(hub::maps(Arc::clone(&site), outbox.look_on_maps()));
    let routes = routes(site);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "the live page is not served any more");
        }
    });
    Ok(bound)
}

fn routes(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(assets::page))
        .route("/page/{name}", get(assets::file))
        .route("/openapi.json", get(assets::openapi))
        .route("/healthz", get(api::healthz))
        .route("/readyz", get(api::readyz))
        .route("/status", get(api::status))
        .route("/metrics", get(api::metrics))
        .route("/api/labels", get(api::labels))
        .route("/api/maps/{seq}", get(api::maps))
        .route("/api/maps/{seq}/{member}", get(api::map))
        .route("/api/live", get(live::live))
        .route("/api/run/start", post(api::start))
        .route("/api/run/stop", post(api::stop))
        .route("/api/settings", get(api::settings).post(api::set))
        .route("/api/reprocess", post(api::reprocess))
        .route("/api/marks", post(api::marks))
        .fallback(async || Refusal::missing("there is nothing here"))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(site)
}
