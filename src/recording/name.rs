//! Names of the files of a recording.

use senescope_hal::RunId;

/// The account of the run.
pub const RUN_FILE: &str = "run.json";
/// One line a frame.
pub const FRAMES_FILE: &str = "frames.ndjson";
/// One line a label.
pub const LABELS_FILE: &str = "labels.ndjson";

/// Locked while a program writes the recording.
pub(crate) const LOCK_FILE: &str = ".lock";

/// The file of a frame. Names sort as frames do, up to 10⁸ of them: ten months at four a second.
pub fn frame_file(frame: u64) -> String {
    format!("frame-{frame:08}.ome.tif")
}

/// The file of the maps of a frame.
pub fn maps_file(frame: u64) -> String {
    format!("maps-{frame:08}.tif")
}

/// The folder of a run that began at `started_utc` (RFC 3339): names sort by time, and every run has its own.
pub fn run_folder(started_utc: Option<&str>, run: RunId) -> String {
    let time: String = started_utc
        .unwrap_or("undated")
        .chars()
        .take_while(|c| *c != '.' && *c != 'Z')
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let run = run.to_string();
    format!("{time}-{}", run.get(..8).unwrap_or(&run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_sort_by_time_and_are_plain_names() {
        let run = RunId::from_bits(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(
            run_folder(Some("2026-11-23T04:45:12.5Z"), run),
            "2026-11-23T04-45-12-01234567"
        );
        assert_eq!(run_folder(Some("../x"), run), "-01234567");
        assert_eq!(run_folder(None, run), "undated-01234567");
    }
}
