//! What the files of a scan must be: as its first file was.

use crate::{
    ChannelInfo,
    replay::{ReplaySource, plane::Rule},
};

/// Relative difference beyond which two pixel sizes contradict each other.
const SAME_SIZE: f64 = 1e-3;

/// The geometry of a scan, and how its samples become counts.
#[derive(Clone, Debug)]
pub(crate) struct Expect {
    width: u32,
    height: u32,
    pixel_size_um: f64,
    channels: Vec<ChannelInfo>,
    rules: Vec<Rule>,
}

impl Expect {
    /// What `source` is.
    pub(crate) fn of(source: &ReplaySource) -> Self {
        Self {
            width: source.width(),
            height: source.height(),
            pixel_size_um: source.pixel_size_um(),
            channels: source.channels(),
            rules: source.rules(),
        }
    }

    /// Whether frames of `source` can follow. Channels whose counts come from the range of their samples take the
    /// range of the scan.
    ///
    /// # Errors
    /// A clause that says what differs.
    pub(crate) fn admit(&self, source: &mut ReplaySource) -> Result<(), String> {
        let size = |(width, height): (u32, u32)| format!("{width} × {height} samples");
        let (has, wants) = ((source.width(), source.height()), (self.width, self.height));
        if has != wants {
            return Err(format!(
                "it has {}, and the scan has {}",
                size(has),
                size(wants)
            ));
        }
        let (has, wants) = (source.pixel_size_um(), self.pixel_size_um);
        if (has - wants).abs() > SAME_SIZE * wants {
            return Err(format!(
                "its pixels are {has} µm, and those of the scan {wants} µm"
            ));
        }
        source.follow(&self.rules, &self.channels);
        let channels = source.channels();
        let names = |channels: &[ChannelInfo]| {
            let names: Vec<_> = channels.iter().map(|info| info.name.as_str()).collect();
            names.join(", ")
        };
        let same = |(a, b): (&ChannelInfo, &ChannelInfo)| {
            (&a.name, a.bit_depth) == (&b.name, b.bit_depth)
                && (a.scale, a.offset) == (b.scale, b.offset)
        };
        if channels
            .iter()
            .map(|info| &info.name)
            .ne(self.channels.iter().map(|info| &info.name))
        {
            let (has, wants) = (names(&channels), names(&self.channels));
            return Err(format!(
                "it has the channels {has}, and the scan has {wants}"
            ));
        }
        match channels
            .iter()
            .zip(&self.channels)
            .find(|pair| !same(*pair))
        {
            Some((has, wants)) => Err(format!(
                "its samples of {} are of {} bits (scale {}, offset {}), and those of the scan of {} bits (scale {}, \
                 offset {})",
                has.name,
                has.bit_depth,
                has.scale,
                has.offset,
                wants.bit_depth,
                wants.scale,
                wants.offset
            )),
            None => Ok(()),
        }
    }
}
