//! An emulated board as a process, and what it must show.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use senescope_hal::{
    ScanActual, Session, StripHeader, SystemClock,
    serial::{SerialBoard, SerialConfig},
    sim::{Dish, RenderRequest, render},
};

/// The dish of the emulated boards.
pub(crate) const SEED: u64 = 7;
/// Their fields, which repeat.
pub(crate) const FIELDS: u64 = 4;

/// `senescope board emulate`, ended when it is dropped.
pub(crate) struct Emulator {
    process: Child,
    pub(crate) config: SerialConfig,
    /// Where its link is; removed with it.
    folder: Option<tempfile::TempDir>,
}

impl Emulator {
    /// A board on a pseudo-terminal of its own.
    pub(crate) fn on_pty(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut board = Self::at(folder.path().join("board").to_str().unwrap(), arguments);
        board.folder = Some(folder);
        board
    }

    /// A board at `place`.
    pub(crate) fn at(place: &str, arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_senescope"))
            .args(["board", "emulate", place])
            .args(["--seed", &SEED.to_string(), "--fields", &FIELDS.to_string()])
            .args(arguments)
            .env("SENESCOPE_LOG", "info")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut ready)
            .unwrap();
        let address = ready.trim().strip_prefix("ready ").unwrap();
        Self {
            config: SerialConfig::at(address.parse().unwrap()),
            process,
            folder: None,
        }
    }

    /// Its log, line by line, to whoever takes it.
    pub(crate) fn log(&mut self) -> impl Iterator<Item = String> + Send + use<> {
        BufReader::new(self.process.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok)
    }

    /// A session on it.
    pub(crate) fn session(&self) -> Session {
        let board = SerialBoard::open(self.config.clone()).unwrap();
        Session::new(Box::new(board), Arc::new(SystemClock), 64 << 20)
    }

    /// Makes a fault come with the next strip.
    pub(crate) fn fault(&self, fault: &str) {
        let path = self.config.address.to_string();
        let mut port = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        writeln!(port, "DIAG:FAUL {fault}").unwrap();
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What every strip must show, from the simulator itself.
pub(crate) struct Truth(Vec<Vec<Vec<u16>>>);

impl Truth {
    pub(crate) fn of(actual: &ScanActual) -> Self {
        let dish = Dish::from_seed(SEED);
        let field = |frame| render(&dish, &RenderRequest::of_scan(&dish, actual, frame)).channels;
        Self((0..FIELDS).map(|frame| field(frame).into()).collect())
    }

    /// The samples of a strip.
    pub(crate) fn samples(&self, header: &StripHeader) -> Vec<u16> {
        let planes = &self.0[(header.frame % FIELDS) as usize];
        let width = header.width as usize;
        let mut samples = Vec::new();
        for row in header.first_row..header.first_row + header.rows {
            for plane in planes {
                let line = &plane[row as usize * width..][..width];
                if header.odd_rows_reversed && row % 2 == 1 {
                    samples.extend(line.iter().rev());
                } else {
                    samples.extend(line);
                }
            }
        }
        samples
    }
}
