//! Every state times every call; what a session refuses and sheds.
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{ChannelInfo, ChannelName, StripBuffer, StripFlags, StripHeader, SystemClock};

/// Counts the calls that reach it.
struct Probe(Arc<AtomicUsize>);

impl Probe {
    fn hit(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct NoInterrupt;

impl Interrupter for NoInterrupt {
    fn interrupt(&self) {}
    fn clone_box(&self) -> Box<dyn Interrupter> {
        Box::new(Self)
    }
}

impl Board for Probe {
    fn identity(&self) -> Identity {
        unreachable!("not part of the table")
    }
    fn capabilities(&self) -> Capabilities {
        unreachable!("not part of the table")
    }
    fn configure(&mut self, _: &ScanRequest) -> Result<ScanActual, HalError> {
        self.hit();
        Ok(ScanActual {
            width: 4,
            height: 4,
            pixel_size_um: 0.2,
            dwell_ns: None,
            line_period_ns: None,
            bidirectional: false,
            strip_rows: 1,
            channels: vec![ChannelInfo::counts(ChannelName::srs(), 16)],
            clock_hz: 1,
            frames: None,
            pacing: Pacing::Live,
        })
    }
    fn arm(&mut self) -> Result<RunId, HalError> {
        self.hit();
        Ok(RunId::from_bits(1))
    }
    fn start(&mut self) -> Result<(), HalError> {
        self.hit();
        Ok(())
    }
    fn stop(&mut self) -> Result<(), HalError> {
        self.hit();
        Ok(())
    }
    fn disarm(&mut self) -> Result<RunSummary, HalError> {
        self.hit();
        Ok(RunSummary::default())
    }
    fn read(&mut self, _: StripBuffer, _: HostInstant) -> Result<ReadEvent, HalError> {
        self.hit();
        Ok(ReadEvent::Idle)
    }
    fn interrupter(&self) -> Box<dyn Interrupter> {
        Box::new(NoInterrupt)
    }
}

/// Gives one strip again and again, whatever it was asked.
struct Same(StripHeader);

impl Board for Same {
    fn identity(&self) -> Identity {
        unreachable!("not asked")
    }
    fn capabilities(&self) -> Capabilities {
        unreachable!("not asked")
    }
    fn configure(&mut self, want: &ScanRequest) -> Result<ScanActual, HalError> {
        Probe(Arc::default()).configure(want)
    }
    fn arm(&mut self) -> Result<RunId, HalError> {
        Ok(RunId::from_bits(1))
    }
    fn start(&mut self) -> Result<(), HalError> {
        Ok(())
    }
    fn stop(&mut self) -> Result<(), HalError> {
        Ok(())
    }
    fn disarm(&mut self) -> Result<RunSummary, HalError> {
        Ok(RunSummary::default())
    }
    fn read(&mut self, mut samples: StripBuffer, _: HostInstant) -> Result<ReadEvent, HalError> {
        samples.resize(4).unwrap();
        let header = self.0.clone();
        Ok(ReadEvent::Strip(Strip { header, samples }))
    }
    fn interrupter(&self) -> Box<dyn Interrupter> {
        Box::new(NoInterrupt)
    }
}

fn header(frame: u64, first_row: u32, rows: u32, width: u32) -> StripHeader {
    StripHeader {
        run: RunId::from_bits(1),
        boot: 0,
        frame,
        field: 0,
        source: None,
        sequence: 0,
        first_row,
        rows,
        width,
        channels: ChannelMask(1),
        bit_depth: 16,
        odd_rows_reversed: false,
        ticks_first_row: 0,
        line_period_ns: None,
        received: HostInstant(0),
        lost_rows: 0,
        flags: StripFlags::default(),
    }
}

fn running(header: StripHeader, pool_bytes: usize) -> Session {
    let board = Box::new(Same(header));
    let mut session = Session::new(board, Arc::new(SystemClock), pool_bytes);
    session.configure(&ScanRequest::default()).unwrap();
    session.arm().unwrap();
    session.start().unwrap();
    session
}

#[test]
fn rows_outside_the_scan_are_refused() {
    for lie in [
        header(0, 4, 1, 4),
        header(0, u32::MAX, 1, 4),
        header(0, 0, u32::MAX, 4),
        header(0, 0, 0, 4),
        header(0, 0, 1, 5),
        header(u64::MAX, 0, 1, 4),
    ] {
        let mut session = running(lie.clone(), 1 << 16);
        let error = session.read(HostInstant(0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{lie:?}");
        assert_eq!(session.state(), State::Fault);
    }
    assert!(
        running(header(0, 3, 1, 4), 1 << 16)
            .read(HostInstant(0))
            .is_ok()
    );
}

/// Three buffers of eight bytes are all that this pool has.
#[test]
fn without_a_buffer_the_rest_of_the_frame_is_shed() {
    let mut session = running(header(7, 0, 1, 4), 24);
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(session.read(HostInstant(0)).unwrap());
    }
    let shed = |event: ReadEvent| match event {
        ReadEvent::Gap(gap) => gap.cause == GapCause::HostBackPressure,
        _ => false,
    };
    assert!(shed(session.read(HostInstant(0)).unwrap()));
    kept.clear();
    assert!(
        shed(session.read(HostInstant(0)).unwrap()),
        "the frame is half lost already"
    );
}

const STATES: [State; 7] = [
    State::Closed,
    State::Open,
    State::Configured,
    State::Armed,
    State::Running,
    State::Stopping,
    State::Fault,
];

type Call = fn(&mut Session) -> Result<(), HalError>;
type Row = (&'static str, Call, &'static [(State, State)]);

#[test]
fn every_state_times_every_call() {
    use State::*;
    let calls: [Row; 6] = [
        (
            "configure",
            |s| s.configure(&ScanRequest::default()).map(drop),
            &[(Open, Configured), (Configured, Configured)],
        ),
        ("arm", |s| s.arm().map(drop), &[(Configured, Armed)]),
        ("start", Session::start, &[(Armed, Running)]),
        ("stop", Session::stop, &[(Running, Stopping)]),
        (
            "read",
            |s| s.read(HostInstant(0)).map(drop),
            &[(Running, Running), (Stopping, Stopping)],
        ),
        (
            "disarm",
            |s| s.disarm().map(drop),
            &[
                (Armed, Configured),
                (Running, Configured),
                (Stopping, Configured),
                (Fault, Configured),
            ],
        ),
    ];
    for (name, call, allowed) in calls {
        for state in STATES {
            let hits = Arc::new(AtomicUsize::new(0));
            let mut session = Session::new(
                Box::new(Probe(hits.clone())),
                Arc::new(SystemClock),
                1 << 16,
            );
            session.configure(&ScanRequest::default()).unwrap();
            if state == Closed {
                session.close();
            }
            session.state = state;
            let before = hits.load(Ordering::Relaxed);
            let result = call(&mut session);
            let reached = hits.load(Ordering::Relaxed) - before;
            match allowed.iter().find(|(from, _)| *from == state) {
                Some((_, to)) => {
                    assert!(result.is_ok(), "{name} in {state}");
                    assert_eq!((session.state(), reached), (*to, 1), "{name} in {state}");
                }
                None => {
                    assert_eq!(
                        result.unwrap_err().kind(),
                        ErrorKind::State,
                        "{name} in {state}"
                    );
                    assert_eq!((session.state(), reached), (state, 0), "{name} in {state}");
                }
            }
        }
    }
}
