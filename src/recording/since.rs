//! The labels of a recording behind a number, without reading all of them.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use super::{LABELS_FILE, LabelLine, line};

/// Longest line that is read, in bytes.
const LINE_LIMIT: u64 = 16 << 20;

/// Labels whose number is above `seq`, in order, and whether there are more. Stops behind `limit_bytes` of lines, but
/// gives at least one label. A line that is damaged, or is being written, is passed over.
///
/// # Errors
/// When the file cannot be read.
pub fn labels_since(
    folder: &Path,
    seq: u64,
    limit_bytes: u64,
) -> io::Result<(Vec<LabelLine>, bool)> {
    let mut file = BufReader::new(File::open(folder.join(LABELS_FILE))?);
    let length = file.seek(SeekFrom::End(0))?;
    // Lines begin with growing numbers: the first line that begins behind `low` may be wanted, all before are not.
    let (mut low, mut high) = (0, length);
    while low < high {
        let middle = low + (high - low) / 2;
        match first_behind(&mut file, middle)? {
            Some((end, label)) if label.seq <= seq => low = end,
            _ => high = middle,
        }
    }
    file.seek(SeekFrom::Start(low))?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(read) = next(&mut file)? {
        bytes += read.0;
        let Some(label) = read.1.filter(|label| label.seq > seq) else {
            continue;
        };
        if bytes > limit_bytes && !found.is_empty() {
            return Ok((found, true));
        }
        found.push(label);
    }
    Ok((found, false))
}

/// The first whole line that begins at `offset` or behind it, and where it ends.
fn first_behind(file: &mut BufReader<File>, offset: u64) -> io::Result<Option<(u64, LabelLine)>> {
    let mut at = offset;
    if let Some(before) = offset.checked_sub(1) {
        // `offset` itself begins a line when a line feed is before it.
        file.seek(SeekFrom::Start(before))?;
        let mut rest = Vec::new();
        at = before
            + file
                .by_ref()
                .take(LINE_LIMIT)
                .read_until(b'\n', &mut rest)? as u64;
    } else {
        file.seek(SeekFrom::Start(0))?;
    }
    while let Some((bytes, label)) = next(file)? {
        at += bytes;
        if let Some(label) = label {
            return Ok(Some((at, label)));
        }
    }
    Ok(None)
}

/// The next line's length, and its label when it is whole; `None` at the end.
fn next(file: &mut BufReader<File>) -> io::Result<Option<(u64, Option<LabelLine>)>> {
    let mut bytes = Vec::new();
    let read = file
        .by_ref()
        .take(LINE_LIMIT)
        .read_until(b'\n', &mut bytes)?;
    if read == 0 {
        return Ok(None);
    }
    let label = bytes
        .strip_suffix(b"\n")
        .and_then(|bytes| line::open(bytes).ok());
    Ok(Some((read as u64, label)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn label(seq: u64, points: usize) -> LabelLine {
        let golden = include_str!("../../tests/golden/messages/label.json");
        let mut value: Value = serde_json::from_str(golden).unwrap();
        value["seq"] = seq.into();
        value["maps"] = Value::Array(Vec::new());
        value["outline"] = vec![Value::from(vec![1_u32, 2]); points].into();
        serde_json::from_value(value).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
        /// As if all lines were read: with lines of any length, numbers that are left out, damage, and a torn end.
        #[test]
        fn what_is_behind_a_number_is_found(
            lines in prop::collection::vec((1_u64..5, 0_usize..40, prop::bool::weighted(0.1)), 0..40),
            asked in 0_u64..120,
            torn in 0_usize..60,
            limit in 1_u64..20_000,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let (mut bytes, mut wanted, mut seq) = (Vec::new(), Vec::new(), 0);
            for (step, points, damaged) in lines {
                seq += step;
                let mut sealed = line::seal(&label(seq, points)).unwrap();
                if damaged {
                    sealed[3] ^= 1;
                } else if seq > asked {
                    wanted.push(seq);
                }
                bytes.extend(sealed);
            }
            bytes.extend(line::seal(&label(seq + 1, 3)).unwrap().into_iter().take(torn));
            fs::write(folder.path().join(LABELS_FILE), &bytes).unwrap();
            let (mut found, mut from) = (Vec::new(), asked);
            loop {
                let (labels, more) = labels_since(folder.path(), from, limit).unwrap();
                prop_assert!(!labels.is_empty() || !more);
                found.extend(labels.iter().map(|label| label.seq));
                match (more, found.last()) {
                    (true, Some(last)) => from = *last,
                    _ => break,
                }
            }
            prop_assert_eq!(found, wanted);
        }
    }
}
