//! The error queue of SCPI-1999, volume 1, 21.8, of whoever is asked `SYSTem:ERRor?`.

use std::collections::VecDeque;

/// Most errors that wait to be asked for.
const MOST: usize = 16;
/// What is answered when nothing was wrong.
pub(crate) const NO_ERROR: &str = "0,\"No error\"";
const OVERFLOW: &str = "-350,\"Queue overflow\"";

/// Errors in the order in which they came, each a number and a text in quotes.
#[derive(Debug, Default)]
pub(crate) struct ErrorQueue(VecDeque<String>);

impl ErrorQueue {
    /// One more. Where there is no room, the last one is that there was none.
    pub(crate) fn push(&mut self, error: impl Into<String>) {
        if self.0.len() < MOST {
            self.0.push_back(error.into());
        } else if let Some(last) = self.0.back_mut() {
            *last = OVERFLOW.to_owned();
        }
    }

    /// The oldest, which is forgotten; [`NO_ERROR`] when there is none.
    pub(crate) fn take(&mut self) -> String {
        self.0.pop_front().unwrap_or_else(|| NO_ERROR.to_owned())
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_bounded_and_says_so() {
        let range = "-222,\"Data out of range\"";
        let mut queue = ErrorQueue::default();
        for _ in 0..40 {
            queue.push(range);
        }
        let all: Vec<_> = (0..17).map(|_| queue.take()).collect();
        assert_eq!(all[..15], vec![range; 15]);
        assert_eq!(all[15..], [OVERFLOW, NO_ERROR]);
    }
}
