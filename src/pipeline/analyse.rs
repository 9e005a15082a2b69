//! The analysis: rows → frame → corrected rows → cells → tiles, on one thread.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crossbeam_channel::{Receiver, Sender};
use senescope_hal::{Clock, FrameSource, Gap, GapCause, HostInstant, Pacing, ScanActual, Strip};

use super::{
    FrameEnd, Monitor, Viewer,
    acquire::Rows,
    emit::{Step, What},
    queue::{Job, TileQueue},
};
use crate::{
    config::{Effective, Settings},
    domain::{Cell, Stamps, Tile},
    recording::{MissingRows, Skipped},
    stages::{
        assemble::{Assembler, FrameBuffer, FrameRow, RowTotals},
        correct::Corrector,
        infer::Manifest,
        record::FrameTap,
        segment::{SegmentConfig, SegmentError, Segmenter},
        tile::{Cutter, TileError},
    },
    telemetry::{Discard, Work},
};

/// The pure steps of the analysis.
pub(crate) struct Stages {
    corrector: Corrector,
    segmenter: Segmenter,
    cutter: Cutter,
    /// What the segmenter works with.
    segment: SegmentConfig,
}

impl Stages {
    /// The steps for the frames of `scan` and the tiles of `manifest`.
    ///
    /// # Errors
    /// When the scan does not fit the settings or the manifest.
    pub(crate) fn new(
        scan: &ScanActual,
        manifest: &Manifest,
        settings: &Settings,
    ) -> Result<Self, Unfit> {
        Ok(Self {
            corrector: Corrector::new(scan),
            segmenter: segmenter(scan, &settings.segment)?,
            cutter: Cutter::new(manifest, scan)?,
            segment: settings.segment.clone(),
        })
    }

    /// Works with `settings` from the next frame of `scan` on. Nothing changes when they do not fit the scan.
    pub(crate) fn change(&mut self, scan: &ScanActual, settings: &Settings) -> Result<(), Unfit> {
        if self.segment != settings.segment {
            self.segmenter = segmenter(scan, &settings.segment)?;
            self.segment = settings.segment.clone();
        }
        Ok(())
    }

    /// Takes the next row of a frame; each cell that it decides is added to `found`.
    pub(crate) fn row(&mut self, row: FrameRow<'_>, found: &mut Vec<Cell>) {
        let corrected = self.corrector.apply(row);
        self.segmenter.push_row(&corrected, found);
    }

    /// The tile of a cell that `frame` has just decided.
    pub(crate) fn cut(&mut self, cell: Cell, frame: &FrameBuffer) -> Tile {
        self.cutter
            .cut(Arc::new(cell), |channel, row| frame.row(channel, row))
    }
}

fn segmenter(scan: &ScanActual, config: &SegmentConfig) -> Result<Segmenter, SegmentError> {
    let channels = scan.channels.iter().map(|channel| channel.name.clone());
    let channels: Vec<_> = channels.collect();
    let (width, height) = (scan.width, scan.height);
    Segmenter::new(config, width, height, scan.pixel_size_um, &channels)
}

/// A scan that this ensemble and these settings do not fit.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
#[non_exhaustive]
pub enum Unfit {
    /// It cannot be segmented.
    Segment(#[from] SegmentError),
    /// Tiles cannot be cut from it.
    Tile(#[from] TileError),
}

/// A tile on its way to the networks.
#[derive(Debug)]
pub(crate) struct TileJob {
    pub(crate) tile: Tile,
    pub(crate) stamps: Stamps,
    /// The settings in force for its frame.
    pub(crate) settings: Arc<Effective>,
    /// The file that its frame was read from.
    pub(crate) source: Option<Arc<FrameSource>>,
}

/// What the analysis saw.
#[derive(Debug, Default)]
pub(crate) struct Analysed {
    pub(crate) rows: RowTotals,
    pub(crate) lost: BTreeMap<GapCause, u64>,
}

/// The analysis and its surroundings.
pub(crate) struct Analysis<'a> {
    pub(crate) clock: &'a dyn Clock,
    pub(crate) scan: &'a ScanActual,
    pub(crate) queue: &'a TileQueue<TileJob>,
    pub(crate) steps: Sender<Step>,
    pub(crate) stages: Stages,
    /// The settings with which the run begins.
    pub(crate) settings: Arc<Effective>,
    /// The settings in force for a frame, asked when its first row comes.
    pub(crate) in_force: InForce<'a>,
    /// Whether the counts of a frame go along with its end.
    pub(crate) images: bool,
    pub(crate) monitor: &'a Monitor,
    /// Takes the frames as they were acquired.
    pub(crate) tap: Option<FrameTap>,
    /// Cells that are not given to the networks, because they were not when the frames were acquired.
    pub(crate) skips: &'a Skips,
    /// Those who look on while rows come.
    pub(crate) viewers: &'a [&'a dyn Viewer],
}

/// The settings in force for a frame, by its index in the run.
pub type InForce<'a> = &'a (dyn Fn(u64) -> Arc<Effective> + Sync);

/// Cells without a label, and why, by frame and number in the frame.
pub type Skips = BTreeMap<(u64, u32), Discard>;

/// The part that is busy while the assembler hands rows on.
struct Rest<'a> {
    clock: &'a dyn Clock,
    scan: &'a ScanActual,
    queue: &'a TileQueue<TileJob>,
    steps: Sender<Step>,
    stages: Stages,
    settings: Arc<Effective>,
    in_force: InForce<'a>,
    viewers: &'a [&'a dyn Viewer],
    images: bool,
    monitor: &'a Monitor,
    tap: Option<FrameTap>,
    skips: &'a Skips,
    missing: MissingList,
    times: RowTimes,
    height: u32,
    next_index: u64,
    missing_rows: u32,
    cells: u32,
    found: Vec<Cell>,
}

impl Analysis<'_> {
    /// Analyses everything that comes, until the sender is gone; then closes the queue of tiles.
    pub(crate) fn run(self, rows: &Receiver<Rows>) -> Analysed {
        let mut assembler = Assembler::new(self.scan);
        let mut lost = BTreeMap::new();
        let mut rest = Rest {
            clock: self.clock,
            scan: self.scan,
            queue: self.queue,
            steps: self.steps,
            stages: self.stages,
            settings: self.settings,
            in_force: self.in_force,
            viewers: self.viewers,
            found: Vec::new(),
            images: self.images,
            monitor: self.monitor,
            tap: self.tap,
            skips: self.skips,
            missing: MissingList::default(),
            times: RowTimes::new(self.scan),
            height: self.scan.height,
            next_index: 0,
            missing_rows: 0,
            cells: 0,
        };
        for message in rows {
            match message {
                Rows::Strip(strip) => {
                    rest.times.strip(&strip);
                    let before = assembler.totals();
                    self.monitor.rows.enter(u64::from(strip.header.rows));
                    let (spent, parts) = (&self.monitor.spent, [Work::Segment, Work::Tile]);
                    spent.on_rest(rest.clock, Work::Assemble, parts, || {
                        assembler.push(&strip, |row| rest.row(row));
                    });
                    let after = assembler.totals();
                    self.monitor.rows.leave(after.delivered - before.delivered);
                    let misplaced = after.discarded - before.discarded;
                    self.monitor.rows.discard(Discard::Misplaced, misplaced);
                }
                Rows::Gap(gap) => {
                    *lost.entry(gap.cause).or_default() += u64::from(gap.rows);
                    rest.times.gap(&gap, rest.clock.now());
                    rest.missing.told = Some(gap.clone());
                    assembler.gap(&gap, |row| rest.row(row));
                }
            }
        }
        assembler.finish(|row| rest.row(row));
        Analysed {
            rows: assembler.totals(),
            lost,
        }
    }
}

impl Rest<'_> {
    fn row(&mut self, row: FrameRow<'_>) {
        let index = row.index();
        if index == 0 {
            self.missing_rows = 0;
            self.missing.rows.clear();
            self.cells = 0;
            self.begin(row.frame().frame());
        }
        if !row.frame().is_whole(index) {
            self.missing_rows += 1;
            self.missing.note(row.frame().frame(), index);
        }
        self.times.reached(index);
        let last = index + 1 == self.height;
        let mut found = std::mem::take(&mut self.found);
        let spent = &self.monitor.spent;
        spent.on(self.clock, Work::Segment, || {
            self.stages.row(row, &mut found)
        });
        for cell in found.drain(..) {
            self.cells += 1;
            self.cell(cell, row);
        }
        self.found = found;
        for viewer in self.viewers {
            viewer.row(self.scan, row);
        }
        if last {
            let end = FrameEnd {
                frame: row.frame().frame(),
                field: row.frame().field(),
                cells: self.cells,
                skipped: Vec::new(),
                missing_rows: self.missing_rows,
                settings: Arc::clone(&self.settings),
                source: row.frame().source().cloned(),
            };
            let frame = row.frame();
            if let Some(tap) = &self.tap {
                // Before its end is told: the recorder has it when its cells are decided.
                tap.frame(frame, std::mem::take(&mut self.missing.rows));
            }
            let image =
                (self.images && self.queue.hold(frame.bytes())).then(|| Box::new(frame.clone()));
            self.step(What::FrameEnd(end, image));
        }
    }

    /// A frame begins: settings that were changed are in force from now on.
    fn begin(&mut self, frame: u64) {
        let settings = (self.in_force)(frame);
        match self.stages.change(self.scan, &settings) {
            Ok(()) => self.settings = settings,
            // They are held against the scan when they are changed.
            Err(error) => tracing::error!(frame, %error, "changed settings are not in force"),
        }
    }

    fn cell(&mut self, cell: Cell, row: FrameRow<'_>) {
        if let Some(reason) = self.skips.get(&(cell.frame, cell.id)) {
            self.monitor.tiles.enter(1);
            self.monitor.tiles.discard(*reason, 1);
            let (cell, reason) = (cell.id, *reason);
            self.step(What::Skipped(Skipped { cell, reason }));
            return;
        }
        let (scanned, received) = self.times.of(cell.decided_row);
        let frame = row.frame();
        let spent = &self.monitor.spent;
        let tile = spent.on(self.clock, Work::Tile, || self.stages.cut(cell, frame));
        let stamps = Stamps {
            scanned,
            received,
            cut: self.clock.now(),
            ..Stamps::default()
        };
        let index = self.take_index();
        let job = Job {
            index,
            frame: tile.cell.frame,
            bytes: tile_bytes(&tile),
            since: stamps.cut,
            work: TileJob {
                tile,
                stamps,
                settings: Arc::clone(&self.settings),
                source: frame.source().cloned(),
            },
        };
        for shed in self.queue.push(job) {
            self.send(Step::shed(&shed));
        }
    }

    fn step(&mut self, what: What) {
        let index = self.take_index();
        self.send(Step { index, what });
    }

    fn take_index(&mut self) -> u64 {
        let index = self.next_index;
        self.next_index += 1;
        index
    }

    fn send(&self, step: Step) {
        // The emitter outlives every sender; were it gone, its own result would say why.
        let _ = self.steps.send(step);
    }
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        // Also when a stage panics: workers that wait for tiles must end.
        self.queue.close();
    }
}

fn tile_bytes(tile: &Tile) -> usize {
    // Its values, its mask and outline, and once it is classified a map of one plane.
    let plane = tile.values.len() / tile.values.dim().0.max(1);
    let outline = tile.cell.outline.room() * size_of::<[u32; 2]>();
    let shape = tile.cell.mask.room() + outline + size_of::<Cell>();
    (tile.values.len() + plane) * size_of::<f32>() + shape
}

/// The missing rows of the present frame, and why they are missing.
#[derive(Default)]
struct MissingList {
    rows: Vec<MissingRows>,
    /// The last gap that was told.
    told: Option<Gap>,
}

impl MissingList {
    fn note(&mut self, frame: u64, row: u32) {
        let told = self.told.as_ref().filter(|gap| {
            gap.frame == frame
                && row
                    .checked_sub(gap.first_row)
                    .is_some_and(|at| at < gap.rows)
        });
        let cause = told.map(|gap| gap.cause);
        match self.rows.last_mut() {
            Some(last) if last.cause == cause && last.first_row + last.rows == row => {
                last.rows += 1
            }
            _ => self.rows.push(MissingRows {
                first_row: row,
                rows: 1,
                cause,
            }),
        }
    }
}

/// When each row of the present frame was scanned and received, in host time.
///
/// A live board stamps its strips in ticks. The least time from a strip's last tick to its arrival is taken
/// as the way from the board to this host, so that a strip that waited longer shows it.
struct RowTimes {
    /// Only a live scan has a line period in host time.
    line_period: Option<Duration>,
    ticks_to_ns: f64,
    /// Host time less device time, the least so far.
    offset_ns: Option<f64>,
    rows: Vec<(HostInstant, HostInstant)>,
    latest: (HostInstant, HostInstant),
}

impl RowTimes {
    fn new(scan: &ScanActual) -> Self {
        Self {
            line_period: scan
                .line_period_ns
                .filter(|_| scan.pacing == Pacing::Live)
                .map(Duration::from_nanos),
            ticks_to_ns: 1e9 / scan.clock_hz.max(1) as f64,
            offset_ns: None,
            rows: vec![Default::default(); scan.height as usize],
            latest: Default::default(),
        }
    }

    /// A strip came.
    fn strip(&mut self, strip: &Strip) {
        let header = &strip.header;
        let first = header.first_row;
        let rows = first..first.saturating_add(header.rows).min(self.height());
        let Some(line_ns) = self.line_period.map(|line| line.as_nanos() as f64) else {
            rows.for_each(|row| self.set(row, (header.received, header.received)));
            return;
        };
        let ticks_ns = header.ticks_first_row as f64 * self.ticks_to_ns;
        let scanned_after = |rows: u32| ticks_ns + line_ns * f64::from(rows);
        let offset = header.received.0 as f64 - scanned_after(header.rows);
        let offset = self.offset_ns.map_or(offset, |least| least.min(offset));
        self.offset_ns = Some(offset);
        for row in rows {
            let scanned = offset + scanned_after(row - first + 1);
            let scanned = HostInstant((scanned.max(0.0) as u64).min(header.received.0));
            self.set(row, (scanned, header.received));
        }
    }

    /// Rows will not come, as was said at `now`.
    fn gap(&mut self, gap: &Gap, now: HostInstant) {
        for row in gap.first_row..gap.first_row.saturating_add(gap.rows).min(self.height()) {
            self.set(row, (now, now));
        }
    }

    /// The frame has reached `row`. A row that nothing was heard of passed with the one before it.
    fn reached(&mut self, row: u32) {
        if let Some(times) = self.rows.get_mut(row as usize) {
            if times.1 < self.latest.1 {
                *times = self.latest;
            }
            self.latest = *times;
        }
    }

    /// When `row` was scanned, and when it was received.
    fn of(&self, row: u32) -> (HostInstant, HostInstant) {
        self.rows.get(row as usize).copied().unwrap_or(self.latest)
    }

    fn set(&mut self, row: u32, times: (HostInstant, HostInstant)) {
        if let Some(slot) = self.rows.get_mut(row as usize) {
            *slot = times;
        }
    }

    fn height(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }
}
