//! Where hosts find the board: a pseudo-terminal with a link to it, or a TCP port.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::{
        fd::AsFd,
        unix::fs::{OpenOptionsExt, symlink},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr},
};

use crate::{Clock, HostInstant, SystemClock};

/// How often a write looks whether another host waits.
const LOOK: Duration = Duration::from_millis(20);

/// Most hosts that wait.
const BACKLOG: usize = 128;

/// Where a board is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A pseudo-terminal, to which a symbolic link is made here.
    Pty(PathBuf),
    /// A TCP port; 0 takes a free one.
    Tcp(SocketAddr),
}

#[derive(Debug)]
enum Line {
    Pty {
        master: File,
        slave: File,
    },
    Tcp {
        listener: TcpListener,
        host: Option<TcpStream>,
    },
}

/// The board's end of the link.
#[derive(Debug)]
pub struct Port {
    place: Place,
    line: Option<Line>,
    hosts: u64,
}

impl Port {
    /// Makes the pseudo-terminal or binds the port.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn open(place: Place) -> io::Result<Self> {
        let mut port = Self {
            place,
            line: None,
            hosts: 0,
        };
        port.plug()?;
        Ok(port)
    }

    /// Where hosts find it: the link, or `tcp://` with the address that was bound.
    pub fn address(&self) -> String {
        match &self.place {
            Place::Pty(link) => link.display().to_string(),
            Place::Tcp(address) => format!("tcp://{address}"),
        }
    }

    /// Leaves the link: hosts see their end closed.
    pub fn unplug(&mut self) {
        if let (Place::Pty(link), Some(_)) = (&self.place, &self.line) {
            // A link that is gone already needs no removing.
            let _ = fs::remove_file(link);
        }
        self.line = None;
    }

    /// Comes back after [`Port::unplug`], under the same address.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn plug(&mut self) -> io::Result<()> {
        let (line, place) = match &self.place {
            Place::Pty(link) => (pty(link)?, None),
            Place::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                let address = listener.local_addr()?;
                (
                    Line::Tcp {
                        listener,
                        host: None,
                    },
                    Some(Place::Tcp(address)),
                )
            }
        };
        self.line = Some(line);
        self.place = place.unwrap_or_else(|| self.place.clone());
        Ok(())
    }

    /// Hosts so far that connected over TCP: what comes after a change has nothing to do with what came before.
    pub fn hosts(&self) -> u64 {
        self.hosts
    }

    /// Whether another host waits to take over, which the next [`Port::read`] lets it do.
    pub fn is_wanted(&self) -> bool {
        match &self.line {
            Some(Line::Tcp { listener, .. }) => {
                matches!(ready(&[listener], PollFlags::IN, Duration::ZERO), Ok(true))
            }
            _ => false,
        }
    }

    /// What the host has sent: waits at most `wait` for it; 0 when there is nothing.
    ///
    /// # Errors
    /// Of the operating system. A host that went away is none.
    pub fn read(&mut self, bytes: &mut [u8], wait: Duration) -> io::Result<usize> {
        match &mut self.line {
            None => Ok(0),
            Some(Line::Pty { master, .. }) => {
                if !ready(&[&*master], PollFlags::IN, wait)? {
                    return Ok(0);
                }
                nothing_yet(master.read(bytes))
            }
            Some(Line::Tcp { listener, host }) => {
                let both: Vec<&dyn AsFdDyn> = match host {
                    Some(host) => vec![&*listener, &*host],
                    None => vec![&*listener],
                };
                if !ready(&both, PollFlags::IN, wait)? {
                    return Ok(0);
                }
                // Of several that wait, the last is the host.
                for stream in listener.incoming().take(BACKLOG).map_while(Result::ok) {
                    // One that has gone already is none.
                    let set = stream.set_nonblocking(true).and(stream.set_nodelay(true));
                    *host = set.is_ok().then_some(stream);
                    self.hosts += 1;
                }
                let Some(stream) = host else { return Ok(0) };
                match nothing_yet(stream.read(bytes)) {
                    // Nothing was there, or the end of the stream: `read` tells them apart only by its error.
                    Ok(0) if closed(stream) => {
                        *host = None;
                        Ok(0)
                    }
                    Ok(count) => Ok(count),
                    Err(_) => {
                        *host = None;
                        Ok(0)
                    }
                }
            }
        }
    }

    /// Sends bytes; says whether the host took them. One that has not taken them by `until` is given up, with all
    /// that it has sent, and so is one for which another waits.
    pub fn write(&mut self, mut bytes: &[u8], until: HostInstant) -> bool {
        while !bytes.is_empty() {
            let wait = until.since(SystemClock.now());
            if wait.is_zero() || self.is_wanted() {
                self.give_up();
                return false;
            }
            let wait = wait.min(LOOK);
            let written = match &mut self.line {
                None | Some(Line::Tcp { host: None, .. }) => return false,
                Some(Line::Pty { master, .. }) => write_some(master, bytes, wait),
                Some(Line::Tcp {
                    host: Some(host), ..
                }) => write_some(host, bytes, wait),
            };
            match written {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(_) => {
                    self.give_up();
                    return false;
                }
            }
        }
        true
    }

    /// Forgets the host, and what lies on the line.
    fn give_up(&mut self) {
        match &mut self.line {
            None => {}
            Some(Line::Tcp { host, .. }) => *host = None,
            Some(Line::Pty { slave, .. }) => {
                // A line that cannot be emptied is made quiet by the next host.
                let _ = tcflush(slave, QueueSelector::IOFlush);
            }
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.unplug();
    }
}

fn pty(link: &Path) -> io::Result<Line> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = PathBuf::from(ptsname(&master, Vec::new())?.to_string_lossy().into_owned());
    rustix::fs::fcntl_setfl(&master, OFlags::NONBLOCK | OFlags::RDWR)?;
    // Kept open, so that the master does not see an end whenever a host closes.
    let slave = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOCTTY.bits() as i32)
        .open(&name)?;
    let mut termios = tcgetattr(&slave)?;
    termios.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &termios)?;
    // By another name first: the link then always leads somewhere.
    let new = link.with_extension("new");
    let _ = fs::remove_file(&new);
    symlink(&name, &new)?;
    if fs::symlink_metadata(link).is_ok_and(|found| !found.is_symlink()) {
        fs::remove_file(&new)?;
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file that is no symbolic link is there",
        ));
    }
    fs::rename(&new, link)?;
    Ok(Line::Pty {
        master: File::from(master),
        slave,
    })
}

/// What can be waited for.
trait AsFdDyn {
    fn fd(&self) -> std::os::fd::BorrowedFd<'_>;
}

impl<T: AsFd> AsFdDyn for T {
    fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.as_fd()
    }
}

fn ready(of: &[&dyn AsFdDyn], what: PollFlags, wait: Duration) -> io::Result<bool> {
    let mut fds: Vec<_> = of
        .iter()
        .map(|one| PollFd::from_borrowed_fd(one.fd(), what))
        .collect();
    let span = Timespec {
        tv_sec: wait.as_secs() as i64,
        tv_nsec: i64::from(wait.subsec_nanos()),
    };
    match poll(&mut fds, Some(&span)) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn write_some(to: &mut (impl Write + AsFd), bytes: &[u8], wait: Duration) -> io::Result<usize> {
    if !ready(&[&*to], PollFlags::OUT, wait)? {
        return Ok(0);
    }
    nothing_yet(to.write(bytes))
}

fn nothing_yet(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ) =>
        {
            Ok(0)
        }
        other => other,
    }
}

fn closed(stream: &TcpStream) -> bool {
    matches!(stream.peek(&mut [0]), Ok(0))
}
