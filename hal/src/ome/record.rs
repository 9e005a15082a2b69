//! What a recorder notes of a frame in its file, so that the file alone is replayed as the frame was acquired.

use std::ops::Range;

use super::xml::OmeDocument;
use crate::RunId;

/// A frame as it was acquired, beside its counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameRecord {
    /// The run.
    pub run: RunId,
    /// Index of the frame in the run.
    pub frame: u64,
    /// Field of view.
    pub field: u32,
    /// Device time at the first sample of the first row, in ticks; `None` when that row is missing.
    pub ticks_first_row: Option<u64>,
    /// Rows that did not come, in order, none empty and none overlapping. Their samples in the file are zero.
    pub missing: Vec<Range<u32>>,
}

impl FrameRecord {
    /// As keys and values of the annotation.
    pub(super) fn notes(&self) -> Vec<(String, String)> {
        let ticks = self.ticks_first_row.map(|ticks| ticks.to_string());
        let missing: Vec<_> = self
            .missing
            .iter()
            .map(|rows| format!("{}-{}", rows.start, rows.end.saturating_sub(1)))
            .collect();
        let missing = (!missing.is_empty()).then(|| missing.join(" "));
        [
            ("run", Some(self.run.to_string())),
            ("frame", Some(self.frame.to_string())),
            ("field", Some(self.field.to_string())),
            ("ticks_first_row", ticks),
            ("missing_rows", missing),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
    }

    /// What `document` notes; `None` when it is no recorder's, or was changed so that it cannot be understood.
    pub(crate) fn of(document: &OmeDocument) -> Option<Self> {
        let number = |key| document.annotated(key)?.parse().ok();
        let missing = document.annotated("missing_rows").unwrap_or_default();
        let rows = |text: &str| {
            let (first, last) = text.split_once('-')?;
            let rows = first.parse().ok()?..last.parse::<u32>().ok()?.checked_add(1)?;
            (!rows.is_empty()).then_some(rows)
        };
        Some(Self {
            run: document.annotated("run")?.parse().ok()?,
            frame: number("frame")?,
            field: u32::try_from(number("field")?).ok()?,
            ticks_first_row: number("ticks_first_row"),
            missing: missing
                .split(' ')
                .filter(|text| !text.is_empty())
                .map(rows)
                .collect::<Option<_>>()?,
        })
    }
}
