//! `senescope generate`: man pages and completions, made from the same definitions as `--help`. For packages.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, Command, CommandFactory, Subcommand};
use clap_complete::Shell;

use super::{Cli, Exit, Failure, output};

/// What is generated.
#[derive(Debug, Subcommand)]
pub(crate) enum GenerateCommand {
    /// A page of the manual for each command
    Man(Target),
    /// Completions for bash, fish and zsh, named as these look for them
    Completions(Target),
}

#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Folder to write into; it is made
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

pub(crate) fn run(command: &GenerateCommand) -> Result<Exit, Failure> {
    let (write, dir): (fn(&Path) -> _, _) = match command {
        GenerateCommand::Man(Target { dir }) => (man, dir),
        GenerateCommand::Completions(Target { dir }) => (completions, dir),
    };
    fs::create_dir_all(dir)
        .and_then(|()| write(dir))
        .map_err(|error| output::unwritable(dir, &error))?;
    Ok(Exit::Done)
}

fn man(dir: &Path) -> std::io::Result<()> {
    clap_mangen::generate_to(Cli::command(), dir)
}

fn completions(dir: &Path) -> std::io::Result<()> {
    let mut command = without_hidden(Cli::command());
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut command, "senescope", dir)?;
    }
    Ok(())
}

/// Shells would offer hidden commands, too.
fn without_hidden(command: Command) -> Command {
    let shown: Vec<_> = command.get_subcommands().cloned().collect();
    let shown = shown.into_iter().filter(|command| !command.is_hide_set());
    let bare = Command::new("senescope").args(command.get_arguments().cloned());
    bare.version(env!("CARGO_PKG_VERSION"))
        .about(command.get_about().cloned().unwrap_or_default())
        .subcommands(shown)
}
