use std::fs;

use proptest::prelude::*;

use super::*;

fn file(name: &str, size: u64) -> FileStamp {
    FileStamp {
        name: name.to_owned(),
        stamp: Stamp {
            size,
            modified_ns: 1_700_000_000_000_000_000 + size as i64,
        },
    }
}

fn unit(names: &[&str]) -> Unit {
    let files = names.iter().zip(1..).map(|(name, size)| file(name, size));
    Unit {
        files: files.collect(),
    }
}

fn done(unit: &Unit) -> Entry {
    Entry::Done {
        files: unit.files.to_vec(),
    }
}

fn begun(unit: &Unit, frames: u64) -> Entry {
    Entry::Begun {
        file: unit.name().to_owned(),
        unit: unit.id(),
        frames,
    }
}

/// Everything that a journal says.
fn state(journal: &Journal) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut known: Vec<_> = journal.known.clone().into_iter().collect();
    let mut begun: Vec<_> = journal.begun.clone().into_iter().collect();
    known.sort_by(|a, b| a.0.cmp(&b.0));
    begun.sort();
    (known, begun)
}

fn entries() -> Vec<Entry> {
    let (a, b, c) = (
        unit(&["a.tif"]),
        unit(&["b.tif", "ü \"b2\"\n.tif"]),
        unit(&["c.tif"]),
    );
    let refused = Entry::Refused {
        files: c.files.to_vec(),
        config: 7,
        reason: "it has 3 × 4 samples".to_owned(),
    };
    vec![
        begun(&a, 0),
        done(&a),
        begun(&b, 2),
        begun(&b, 5),
        refused,
        done(&unit(&["a.tif", "d.tif"])),
    ]
}

#[test]
fn what_was_written_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut journal = Journal::open(&path).unwrap();
    journal.write(&entries(), true).unwrap();
    let before = state(&journal);
    drop(journal);
    let journal = Journal::open(&path).unwrap();
    assert_eq!(state(&journal), before);
    let (a, b) = (unit(&["a.tif"]), unit(&["b.tif", "ü \"b2\"\n.tif"]));
    assert_eq!(journal.fate("a.tif", a.stamp().unwrap()), Some(Fate::Done));
    assert_eq!(journal.fate("a.tif", file("a.tif", 9).stamp), None);
    assert_eq!(
        journal.fate("c.tif", file("c.tif", 1).stamp),
        Some(Fate::Refused(7))
    );
    assert_eq!((journal.begun(&a), journal.begun(&b)), (None, Some(5)));
    assert_eq!(journal.begun(&unit(&["b.tif", "other"])), None);
    assert!(journal.knows("d.tif") && !journal.knows("c.tif"));
}

#[test]
fn torn_at_any_byte_it_says_what_its_whole_lines_say() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut journal = Journal::open(&path).unwrap();
    journal.write(&entries(), true).unwrap();
    drop(journal);
    let bytes = fs::read(&path).unwrap();
    for length in 0..=bytes.len() {
        let whole = bytes[..length]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let reference = folder.path().join("whole");
        fs::write(&reference, &bytes[..whole]).unwrap();
        let expected = state(&Journal::open(&reference).unwrap());
        fs::write(&path, &bytes[..length]).unwrap();
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(state(&journal), expected, "torn at byte {length}");
        // What follows is whole again.
        let next = unit(&["next.tif"]);
        journal.write(&[done(&next)], true).unwrap();
        drop(journal);
        let journal = Journal::open(&path).unwrap();
        assert_eq!(
            journal.fate("next.tif", next.stamp().unwrap()),
            Some(Fate::Done)
        );
        drop(journal);
        fs::remove_file(&reference).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    /// Damage is told, or the damaged line is the last and was cut off, so that its files come again: no file is
    /// ever taken as done that is not.
    #[test]
    fn damage_makes_nothing_done(at in any::<prop::sample::Index>(), bits in 1_u8..) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        journal.write(&entries(), true).unwrap();
        let whole = journal.known.clone();
        drop(journal);
        let mut bytes = fs::read(&path).unwrap();
        let length = bytes.len();
        bytes[at.index(length)] ^= bits;
        fs::write(&path, &bytes).unwrap();
        match Journal::open(&path) {
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::Malformed);
                prop_assert!(error.to_string().contains("move"), "{}", error);
            }
            Ok(journal) => {
                for (name, fate) in &journal.known {
                    prop_assert_eq!(whole.get(name).map(|known| known.1), Some(fate.1));
                }
                prop_assert!(journal.known.len() < whole.len() || at.index(length) + 1 == length);
            }
        }
    }
}

#[test]
fn a_damaged_line_is_named_and_can_be_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut journal = Journal::open(&path).unwrap();
    journal.write(&entries(), true).unwrap();
    drop(journal);
    let text = fs::read_to_string(&path).unwrap();
    let damaged = text.replacen("\"done\"", "\"dome\"", 1);
    fs::write(&path, &damaged).unwrap();
    let error = Journal::open(&path).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("line 3 is damaged; delete that line"),
        "{error}"
    );
    let rest: Vec<_> = damaged
        .lines()
        .enumerate()
        .filter(|(at, _)| *at != 2)
        .map(|(_, line)| line)
        .collect();
    fs::write(&path, rest.join("\n") + "\n").unwrap();
    assert!(Journal::open(&path).is_ok());
}

#[test]
fn a_file_that_is_no_journal_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    for text in ["notes", "two\nlines", "one line\n", "\0\0\0"] {
        fs::write(&path, text).unwrap();
        let error = Journal::open(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    let newer = Entry::SenescopeJournal { version: 2 }.line().unwrap();
    fs::write(&path, newer).unwrap();
    let error = Journal::open(&path).unwrap_err().to_string();
    assert!(error.contains("version 2"), "{error}");
    assert_eq!(
        Journal::open(folder.path()).unwrap_err().kind(),
        ErrorKind::Io
    );
}

#[test]
fn the_second_to_open_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = Journal::open(&path).unwrap();
    let error = Journal::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected);
    assert!(error.to_string().contains("another process"), "{error}");
    drop(journal);
    assert!(Journal::open(&path).is_ok());
}

#[test]
fn an_endless_line_takes_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    drop(Journal::open(&path).unwrap());
    let file = OpenOptions::new().append(true).open(&path).unwrap();
    file.set_len(1 << 30).unwrap();
    let error = Journal::open(&path).unwrap_err().to_string();
    assert!(error.contains("line 2 has more than"), "{error}");
}
