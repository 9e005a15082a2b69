//! One peer over TCP, in a thread of its own.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use super::{
    framing,
    port::{Answer, IngestPeer},
    refusal::{Reason, Refusal},
};
use crate::{Clock, SystemClock, wire::MAX_RECORD};

/// Longest time without a byte inside a message.
const STALL: Duration = Duration::from_secs(10);
/// Longest time that a reply waits for a peer that does not read.
const UNREAD: Duration = Duration::from_secs(5);
/// Replies are sent when there are so many bytes of them, or nothing more to read.
const REPLIES: usize = 64 << 10;
/// How long a peer that is hung up on has to read why.
const FAREWELL: Duration = Duration::from_millis(500);

/// Serves `stream` until its peer ends, or is hung up on.
pub(super) fn serve(stream: &TcpStream, mut peer: IngestPeer) {
    if prepare(stream).is_err() {
        return;
    }
    // A peer that broke off needs no answer.
    if let Ok(true) = exchange(stream, &mut peer) {
        hang_up(stream);
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(STALL))?;
    stream.set_write_timeout(Some(UNREAD))
}

/// Answers messages; whether the peer still waits for something at the end.
fn exchange(mut stream: &TcpStream, peer: &mut IngestPeer) -> io::Result<bool> {
    let mut bytes = vec![0; MAX_RECORD];
    let mut filled = 0;
    loop {
        let (mut start, mut replies) = (0, Vec::new());
        let ends = loop {
            let rest = &bytes[start..filled];
            let answer = match framing::message(rest) {
                Ok(Some(length)) => {
                    start += length;
                    peer.answer(&rest[..length])
                }
                Ok(None) => break false,
                Err(refusal) => peer.refuse(&refusal),
            };
            if send(stream, &mut replies, answer)? {
                break true;
            }
        };
        stream.write_all(&replies)?;
        if ends {
            return Ok(true);
        }
        bytes.copy_within(start..filled, 0);
        filled -= start;
        // A message that is not whole leaves room: none is longer than the buffer.
        match stream.read(&mut bytes[filled..]) {
            Ok(0) => return Ok(false),
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_late(&error) && filled == 0 => {}
            Err(error) if is_late(&error) => {
                let sentence = format!("half a message, and nothing more for {STALL:?}");
                let answer = peer.refuse(&Refusal::new(Reason::Stalled, sentence));
                return stream.write_all(&answer.bytes).map(|()| true);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Sends `answer` with others; whether it is the last.
fn send(mut stream: &TcpStream, replies: &mut Vec<u8>, answer: Answer) -> io::Result<bool> {
    replies.extend(answer.bytes);
    if replies.len() >= REPLIES {
        stream.write_all(replies)?;
        replies.clear();
    }
    Ok(answer.ends_the_stream)
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Closes `stream` in such a way that the peer can read the last line: what it still sends is read and thrown away,
/// for a moment. Bytes that nobody has read would break the connection off.
fn hang_up(mut stream: &TcpStream) {
    let until = SystemClock.now().after(FAREWELL);
    if stream.shutdown(Shutdown::Write).is_err() || stream.set_read_timeout(Some(FAREWELL)).is_err()
    {
        return;
    }
    let mut thrown = vec![0; REPLIES];
    while SystemClock.now() < until {
        match stream.read(&mut thrown) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Tells a peer who is not served why.
pub(super) fn turn_away(mut stream: &TcpStream, refusal: &Refusal) {
    let line = format!("{refusal}\n");
    if prepare(stream).is_ok() && stream.write_all(line.as_bytes()).is_ok() {
        // What it has sent would break the connection off; what it may send is not waited for.
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.set_nonblocking(true);
        let _ = stream.read(&mut vec![0; REPLIES]);
    }
}
