//! The `senescope` command: arguments → tracing → configuration → command → exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    senescope::cli::main()
}
