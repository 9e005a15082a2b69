//! A plane of values that is filled row by row.

/// Rows × columns of values, row by row in memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Plane<T> {
    values: Vec<T>,
    width: usize,
}

impl<T: Copy + Default> Plane<T> {
    /// A plane of defaults.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self {
            values: vec![T::default(); width * height],
            width,
        }
    }

    /// Becomes a plane of defaults of another shape, in the memory that it has.
    pub(super) fn reshape(&mut self, width: usize, height: usize) {
        self.values.clear();
        self.values.resize(width * height, T::default());
        self.width = width;
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn height(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// All values, row by row.
    pub(super) fn values(&self) -> &[T] {
        &self.values
    }

    pub(super) fn fill(&mut self, value: T) {
        self.values.fill(value);
    }

    pub(super) fn row(&self, row: usize) -> &[T] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    pub(super) fn row_mut(&mut self, row: usize) -> &mut [T] {
        &mut self.values[row * self.width..(row + 1) * self.width]
    }
}
