//! The laws that every backend keeps, as a suite that each of them runs.
//!
//! A backend implements [`Backend`]: how to open its board, and what to ask of it. [`run`] gives a
//! [`Report`] with one outcome a case; a case that does not apply is skipped with its reason. Nothing here
//! asserts: the test that calls it shows the report and fails on [`Report::failures`].
//!
//! Bounds of time are generous, because they are kept on machines that do other work too.

mod cases;

use std::fmt;

use crate::{Board, HalError, ScanRequest};

/// A backend under test. What it cannot do it answers with the reason, and the case is skipped.
pub trait Backend {
    /// Opens the board. Called again after the board before was dropped.
    ///
    /// # Errors
    /// Of the board.
    fn open(&self) -> Result<Box<dyn Board>, HalError>;

    /// A small scan that ends by itself after at least one frame.
    fn request(&self) -> ScanRequest;

    /// A scan whose first strip takes longer than ten seconds.
    ///
    /// # Errors
    /// Why there is none.
    fn slow(&self) -> Result<(Box<dyn Board>, ScanRequest), &'static str>;

    /// A board, a scan, and what pulls its plug.
    ///
    /// # Errors
    /// Why it cannot be unplugged.
    fn unplug(&self) -> Result<Unplug, &'static str>;
}

/// A board that will be unplugged.
pub struct Unplug {
    /// The board.
    pub board: Box<dyn Board>,
    /// A scan.
    pub request: ScanRequest,
    /// Pulls the plug. Called while the board is running.
    pub pull: Box<dyn FnOnce()>,
}

/// How a case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The law holds.
    Passed,
    /// It does not apply, and why.
    Skipped(&'static str),
    /// It is broken, and how.
    Failed(String),
}

/// Outcomes of all cases.
#[derive(Clone, Debug)]
pub struct Report {
    /// Name and outcome of each case, in order.
    pub cases: Vec<(&'static str, Outcome)>,
}

impl Report {
    /// The broken cases.
    pub fn failures(&self) -> Vec<String> {
        let broken = |(name, outcome): &(&'static str, Outcome)| match outcome {
            Outcome::Failed(how) => Some(format!("{name}: {how}")),
            Outcome::Passed | Outcome::Skipped(_) => None,
        };
        self.cases.iter().filter_map(broken).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, outcome) in &self.cases {
            match outcome {
                Outcome::Passed => writeln!(f, "passed   {name}")?,
                Outcome::Skipped(why) => writeln!(f, "skipped  {name}: {why}")?,
                Outcome::Failed(how) => writeln!(f, "FAILED   {name}: {how}")?,
            }
        }
        Ok(())
    }
}

/// Why a case did not pass.
enum Stop {
    Skip(&'static str),
    Fail(String),
}

impl From<HalError> for Stop {
    fn from(error: HalError) -> Self {
        Self::Fail(format!("{:?}: {error}", error.kind()))
    }
}

type Verdict = Result<(), Stop>;

type Case = (&'static str, fn(&dyn Backend) -> Verdict);

/// Runs every case on `backend`.
pub fn run(backend: &dyn Backend) -> Report {
    let outcome = |case: fn(&dyn Backend) -> Verdict| match case(backend) {
        Ok(()) => Outcome::Passed,
        Err(Stop::Skip(why)) => Outcome::Skipped(why),
        Err(Stop::Fail(how)) => Outcome::Failed(how),
    };
    Report {
        cases: cases::CASES
            .iter()
            .map(|(name, case)| (*name, outcome(*case)))
            .collect(),
    }
}
