//! The Grad-CAM map of one cell.

use senescope_hal::HostInstant;
use serde::{Deserialize, Serialize};

use crate::domain::{Cell, Heatmap, TileWindow};

/// How the samples of a map are stored, as NumPy writes it: little-endian 32-bit floating point.
pub const DTYPE: &str = "<f4";

/// What describes the payload of a `cam` message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CamMessage {
    /// `seq` of the label of the same cell.
    pub label_seq: u64,
    /// Index of the frame in the run.
    pub frame: u64,
    /// Field of view.
    pub field: u32,
    /// Number of the cell in its frame.
    pub cell: u32,
    /// The class whose logit was differentiated.
    pub class: String,
    /// The member, `mean` for the mean of all, or `spread` for their standard deviation.
    pub member: String,
    /// x, y, width, height of the map in full-resolution pixels; may reach beyond the frame.
    pub bbox: [f64; 4],
    /// Type of the samples: `<f4`.
    pub dtype: String,
    /// Rows, columns.
    pub shape: [u32; 2],
    /// How the payload is packed: `raw`, row by row.
    pub enc: String,
    /// Minimum and maximum of the map before it was scaled to [0, 1]; of a spread, those of its samples.
    pub range: [f32; 2],
    /// Becomes the header's `t_acq_ns`.
    #[serde(skip)]
    pub t_acq_ns: Option<HostInstant>,
    /// Becomes the payload.
    #[serde(skip)]
    pub payload: Vec<u8>,
}

impl CamMessage {
    /// The message about `map`, whose tile was cut at `window` around `cell`.
    pub fn new(
        label_seq: u64,
        cell: &Cell,
        window: TileWindow,
        map: &Heatmap,
        acquired: Option<HostInstant>,
    ) -> Self {
        let (rows, columns) = map.values.dim();
        Self {
            label_seq,
            frame: cell.frame,
            field: cell.field,
            cell: cell.id,
            class: map.class.clone(),
            member: map.source.as_str().to_owned(),
            bbox: [window.x, window.y, window.size, window.size],
            dtype: DTYPE.to_owned(),
            shape: [rows, columns].map(|length| u32::try_from(length).unwrap_or(u32::MAX)),
            enc: "raw".to_owned(),
            range: [map.range.0, map.range.1],
            t_acq_ns: acquired,
            payload: map
                .values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        }
    }

    /// The samples of a received payload, row by row; `None` when the payload is not what the header
    /// describes.
    pub fn samples(&self, payload: &[u8]) -> Option<Vec<f32>> {
        let count = u64::from(self.shape[0]) * u64::from(self.shape[1]);
        let described = self.dtype == DTYPE
            && self.enc == "raw"
            && count.checked_mul(4) == u64::try_from(payload.len()).ok();
        described.then(|| {
            payload
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                .collect()
        })
    }
}
