//! What the labels are called and which colours they have in other people's software.

use crate::domain::Label;

/// All labels, in the order of their numbers in label images: the first is 1.
pub(super) const LABELS: [Label; 4] = [
    Label::Senescent,
    Label::Proliferating,
    Label::Uncertain,
    Label::Atypical,
];

/// The name of the class.
pub(super) fn name(label: Label) -> &'static str {
    match label {
        Label::Senescent => "Senescent",
        Label::Proliferating => "Proliferating",
        Label::Uncertain => "Uncertain",
        Label::Atypical => "Atypical",
    }
}

/// Red, green and blue: those of the pictures of `senescope replay`, and violet for what they draw dashed.
pub(super) fn colour(label: Label) -> [u8; 3] {
    match label {
        Label::Senescent => [255, 140, 0],
        Label::Proliferating => [80, 170, 255],
        Label::Uncertain => [255, 255, 255],
        Label::Atypical => [200, 60, 220],
    }
}

/// The number of the label in a label image, from 1.
pub(super) fn number(label: Label) -> u8 {
    let place = LABELS.iter().position(|other| *other == label);
    place
        .and_then(|place| u8::try_from(place + 1).ok())
        .unwrap_or(0)
}
