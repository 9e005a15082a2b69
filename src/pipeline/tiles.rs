//! The pipeline up to the tiles, without networks: what a training set is cut from.

use std::{sync::Arc, thread};

use crossbeam_channel::bounded;
use senescope_hal::{ErrorKind, HalError, ScanActual, ScanRequest, Session, SystemClock};

use super::{
    Closing, Monitor, ROWS_WAITING, Refused, acquire,
    analyse::{Analysis, Skips, Stages},
    mebibytes,
    queue::{Policy, Taken, TileQueue},
};
use crate::{
    config::{Effective, Settings},
    control::Stop,
    domain::Tile,
    stages::infer::Manifest,
};

/// Gives every tile of a source that is pulled to `take`, in the order in which cells were decided. The
/// first error of `take` ends the run.
///
/// # Errors
/// When the board cannot be configured or fails.
pub fn tiles<E>(
    session: &mut Session,
    request: &ScanRequest,
    manifest: &Manifest,
    settings: &Settings,
    mut take: impl FnMut(&ScanActual, &Tile) -> Result<(), E>,
) -> Result<Result<(), E>, Refused> {
    let scan = session.configure(request)?;
    let stages = Stages::new(&scan, manifest, settings)?;
    session.arm()?;
    let effective: Arc<Effective> = Arc::new(settings.clone().into());
    let (stop, monitor) = (Stop::default(), Monitor::default());
    let queue = TileQueue::new(
        mebibytes(settings.limits.tiles_mib),
        Policy::Wait,
        Arc::clone(&monitor.tiles),
        Arc::clone(&monitor.tiles_fill),
    );
    let (to_analysis, rows) = bounded(ROWS_WAITING);
    // Nobody waits for the ends of frames here: the receiver is gone, and sending to it does nothing.
    let (steps, _) = bounded(1);
    let analysis = Analysis {
        clock: &SystemClock,
        scan: &scan,
        queue: &queue,
        steps,
        stages,
        settings: Arc::clone(&effective),
        in_force: &|_| Arc::clone(&effective),
        viewers: &[],
        images: false,
        monitor: &monitor,
        tap: None,
        skips: &Skips::new(),
    };
    let (acquired, taken) = thread::scope(|scope| {
        let (stop, scan, monitor) = (&stop, &scan, &monitor);
        let board = scope.spawn(move || {
            acquire::acquire(session, &to_analysis, stop, monitor, scan.height, &|| {})
        });
        let analysis = scope.spawn(move || analysis.run(&rows));
        let _closing = Closing(|| {
            queue.close();
            stop.ask();
        });
        let mut taken = Ok(());
        while let Taken::Job(job) = queue.take(&SystemClock, true) {
            if taken.is_ok() {
                taken = take(scan, &job.work.tile);
                if taken.is_err() {
                    stop.ask();
                }
            }
            queue.release(job.bytes);
        }
        let defect = |_| {
            HalError::new(
                ErrorKind::Malformed,
                "a stage failed by a defect of this program",
            )
        };
        let acquired = board.join().map_err(defect);
        (analysis.join().map_err(defect).and(acquired), taken)
    });
    match acquired?.error {
        Some(error) => Err(error.into()),
        None => Ok(taken),
    }
}
