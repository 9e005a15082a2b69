//! What Micro-Manager writes beside each page (NDTiff and the older image file stacks): a JSON object in
//! tag 51123.
//!
//! NDTiff names axes in `Axes`; the older format has `Channel` and `FrameIndex`, `SliceIndex`,
//! `PositionIndex`.

use serde_json::Value;

/// The few values of a page that matter here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MicroManagerPage {
    pub(crate) channel: Option<String>,
    /// All other axes in the order position, time, z, then any others by name.
    pub(crate) place: Vec<(u8, String, i64)>,
    pub(crate) pixel_size_um: Option<f64>,
    pub(crate) bit_depth: Option<u8>,
}

impl MicroManagerPage {
    /// Reads the JSON of one page; `None` when it is not an object.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(text).ok()?;
        let json = json.as_object()?;
        let mut channel = None;
        let mut place = Vec::new();
        if let Some(axes) = json.get("Axes").and_then(Value::as_object) {
            for (axis, at) in axes {
                if axis == "channel" {
                    channel = Some(at.as_str().map_or_else(|| at.to_string(), str::to_owned));
                } else if let Some(at) = at.as_i64() {
                    place.push((rank(axis), axis.clone(), at));
                }
            }
        } else {
            channel = json
                .get("Channel")
                .and_then(Value::as_str)
                .map(str::to_owned);
            for (axis, key) in [
                ("position", "PositionIndex"),
                ("time", "FrameIndex"),
                ("z", "SliceIndex"),
            ] {
                let at = json.get(key).and_then(Value::as_i64).unwrap_or(0);
                place.push((rank(axis), axis.to_owned(), at));
            }
        }
        place.sort();
        let number = |key: &str| json.get(key).and_then(Value::as_f64);
        Some(Self {
            channel,
            place,
            pixel_size_um: number("PixelSizeUm").or_else(|| number("PixelSize_um")),
            bit_depth: json
                .get("BitDepth")
                .and_then(Value::as_u64)
                .and_then(|bits| u8::try_from(bits).ok())
                .filter(|bits| (1..=16).contains(bits)),
        })
    }

    /// The index of the stage position.
    pub(crate) fn position(&self) -> u32 {
        self.place
            .iter()
            .find(|(rank, _, _)| *rank == 0)
            .and_then(|(_, _, at)| u32::try_from(*at).ok())
            .unwrap_or(0)
    }
}

fn rank(axis: &str) -> u8 {
    match axis {
        "position" => 0,
        "time" => 1,
        "z" => 2,
        _ => 3,
    }
}
