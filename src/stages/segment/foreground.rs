//! How much each pixel looks like a cell: the channels' contrasts combined by how well they tell cells
//! from medium.

use super::{background::Background, config::SegmentConfig};

/// A channel that tells cells better than this many deviations is trusted no more for it.
const MOST_TRUST: f32 = 12.0;
/// A pixel counts at most this many times the typical contrast, so that a droplet does not stand for a cell.
const MOST_CONTRAST: f32 = 2.0;

/// A channel in one row.
pub(super) struct Look<'a> {
    pub(super) signal: &'a [f32],
    pub(super) background: Background,
}

impl Look<'_> {
    /// Weight of the channel: the square of how many deviations cells stand above the background.
    fn trust(&self) -> f32 {
        let deviations = self.background.contrast / self.background.noise;
        deviations.min(MOST_TRUST).powi(2)
    }
}

/// Scores one row, whose pixels lie at `columns` and `y`: 0 is background, 1 a typical cell. Returns the threshold of the row, or `None` when no
/// channel shows a cell; the scores are then 0.
pub(super) fn score<'a>(
    config: &SegmentConfig,
    looks: impl Iterator<Item = Look<'a>> + Clone,
    columns: &[f64],
    y: f64,
    scores: &mut [f32],
) -> Option<f32> {
    scores.fill(0.0);
    let trust: f32 = looks.clone().map(|look| look.trust()).sum();
    if trust <= 0.0 {
        return None;
    }
    let mut variance = 0.0;
    for look in looks.filter(|look| look.trust() > 0.0) {
        let weight = look.trust() / trust;
        let contrast = look.background.contrast;
        let level = look.background.level;
        variance += (weight * look.background.noise / contrast).powi(2);
        let pixels = scores.iter_mut().zip(look.signal).zip(columns);
        for ((score, value), x) in pixels {
            let level = level.level(*x, y);
            *score += weight * ((value - level) / contrast).clamp(-1.0, MOST_CONTRAST);
        }
    }
    let noise = config.threshold_noise as f32 * variance.sqrt();
    Some(noise.max(config.threshold_contrast as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn background(contrast: f32) -> Background {
        Background {
            noise: 1.0,
            contrast,
            ..Background::default()
        }
    }

    fn scores(channels: &[(&[f32], f32)]) -> (Option<f32>, Vec<f32>) {
        let mut scores = vec![9.0; 3];
        let looks = channels.iter().map(|(signal, contrast)| Look {
            signal,
            background: background(*contrast),
        });
        let config = SegmentConfig::default();
        let threshold = score(&config, looks, &[0.0; 3], 0.0, &mut scores);
        (threshold, scores)
    }

    #[test]
    fn a_channel_without_contrast_changes_nothing() {
        let cells = [0.0, 40.0, 10.0];
        let alone = scores(&[(&cells, 40.0)]);
        let with = scores(&[(&cells, 40.0), (&[90.0, -90.0, 90.0], 0.0)]);
        assert_eq!(alone, with);
        assert_eq!(alone.1, [0.0, 1.0, 0.25]);
    }

    #[test]
    fn no_contrast_is_no_foreground() {
        assert_eq!(scores(&[(&[1.0, 2.0, 3.0], 0.0)]), (None, vec![0.0; 3]));
    }

    #[test]
    fn noise_lifts_the_threshold() {
        let clear = scores(&[(&[0.0; 3], 40.0)]).0.unwrap();
        let noisy = scores(&[(&[0.0; 3], 6.5)]).0.unwrap();
        assert!(noisy > clear, "{noisy} {clear}");
    }
}
