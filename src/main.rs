//! The `senescope` command.

fn main() {}
