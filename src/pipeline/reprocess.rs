//! The last frame again, with other settings: the stages of the pipeline one after the other, on the caller's thread.

use std::sync::Arc;

use senescope_hal::Clock;

use super::{
    LastFrame,
    analyse::{Stages, TileJob},
    classify::classify,
    label_message,
};
use crate::{
    config::{Effective, Settings},
    control::{Reprocess, Reprocessed},
    domain::{Cell, Stamps, Tile},
    stages::{
        assemble::{FrameBuffer, FrameRow},
        infer::Ensemble,
    },
};

/// Says again what is said of the last frame.
pub struct Reprocessor {
    /// What classifies.
    pub ensemble: Arc<Ensemble>,
    /// The frame.
    pub last_frame: Arc<LastFrame>,
    /// Host time.
    pub clock: Arc<dyn Clock>,
}

impl Reprocess for Reprocessor {
    fn reprocess(
        &self,
        settings: Settings,
        given_up: &dyn Fn() -> bool,
    ) -> Result<Reprocessed, String> {
        let kept = self.last_frame.get().ok_or(
            "there is no frame yet, or it is larger than `limits.last_frame_mib` allows to keep",
        )?;
        let scan = &kept.scan;
        let mut stages = Stages::new(scan, self.ensemble.manifest(), &settings)
            .map_err(|error| error.to_string())?;
        let mut worker = self.ensemble.worker().map_err(|error| error.to_string())?;
        let settings: Arc<Effective> = Arc::new(settings.into());
        let tiles = tiles(&mut stages, &kept.frame);
        let mut labels = Vec::with_capacity(tiles.len());
        for tile in tiles {
            if given_up() {
                return Err("the daemon is about to end".to_owned());
            }
            let cell = tile.cell.id;
            let outputs = worker
                .run(tile.values.view())
                .map_err(|error| format!("cell {cell} cannot be classified: {error}"))?;
            let job = TileJob {
                tile,
                stamps: Stamps::default(),
                settings: Arc::clone(&settings),
                source: kept.frame.source().cloned(),
            };
            let (classified, _) = classify(&outputs, &self.ensemble, &*self.clock, &job);
            let mut label = label_message(&classified, scan.pixel_size_um);
            // Nothing was waited for.
            label.latency_ns.clear();
            label.t_acq_ns = None;
            labels.push(label);
        }
        Ok(Reprocessed {
            frame: kept.frame.frame(),
            field: kept.frame.field(),
            config: settings.digest().to_owned(),
            labels,
        })
    }
}

/// The tiles of a frame, as they are cut while its rows come.
fn tiles(stages: &mut Stages, frame: &FrameBuffer) -> Vec<Tile> {
    let mut tiles = Vec::new();
    let mut found: Vec<Cell> = Vec::new();
    frame.again(|row: FrameRow<'_>| {
        stages.row(row, &mut found);
        tiles.extend(found.drain(..).map(|cell| stages.cut(cell, row.frame())));
    });
    tiles
}
