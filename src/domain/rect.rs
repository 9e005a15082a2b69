//! Rectangles of pixels.

use serde::{Deserialize, Serialize};

/// A rectangle of full-resolution pixels; the origin of the frame is its top left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rect {
    /// Left column.
    pub x: u32,
    /// Top row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Rect {
    /// The first column right of the rectangle.
    pub fn right(&self) -> u32 {
        self.x + self.width
    }

    /// The first row below the rectangle.
    pub fn bottom(&self) -> u32 {
        self.y + self.height
    }
}
