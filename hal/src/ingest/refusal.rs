//! Why a record or a line is refused: a SCPI error, with a sentence for whoever wrote the script.

use std::fmt;

use crate::wire::{MessageError, RecordError};

/// The class of a refusal, which tells a program what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// No run is on, or it has all its frames: send again later.
    NoRun,
    /// Another program pushes: send again when it has ended.
    OtherPusher,
    /// All open frames are taken: send again in a moment.
    TooFarAhead,
    /// The frame was given up: send the next one.
    TooLate,
    /// The record is of another geometry, or contradicts another record.
    Conflict,
    /// Channels, rows or samples that the scan has not.
    Range,
    /// No record, or one with a wrong checksum: the connection is closed.
    Damaged,
    /// A line that cannot be, by its own number.
    Line(MessageError),
    /// A command that is not known.
    Undefined,
    /// Half a message, and nothing more in time.
    Stalled,
    /// More connections than are served.
    Crowded,
}

impl Reason {
    /// Number and text of SCPI-1999 volume 2, chapter 21.
    fn scpi(self) -> (i16, &'static str) {
        match self {
            Self::NoRun => (-200, "Execution error"),
            Self::OtherPusher => (-203, "Command protected"),
            Self::TooFarAhead => (-225, "Out of memory"),
            Self::TooLate => (-230, "Data corrupt or stale"),
            Self::Conflict => (-221, "Settings conflict"),
            Self::Range => (-222, "Data out of range"),
            Self::Damaged => (-161, "Invalid block data"),
            Self::Line(MessageError::Character) => (-101, "Invalid character"),
            Self::Line(MessageError::Mnemonic) => (-112, "Program mnemonic too long"),
            Self::Line(MessageError::Length) => (-223, "Too much data"),
            Self::Line(_) => (-102, "Syntax error"),
            Self::Undefined => (-113, "Undefined header"),
            Self::Stalled => (-365, "Time out error"),
            Self::Crowded => (-310, "System error"),
        }
    }

    /// What counts the refusals for this reason.
    pub(super) fn counter(self) -> &'static str {
        match self {
            Self::NoRun => "records_refused_no_run",
            Self::OtherPusher => "records_refused_other_pusher",
            Self::TooFarAhead => "records_refused_too_far_ahead",
            Self::TooLate => "records_refused_too_late",
            Self::Conflict => "records_refused_conflict",
            Self::Range => "records_refused_range",
            Self::Damaged | Self::Stalled => "records_refused_damaged",
            Self::Line(_) | Self::Undefined => "lines_refused",
            Self::Crowded => "connections_refused",
        }
    }

    /// Whether what follows on the same stream of bytes cannot be told.
    pub(super) fn ends_the_stream(self) -> bool {
        matches!(
            self,
            Self::Damaged
                | Self::Stalled
                | Self::Crowded
                | Self::Line(MessageError::Character | MessageError::Length)
        )
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    sentence: String,
}

impl Refusal {
    pub(super) fn new(reason: Reason, sentence: impl Into<String>) -> Self {
        let sentence = sentence.into();
        Self { reason, sentence }
    }
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        let sentence = format!("{error}; connect again and repeat it");
        Self::new(Reason::Damaged, sentence)
    }
}

impl From<MessageError> for Refusal {
    fn from(error: MessageError) -> Self {
        let sentence = "neither a record nor a line of ASCII with a command";
        Self::new(Reason::Line(error), sentence)
    }
}

/// `number,"text;sentence"`, as SCPI-1999 volume 2, 21.8.1 has it.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, text) = self.reason.scpi();
        // A quote inside a string is written twice.
        let sentence = self.sentence.replace('"', "\"\"");
        write!(f, "{number},\"{text};{sentence}\"")
    }
}
