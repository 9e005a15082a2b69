//! `senescope board emulate`: a board that speaks the strip protocol, without hardware.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use senescope_hal::{
    Interrupter, Wake,
    emulator::{Device, EmulatorConfig, Place, Port, serve},
    sim::Speed,
    wire::{LinkForm, LinkKind},
};

use super::{Exit, Failure};
use crate::{
    cli::{Blame, output, service::Service},
    config::LiveSettings,
};

/// Be a board, on a pseudo-terminal or a TCP port, until it is stopped.
///
/// It shows the simulated microscope and has every fault of real boards: DIAGnostic:FAULt over the link, or
/// --fault-seed. Example: senescope board emulate /tmp/board, then senescope board probe /tmp/board
#[derive(Clone, Debug, Args)]
pub(crate) struct EmulateArgs {
    /// A link to be made to the pseudo-terminal, or tcp://ADDRESS:PORT (port 0: a free one)
    #[arg(value_name = "PLACE")]
    place: String,
    /// Which dish is on its stage
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// Times real time, or max: as fast as the host fetches
    #[arg(long, value_name = "X", default_value = "1", value_parser = speed)]
    speed: Speed,
    /// Number of different fields; they repeat
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    fields: u64,
    /// Strips that can be fetched again
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65536))]
    ring: u32,
    /// What it says that its link carries, in bytes a second
    #[arg(long, value_name = "N", default_value_t = 400_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    link_bytes_per_s: u64,
    /// Say that the link is a UART
    #[arg(long)]
    uart: bool,
    /// Error of its clock in parts a million
    #[arg(
        long,
        value_name = "PPM",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    clock_error_ppm: f64,
    /// Serial number
    #[arg(long, value_name = "TEXT")]
    serial: Option<String>,
    /// Number of its boot
    #[arg(long, value_name = "N", default_value_t = 1)]
    boot: u64,
    /// Draw faults of every kind from this seed
    #[arg(long, value_name = "N")]
    fault_seed: Option<u64>,
}

fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::AsFastAsPossible);
    }
    match text.parse::<f64>() {
        Ok(times) if (0.001..=1e6).contains(&times) => Ok(Speed::Real(times)),
        _ => Err("give a number of 0.001 to 1000000, or max".to_owned()),
    }
}

pub(crate) fn run(arguments: &EmulateArgs) -> Result<Exit, Failure> {
    let place = match arguments.place.strip_prefix("tcp://") {
        None => Place::Pty(PathBuf::from(&arguments.place)),
        Some(address) => Place::Tcp(address.parse::<SocketAddr>().map_err(|_| {
            let sentence = format!(
                "{address} is no address to listen at; type for example tcp://127.0.0.1:5025"
            );
            Failure::message(Exit::Usage, sentence)
        })?),
    };
    let of_seed = EmulatorConfig::of_seed(arguments.seed);
    let config = EmulatorConfig {
        fields: arguments.fields,
        speed: arguments.speed,
        ring_strips: arguments.ring,
        link: LinkForm {
            kind: match (&place, arguments.uart) {
                (_, true) => LinkKind::Uart,
                (Place::Pty(_), false) => LinkKind::Usb,
                (Place::Tcp(_), false) => LinkKind::Tcp,
            },
            bytes_per_s: arguments.link_bytes_per_s,
        },
        clock_error_ppm: arguments.clock_error_ppm,
        serial: arguments.serial.clone().unwrap_or(of_seed.serial.clone()),
        boot: arguments.boot,
        fault_seed: arguments.fault_seed,
        ..of_seed
    };
    let mut port = Port::open(place).map_err(|error| {
        let sentence = format!(
            "the emulated board cannot be at {}: {error}",
            arguments.place
        );
        Failure::message(Exit::Unavailable, sentence)
    })?;
    let (wake, stop) = Wake::channel();
    let service = Service::start(None, LiveSettings::default())?;
    service.stop.wakes(wake.clone_box());
    output::line(&format!("ready {}", port.address()))?;
    let served = serve(&mut Device::new(config), &mut port, &stop).blame(Exit::Io);
    service.close();
    served.map(|()| Exit::Done)
}
