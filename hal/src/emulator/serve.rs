//! Puts a [`Device`] on a [`Port`].

use std::{collections::VecDeque, io, time::Duration};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::{Device, Port, Step};
use crate::{Clock, HostInstant, SystemClock, wire::MAX_MESSAGE};

/// How often it is asked whether to stop.
const LOOK: Duration = Duration::from_millis(20);
/// Shorter waits would only keep the processor busy.
const SHORTEST: Duration = Duration::from_micros(100);
/// How long a host may take to read a reply.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves hosts, one at a time, until something is sent on `stop` or its sender is gone.
///
/// # Errors
/// When the port fails.
pub fn serve(device: &mut Device, port: &mut Port, stop: &Receiver<()>) -> io::Result<()> {
    let clock = SystemClock;
    let mut bytes = [0; 4096];
    let mut message = Vec::with_capacity(MAX_MESSAGE + 1);
    let mut muted = HostInstant::default();
    let mut hosts = port.hosts();
    'hosts: loop {
        if pause(stop, Duration::ZERO) {
            return Ok(());
        }
        let count = port.read(&mut bytes, LOOK)?;
        if port.hosts() != hosts {
            hosts = port.hosts();
            message.clear();
        }
        for byte in bytes.get(..count).unwrap_or_default() {
            // One byte more than is allowed is kept, so that the message is seen to be too long.
            if message.len() <= MAX_MESSAGE {
                message.push(*byte);
            }
            if *byte != b'\n' {
                continue;
            }
            let now = clock.now();
            let steps = if now < muted {
                Vec::new()
            } else {
                device.answer(&message, now)
            };
            message.clear();
            let mut steps = VecDeque::from(steps);
            while let Some(step) = steps.pop_front() {
                if port.is_wanted() {
                    continue 'hosts;
                }
                let span = match step {
                    Step::Send(reply) => {
                        if !port.write(&reply, clock.now().after(PATIENCE)) {
                            // Who does not read is not answered, whatever else was asked.
                            continue 'hosts;
                        }
                        continue;
                    }
                    Step::Mute(span) => {
                        muted = clock.now().after(span);
                        continue;
                    }
                    Step::Pause(span) => span,
                    Step::Unplug(span) => {
                        port.unplug();
                        steps.push_front(Step::Plug);
                        span
                    }
                    Step::Plug => {
                        port.plug()?;
                        continue;
                    }
                    Step::Await { sequence, until } => {
                        let now = clock.now();
                        match device.fetch(sequence, now) {
                            Ok(found) => {
                                for step in found.into_iter().rev() {
                                    steps.push_front(step);
                                }
                                continue;
                            }
                            Err(_) if now >= until => {
                                steps.push_front(Device::empty());
                                continue;
                            }
                            Err(due) => {
                                steps.push_front(step);
                                due.map_or(LOOK, |due| due.min(until).since(now)).min(LOOK)
                            }
                        }
                    }
                };
                if pause(stop, span.max(SHORTEST)) {
                    return Ok(());
                }
            }
        }
    }
}

/// Waits; says whether to stop.
fn pause(stop: &Receiver<()>, span: Duration) -> bool {
    match stop.recv_timeout(span) {
        Err(RecvTimeoutError::Timeout) => false,
        Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
    }
}
