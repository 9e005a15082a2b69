//! What is counted of a link.

use std::collections::BTreeMap;

/// Steps of the repair of a link, and their causes, since the board was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Strips that were accepted.
    pub(super) strips: u64,
    /// Bytes of their records.
    pub(super) bytes: u64,
    /// Replies that were none, or not what was asked for.
    pub(super) garbled: u64,
    /// Replies that did not come.
    pub(super) silent: u64,
    /// Times that the link was gone.
    pub(super) gone: u64,
    /// Times that a line was discarded until it was quiet.
    pub(super) discarded: u64,
    /// Times that the error queue was emptied.
    pub(super) cleared: u64,
    /// Errors that were found in it.
    pub(super) board_errors: u64,
    /// Strips that were fetched once more.
    pub(super) fetched_again: u64,
    /// Links that were opened again with the same boot.
    pub(super) resumed: u64,
    /// Strips that were given up.
    pub(super) strips_given_up: u64,
    /// Strips that had left the ring before they were fetched.
    pub(super) strips_late: u64,
    /// Restarts of the board in a run.
    pub(super) restarts: u64,
    /// Runs that were given up because the link did not come back.
    pub(super) runs_given_up: u64,
}

impl Counters {
    pub(super) fn by_name(&self) -> BTreeMap<&'static str, u64> {
        [
            ("strips", self.strips),
            ("bytes", self.bytes),
            ("garbled", self.garbled),
            ("silent", self.silent),
            ("gone", self.gone),
            ("discarded", self.discarded),
            ("cleared", self.cleared),
            ("board_errors", self.board_errors),
            ("fetched_again", self.fetched_again),
            ("resumed", self.resumed),
            ("strips_given_up", self.strips_given_up),
            ("strips_late", self.strips_late),
            ("restarts", self.restarts),
            ("runs_given_up", self.runs_given_up),
        ]
        .into()
    }
}
