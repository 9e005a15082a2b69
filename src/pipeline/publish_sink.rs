//! Publishing: a label for each cell, then its maps.

use std::collections::BTreeMap;

use super::{Classified, SinkError};
use crate::{
    config::{Effective, differences},
    domain::Latency,
    stages::publish::{CamMessage, LabelMessage, MessageError, Outbox, RunSettings},
};

/// Publishes through an [`Outbox`].
pub(crate) struct PublishSink {
    pub(crate) outbox: Outbox,
    pub(crate) pixel_size_um: f64,
}

impl PublishSink {
    /// From `frame` on other settings are in force than those with which the run `began`, or those again.
    pub(crate) fn settings(
        &self,
        frame: u64,
        began: &Effective,
        now: &Effective,
    ) -> Result<(), SinkError> {
        let changed = differences(began, now);
        tracing::info!(frame, ?changed, "other settings are in force");
        let told = self
            .outbox
            .settings(now.digest().to_owned(), RunSettings { frame, changed });
        told.map(drop).map_err(|error| SinkError(error.to_string()))
    }

    /// Publishes the label of a cell, and notes its number in it.
    pub(crate) fn label(&self, classified: &mut Classified) -> Result<(), SinkError> {
        let label = label_message(classified, self.pixel_size_um);
        let told = self.outbox.label(label);
        classified.label_seq = told.map_err(|error| SinkError(error.to_string()))?;
        Ok(())
    }

    /// Publishes the maps of a cell whose label was published.
    pub(crate) fn maps(&self, classified: &Classified) -> Result<(), SinkError> {
        let failed = |error: MessageError| SinkError(error.to_string());
        for map in &classified.maps {
            let cam = CamMessage::new(
                classified.label_seq,
                &classified.cell,
                classified.window,
                map,
                Some(classified.stamps.received),
            );
            self.outbox.cam(cam).map_err(failed)?;
        }
        Ok(())
    }
}

/// The label of a cell as it is published.
pub fn label_message(classified: &Classified, pixel_size_um: f64) -> LabelMessage {
    LabelMessage {
        source: classified.source.as_deref().cloned(),
        engine: classified.engine.to_string(),
        ..LabelMessage::new(
            &classified.cell,
            &classified.verdict,
            pixel_size_um,
            Some(classified.stamps.received),
            by_stage(&classified.stamps.latency()),
        )
    }
}

fn by_stage(latency: &Latency) -> BTreeMap<String, u64> {
    latency
        .by_stage()
        .into_iter()
        .map(|(stage, ns)| (stage.to_owned(), ns))
        .collect()
}
