//! Bytes to and from a board.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use serialport::{SerialPort, TTYPort};

use super::{Address, FlowControl, SerialConfig};
use crate::{Clock, ErrorKind, HalError, HostInstant, SystemClock};

/// How long a TCP connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// Shortest wait that the operating system knows.
const SHORTEST: Duration = Duration::from_millis(1);

/// An open link.
#[derive(Debug)]
pub(super) enum Link {
    Serial(TTYPort),
    Tcp(TcpStream),
}

impl Link {
    /// Opens the link; nobody else can open the same serial port meanwhile.
    ///
    /// # Errors
    /// `NotFound`, `Disconnected` or `Io`, with what to do.
    pub(super) fn open(config: &SerialConfig) -> Result<Self, HalError> {
        match &config.address {
            Address::Serial(path) => {
                let flow = match config.flow {
                    FlowControl::None => serialport::FlowControl::None,
                    FlowControl::RtsCts => serialport::FlowControl::Hardware,
                };
                serialport::new(path.to_string_lossy(), config.baud)
                    .flow_control(flow)
                    .timeout(SHORTEST)
                    .open_native()
                    .map(Self::Serial)
                    .map_err(|error| serial_error(&config.address, error))
            }
            Address::Tcp(host) => {
                let failed = |error: io::Error| {
                    let sentence =
                        format!("no board answers at {}; is it switched on?", config.address);
                    HalError::new(ErrorKind::Disconnected, sentence).caused_by(error)
                };
                let address = host
                    .to_socket_addrs()
                    .map_err(failed)?
                    .next()
                    .ok_or_else(|| {
                        HalError::new(
                            ErrorKind::NotFound,
                            format!("{} is no address", config.address),
                        )
                    })?;
                let stream = TcpStream::connect_timeout(&address, CONNECT).map_err(failed)?;
                stream.set_nodelay(true).map_err(failed)?;
                Ok(Self::Tcp(stream))
            }
        }
    }

    /// Waits at most `wait` for bytes; 0 when there are none.
    ///
    /// # Errors
    /// When the link is gone.
    pub(super) fn read(&mut self, bytes: &mut [u8], wait: Duration) -> io::Result<usize> {
        let wait = wait.max(SHORTEST);
        let read = match self {
            Self::Serial(port) => {
                port.set_timeout(wait)?;
                port.read(bytes)
            }
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(wait))?;
                stream.read(bytes)
            }
        };
        match read {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if is_wait(&error) => Ok(0),
            other => other,
        }
    }

    /// Writes all `bytes`, or fails at `until`.
    ///
    /// # Errors
    /// When the link is gone, or its peer does not read.
    pub(super) fn write(&mut self, mut bytes: &[u8], until: HostInstant) -> io::Result<()> {
        while !bytes.is_empty() {
            let wait = until.since(SystemClock.now()).max(SHORTEST);
            let written = match self {
                Self::Serial(port) => {
                    port.set_timeout(wait)?;
                    port.write(bytes)
                }
                Self::Tcp(stream) => {
                    stream.set_write_timeout(Some(wait))?;
                    stream.write(bytes)
                }
            };
            match written {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if is_wait(&error) && SystemClock.now() < until => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn is_wait(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

fn serial_error(address: &Address, error: serialport::Error) -> HalError {
    use io::ErrorKind::{NotFound, PermissionDenied};
    let (kind, advice) = match error.kind() {
        serialport::ErrorKind::Io(NotFound) => (
            ErrorKind::Disconnected,
            "; is the board plugged in? `ls /dev/serial/by-id` lists those that are",
        ),
        serialport::ErrorKind::Io(PermissionDenied) => (
            ErrorKind::Io,
            "; add the user to the group dialout, or install deploy/udev/70-senescope.rules",
        ),
        serialport::ErrorKind::NoDevice => (
            ErrorKind::Disconnected,
            "; another program may have it open, or it was unplugged",
        ),
        _ => (ErrorKind::Io, ""),
    };
    HalError::new(
        kind,
        format!("the serial port {address} cannot be opened{advice}"),
    )
    .caused_by(error)
}
