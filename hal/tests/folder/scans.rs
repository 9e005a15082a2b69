//! What a scan is, what it refuses, and how runs follow each other.

use std::{fs, path::Path, sync::Arc, thread, time::Duration};

use senescope_hal::{
    Board, ChannelInfo, Clock, ErrorKind, ReadEvent, ScanRequest, Session, State, SystemClock,
    folder::{FolderBoard, FolderConfig},
};

use crate::{
    Reader, config, pause,
    tiff::{Page, Tiff, plain, stack},
};

fn sized(value: u16, size: (u32, u32)) -> Vec<u8> {
    let page = Page {
        size,
        ..Page::of(&[value])
    };
    Tiff {
        pages: vec![page],
        ..Tiff::default()
    }
    .bytes()
}

#[test]
fn another_geometry_is_refused_once_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("a.tif"), plain(1)).unwrap();
    let mut reader = Reader::start(config(path));
    assert_eq!(reader.take_ids(1), [1]);
    fs::write(path.join("b.tif"), sized(2, (20, 20))).unwrap();
    let deep = Tiff {
        pages: vec![Page::of(&[3])],
        signed: true,
        ..Tiff::default()
    };
    fs::write(path.join("c.tif"), deep.bytes()).unwrap();
    reader.wait_for("files_refused", 2);
    fs::write(path.join("d.tif"), plain(4)).unwrap();
    assert_eq!(reader.take_ids(1), [4]);
    drop(reader);
    // Refused files stay so for the same configuration, and do not decide what the next scan is.
    fs::write(path.join("e.tif"), plain(5)).unwrap();
    let mut reader = Reader::start(config(path));
    assert_eq!(reader.take_ids(1), [5]);
    reader.rests();
    assert_eq!(reader.count("files_refused"), 0);
    drop(reader);
    // Another configuration looks at them again.
    let want = ScanRequest {
        width: Some(20),
        ..ScanRequest::default()
    };
    let mut reader = Reader::with(config(path), &want);
    assert_eq!((reader.actual.width, reader.actual.height), (20, 20));
    assert_eq!(reader.take_ids(1), [2]);
}

#[test]
fn a_run_ends_after_its_frames_and_the_next_goes_on_behind_what_was_used() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.tif"), stack(&[1, 2, 3, 4, 5])).unwrap();
    let want = ScanRequest {
        frames: Some(3),
        ..ScanRequest::default()
    };
    let mut reader = Reader::with(config(folder.path()), &want);
    assert_eq!(reader.take_ids(2), [1, 2]);
    assert_eq!(reader.take().source.index, 2);
    assert!(matches!(
        reader.session.read(reader.session.now()),
        Ok(ReadEvent::EndOfRun)
    ));
    assert_eq!(reader.session.disarm().unwrap().frames, 3);
    reader.session.arm().unwrap();
    reader.session.start().unwrap();
    let seen = reader.take();
    assert_eq!((seen.frame, seen.firsts[0], seen.source.index), (0, 4, 3));
    // Given, and not acknowledged.
    let seen = reader.within(crate::PATIENCE).unwrap();
    assert_eq!((seen.frame, seen.firsts[0]), (1, 5));
    drop(reader);
    let mut reader = Reader::start(config(folder.path()));
    let again = reader.take();
    assert_eq!(
        (again.frame, again.firsts[0], again.source.index),
        (0, 5, 4)
    );
    assert!(again.source.maybe_repeated);
    assert_eq!(again.source.file, seen.source.file);
    assert_eq!(reader.count("files_repeated"), 1);
    reader.rests();
}

/// Until the next run is armed.
#[test]
fn a_frame_can_be_acknowledged_after_its_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("a.tif"), stack(&[1, 2])).unwrap();
    let mut reader = Reader::start(config(path));
    let last = (0..2)
        .map(|_| reader.within(crate::PATIENCE).unwrap())
        .last()
        .unwrap();
    reader.session.stop().unwrap();
    assert!(reader.within(crate::PATIENCE).is_none());
    reader.session.disarm().unwrap();
    reader.session.acknowledge(last.frame).unwrap();
    // Frames that were never given are not believed.
    reader.session.acknowledge(1_000).unwrap();
    reader.session.arm().unwrap();
    reader.session.start().unwrap();
    reader.rests();
}

/// What was given and not acknowledged still says what the next scan is, and is given again in it.
#[test]
fn a_scan_can_be_set_up_again_without_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.tif"), stack(&[1, 2])).unwrap();
    let mut reader = Reader::start(config(folder.path()));
    assert_eq!(reader.take_ids(1), [1]);
    assert_eq!(reader.within(crate::PATIENCE).unwrap().firsts, [2]);
    reader.session.stop().unwrap();
    assert!(reader.within(crate::PATIENCE).is_none());
    reader.session.disarm().unwrap();
    let actual = reader.session.configure(&ScanRequest::default()).unwrap();
    assert_eq!(actual, reader.actual);
    reader.session.arm().unwrap();
    reader.session.start().unwrap();
    let seen = reader.take();
    assert_eq!((seen.firsts[0], seen.source.index), (2, 1));
    assert!(seen.source.maybe_repeated);
    reader.rests();
}

#[test]
fn a_stop_lets_a_begun_frame_end() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.tif"), stack(&[1, 2])).unwrap();
    let want = ScanRequest {
        strip_rows: Some(2),
        ..ScanRequest::default()
    };
    let mut reader = Reader::with(config(folder.path()), &want);
    let deadline = reader.session.now().after(crate::PATIENCE);
    while !matches!(reader.session.read(deadline).unwrap(), ReadEvent::Strip(_)) {}
    reader.session.stop().unwrap();
    let mut rows = 2;
    while let ReadEvent::Strip(strip) = reader.session.read(deadline).unwrap() {
        assert_eq!(strip.header.frame, 0);
        rows += strip.header.rows;
    }
    assert_eq!(rows, reader.actual.height);
    assert_eq!(
        reader.session.disarm().unwrap().rows_scanned,
        u64::from(rows)
    );
}

#[test]
fn waiting_for_the_first_file_ends_by_time_and_by_the_interrupter() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = config(folder.path());
    settings.first_file = Some(Duration::from_millis(100));
    let mut board = FolderBoard::new(settings).unwrap();
    let error = board.configure(&ScanRequest::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("*.tif"), "{error}");
    drop(board);
    let mut board = FolderBoard::new(config(folder.path())).unwrap();
    let interrupter = board.interrupter();
    let other = thread::spawn(move || {
        pause(Duration::from_millis(50));
        interrupter.interrupt();
    });
    let begun = SystemClock.now();
    let error = board.configure(&ScanRequest::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exchange);
    assert!(SystemClock.now().since(begun) < crate::PATIENCE);
    other.join().unwrap();
    fs::write(folder.path().join("a.tif"), plain(1)).unwrap();
    assert!(board.configure(&ScanRequest::default()).is_ok());
}

#[test]
fn what_the_files_do_not_say_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.tif"), plain(1)).unwrap();
    let asked = |change: &dyn Fn(&mut FolderConfig)| {
        let mut settings = config(folder.path());
        change(&mut settings);
        let mut board = FolderBoard::new(settings).unwrap();
        let error = board.configure(&ScanRequest::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Request, "{error}");
        error.to_string()
    };
    let message = asked(&|settings| settings.pixel_size_um = None);
    assert!(
        message.contains("a.tif") && message.contains("pixel_size_um"),
        "{message}"
    );
    let message = asked(&|settings| settings.wanted = vec!["SRS".into(), "TPEF".into()]);
    assert!(message.contains("SRS, TPEF"), "{message}");
    // Nothing was refused for that.
    let mut reader = Reader::start(config(folder.path()));
    assert_eq!(reader.take_ids(1), [1]);
}

#[test]
fn a_folder_and_a_journal_that_cannot_be_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let refused = |settings| FolderBoard::new(settings).err().unwrap();
    assert_eq!(
        refused(config(&path.join("absent"))).kind(),
        ErrorKind::NotFound
    );
    fs::write(path.join("file"), "").unwrap();
    assert_eq!(
        refused(config(&path.join("file"))).kind(),
        ErrorKind::NotFound
    );
    let mut settings = config(path);
    settings.journal = Some(path.join("absent/journal"));
    assert_eq!(refused(settings).kind(), ErrorKind::Io);
    let first = FolderBoard::new(config(path)).unwrap();
    let second = refused(config(path));
    assert_eq!(second.kind(), ErrorKind::Disconnected);
    assert!(second.to_string().contains("another process"), "{second}");
    // Another consumer of the same files has a journal of its own.
    let mut settings = config(path);
    settings.journal = Some(path.join("second"));
    assert!(FolderBoard::new(settings).is_ok());
    drop(first);
    assert!(FolderBoard::new(config(path)).is_ok());
}

#[test]
fn a_folder_in_place_of_another_is_not_it() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("a.tif"), plain(1)).unwrap();
    let board = FolderBoard::new(config(&path)).unwrap();
    let mut session = Session::new(Box::new(board), Arc::new(SystemClock), 1 << 20);
    session.configure(&ScanRequest::default()).unwrap();
    session.arm().unwrap();
    session.start().unwrap();
    fs::rename(&path, parent.path().join("away")).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("b.tif"), plain(2)).unwrap();
    let deadline = session.now().after(crate::PATIENCE);
    let error = loop {
        match session.read(deadline) {
            Ok(ReadEvent::Strip(strip)) => assert_ne!(strip.row(0, 0).unwrap()[0], 2),
            Ok(event) => assert!(matches!(event, ReadEvent::Idle), "{event:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Disconnected);
    assert_eq!(session.state(), State::Fault);
}

/// Counts of two files of floating point stand for the same values, though each has a range of its own.
#[test]
fn floating_point_goes_by_the_range_of_the_first_file() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let names = ["plain-f4-le.tif", "plain-f4-be.tif"];
    let folder = tempfile::tempdir().unwrap();
    let value = |info: &ChannelInfo, count: u16| info.scale * f64::from(count) + info.offset;
    let mut values = Vec::new();
    for name in names {
        // By itself, and so by its own range.
        let alone = tempfile::tempdir().unwrap();
        fs::copy(golden.join(name), alone.path().join(name)).unwrap();
        let mut reader = Reader::start(config(alone.path()));
        let info = reader.actual.channels[0].clone();
        values.push((info.clone(), value(&info, reader.take().firsts[0])));
    }
    assert_ne!(values[0].0.scale, values[1].0.scale);
    fs::copy(golden.join(names[0]), folder.path().join("a.tif")).unwrap();
    let mut reader = Reader::start(config(folder.path()));
    let info = reader.actual.channels[0].clone();
    assert!((value(&info, reader.take().firsts[0]) - values[0].1).abs() <= info.scale);
    while reader.within(crate::LULL).is_some() {}
    fs::copy(golden.join(names[1]), folder.path().join("b.tif")).unwrap();
    let count = reader.take().firsts[0];
    assert!(
        count < u16::MAX,
        "choose files whose first sample is in both ranges"
    );
    let found = value(&info, count);
    assert!(
        (found - values[1].1).abs() <= info.scale + values[1].0.scale,
        "{found} {values:?}"
    );
}
