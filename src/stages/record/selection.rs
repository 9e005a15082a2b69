//! Which frames are kept: all, or those around an event.

use std::collections::VecDeque;

use super::Keep;

/// A frame that was decided upon.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decided<T> {
    /// To be kept.
    Keep(T),
    /// Not near an event.
    Drop(T),
}

/// Decides in the order of frames. At most `before` frames wait for what follows them.
#[derive(Debug)]
pub(super) struct Selection<T> {
    keep: Keep,
    before: usize,
    after: u32,
    /// Frames that are still kept because of an event before them.
    left: u32,
    waiting: VecDeque<T>,
}

impl<T> Selection<T> {
    pub(super) fn new(keep: Keep, before: u32, after: u32) -> Self {
        Self {
            keep,
            before: before as usize,
            after,
            left: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Takes the next frame; `event` says whether it has one. Gives what is decided by that, in order.
    pub(super) fn push(&mut self, frame: T, event: bool) -> Vec<Decided<T>> {
        if event || self.keep == Keep::All {
            self.left = self.after;
            let waiting = self.waiting.drain(..).map(Decided::Keep);
            return waiting.chain([Decided::Keep(frame)]).collect();
        }
        if self.left > 0 {
            // Nothing waits behind an event.
            self.left -= 1;
            return vec![Decided::Keep(frame)];
        }
        self.waiting.push_back(frame);
        if self.waiting.len() > self.before {
            return self
                .waiting
                .pop_front()
                .map(Decided::Drop)
                .into_iter()
                .collect();
        }
        Vec::new()
    }

    /// No frame follows.
    pub(super) fn finish(&mut self) -> Vec<Decided<T>> {
        self.waiting.drain(..).map(Decided::Drop).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Exactly the frames at most `before` before or `after` behind an event are kept; each is decided once,
        /// in order, and at most `before` wait.
        #[test]
        fn frames_around_events_are_kept(
            events in prop::collection::vec(prop::bool::weighted(0.2), 0..60),
            before in 0_u32..5,
            after in 0_u32..5,
        ) {
            let mut selection = Selection::new(Keep::Events, before, after);
            let mut decided = Vec::new();
            for (frame, event) in events.iter().enumerate() {
                decided.extend(selection.push(frame, *event));
                prop_assert!(frame + 1 - decided.len() <= before as usize);
            }
            decided.extend(selection.finish());
            let near = |frame: usize| {
                let first = frame.saturating_sub(after as usize);
                let last = (frame + before as usize + 1).min(events.len());
                events[first..last].contains(&true)
            };
            let wanted: Vec<_> = (0..events.len())
                .map(|frame| if near(frame) { Decided::Keep(frame) } else { Decided::Drop(frame) })
                .collect();
            prop_assert_eq!(decided, wanted);
        }
    }

    #[test]
    fn all_is_all() {
        let mut selection = Selection::new(Keep::All, 3, 3);
        assert_eq!(selection.push(7, false), [Decided::Keep(7)]);
        assert_eq!(selection.finish(), []);
    }
}
