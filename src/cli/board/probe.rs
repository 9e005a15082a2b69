//! `senescope board probe`: who is there, and how well the link carries a scan.

use std::{sync::Arc, time::Duration};

use clap::Args;
use senescope_hal::{
    Clock, HalError, Identity, ReadEvent, RunSummary, ScanActual, ScanRequest, Session,
    SystemClock,
    serial::{Address, ClockFit, FlowControl, SerialConfig},
};
use serde::Serialize;

use super::{Exit, Failure, session::open_serial};
use crate::{
    cli::{Blame, output, service::Service},
    config::LiveSettings,
};

/// Memory for strips while the link is measured.
const POOL_BYTES: usize = 16 << 20;
/// How long one read waits.
const READ_SPAN: Duration = Duration::from_millis(200);

/// Ask a board on a serial port or TCP who it is, scan a little, and say how the link did.
///
/// Examples: senescope board probe /dev/ttyACM0; senescope board probe tcp://10.0.0.7:5025 --frames 10
#[derive(Clone, Debug, Args)]
pub(crate) struct ProbeArgs {
    /// Serial port, or tcp://HOST:PORT
    #[arg(value_name = "PORT")]
    port: String,
    /// Bits a second of a UART
    #[arg(long, value_name = "N", default_value_t = 115_200)]
    baud: u32,
    /// The UART has RTS and CTS
    #[arg(long)]
    rts_cts: bool,
    /// Frames to scan; 0 only asks
    #[arg(long, value_name = "N", default_value_t = 1)]
    frames: u64,
    /// Samples in a row
    #[arg(long, value_name = "N")]
    width: Option<u32>,
    /// Rows in a frame
    #[arg(long, value_name = "N")]
    height: Option<u32>,
    /// Time a pixel in ns
    #[arg(long, value_name = "N")]
    dwell_ns: Option<u64>,
    /// Rows in a strip
    #[arg(long, value_name = "N")]
    strip_rows: Option<u32>,
    /// Edge of a pixel in µm, for a board that does not say
    #[arg(long, value_name = "UM", default_value_t = 0.2)]
    pixel_size_um: f64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Found {
    identity: Identity,
    channels: Vec<String>,
    link_bytes_per_s: Option<u64>,
    ring_strips: u32,
    scan: Option<ScanActual>,
    rows: RunSummary,
    /// Bytes of samples.
    bytes: u64,
    seconds: f64,
    counters: std::collections::BTreeMap<&'static str, u64>,
    clock: Option<ClockFit>,
    /// Why the scan ended early.
    error: Option<String>,
}

pub(crate) fn run(arguments: &ProbeArgs) -> Result<Exit, Failure> {
    // Before the board is looked for: a signal also ends that.
    let service = Service::start(None, LiveSettings::default())?;
    let found = probe(arguments, &service);
    service.close();
    let found = found?;
    if arguments.json {
        output::line(&serde_json::to_string(&found).blame(Exit::Software)?)?;
    } else {
        tell(&found)?;
    }
    Ok(match found.error {
        None => Exit::Done,
        Some(_) => Exit::Negative,
    })
}

fn probe(arguments: &ProbeArgs, service: &Service) -> Result<Found, Failure> {
    let Ok(address) = arguments.port.parse::<Address>();
    let config = SerialConfig {
        baud: arguments.baud,
        flow: if arguments.rts_cts {
            FlowControl::RtsCts
        } else {
            FlowControl::None
        },
        ..SerialConfig::at(address)
    };
    let board = open_serial(config, service)?;
    let mut session = Session::new(Box::new(board), Arc::new(SystemClock), POOL_BYTES);
    let can = session.capabilities()?;
    let mut found = Found {
        identity: session.identity()?,
        channels: can
            .channels
            .iter()
            .map(|channel| channel.name.to_string())
            .collect(),
        link_bytes_per_s: can.link_bytes_per_s,
        ring_strips: can.retransmit_depth,
        scan: None,
        rows: RunSummary::default(),
        bytes: 0,
        seconds: 0.0,
        counters: session.counters(),
        clock: None,
        error: None,
    };
    if arguments.frames > 0 {
        let want = ScanRequest {
            width: arguments.width,
            height: arguments.height,
            dwell_ns: arguments.dwell_ns,
            strip_rows: arguments.strip_rows,
            pixel_size_um: Some(arguments.pixel_size_um),
            frames: Some(arguments.frames),
            ..ScanRequest::default()
        };
        let set_up = session
            .configure(&want)
            .and_then(|actual| session.arm().map(|_| actual));
        match set_up {
            Ok(actual) => found.scan = Some(actual),
            // Stopped while the scan was being prepared: who is there is known.
            Err(error) if service.stop.asked() => {
                output::note(&format!("senescope: {error}"));
                return Ok(found);
            }
            Err(error) => return Err(error.into()),
        }
        session.start()?;
        let began = SystemClock.now();
        found.error = scan(&mut session, service, &mut found.bytes)
            .err()
            .map(|error| error.to_string());
        found.seconds = SystemClock.now().since(began).as_secs_f64();
        found.rows = session.disarm()?;
    }
    found.counters = session.counters();
    found.clock = session.clock_fit();
    Ok(found)
}

fn scan(session: &mut Session, service: &Service, bytes: &mut u64) -> Result<(), HalError> {
    let mut stopped = false;
    loop {
        if service.stop.asked() && !stopped {
            session.stop()?;
            stopped = true;
        }
        match session.read(session.now().after(READ_SPAN))? {
            ReadEvent::Strip(strip) => *bytes += 2 * strip.samples.len() as u64,
            ReadEvent::Gap(_) | ReadEvent::Idle => {}
            ReadEvent::EndOfRun => return Ok(()),
        }
    }
}

fn tell(found: &Found) -> Result<(), Failure> {
    let who = &found.identity;
    output::line(&format!(
        "{} {}, serial {}, firmware {}",
        who.maker, who.model, who.serial, who.firmware
    ))?;
    output::line(&format!(
        "channels {}; keeps {} strips; link of {:.1} MB/s as it says",
        found.channels.join(", "),
        found.ring_strips,
        found.link_bytes_per_s.unwrap_or(0) as f64 * 1e-6
    ))?;
    let Some(scan) = &found.scan else {
        return Ok(());
    };
    output::line(&format!(
        "scanned {} × {} samples, {} rows a strip, {} ns a pixel: {} frame(s), {} rows, {} lost, {:.2} s, {:.1} MB/s",
        scan.width,
        scan.height,
        scan.strip_rows,
        scan.dwell_ns.unwrap_or(0),
        found.rows.frames,
        found.rows.rows_scanned,
        found.rows.rows_lost,
        found.seconds,
        found.bytes as f64 * 1e-6 / found.seconds.max(1e-9)
    ))?;
    if let Some(clock) = &found.clock {
        output::line(&format!(
            "clock {:+.1} ppm against this host from {} exchanges, residual {:.1} µs",
            -clock.drift_ppm,
            clock.points,
            clock.residual_ns * 1e-3
        ))?;
    }
    let repaired: Vec<_> = found
        .counters
        .iter()
        .filter(|(name, count)| **count > 0 && !matches!(**name, "strips" | "bytes"))
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    if repaired.is_empty() {
        output::line("nothing had to be repaired")?;
    } else {
        output::line(&format!("repaired: {}", repaired.join(", ")))?;
    }
    match &found.error {
        Some(error) => output::line(&format!("the scan ended early: {error}")),
        None => Ok(()),
    }
}
