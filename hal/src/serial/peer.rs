//! Who answers at the other end.

use std::time::Duration;

use crossbeam_channel::never;

use super::exchange::{Exchange, Trouble};
use crate::{
    Capabilities, Clock, Identity, SystemClock,
    wire::{CapabilityForm, LinkKind, MAX_FORM, RunPhase, StatusLine},
};

/// Longest time of a row.
const ROW: Duration = Duration::from_secs(2);
/// Between two looks whether a run has ended.
const PAUSE: Duration = Duration::from_millis(2);
/// The version of the protocol that is spoken.
const PROTOCOL: u32 = 1;

/// A board that has said who it is and what it can do.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) identity: Identity,
    /// The boot that has said it.
    pub(super) boot: u64,
    pub(super) form: CapabilityForm,
    pub(super) capabilities: Capabilities,
}

impl Peer {
    /// Asks a board everything that stays the same until it restarts.
    pub(super) fn meet(exchange: &mut Exchange, baud: u32) -> Result<Self, Trouble> {
        let (identity, boot) = greet(exchange)?;
        let block = exchange.query_block("SYST:CAP?", MAX_FORM)?;
        let form: CapabilityForm = serde_json::from_slice(&block).map_err(|error| {
            Trouble::Garbled(format!("its capabilities cannot be read: {error}"))
        })?;
        let bytes_per_s = match form.link.kind {
            // A start bit, eight data bits, a stop bit.
            LinkKind::Uart => form.link.bytes_per_s.min(u64::from(baud) / 10),
            LinkKind::Usb | LinkKind::Tcp => form.link.bytes_per_s,
        };
        let capabilities = form.capabilities(bytes_per_s).map_err(Trouble::Garbled)?;
        Ok(Self {
            identity,
            boot,
            form,
            capabilities,
        })
    }
}

/// Makes the line quiet and asks who is there, and since when.
pub(super) fn greet(exchange: &mut Exchange) -> Result<(Identity, u64), Trouble> {
    exchange.quiet()?;
    exchange.send("*CLS")?;
    who(exchange)
}

/// Who is there, and since when.
pub(super) fn who(exchange: &mut Exchange) -> Result<(Identity, u64), Trouble> {
    let line = exchange.query("*IDN?")?;
    let fields: Vec<_> = line.split(',').map(str::trim).collect();
    let [maker, model, serial, firmware] = fields.as_slice() else {
        return Err(Trouble::Garbled(format!("`*IDN?` is answered by {line:?}")));
    };
    let protocol = number(exchange, "SYST:PROT?")?;
    if protocol != u64::from(PROTOCOL) {
        return Err(Trouble::Garbled(format!(
            "it speaks version {protocol} of the protocol, and this program speaks {PROTOCOL}"
        )));
    }
    let boot = boot(exchange)?;
    let identity = Identity {
        maker: (*maker).to_owned(),
        model: (*model).to_owned(),
        serial: (*serial).to_owned(),
        firmware: (*firmware).to_owned(),
        protocol: PROTOCOL,
    };
    Ok((identity, boot))
}

fn number(exchange: &mut Exchange, query: &str) -> Result<u64, Trouble> {
    let line = exchange.query(query)?;
    line.parse()
        .map_err(|_| Trouble::Garbled(format!("`{query}` is answered by {line:?}")))
}

/// Since when the board runs.
pub(super) fn boot(exchange: &mut Exchange) -> Result<u64, Trouble> {
    number(exchange, "SYST:BOOT?")
}

/// Ends a run, and waits until it has ended: a board may finish the row that it scans.
pub(super) fn abort(exchange: &mut Exchange) -> Result<(), Trouble> {
    exchange.send("ABOR")?;
    let until = SystemClock.now().after(ROW);
    while status(exchange)?.phase != RunPhase::Idle {
        if SystemClock.now() > until {
            return Err(Trouble::Garbled("the run does not end".to_owned()));
        }
        // Nothing is sent here: this only lets a row go by.
        let _ = never::<()>().recv_timeout(PAUSE);
    }
    Ok(())
}

/// What the run is doing.
pub(super) fn status(exchange: &mut Exchange) -> Result<StatusLine, Trouble> {
    let line = exchange.query("ACQ:STAT?")?;
    line.parse()
        .map_err(|()| Trouble::Garbled(format!("`ACQ:STAT?` is answered by {line:?}")))
}
