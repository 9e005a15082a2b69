//! What a directory and a journal may claim before memory is taken for it.

/// Most entries of a watched directory, of whatever name: listing them takes about a second.
pub(crate) const MAX_LISTED: usize = 1_000_000;
/// Most files of a directory that wait, or were given and not yet acknowledged.
pub(crate) const MAX_WAITING: usize = 200_000;
/// Most files that a journal tells of: half a year of a frame every thirty seconds. Takes about 80 MB.
pub(crate) const MAX_KNOWN: usize = 500_000;
/// Longest line of a journal in bytes: that of a set of the most files.
pub(crate) const MAX_LINE_BYTES: u64 = 8 << 20;
/// Most files of one unit.
pub(crate) const MAX_UNIT_FILES: usize = 10_000;
/// Longest name pattern in bytes: longer than any name.
pub(crate) const MAX_PATTERN_BYTES: usize = 512;
/// Units whose frames are still known by their source after they were acknowledged.
pub(crate) const MAX_REMEMBERED: usize = 4_096;
