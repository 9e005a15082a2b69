//! What OME-Zarr 0.5 says of an image and of its label images, as the attributes of their groups.

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    classes::{self, LABELS},
    walk::FrameHead,
};
use crate::recording::{MissingRows, RunFile};

/// Version of OME-Zarr.
const VERSION: &str = "0.5";
/// Quantiles of the counts that are shown as black and as full intensity: those of the pictures of `replay`.
const SHOWN: [f64; 2] = [0.01, 0.995];

/// What is known of a frame and has no place in OME-Zarr.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Kept {
    frame: u64,
    field: u32,
    file: Option<String>,
    /// Device time at its first sample in seconds; null when its first row is missing.
    device_time_s: Option<f64>,
    /// They are zero.
    missing: Vec<MissingRows>,
}

impl Kept {
    /// Of a frame whose ticks are `clock_hz` a second.
    pub(super) fn of(frame: &FrameHead, clock_hz: u64) -> Self {
        let line = frame.line.as_ref();
        let ticks = line.and_then(|line| line.ticks_first_row);
        Self {
            frame: frame.frame,
            field: frame.field,
            file: frame.image().map(str::to_owned),
            device_time_s: ticks
                .filter(|_| clock_hz > 0)
                .map(|ticks| ticks as f64 / clock_hz as f64),
            missing: line.map(|line| line.missing.clone()).unwrap_or_default(),
        }
    }
}

/// The counts that are shown as black and as full intensity.
pub(super) fn shown(counts: &[u16]) -> [u16; 2] {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    SHOWN.map(|quantile| {
        let index = (quantile * sorted.len().saturating_sub(1) as f64).round() as usize;
        sorted.get(index).copied().unwrap_or(0)
    })
}

/// Of the image: `ranges` are the counts that are shown of each channel.
pub(super) fn image(run: &RunFile, ranges: &[[u16; 2]], kept: &[Kept]) -> Value {
    let channels = run.start.scan.channels.iter().enumerate().map(|(index, info)| {
        let [low, high] = ranges.get(index).copied().unwrap_or([0, info.saturation()]);
        json!({
            "label": info.name.as_str(),
            "color": colour(info.name.as_str(), index),
            "active": true,
            "coefficient": 1,
            "family": "linear",
            "inverted": false,
            "window": {"min": 0, "max": info.saturation(), "start": low, "end": high.max(low.saturating_add(1))},
        })
    });
    let channels: Vec<_> = channels.collect();
    json!({
        "ome": {
            "version": VERSION,
            "multiscales": [multiscale(&format!("run {}", run.run), run)],
            "omero": {
                "name": format!("run {}", run.run),
                "channels": channels,
                "rdefs": {"defaultT": 0, "defaultZ": 0, "model": "color"},
            },
        },
        "senescope": {
            "run": run.run,
            "started_utc": run.start.started_utc,
            "model": run.context.model,
            "config": run.context.config,
            "software": run.context.software,
            "frames": kept,
        },
    })
}

/// Of the image with the maps.
pub(super) fn maps(run: &RunFile) -> Value {
    json!({
        "ome": {
            "version": VERSION,
            "multiscales": [multiscale("Grad-CAM", run)],
            "omero": {
                "channels": [{
                    "label": "Grad-CAM",
                    "color": "FF0000",
                    "active": true,
                    "coefficient": 1,
                    "family": "linear",
                    "inverted": false,
                    "window": {"min": 0.0, "max": 1.0, "start": 0.0, "end": 1.0},
                }],
                "rdefs": {"defaultT": 0, "defaultZ": 0, "model": "color"},
            },
        },
        "senescope": {"samples": "where the class of each cell was decided, in [0, 1]; 0 where no map is"},
    })
}

/// Of the group of the label images.
pub(super) fn labels() -> Value {
    json!({"ome": {"version": VERSION, "labels": ["cells", "classes"]}})
}

/// Of the label image with the numbers of the cells.
pub(super) fn cells(run: &RunFile) -> Value {
    json!({
        "ome": {
            "version": VERSION,
            "multiscales": [multiscale("cells", run)],
            // A number is another cell in each frame: it has neither a colour nor properties of its own.
            "image-label": {"version": VERSION, "source": {"image": "../../"}},
        },
        "senescope": {"samples": "number of the cell in its frame plus 1; 0 where no cell is"},
    })
}

/// Of the label image with the classes.
pub(super) fn classes(run: &RunFile) -> Value {
    let value = |label| classes::number(label);
    let colours = LABELS.map(|label| {
        let [red, green, blue] = classes::colour(label);
        json!({"label-value": value(label), "rgba": [red, green, blue, 255]})
    });
    let properties =
        LABELS.map(|label| json!({"label-value": value(label), "class": classes::name(label)}));
    json!({
        "ome": {
            "version": VERSION,
            "multiscales": [multiscale("classes", run)],
            "image-label": {
                "version": VERSION,
                "colors": colours,
                "properties": properties,
                "source": {"image": "../../"},
            },
        },
    })
}

fn multiscale(name: &str, run: &RunFile) -> Value {
    let edge = run.start.scan.pixel_size_um;
    json!({
        "name": name,
        "axes": [
            {"name": "t", "type": "time"},
            {"name": "c", "type": "channel"},
            // One plane: its thickness is not known.
            {"name": "z", "type": "space"},
            {"name": "y", "type": "space", "unit": "micrometer"},
            {"name": "x", "type": "space", "unit": "micrometer"},
        ],
        "datasets": [{
            "path": "0",
            "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0, 1.0, edge, edge]}],
        }],
    })
}

/// Red, green and blue in hexadecimal: those of the pictures of `replay`, and others in turn.
fn colour(channel: &str, index: usize) -> &'static str {
    const OTHERS: [&str; 4] = ["00FFFF", "FF00FF", "FF0000", "0000FF"];
    match channel {
        "SRS" => "FFFF00",
        "TPEF" => "00FF00",
        "TRANS" => "FFFFFF",
        _ => OTHERS[index % OTHERS.len()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_that_is_shown_leaves_the_extremes_out() {
        let counts: Vec<u16> = (0..=1000).rev().collect();
        assert_eq!(shown(&counts), [10, 995]);
        assert_eq!(shown(&[]), [0, 0]);
    }
}
