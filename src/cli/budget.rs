//! `senescope budget`: what this machine sustains with this configuration.

use std::collections::BTreeMap;

use clap::Args;
use senescope_hal::ScanActual;
use serde::Serialize;

use super::{
    Blame, Exit, Failure, SettingsArgs, board, output,
    service::{Service, load_ensemble},
    summary,
};
use crate::{
    config::{Backend, LiveSettings, SimSpeed},
    pipeline::{Execution, Skips},
    stages::infer::EngineKind,
    telemetry::Cost,
};

/// Cells a frame by which a frame rate is told, beside as many as can be had.
const CELLS: f64 = 10.0;

/// How many cells and frames this machine can classify, with this configuration.
///
/// Simulated frames of the configured scan are classified as fast as it goes, and the processor time of each part of
/// the work is told. From that follow the cells a frame that the configured scan may have, and the frame rate with ten
/// of them, without anything being shed. What the simulator costs is not in it. Example:
/// senescope budget --set scan.width=256 --set scan.height=256 --set scan.dwell_ns=4000
#[derive(Debug, Args)]
pub(crate) struct BudgetArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Simulated frames to measure
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=1000))]
    frames: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was measured, and what follows.
#[derive(Debug, Serialize)]
struct Budget {
    /// What computed the networks.
    engine: String,
    /// Processors that this program may use.
    processors: usize,
    /// Threads that compute networks.
    workers: usize,
    /// Columns and rows of a frame.
    frame: [u32; 2],
    /// Frames that were measured.
    frames: u64,
    /// Cells that were measured.
    cells: u64,
    /// Time of a part of the work a frame, in milliseconds: assemble, segment.
    frame_ms: BTreeMap<String, f64>,
    /// Time of a part of the work a cell, in milliseconds: tile, infer, combine, explain, publish.
    cell_ms: BTreeMap<String, f64>,
    /// Time of the configured scan a frame, in milliseconds; null for a board without a pace.
    scan_ms: Option<f64>,
    /// Cells a frame that the configured scan may have.
    cells_a_frame: Option<f64>,
    /// Frames a second with ten cells each.
    frames_a_second: f64,
}

pub(crate) fn run(arguments: &BudgetArgs) -> Result<Exit, Failure> {
    let mut settings = arguments.settings.load()?;
    settings.board.backend = Backend::Sim;
    settings.sim.speed = SimSpeed::Max;
    settings.scan.frames = Some(arguments.frames);
    settings.record.enabled = false;
    let service = Service::start(None, LiveSettings::new(settings.clone()))?;
    let ensemble = load_ensemble(&settings, &*service.clock)?;
    let channels = &ensemble.manifest().channels;
    let mut source = board::session(&settings, channels, &service)?;
    let live = &service.desk.settings;
    let mut scan = None;
    let execution = Execution {
        session: &mut source.session,
        request: &board::request(&settings),
        ensemble: &ensemble,
        settings: live.now(),
        in_force: &|_| live.now(),
        viewers: &[],
        outbox: &service.desk.outbox,
        lifecycle: service.one_run()?,
        clock: &*service.clock,
        started_utc: None,
        recorded: false,
        looked: &|_, _| {},
        skips: &Skips::new(),
    };
    let ended = execution.run(|actual| {
        scan = Some(actual.clone());
        Ok(Vec::new())
    })?;
    service.close();
    let exit = summary::exit(&ended);
    let (Some(scan), Exit::Done) = (scan, exit) else {
        output::note(&summary::of(&ended));
        return Ok(exit);
    };
    let measured = Measured {
        engine: ensemble.engine_name().to_string(),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        workers: settings.engine.workers(),
        frames: ended.monitor.frames(),
        spent: ended.monitor.spent(),
    };
    let budget = Budget::of(measured, &scan);
    if arguments.json {
        output::line(&serde_json::to_string_pretty(&budget).blame(Exit::Software)?)?;
    } else {
        output::line(&budget.text())?;
    }
    Ok(Exit::Done)
}

/// What a run has shown.
struct Measured {
    engine: String,
    processors: usize,
    workers: usize,
    frames: u64,
    spent: BTreeMap<String, Cost>,
}

impl Budget {
    fn of(measured: Measured, scan: &ScanActual) -> Self {
        let Measured {
            engine,
            processors,
            workers,
            frames,
            spent,
        } = measured;
        let cost = |part: &str| spent.get(part).copied().unwrap_or_default();
        let cells = cost("combine").count;
        let each = |part: &str, of: u64| {
            let Cost {
                cpu_ns, wall_ns, ..
            } = cost(part);
            // It computes on threads of its own, and ours wait for it.
            let elsewhere = part == "infer" && engine.starts_with(EngineKind::OpenVino.as_str());
            let ns = if elsewhere { wall_ns } else { cpu_ns };
            (part.to_owned(), ns as f64 / 1e6 / of.max(1) as f64)
        };
        let frame_ms = ["assemble", "segment"]
            .map(|part| each(part, frames))
            .into();
        let cell_ms = ["tile", "infer", "combine", "explain", "publish"]
            .map(|part| each(part, cells))
            .into();
        let scan_ms = scan
            .line_period_ns
            .map(|line| line as f64 * f64::from(scan.height) / 1e6);
        let mut budget = Self {
            engine,
            processors,
            workers,
            frame: [scan.width, scan.height],
            frames,
            cells,
            frame_ms,
            cell_ms,
            scan_ms,
            cells_a_frame: None,
            frames_a_second: 0.0,
        };
        budget.frames_a_second = 1e3 / budget.needs_ms(CELLS);
        budget.cells_a_frame = scan_ms.map(|scan_ms| budget.cells_in(scan_ms));
        budget
    }

    /// The time that a frame with so many cells takes when every thread is busy: the longest of what the analysis does,
    /// what the workers do, and what all do on the processors that there are.
    fn needs_ms(&self, cells: f64) -> f64 {
        let [fixed, analysis, workers, all] = self.shares();
        let needs = [
            fixed + cells * analysis,
            cells * workers / self.workers.max(1) as f64,
            (fixed + cells * all) / self.processors.max(1) as f64,
        ];
        needs.into_iter().fold(0.0, f64::max)
    }

    /// The cells of a frame that takes so long.
    fn cells_in(&self, span_ms: f64) -> f64 {
        let [fixed, analysis, workers, all] = self.shares();
        let processors = self.processors.max(1) as f64;
        let most = [
            (span_ms - fixed) / analysis,
            span_ms * self.workers.max(1) as f64 / workers,
            (span_ms * processors - fixed) / all,
        ];
        most.into_iter().fold(f64::MAX, f64::min).max(0.0)
    }

    /// In milliseconds: of a frame; and of a cell on the analysis' thread, on a worker's, and on all.
    fn shares(&self) -> [f64; 4] {
        let fixed: f64 = self.frame_ms.values().sum();
        let of = |part: &str| self.cell_ms.get(part).copied().unwrap_or_default();
        let workers = of("infer") + of("combine") + of("explain");
        let all = workers + of("tile") + of("publish");
        [fixed, of("tile"), workers, all]
    }

    fn text(&self) -> String {
        let [width, height] = self.frame;
        let parts = |parts: &BTreeMap<String, f64>| {
            let parts = parts.iter().map(|(part, ms)| format!("{part} {ms:.2}"));
            parts.collect::<Vec<_>>().join(", ")
        };
        let [fixed, _, _, all] = self.shares();
        let scan = match (self.scan_ms, self.cells_a_frame) {
            (Some(scan_ms), Some(cells)) => format!(
                "\nthis scan takes {scan_ms:.0} ms a frame, and may have {} cells in each",
                cells.floor()
            ),
            _ => String::new(),
        };
        format!(
            "{} on {} processor(s) with {} worker thread(s); {} frame(s) of {width} x {height} with {} cells\n  \
             a frame takes {fixed:.1} ms: {}\n  a cell takes {all:.1} ms: {}{scan}\nwith {CELLS} cells in each, frames \
             may come {:.1} times a second",
            self.engine,
            self.processors,
            self.workers,
            self.frames,
            self.cells,
            parts(&self.frame_ms),
            parts(&self.cell_ms),
            self.frames_a_second,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(frame_ms: f64, infer_ms: f64, processors: usize, workers: usize) -> Budget {
        Budget {
            engine: "test".to_owned(),
            processors,
            workers,
            frame: [512, 512],
            frames: 1,
            cells: 1,
            frame_ms: [("segment".to_owned(), frame_ms)].into(),
            cell_ms: [("infer".to_owned(), infer_ms), ("tile".to_owned(), 1.0)].into(),
            scan_ms: None,
            cells_a_frame: None,
            frames_a_second: 0.0,
        }
    }

    #[test]
    fn the_busiest_thread_decides() {
        // Two processors share 20 + 10 × 10 ms.
        assert_eq!(budget(20.0, 9.0, 2, 2).needs_ms(10.0), 60.0);
        // One worker of many processors has 10 × 9 ms.
        assert_eq!(budget(20.0, 9.0, 8, 1).needs_ms(10.0), 90.0);
        // The analysis has 200 + 10 × 1 ms, and is one thread.
        assert_eq!(budget(200.0, 9.0, 8, 8).needs_ms(10.0), 210.0);
    }

    #[test]
    fn as_many_cells_fit_as_take_the_time() {
        for (frame_ms, infer_ms, processors, workers) in
            [(20.0, 9.0, 2, 2), (20.0, 9.0, 8, 1), (200.0, 9.0, 8, 8)]
        {
            let budget = budget(frame_ms, infer_ms, processors, workers);
            let cells = budget.cells_in(1000.0);
            assert!((budget.needs_ms(cells) - 1000.0).abs() < 1e-9);
        }
        assert_eq!(budget(2000.0, 9.0, 1, 1).cells_in(1000.0), 0.0);
    }
}
