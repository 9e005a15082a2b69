//! Boards: from settings to a session, and `senescope board` for people who connect one.

mod emulate;
mod probe;
mod session;

use clap::Subcommand;

use super::{Exit, Failure};
pub(crate) use session::{Source, expand, of_settings, on, replay, request, session};

/// What is done with a board.
#[derive(Debug, Subcommand)]
pub(crate) enum BoardCommand {
    Probe(probe::ProbeArgs),
    Emulate(emulate::EmulateArgs),
}

pub(crate) fn run(command: &BoardCommand) -> Result<Exit, Failure> {
    match command {
        BoardCommand::Probe(arguments) => probe::run(arguments),
        BoardCommand::Emulate(arguments) => emulate::run(arguments),
    }
}
