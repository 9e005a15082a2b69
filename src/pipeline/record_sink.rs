//! The sink that records what was published.

use std::sync::Arc;

use super::{Classified, FrameEnd, Sink, SinkError, label_message};
use crate::{
    config::{Effective, differences},
    control::{
        Lifecycle,
        machine::{Event, Fault},
    },
    digest::sha256_hex,
    domain::Heatmap,
    recording::{FrameLine, FrameSettings, LabelLine, MapDigest, MapPage},
    stages::{assemble::FrameBuffer, record::LabelTap},
};

/// Records through a [`LabelTap`].
pub(crate) struct RecordSink {
    pub(crate) tap: LabelTap,
    pub(crate) pixel_size_um: f64,
    /// The settings in `run.json`.
    pub(crate) began: Arc<Effective>,
    /// Is told once when the run must stop with its recording.
    pub(crate) lifecycle: Lifecycle,
    pub(crate) told: bool,
}

impl RecordSink {
    /// What comes still is offered, so that it is counted.
    fn judge(&mut self, taken: Result<(), String>) {
        if taken.is_err() && !std::mem::replace(&mut self.told, true) {
            self.lifecycle.tell(Event::Failed(Fault::Sink));
            self.lifecycle.run_stop().ask();
        }
    }
}

impl Sink for RecordSink {
    fn cell(&mut self, classified: &Classified) -> Result<(), SinkError> {
        let label = label_line(classified, self.pixel_size_um);
        let taken = self.tap.label(label, || {
            let maps = classified.maps.iter();
            maps.map(|map| (page(classified, map), (*map.values).clone()))
                .collect()
        });
        self.judge(taken);
        Ok(())
    }

    fn frame(&mut self, end: &FrameEnd, _: Option<&FrameBuffer>) -> Result<(), SinkError> {
        let skipped = u32::try_from(end.skipped.len()).unwrap_or(u32::MAX);
        let line = FrameLine {
            frame: end.frame,
            field: end.field,
            file: None,
            sha256: None,
            maps: None,
            maps_sha256: None,
            not_kept: None,
            ticks_first_row: None,
            cells: end.cells,
            labels: end.cells.saturating_sub(skipped),
            skipped: end.skipped.clone(),
            missing: Vec::new(),
            source: end.source.as_deref().cloned(),
            settings: (end.settings != self.began).then(|| FrameSettings {
                config: end.settings.digest().to_owned(),
                changed: differences(&self.began, &end.settings),
            }),
        };
        let taken = self.tap.end(line);
        self.judge(taken);
        Ok(())
    }
}

/// A cell as it is recorded.
pub(crate) fn label_line(classified: &Classified, pixel_size_um: f64) -> LabelLine {
    LabelLine {
        seq: classified.label_seq,
        t_acq_ns: Some(classified.stamps.received),
        label: label_message(classified, pixel_size_um),
        maps: classified.maps.iter().map(digest).collect(),
        maps_shed: classified.maps_shed,
    }
}

fn page(classified: &Classified, map: &Heatmap) -> MapPage {
    let window = classified.window;
    MapPage {
        cell: classified.cell.id,
        member: map.source.as_str().to_owned(),
        class: map.class.clone(),
        bbox: [window.x, window.y, window.size, window.size],
        range: [map.range.0, map.range.1],
    }
}

fn digest(map: &Heatmap) -> MapDigest {
    let samples = map.values.iter().flat_map(|value| value.to_le_bytes());
    MapDigest {
        member: map.source.as_str().to_owned(),
        class: map.class.clone(),
        sha256: sha256_hex(&samples.collect::<Vec<_>>()),
    }
}
