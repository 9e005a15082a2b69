//! Grad-CAM maps.

use ndarray::Array2;

use crate::domain::Pooled;

/// Whose map it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeatmapSource {
    /// The mean of all members.
    Mean,
    /// The member of this name.
    Member(String),
    /// The standard deviation of the members' maps: where they disagree, in [0, 0.5].
    Spread,
}

impl HeatmapSource {
    /// The name that is published.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Mean => "mean",
            Self::Member(name) => name,
            Self::Spread => "spread",
        }
    }
}

/// Where in its tile a class was decided: the Grad-CAM of one class, scaled to [0, 1]; or in how far the members
/// disagree on that.
///
/// The resolution is that of the tile; the window of the tile says where it lies in the frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap {
    /// Name of the class whose logit was differentiated.
    pub class: String,
    /// Whose map it is.
    pub source: HeatmapSource,
    /// Shape rows × columns of the tile.
    pub values: Pooled<Array2<f32>>,
    /// Minimum and maximum of the map before it was scaled, in logits per unit feature; of a spread, which is
    /// not scaled, those of its values.
    pub range: (f32, f32),
}
