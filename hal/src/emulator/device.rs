//! The board without its link: a message and the time in, steps out.

use std::{collections::BTreeMap, time::Duration};

use super::{
    EmulatorConfig, Fault, FaultSchedule, errors,
    run::{Found, Run},
    scene::{Scene, Stamp},
    settings::{self, Set, Settings},
};
use crate::{
    HostInstant,
    wire::{BlockHeader, CapabilityForm, ErrorQueue, RunPhase, StatusLine, Unit, units},
};

/// Longest wait for a strip that is not scanned yet.
const LONG_POLL: Duration = Duration::from_millis(200);
/// Most faults that wait for their turn.
const MOST_FAULTS: usize = 64;

/// What the board does on its link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Does nothing for a while.
    Pause(Duration),
    /// Hears and says nothing for a while.
    Mute(Duration),
    /// Leaves the link for a while.
    Unplug(Duration),
    /// Comes back to it.
    Plug,
    /// Waits for a strip until an instant; [`Device::fetch`] tells when it is there.
    Await {
        /// The strip.
        sequence: u64,
        /// When it gives up waiting.
        until: HostInstant,
    },
}

/// An emulated board.
#[derive(Debug)]
pub struct Device {
    config: EmulatorConfig,
    capability: CapabilityForm,
    settings: Settings,
    scene: Option<Scene>,
    run: Option<Run>,
    /// Number of the last run.
    runs: u32,
    boot: u64,
    errors: ErrorQueue,
    schedule: Option<FaultSchedule>,
    /// Faults and how often each still comes, in turn.
    faults: Vec<(Fault, u64)>,
    happened: BTreeMap<&'static str, u64>,
}

impl Device {
    /// A board that has just been switched on.
    pub fn new(config: EmulatorConfig) -> Self {
        Self {
            capability: settings::capability(&config),
            settings: Settings::default(),
            scene: None,
            run: None,
            runs: 0,
            boot: config.boot,
            errors: ErrorQueue::default(),
            schedule: config.fault_seed.map(FaultSchedule::new),
            faults: Vec::new(),
            happened: BTreeMap::new(),
            config,
        }
    }

    /// What the board does about `message`, a line. Preparing a scan renders its fields, which takes seconds.
    pub fn answer(&mut self, message: &[u8], now: HostInstant) -> Vec<Step> {
        let mut steps = Vec::new();
        match units(message) {
            Ok(units) => {
                for unit in units {
                    self.unit(&unit, now, &mut steps);
                }
            }
            Err(error) => self.errors.push(error.to_string()),
        }
        steps
    }

    fn unit(&mut self, unit: &Unit<'_>, now: HostInstant, steps: &mut Vec<Step>) {
        if unit.query {
            self.query(unit, now, steps);
        } else if let Err(error) = self.command(unit, now) {
            self.errors.push(error);
        }
    }

    fn query(&mut self, unit: &Unit<'_>, now: HostInstant, steps: &mut Vec<Step>) {
        let line = if unit.is("FETCh:STRip") {
            match unit.number() {
                Some(sequence) => steps.push(Step::Await {
                    sequence,
                    until: now.after(LONG_POLL),
                }),
                None => self.errors.push(errors::PARAMETER),
            }
            return;
        } else if unit.is("ACQuire:STATus") {
            self.status(now).to_string()
        } else if unit.is("*IDN") {
            let (serial, version) = (&self.config.serial, env!("CARGO_PKG_VERSION"));
            format!("senescope,emulated board,{serial},{version}")
        } else if unit.is("*OPC") {
            self.prepare();
            "1".to_owned()
        } else if unit.is("*TST") {
            "0".to_owned()
        } else if unit.is("SYSTem:ERRor") {
            self.errors.take()
        } else if unit.is("SYSTem:PROTocol") {
            "1".to_owned()
        } else if unit.is("SYSTem:BOOT") {
            self.boot.to_string()
        } else if unit.is("SYSTem:CAPability") {
            return steps.push(form(&self.capability));
        } else if unit.is("SCAN:ACTual") {
            return steps.push(form(&self.settings.actual(&self.config)));
        } else if unit.is("DIAGnostic:FAULt") {
            let happened: Vec<_> = self
                .happened
                .iter()
                .map(|(name, often)| format!("{name},{often}"))
                .collect();
            happened.join(",")
        } else {
            return self.errors.push(errors::UNDEFINED);
        };
        steps.push(Step::Send(format!("{line}\n").into_bytes()));
    }

    fn command(&mut self, unit: &Unit<'_>, now: HostInstant) -> Result<(), errors::ScpiError> {
        let running = self
            .run
            .as_ref()
            .is_some_and(|run| run.phase(now) != RunPhase::Idle);
        if unit.is("*CLS") {
            self.errors.clear();
        } else if unit.is("*RST") {
            self.run = None;
            self.settings = Settings::default();
        } else if unit.is("INITiate") {
            if running {
                return Err(errors::CONFLICT);
            }
            let actual = *self.prepare().actual();
            self.runs = self.runs.wrapping_add(1);
            let started = (!self.settings.external).then_some(now);
            let EmulatorConfig {
                speed, ring_strips, ..
            } = self.config;
            self.run = Some(Run::new(self.runs, &actual, speed, ring_strips, started));
        } else if unit.is("*TRG") {
            match &mut self.run {
                Some(run) if run.started.is_none() && running => run.started = Some(now),
                _ => return Err(errors::CONFLICT),
            }
        } else if unit.is("ABORt") {
            if let Some(run) = &mut self.run {
                run.abort(now);
            }
        } else if unit.is("DIAGnostic:FAULt") {
            let (name, number) = match unit.parameters.as_slice() {
                [name] => (name, None),
                [name, number] => (name, Some(number.parse().map_err(|_| errors::PARAMETER)?)),
                _ => return Err(errors::PARAMETER),
            };
            let fault = Fault::named(name, number).ok_or(errors::RANGE)?;
            if self.faults.len() >= MOST_FAULTS {
                return Err(errors::CONFLICT);
            }
            self.faults.push(fault);
        } else {
            let mut settings = self.settings;
            match settings.set(unit, &self.capability) {
                Set::Unknown => return Err(errors::UNDEFINED),
                Set::Range => return Err(errors::RANGE),
                Set::Parameter => return Err(errors::PARAMETER),
                Set::Done if running => return Err(errors::CONFLICT),
                Set::Done => self.settings = settings,
            }
        }
        Ok(())
    }

    /// The scene of the present settings, rendered when the scan looks otherwise than before.
    fn prepare(&mut self) -> &Scene {
        let actual = self.settings.actual(&self.config);
        let scene = match self.scene.take().map(|scene| scene.of(actual.frames)) {
            Some(scene) if *scene.actual() == actual => scene,
            _ => Scene::render(&self.config, actual),
        };
        self.scene.insert(scene)
    }

    /// Device time in ticks. It counts from when this process first asked for the time.
    fn ticks(&self, at: HostInstant) -> u64 {
        let per_ns = settings::CLOCK_HZ as f64 * 1e-9 * (1.0 + 1e-6 * self.config.clock_error_ppm);
        ((at.0 as f64 * per_ns) as u64).wrapping_add(self.boot << 32)
    }

    fn status(&mut self, now: HostInstant) -> StatusLine {
        let ticks = self.ticks(now);
        let Some(run) = &mut self.run else {
            return StatusLine {
                phase: RunPhase::Idle,
                run: self.runs,
                next: 0,
                oldest: 0,
                rows: 0,
                lost: 0,
                overruns: 0,
                ticks,
            };
        };
        let (oldest, next) = run.window(now);
        StatusLine {
            phase: run.phase(now),
            run: run.number,
            next,
            oldest,
            rows: run.rows(now),
            lost: run.lost(now),
            overruns: run.overruns(now),
            ticks,
        }
    }

    /// What the board does about a fetch of strip `sequence`.
    ///
    /// # Errors
    /// When the strip is not scanned yet: when it will be, if that is known.
    pub fn fetch(
        &mut self,
        sequence: u64,
        now: HostInstant,
    ) -> Result<Vec<Step>, Option<HostInstant>> {
        let found = self
            .run
            .as_mut()
            .map_or(Found::Never, |run| run.find(sequence, now));
        match found {
            Found::NotYet(due) => Err(due),
            Found::Never => Ok(vec![Self::empty()]),
            Found::Gone => {
                self.errors.push(errors::RANGE);
                Ok(vec![Self::empty()])
            }
            Found::Here => Ok(self.give(sequence, now)),
        }
    }

    /// The reply when there is no strip.
    pub fn empty() -> Step {
        Step::Send(b"#10\n".to_vec())
    }

    fn record(&self, sequence: u64, stuck: bool) -> Option<Vec<u8>> {
        let (run, scene) = (self.run.as_ref()?, self.scene.as_ref()?);
        let slot = run.timeline.slot(sequence);
        let lost_to = |slot| run.timeline.lost_before(slot);
        let before = sequence
            .checked_sub(1)
            .map_or(0, |before| lost_to(run.timeline.slot(before)));
        let begins = run.timeline.whole_after(slot) - run.timeline.rows(slot).rows;
        let span = Duration::from_nanos(begins.saturating_mul(scene.actual().line_ns));
        let stamp = Stamp {
            boot: self.boot,
            run: run.number,
            sequence,
            lost_rows: (lost_to(slot) - before) as u32,
            ticks: self.ticks(run.started.unwrap_or_default().after(span)),
        };
        Some(scene.record(run.timeline.rows(slot), stamp, stuck))
    }

    /// Gives a strip that is there, with the fault whose turn it is.
    fn give(&mut self, sequence: u64, now: HostInstant) -> Vec<Step> {
        if let Some(fault) = self.schedule.as_mut().and_then(FaultSchedule::after_strip) {
            self.faults.push(fault);
        }
        let fault = self.faults.first_mut().map(|(fault, often)| {
            *often = often.saturating_sub(1);
            *fault
        });
        self.faults.retain(|(_, often)| *often > 0);
        if let Some(fault) = fault {
            tracing::info!(sequence, ?fault, "a fault of the emulated board");
            *self.happened.entry(fault.name()).or_default() += 1;
        }
        let stuck = fault == Some(Fault::Stuck);
        let other = match fault {
            Some(Fault::Duplicate) => sequence.saturating_sub(1),
            Some(Fault::Skip) => sequence + 1,
            _ => sequence,
        };
        let there = |device: &mut Self, sequence| {
            let run = device.run.as_mut()?;
            (run.window(now).0..run.window(now).1)
                .contains(&sequence)
                .then_some(sequence)
        };
        let given = there(self, other).unwrap_or(sequence);
        let Some(record) = self.record(given, stuck) else {
            return vec![Self::empty()];
        };
        let mut reply = Vec::with_capacity(record.len() + 16);
        BlockHeader::write(record.len(), &mut reply);
        let header = reply.len();
        reply.extend(&record);
        reply.push(b'\n');
        match fault {
            Some(Fault::Flip) => {
                let at = header + (sequence.wrapping_mul(7919) as usize) % record.len();
                if let Some(byte) = reply.get_mut(at) {
                    *byte ^= 1 << (sequence % 8);
                }
            }
            Some(Fault::Truncate) => reply.truncate(reply.len() * 3 / 5),
            Some(Fault::Length) => {
                let longer = if sequence.is_multiple_of(2) {
                    record.len() + 100
                } else {
                    999_999_999
                };
                let mut lie = Vec::new();
                BlockHeader::write(longer, &mut lie);
                reply.splice(..header, lie);
            }
            Some(Fault::Banner) => {
                reply.splice(..0, *b"\r\nemulated board, please wait\r\n");
            }
            Some(Fault::Delay(span)) => return vec![Step::Pause(span), Step::Send(reply)],
            Some(Fault::Silence(span)) => return vec![Step::Mute(span)],
            Some(Fault::Unplug(span)) => return vec![Step::Unplug(span)],
            Some(Fault::Reset) => {
                self.reset();
                return vec![Step::Send(b"emulated board, starting\r\n".to_vec())];
            }
            Some(Fault::Overflow(strips)) => {
                if let Some(run) = &mut self.run {
                    run.unfetch(sequence);
                    run.overflow(strips, now);
                }
                self.errors.push(errors::RANGE);
                return vec![Self::empty()];
            }
            Some(Fault::Overrun(slots)) => {
                if let Some(run) = &mut self.run {
                    run.overrun(slots, now);
                }
            }
            _ => {}
        }
        vec![Step::Send(reply)]
    }

    /// Switches the board off and on.
    pub fn reset(&mut self) {
        self.boot = self.boot.wrapping_add(1);
        self.run = None;
        self.runs = 0;
        self.settings = Settings::default();
        self.errors.clear();
    }
}

fn form(form: &impl serde::Serialize) -> Step {
    // Forms always have a JSON form: they have no maps with keys that are not text.
    let text = serde_json::to_vec(form).unwrap_or_default();
    let mut reply = Vec::with_capacity(text.len() + 16);
    BlockHeader::write(text.len(), &mut reply);
    reply.extend(text);
    reply.push(b'\n');
    Step::Send(reply)
}
