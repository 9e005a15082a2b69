//! A board that delivers given frames in any cut, and a sink that keeps everything.

use std::{
    path::Path,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use crossbeam_channel::Receiver;
use senescope::{
    config::{Effective, Settings},
    control::{Lifecycle, Stop},
    pipeline::{Classified, Execution, FrameEnd, Looked, Sink, SinkError, Skips, label_message},
    stages::{
        assemble::FrameBuffer,
        infer::{EngineOptions, Ensemble},
        publish::{Outbox, RunEnd},
    },
};
use senescope_hal::{
    Board, Capabilities, ChannelMask, Clock, HalError, HostInstant, Identity, Interrupter, Pacing,
    ReadEvent, RunId, RunSummary, ScanActual, ScanRequest, Session, Strip, StripBuffer, StripFlags,
    StripHeader, SystemClock, Wake,
    sim::{Dish, Fault, FaultKind, RenderRequest, SimBoard, SimConfig, render},
};

/// Edge of the frames in pixels: a few cells, and quick to classify.
pub(crate) const SIZE: u32 = 320;
const PIXEL_UM: f64 = 0.25;

/// The committed ensemble, loaded once.
pub(crate) fn ensemble() -> &'static Ensemble {
    static ENSEMBLE: OnceLock<Ensemble> = OnceLock::new();
    ENSEMBLE.get_or_init(|| {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/models/ensemble"));
        Ensemble::load(folder, &EngineOptions::default(), &SystemClock).unwrap()
    })
}

/// SRS, TPEF and TRANS of a few simulated frames.
pub(crate) fn frames() -> &'static [[Vec<u16>; 3]] {
    static FRAMES: OnceLock<Vec<[Vec<u16>; 3]>> = OnceLock::new();
    FRAMES.get_or_init(|| faulty(2, None))
}

/// So many frames, the same at first, by a microscope with a fault.
pub(crate) fn faulty(frames: u64, fault: Option<FaultKind>) -> Vec<[Vec<u16>; 3]> {
    let dish = Dish::from_seed(7);
    let faults: Vec<_> = fault
        .map(|kind| Fault {
            kind,
            frame: 0,
            row: 0,
            rows: None,
        })
        .into_iter()
        .collect();
    (0..frames)
        .map(|frame| {
            let request = RenderRequest {
                width: SIZE,
                height: SIZE,
                pixel_size_um: PIXEL_UM,
                faults: faults.clone(),
                ..RenderRequest::of(&dish, frame)
            };
            render(&dish, &request).channels
        })
        .collect()
}

/// Delivers frames in strips of the heights that `cut` gives, again and again.
pub(crate) struct CutBoard {
    frames: Vec<[Vec<u16>; 3]>,
    cut: Vec<u32>,
    pacing: Pacing,
    /// Waits before each strip; an interrupt ends the wait and the run.
    pause: Duration,
    wake: (Wake, Receiver<()>),
    next: (usize, u32, u64),
    stopped: bool,
    summary: RunSummary,
    run: RunId,
}

impl CutBoard {
    pub(crate) fn new(
        frames: &[[Vec<u16>; 3]],
        cut: &[u32],
        pacing: Pacing,
        pause: Duration,
    ) -> Self {
        Self {
            frames: frames.to_vec(),
            cut: cut.to_vec(),
            pacing,
            pause,
            wake: Wake::channel(),
            next: (0, 0, 0),
            stopped: false,
            summary: RunSummary::default(),
            run: RunId::from_bits(1),
        }
    }
}

impl Board for CutBoard {
    fn identity(&self) -> Identity {
        SimBoard::new(SimConfig::default()).identity()
    }

    fn capabilities(&self) -> Capabilities {
        SimBoard::new(SimConfig::default()).capabilities()
    }

    fn configure(&mut self, _: &ScanRequest) -> Result<ScanActual, HalError> {
        Ok(ScanActual {
            width: SIZE,
            height: SIZE,
            pixel_size_um: PIXEL_UM,
            dwell_ns: None,
            line_period_ns: None,
            bidirectional: false,
            strip_rows: SIZE,
            channels: self.capabilities().channels,
            clock_hz: 1,
            frames: Some(self.frames.len() as u64),
            pacing: self.pacing,
        })
    }

    fn arm(&mut self) -> Result<RunId, HalError> {
        Ok(self.run)
    }

    fn start(&mut self) -> Result<(), HalError> {
        Ok(())
    }

    fn stop(&mut self) -> Result<(), HalError> {
        self.stopped = true;
        Ok(())
    }

    fn disarm(&mut self) -> Result<RunSummary, HalError> {
        Ok(self.summary)
    }

    fn read(&mut self, mut buffer: StripBuffer, _: HostInstant) -> Result<ReadEvent, HalError> {
        let (frame, row, sequence) = self.next;
        if self.stopped || frame >= self.frames.len() {
            return Ok(ReadEvent::EndOfRun);
        }
        if !self.pause.is_zero() && self.wake.1.recv_timeout(self.pause).is_ok() {
            return Ok(ReadEvent::Idle);
        }
        let rows = self.cut[sequence as usize % self.cut.len()].clamp(1, SIZE - row);
        let samples = buffer.resize((rows * SIZE * 3) as usize).unwrap();
        for (offset, target) in samples.chunks_exact_mut(3 * SIZE as usize).enumerate() {
            let start = (row as usize + offset) * SIZE as usize;
            for (channel, target) in target.chunks_exact_mut(SIZE as usize).enumerate() {
                target.copy_from_slice(&self.frames[frame][channel][start..start + SIZE as usize]);
            }
        }
        let last = row + rows == SIZE;
        self.next = if last {
            (frame + 1, 0, sequence + 1)
        } else {
            (frame, row + rows, sequence + 1)
        };
        self.summary.frames = frame as u64 + 1;
        self.summary.rows_scanned += u64::from(rows);
        self.summary.rows_delivered += u64::from(rows);
        Ok(ReadEvent::Strip(Strip {
            header: StripHeader {
                run: self.run,
                boot: 0,
                frame: frame as u64,
                field: 0,
                source: None,
                sequence,
                first_row: row,
                rows,
                width: SIZE,
                channels: ChannelMask::all(3),
                bit_depth: 16,
                odd_rows_reversed: false,
                ticks_first_row: 0,
                line_period_ns: None,
                received: SystemClock.now(),
                lost_rows: 0,
                flags: StripFlags {
                    last_of_frame: last,
                    ..StripFlags::default()
                },
            },
            samples: buffer,
        }))
    }

    fn interrupter(&self) -> Box<dyn Interrupter> {
        self.wake.0.clone_box()
    }
}

/// Everything that was said of a run, as text and bits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    /// Labels as JSON without times, in order.
    pub(crate) labels: Vec<String>,
    /// Bits of the maps, in the same order.
    pub(crate) maps: Vec<Vec<u32>>,
    /// Frames that ended, and their cells.
    pub(crate) frames: Vec<FrameEnd>,
}

/// Keeps what it gets.
#[derive(Clone, Default)]
pub(crate) struct Keep(pub(crate) Arc<Mutex<Said>>);

impl Sink for Keep {
    fn cell(&mut self, classified: &Classified) -> Result<(), SinkError> {
        let stamps = &classified.stamps;
        assert!(stamps.scanned <= stamps.received, "{stamps:?}");
        assert!(stamps.received <= stamps.cut, "{stamps:?}");
        assert!(stamps.cut <= stamps.inferred, "{stamps:?}");
        assert!(stamps.inferred <= stamps.emitted, "{stamps:?}");
        let mut label = label_message(classified, PIXEL_UM);
        label.latency_ns.clear();
        assert_eq!(classified.maps.is_empty(), classified.maps_shed);
        let maps = classified.maps.first().into_iter();
        let mut said = self.0.lock().unwrap();
        said.labels.push(serde_json::to_string(&label).unwrap());
        said.maps
            .extend(maps.map(|map| map.values.iter().map(|value| value.to_bits()).collect()));
        Ok(())
    }

    fn frame(&mut self, end: &FrameEnd, _: Option<&FrameBuffer>) -> Result<(), SinkError> {
        // The number of threads is a setting, and says nothing about a frame.
        let settings = Arc::default();
        self.0.lock().unwrap().frames.push(FrameEnd {
            settings,
            ..end.clone()
        });
        Ok(())
    }
}

/// Runs `board` to its end with results into `sink`.
pub(crate) fn run_into(
    board: CutBoard,
    settings: &Settings,
    outbox: &Outbox,
    stop: &Stop,
    sink: Box<dyn Sink>,
) -> RunEnd {
    run_watched(board, settings, outbox, stop, sink, &|_, stuck| {
        assert_eq!(stuck, None)
    })
}

/// The same, with somebody who is shown the run and told of a stage that is stuck.
pub(crate) fn run_watched(
    board: CutBoard,
    settings: &Settings,
    outbox: &Outbox,
    stop: &Stop,
    sink: Box<dyn Sink>,
    looked: &Looked<'_>,
) -> RunEnd {
    let mut session = Session::new(Box::new(board), Arc::new(SystemClock), 64 << 20);
    let settings: Arc<Effective> = Arc::new(settings.clone().into());
    Execution {
        session: &mut session,
        request: &ScanRequest::default(),
        ensemble: ensemble(),
        settings: Arc::clone(&settings),
        in_force: &|_| Arc::clone(&settings),
        viewers: &[],
        outbox,
        lifecycle: &Lifecycle::of_one_run(outbox.clone(), stop.clone()),
        clock: &SystemClock,
        started_utc: None,
        recorded: true,
        looked,
        skips: &Skips::new(),
    }
    .run(|_| Ok(vec![sink]))
    .unwrap()
    .end
}

/// Runs `board` to its end and gives everything that was said.
pub(crate) fn run(board: CutBoard, threads: u32) -> (Said, RunEnd) {
    let mut settings = Settings::default();
    settings.engine.threads = threads;
    let keep = Keep::default();
    let end = run_into(
        board,
        &settings,
        &Outbox::disabled(Arc::new(SystemClock)),
        &Stop::default(),
        Box::new(keep.clone()),
    );
    let said = keep.0.lock().unwrap().clone();
    (said, end)
}

/// A pulled board without pauses.
pub(crate) fn pulled(frames: &[[Vec<u16>; 3]], cut: &[u32]) -> CutBoard {
    CutBoard::new(frames, cut, Pacing::Pulled, Duration::ZERO)
}
