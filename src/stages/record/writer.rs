//! The thread that writes.

use std::{
    collections::BTreeMap,
    error::Error,
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use crossbeam_channel::Receiver;
use senescope_hal::{
    RunId, ScanActual,
    ome::{FrameRecord, OmeImage, write_ome_tiff},
};

use super::{
    OnFailure,
    files::{self, Lines},
    rooms::Giving,
    selection::{Decided, Selection},
    state::State,
    tap::{CellMap, Entry, RawFrame},
};
use crate::{
    digest::{hex, sha256_of_file},
    domain::Label,
    recording::{
        FRAMES_FILE, FrameLine, LABELS_FILE, LabelLine, NotKept, RecordingEnd, RecordingFailure,
        RecordingState, RunFile, frame_file, line, maps_file, sync_folder, write_maps, write_run,
    },
    stages::assemble::FrameBuffer,
    telemetry::Discard,
};

/// A failure to write, with what failed.
pub(super) struct Problem(RecordingFailure, String);

impl Problem {
    /// `what` failed with `error`.
    pub(super) fn of(what: &str, error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(this) = cause {
            let kind = this.downcast_ref::<io::Error>().map(io::Error::kind);
            if let Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) = kind {
                return Self(
                    RecordingFailure::DiskFull,
                    format!("{what}: the disk is full"),
                );
            }
            cause = this.source();
        }
        Self(RecordingFailure::Disk, format!("{what}: {error}"))
    }
}

/// A frame whose cells are decided.
struct Held {
    raw: RawFrame,
    maps: Vec<CellMap>,
    line: FrameLine,
}

/// Writes what comes, until nobody gives any more.
pub(super) struct Writer {
    pub(super) folder: PathBuf,
    pub(super) state: Arc<State>,
    pub(super) entries: Receiver<Entry>,
    pub(super) rooms: Giving,
    pub(super) scan: ScanActual,
    pub(super) run: RunId,
    pub(super) account: RunFile,
    pub(super) on_failure: OnFailure,
    pub(super) reserve_bytes: u64,
    labels: Lines,
    frames: Lines,
    selection: Selection<Held>,
    /// Frames whose cells are not all decided.
    open: BTreeMap<u64, RawFrame>,
    /// Labels that are written and perhaps not yet on the disk.
    open_labels: u64,
    /// Maps of the frame whose cells are being decided.
    maps: Vec<CellMap>,
    event: bool,
    failed: bool,
}

/// What a [`Writer`] is made of.
pub(super) struct Parts {
    pub(super) folder: PathBuf,
    pub(super) state: Arc<State>,
    pub(super) entries: Receiver<Entry>,
    pub(super) rooms: Giving,
    pub(super) scan: ScanActual,
    pub(super) run: RunId,
    pub(super) account: RunFile,
    pub(super) settings: super::Record,
}

impl Writer {
    /// Makes the files.
    ///
    /// # Errors
    /// When they cannot be made.
    pub(super) fn new(parts: Parts) -> io::Result<Self> {
        let settings = &parts.settings;
        Ok(Self {
            labels: Lines::create(&parts.folder, LABELS_FILE)?,
            frames: Lines::create(&parts.folder, FRAMES_FILE)?,
            selection: Selection::new(settings.frames, settings.before, settings.after),
            on_failure: settings.on_failure,
            reserve_bytes: u64::from(settings.reserve_mib) << 20,
            folder: parts.folder,
            state: parts.state,
            entries: parts.entries,
            rooms: parts.rooms,
            scan: parts.scan,
            run: parts.run,
            account: parts.account,
            open: BTreeMap::new(),
            open_labels: 0,
            maps: Vec::new(),
            event: false,
            failed: false,
        })
    }

    /// Writes to the end.
    pub(super) fn run(mut self) {
        while let Ok(entry) = self.entries.recv() {
            if self.state.failure().is_some() {
                self.give_up();
                self.refuse(entry);
            } else if let Err(Problem(reason, detail)) = self.take(entry) {
                self.state.fail(reason, detail);
                self.give_up();
            }
            self.state.written.fetch_add(1, Ordering::Relaxed);
        }
        if self.state.failure().is_none()
            && let Err(Problem(reason, detail)) = self.finish()
        {
            self.state.fail(reason, detail);
        }
        if self.state.failure().is_some() {
            self.give_up();
        }
    }

    fn take(&mut self, entry: Entry) -> Result<(), Problem> {
        match entry {
            Entry::Frame(raw) => {
                self.open.insert(raw.image.frame(), raw);
                Ok(())
            }
            Entry::Label(label, maps) => {
                self.maps.extend(maps);
                self.label(&label)
            }
            Entry::End(line) => self.end(*line),
        }
    }

    fn label(&mut self, label: &LabelLine) -> Result<(), Problem> {
        self.open_labels += 1;
        self.event |= matches!(label.label.label, Label::Senescent | Label::Atypical);
        append(&mut self.labels, label)
    }

    /// All cells of a frame are decided.
    fn end(&mut self, line: FrameLine) -> Result<(), Problem> {
        let event = std::mem::take(&mut self.event);
        let maps = std::mem::take(&mut self.maps);
        let Some(raw) = self.open.remove(&line.frame) else {
            let detail = format!("frame {} ended before it was taken", line.frame);
            return Err(Problem(RecordingFailure::Defect, detail));
        };
        let decided = self.selection.push(Held { raw, maps, line }, event);
        self.settle(decided)
    }

    /// Brings the labels so far to the disk, then each frame that is decided: its file, then its line.
    fn settle(&mut self, decided: Vec<Decided<Held>>) -> Result<(), Problem> {
        let mut settled = sync(&mut self.labels);
        if settled.is_ok() {
            self.state
                .labels
                .leave(std::mem::take(&mut self.open_labels));
        }
        for decided in decided {
            let keep = matches!(decided, Decided::Keep(_));
            let (Decided::Keep(held) | Decided::Drop(held)) = decided;
            let Held { raw, maps, line } = held;
            if settled.is_ok() {
                settled = self.frame(&raw, &maps, line, keep);
            }
            if settled.is_err() {
                self.state.discard_frame(Discard::RecordingEnded);
            }
            self.rooms.back(raw.image);
        }
        settled
    }

    /// Once this was done the frame is on the disk.
    fn frame(
        &mut self,
        raw: &RawFrame,
        maps: &[CellMap],
        mut line: FrameLine,
        keep: bool,
    ) -> Result<(), Problem> {
        let image = &raw.image;
        let empty = (0..image.height()).all(|row| image.present(row).count() == 0);
        line.not_kept = match (keep, empty) {
            (_, true) => Some(NotKept::NoRows),
            (false, _) => Some(NotKept::NotAnEvent),
            (true, false) => None,
        };
        line.missing.clone_from(&raw.missing);
        line.ticks_first_row = image.ticks_first_row();
        if line.not_kept.is_none() {
            self.write(raw, &mut line)?;
            self.write_maps(maps, &mut line)?;
            sync_folder(&self.folder)
                .map_err(|error| Problem::of(&self.folder.display().to_string(), &error))?;
        }
        append(&mut self.frames, &line)?;
        sync(&mut self.frames)?;
        match line.not_kept {
            Some(NotKept::NotAnEvent) => self.state.discard_frame(Discard::NotAnEvent),
            _ => self.state.frames.leave(1),
        }
        self.state
            .durable
            .fetch_max(line.frame + 1, Ordering::AcqRel);
        Ok(())
    }

    fn write(&self, raw: &RawFrame, line: &mut FrameLine) -> Result<(), Problem> {
        let name = frame_file(line.frame);
        let path = self.folder.join(&name);
        let what = format!("frame {} cannot be recorded", line.frame);
        let free = files::free_bytes(&self.folder).map_err(|error| Problem::of(&what, &error))?;
        let needed = self.reserve_bytes.saturating_add(raw.image.bytes() as u64);
        if self.reserve_bytes > 0 && free < needed {
            let detail = format!(
                "{what}: {} MiB are free on the disk of {}, and {} MiB stay free (`record.reserve_mib`)",
                free >> 20,
                self.folder.display(),
                self.reserve_bytes >> 20
            );
            return Err(Problem(RecordingFailure::DiskFull, detail));
        }
        write_ome_tiff(&path, &self.image(&raw.image, line))
            .map_err(|error| Problem::of(&what, &error))?;
        let digest = sha256_of_file(&path).map_err(|error| Problem::of(&what, &error))?;
        line.file = Some(name);
        line.sha256 = Some(hex(&digest));
        Ok(())
    }

    fn write_maps(&self, maps: &[CellMap], line: &mut FrameLine) -> Result<(), Problem> {
        if maps.is_empty() {
            return Ok(());
        }
        let name = maps_file(line.frame);
        let path = self.folder.join(&name);
        let what = format!("the maps of frame {} cannot be recorded", line.frame);
        let pages: Vec<_> = maps
            .iter()
            .map(|(page, values)| (page.clone(), values))
            .collect();
        write_maps(&path, &pages).map_err(|error| Problem::of(&what, &error))?;
        let digest = sha256_of_file(&path).map_err(|error| Problem::of(&what, &error))?;
        line.maps = Some(name);
        line.maps_sha256 = Some(hex(&digest));
        Ok(())
    }

    fn image<'a>(&self, image: &'a FrameBuffer, line: &FrameLine) -> OmeImage<'a> {
        let counts = |index| image.plane(index).unwrap_or_default();
        let channels = self.scan.channels.iter().enumerate();
        OmeImage {
            width: image.width(),
            height: image.height(),
            pixel_size_um: self.scan.pixel_size_um,
            channels: channels
                .map(|(index, info)| (info.clone(), counts(index)))
                .collect(),
            dwell_ns: self.scan.dwell_ns,
            line_period_ns: self.scan.line_period_ns,
            record: Some(FrameRecord {
                run: self.run,
                frame: line.frame,
                field: line.field,
                ticks_first_row: line.ticks_first_row,
                missing: line
                    .missing
                    .iter()
                    .map(|missing| missing.first_row..missing.first_row + missing.rows)
                    .collect(),
            }),
            notes: Vec::new(),
        }
    }

    /// Nobody gives any more.
    fn finish(&mut self) -> Result<(), Problem> {
        let decided = self.selection.finish();
        self.settle(decided)?;
        match self.open.keys().next() {
            None => Ok(()),
            Some(frame) => {
                let detail = format!("the cells of frame {frame} were never all decided");
                Err(Problem(RecordingFailure::Defect, detail))
            }
        }
    }

    /// What is not on the disk will not be; says so in `run.json`, once.
    fn give_up(&mut self) {
        if std::mem::replace(&mut self.failed, true) {
            return;
        }
        let held = self.selection.finish().into_iter().map(|decided| {
            let (Decided::Keep(held) | Decided::Drop(held)) = decided;
            held.raw
        });
        for raw in held.chain(std::mem::take(&mut self.open).into_values()) {
            self.state.discard_frame(Discard::RecordingEnded);
            self.rooms.back(raw.image);
        }
        self.maps.clear();
        let labels = std::mem::take(&mut self.open_labels);
        self.state.labels.discard(Discard::RecordingEnded, labels);
        if self.on_failure == OnFailure::Continue {
            // Nobody waits for a recording that will not be.
            self.state.durable.store(u64::MAX, Ordering::Release);
        }
        files::release_reserve(&self.folder);
        self.account.state = RecordingState::Ended;
        self.account.recording = Some(ended(&self.state));
        if let Err(error) = write_run(&self.folder, &self.account) {
            tracing::error!(
                "that the recording has ended cannot be written into {}: {error}",
                self.folder.display()
            );
        }
    }

    fn refuse(&self, entry: Entry) {
        match entry {
            Entry::Frame(raw) => {
                self.state.discard_frame(Discard::RecordingEnded);
                self.rooms.back(raw.image);
            }
            Entry::Label(..) => self.state.labels.discard(Discard::RecordingEnded, 1),
            Entry::End(_) => {}
        }
    }
}

/// The end of a recording as far as it is known.
pub(super) fn ended(state: &State) -> RecordingEnd {
    let [frames, labels] = state.edges();
    let failure = state.failure();
    RecordingEnd {
        frames: frames.left,
        labels: labels.left,
        failure: failure.map(|failure| failure.reason),
        detail: failure.map(|failure| failure.detail.clone()),
    }
}

fn append(lines: &mut Lines, value: &impl serde::Serialize) -> Result<(), Problem> {
    let bytes = line::seal(value).map_err(|reason| Problem(RecordingFailure::Defect, reason))?;
    let written = lines.append(&bytes);
    written.map_err(|error| Problem::of(&lines.path().display().to_string(), &error))
}

fn sync(lines: &mut Lines) -> Result<(), Problem> {
    let synced = lines.sync();
    synced.map_err(|error| Problem::of(&lines.path().display().to_string(), &error))
}
