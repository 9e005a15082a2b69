//! Whose frames are being taken: one pusher at a time.

use std::{collections::VecDeque, time::Duration};

use crate::{HostInstant, wire::RecordHeader};

/// How long a pusher without a connection is still expected.
const GRACE: Duration = Duration::from_secs(2);
/// How many of the last frames are remembered, so that a repeated record is known.
const REMEMBERED: usize = 64;

/// Boot and run of the records: a session of a pusher.
pub(super) type SessionId = (u64, u32);

/// The session that a record belongs to.
pub(super) fn session_of(header: &RecordHeader) -> SessionId {
    (header.boot, header.run)
}

/// The present session.
pub(super) struct Pusher {
    pub(super) id: SessionId,
    /// The connection that its records come by, while it is open.
    connection: Option<u64>,
    seen: HostInstant,
    /// The last frame of which rows were given.
    begun: Option<u32>,
    /// Frames of which all rows were given, and whether none was missing.
    closed: VecDeque<(u32, bool)>,
}

/// What is known of a frame that is not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Past {
    /// It was given without a missing row.
    Whole,
    /// It was given with rows missing, or it is forgotten, or jumped over.
    GivenUp,
    /// It has not come yet.
    Future,
}

impl Pusher {
    pub(super) fn new(id: SessionId, connection: Option<u64>, now: HostInstant) -> Self {
        Self {
            id,
            connection,
            seen: now,
            begun: None,
            closed: VecDeque::with_capacity(REMEMBERED),
        }
    }

    /// A record of this session came.
    pub(super) fn heard(&mut self, connection: Option<u64>, now: HostInstant) {
        self.connection = connection;
        self.seen = now;
    }

    /// The connection was closed.
    pub(super) fn left(&mut self, connection: u64) {
        if self.connection == Some(connection) {
            self.connection = None;
        }
    }

    /// Whether session `id`, by `connection`, may take this one's place: it is the same program, or this one has
    /// gone.
    pub(super) fn gives_way(
        &self,
        id: SessionId,
        connection: Option<u64>,
        now: HostInstant,
    ) -> bool {
        let same = id.0 == self.id.0 || (connection.is_some() && connection == self.connection);
        same || (self.connection.is_none() && now.since(self.seen) >= GRACE)
    }

    /// The first row of frame `source` is given. Gives how many numbers were jumped over.
    pub(super) fn begin(&mut self, source: u32) -> u64 {
        let before = self.begun.replace(source);
        before.map_or(0, |before| {
            u64::from(source.saturating_sub(before)).saturating_sub(1)
        })
    }

    /// All rows of frame `source` are given.
    pub(super) fn close(&mut self, source: u32, whole: bool) {
        if self.closed.len() >= REMEMBERED {
            self.closed.pop_front();
        }
        self.closed.push_back((source, whole));
    }

    pub(super) fn past(&self, source: u32) -> Past {
        if self.begun.is_none_or(|begun| begun < source) {
            return Past::Future;
        }
        match self.closed.iter().find(|(closed, _)| *closed == source) {
            Some((_, true)) => Past::Whole,
            _ => Past::GivenUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pusher_is_active_while_connected_and_two_seconds_after_its_last_record() {
        let at = |ms| HostInstant::default().after(Duration::from_millis(ms));
        let other = (2, 1);
        let mut pusher = Pusher::new((1, 1), Some(7), at(0));
        assert!(!pusher.gives_way(other, Some(8), at(60_000)));
        assert!(pusher.gives_way(other, Some(7), at(0)));
        assert!(pusher.gives_way((1, 2), Some(8), at(0)));
        pusher.left(8);
        assert!(!pusher.gives_way(other, Some(8), at(60_000)));
        pusher.left(7);
        pusher.heard(None, at(1000));
        assert!(!pusher.gives_way(other, Some(8), at(2999)));
        // Those without a connection are not told apart by it.
        assert!(!pusher.gives_way(other, None, at(2999)));
        assert!(pusher.gives_way(other, None, at(3000)));
    }

    #[test]
    fn frames_are_remembered_for_a_while() {
        let mut pusher = Pusher::new((1, 1), None, HostInstant::default());
        assert_eq!(pusher.past(0), Past::Future);
        let skipped: u64 = (10..200)
            .step_by(2)
            .map(|source| {
                let skipped = pusher.begin(source);
                pusher.close(source, source % 4 == 0);
                skipped
            })
            .sum();
        assert_eq!(skipped, 94);
        let past = [199, 198, 196, 195, 10].map(|source| pusher.past(source));
        assert_eq!(
            past,
            [
                Past::Future,
                Past::GivenUp,
                Past::Whole,
                Past::GivenUp,
                Past::GivenUp
            ]
        );
    }
}
