//! The transport over TCP.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{
    connection,
    port::IngestPort,
    refusal::{Reason, Refusal},
};
use crate::{ErrorKind, HalError};

/// Connections at once.
const MAX_CONNECTIONS: usize = 8;
/// How long a connection that is one too many waits for another to end.
const GRACE: Duration = Duration::from_millis(250);
/// Pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections at an address, each in a thread of its own, and at most a few at once. When it is dropped its
/// threads have ended and the address is free.
pub struct IngestListener {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl IngestListener {
    /// Listens at `address`, where port 0 is one that is free. Whoever can reach the address can push.
    ///
    /// # Errors
    /// `Disconnected` when the address is taken, or not this host's.
    pub fn bind(address: SocketAddr, port: IngestPort) -> Result<Self, HalError> {
        let failed = |error: io::Error| {
            let message = format!(
                "frames cannot be pushed to {address}; end the program that has this address, or give another"
            );
            HalError::new(ErrorKind::Disconnected, message).caused_by(error)
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("ingest-accept".into())
            .spawn(move || accept(&listener, &port, &stopped))
            .map_err(failed)?;
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for IngestListener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let mut own = self.address;
        if own.ip().is_unspecified() {
            own.set_ip(match own.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        // A connection wakes the thread that waits for one. Without it the thread would be waited for in vain.
        let woken = TcpStream::connect_timeout(&own, Duration::from_secs(1));
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            // A panic was reported by its own thread.
            let _ = thread.join();
        }
    }
}

/// A peer that is served.
struct Served {
    /// The thread has the stream, and closes it when it ends.
    stream: Weak<TcpStream>,
    thread: JoinHandle<()>,
}

fn accept(listener: &TcpListener, port: &IngestPort, stop: &AtomicBool) {
    let mut served: Vec<Served> = Vec::with_capacity(MAX_CONNECTIONS);
    // Everyone who ends says so, once.
    let (ending, ended) = bounded(MAX_CONNECTIONS);
    loop {
        let accepted = listener.accept();
        if stop.load(Ordering::Acquire) {
            break;
        }
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a pusher could not be accepted");
                // Nobody ends at the moment, or the one who ends makes room.
                let _ = ended.recv_timeout(PAUSE);
                continue;
            }
        };
        if !room(&mut served, &ended) {
            let sentence =
                format!("{MAX_CONNECTIONS} programs are connected already; end one of them");
            let refusal = Refusal::new(Reason::Crowded, sentence);
            port.0.joiner().count(refusal.reason.counter());
            connection::turn_away(&stream, &refusal);
            continue;
        }
        match serve(stream, port, &ending) {
            Ok(one) => served.push(one),
            Err(error) => tracing::debug!(%error, "a pusher could not be served"),
        }
    }
    for one in &served {
        if let Some(stream) = one.stream.upgrade() {
            // One that its peer has closed already is no failure.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
    for one in served {
        let _ = one.thread.join();
    }
}

/// Whether one more can be served, after a moment.
fn room(served: &mut Vec<Served>, ended: &Receiver<()>) -> bool {
    let is_free = |served: &mut Vec<Served>| {
        served.retain(|one| !one.thread.is_finished());
        served.len() < MAX_CONNECTIONS
    };
    while !is_free(served) {
        if ended.recv_timeout(GRACE).is_err() {
            return is_free(served);
        }
    }
    true
}

fn serve(stream: TcpStream, port: &IngestPort, ending: &Sender<()>) -> io::Result<Served> {
    let stream = Arc::new(stream);
    let (weak, peer, ending) = (Arc::downgrade(&stream), port.connection(), ending.clone());
    let work = move || {
        connection::serve(&stream, peer);
        drop(stream);
        // Full means that enough have said so.
        let _ = ending.try_send(());
    };
    let thread = thread::Builder::new()
        .name("ingest-peer".into())
        .spawn(work)?;
    Ok(Served {
        stream: weak,
        thread,
    })
}
