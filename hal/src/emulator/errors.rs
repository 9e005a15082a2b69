//! The error queue of SCPI-1999, volume 1, 21.8.

use std::collections::VecDeque;

/// Most errors that wait to be asked for.
const MOST: usize = 16;

/// An error as `SYSTem:ERRor?` gives it.
pub(super) type ScpiError = &'static str;

pub(super) const UNDEFINED: ScpiError = "-113,\"Undefined header\"";
pub(super) const PARAMETER: ScpiError = "-104,\"Data type error\"";
pub(super) const CONFLICT: ScpiError = "-221,\"Settings conflict\"";
pub(super) const RANGE: ScpiError = "-222,\"Data out of range\"";
pub(super) const NONE: ScpiError = "0,\"No error\"";
const OVERFLOW: ScpiError = "-350,\"Queue overflow\"";

/// Errors in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct ErrorQueue(VecDeque<String>);

impl ErrorQueue {
    pub(super) fn push(&mut self, error: impl Into<String>) {
        if self.0.len() < MOST {
            self.0.push_back(error.into());
        } else if let Some(last) = self.0.back_mut() {
            *last = OVERFLOW.to_owned();
        }
    }

    /// The oldest, which is forgotten.
    pub(super) fn take(&mut self) -> String {
        self.0.pop_front().unwrap_or_else(|| NONE.to_owned())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_bounded_and_says_so() {
        let mut queue = ErrorQueue::default();
        for _ in 0..40 {
            queue.push(RANGE);
        }
        let all: Vec<_> = (0..17).map(|_| queue.take()).collect();
        assert_eq!(all[..15], vec![RANGE; 15]);
        assert_eq!(all[15..], [OVERFLOW, NONE]);
    }
}
