//! Running the program, and small recordings for it.

use std::{
    ffi::OsStr,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use senescope_hal::{
    Board, ChannelInfo,
    ome::{OmeImage, write_ome_tiff},
    sim::{Dish, RenderRequest, SimBoard, SimConfig, render},
};

/// Edge of the frames in pixels: a few cells, and quick to classify.
pub(crate) const SIZE: u32 = 320;
/// Edge of a pixel of them.
pub(crate) const PIXEL_UM: f64 = 0.25;

/// Ends a program that hangs; far longer than a busy machine needs.
pub(crate) const HUNG: Duration = Duration::from_secs(300);

/// How a program ended and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ended {
    /// Everything was done.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.err);
        assert_no_panic(&self.err);
        self
    }

    /// It ended with `code` and one sentence that has all of `words`.
    #[track_caller]
    pub(crate) fn refused(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.err);
        assert_no_panic(&self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in: {}", self.err);
        }
    }
}

#[track_caller]
pub(crate) fn assert_no_panic(err: &str) {
    for word in ["panicked", "RUST_BACKTRACE", "memory allocation"] {
        assert!(!err.contains(word), "{err}");
    }
}

fn prepared(mut command: Command) -> Command {
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SENESCOPE_") {
            command.env_remove(name);
        }
    }
    // Many run at once, and the port of the live page is one.
    command.env("SENESCOPE__HTTP__ENABLED", "false");
    command
}

/// The program in the repository's root, without settings of the environment.
pub(crate) fn program() -> Command {
    prepared(Command::new(env!("CARGO_BIN_EXE_senescope")))
}

/// `script` by the shell, with the program as `$0` and `arguments` as `$1` and so on.
pub(crate) fn shell(script: &str, arguments: &[&Path]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_senescope")]);
    command.args(arguments);
    prepared(command)
}

/// Runs to the end.
pub(crate) fn end(command: Command) -> Ended {
    let output = assert_cmd::Command::from_std(command)
        .timeout(HUNG)
        .output()
        .unwrap();
    Ended {
        code: output.status.code(),
        out: output.stdout,
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the program with `arguments` to the end.
pub(crate) fn run<I: IntoIterator<Item: AsRef<OsStr>>>(arguments: I) -> Ended {
    let mut command = program();
    command.args(arguments);
    end(command)
}

/// A folder that lives as long as its handle.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A copy of the shipped ensemble, to be spoilt.
pub(crate) fn copy_of_the_ensemble() -> tempfile::TempDir {
    let home = folder();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/models/ensemble");
    for entry in std::fs::read_dir(shipped).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), home.path().join(entry.file_name())).unwrap();
    }
    home
}

/// Text of a path.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Counts of one simulated frame, channel by channel, as the board names them.
pub(crate) fn frame(number: u64) -> Vec<(ChannelInfo, Vec<u16>)> {
    let dish = Dish::from_seed(7);
    let request = RenderRequest {
        width: SIZE,
        height: SIZE,
        pixel_size_um: PIXEL_UM,
        ..RenderRequest::of(&dish, number)
    };
    let infos = SimBoard::new(SimConfig::of_dish(dish.clone()))
        .capabilities()
        .channels;
    infos
        .into_iter()
        .zip(render(&dish, &request).channels)
        .collect()
}

/// Writes channels of [`SIZE`] as an OME-TIFF.
pub(crate) fn write_frame(path: &Path, channels: &[(ChannelInfo, Vec<u16>)]) {
    let image = OmeImage {
        width: SIZE,
        height: SIZE,
        pixel_size_um: PIXEL_UM,
        channels: channels
            .iter()
            .map(|(info, counts)| (info.clone(), counts.as_slice()))
            .collect(),
        dwell_ns: Some(20_000),
        line_period_ns: Some(7_000_000),
        record: None,
        notes: Vec::new(),
    };
    write_ome_tiff(path, &image).unwrap();
}

/// A recording of two frames in a folder of its own below `home`.
pub(crate) fn recording(home: &Path) -> PathBuf {
    let path = home.join("recording");
    std::fs::create_dir(&path).unwrap();
    for number in 0..2 {
        write_frame(
            &path.join(format!("frame-{number}.ome.tif")),
            &frame(number),
        );
    }
    path
}

/// A TIFF of one page: tags as (number, value), all of type LONG, and samples at byte 512.
pub(crate) fn page(tags: &[(u16, u32)], next: u32, samples: &[u8]) -> Vec<u8> {
    let mut bytes = b"II\x2a\0\x08\0\0\0".to_vec();
    bytes.extend((tags.len() as u16).to_le_bytes());
    for (tag, value) in tags {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(4_u16.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(next.to_le_bytes());
    bytes.resize(512, 0);
    bytes.extend(samples);
    bytes
}

/// Three endpoints with free ports: labels, maps, control.
pub(crate) fn endpoints() -> [String; 3] {
    std::array::from_fn(|_| format!("tcp://127.0.0.1:{}", free_port()))
}

/// A free port below those that the system gives to outgoing connections: a subscriber that waits for its
/// service there must not meet itself.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let next = std::process::id()
            .wrapping_mul(16)
            .wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 20_000 + (next % 12_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
