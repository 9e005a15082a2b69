//! `senescope keys`: key pairs for the daemon and its clients.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Exit, Failure, output};
use crate::{
    security::{Certificate, Clients, Role, SecurityError, client_keys, create},
    stages::publish::socket::ClientKeys,
};

/// Name of the daemon's own pair.
const SERVER: &str = "server";
/// Folder of the public certificates of clients, in the folder of keys.
const CLIENTS: &str = "clients";

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    New(NewArgs),
    List(ListArgs),
}

/// Make a CURVE key pair: for a client, or with --server for the daemon.
///
/// Example: senescope keys new --server; senescope keys new office --role viewer
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Name of the client
    #[arg(required_unless_present = "server", conflicts_with = "server")]
    name: Option<String>,
    /// What it is trusted with: a viewer sees everything, an operator also starts, stops and pushes frames
    #[arg(
        long,
        value_name = "viewer|operator",
        required_unless_present = "server",
        conflicts_with = "server"
    )]
    role: Option<Role>,
    /// The daemon's own pair
    #[arg(long)]
    server: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

/// List the daemon's key and its clients.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// Print one JSON object a key
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct FolderArgs {
    /// Folder of the keys
    #[arg(long, value_name = "DIR", default_value = "keys")]
    dir: PathBuf,
}

/// What a client shows to a daemon that has keys.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClientArgs {
    /// Secret certificate (NAME.key_secret) to show to a daemon that has keys
    #[arg(long, value_name = "FILE", requires = "server_key")]
    key: Option<PathBuf>,
    /// Public key of that daemon: its certificate (server.key), or 40 characters of Z85
    // One key in 85 begins with a hyphen.
    #[arg(
        long,
        value_name = "FILE|Z85",
        requires = "key",
        allow_hyphen_values = true
    )]
    server_key: Option<String>,
}

impl ClientArgs {
    /// The keys, when there are some.
    pub(crate) fn load(&self) -> Result<Option<ClientKeys>, Failure> {
        match (&self.key, &self.server_key) {
            (Some(key), Some(server)) => Ok(Some(client_keys(key, server)?)),
            _ => Ok(None),
        }
    }
}

pub(crate) fn run(command: &KeysCommand) -> Result<Exit, Failure> {
    match command {
        KeysCommand::New(arguments) => new(arguments)?,
        KeysCommand::List(arguments) => list(arguments)?,
    }
    Ok(Exit::Done)
}

fn new(arguments: &NewArgs) -> Result<(), Failure> {
    let dir = &arguments.folder.dir;
    let clients = dir.join(CLIENTS);
    let Some(name) = &arguments.name else {
        let made = create(SERVER, None, dir, dir)?;
        return output::line(&format!(
            "the daemon's keys are in {secret}; it takes them with\n\n  [publish.security]\n  server_key = \"{secret}\"\n  \
             clients = \"{}\"\n\nClients need its public key: {}, or \"{}\"",
            clients.display(),
            made.public.display(),
            made.pair.public(),
            secret = made.secret.display(),
        ));
    };
    if name == SERVER {
        return Err(Failure::message(
            Exit::Usage,
            format!(
                "`{SERVER}` is the name of the daemon's own keys: type `senescope keys new --server`"
            ),
        ));
    }
    let made = create(name, arguments.role, &clients, dir)?;
    output::line(&format!(
        "{public} lists {name}; a daemon that runs takes notice when it starts again\nMove {secret} to where {name} runs, \
         and delete it here. There:\n\n  senescope watch --key {secret} --server-key {server}",
        public = made.public.display(),
        secret = made.secret.display(),
        server = dir.join("server.key").display(),
    ))
}

fn list(arguments: &ListArgs) -> Result<(), Failure> {
    let dir = &arguments.folder.dir;
    let say = |name: &str, role: &str, key: &dyn std::fmt::Display| {
        output::line(&if arguments.json {
            json!({"name": name, "role": role, "public_key": key.to_string()}).to_string()
        } else {
            format!("{name:<20} {role:<10} {key}")
        })
    };
    let server = server_key(&dir.join("server.key"))?;
    let clients = match Clients::load(&dir.join(CLIENTS)) {
        // The daemon's keys come first, and then nobody is listed yet.
        Err(SecurityError::Missing { .. } | SecurityError::Nobody { .. }) if server.is_some() => {
            Clients::default()
        }
        clients => clients?,
    };
    if let Some(server) = server {
        say(SERVER, "-", &server.public)?;
    }
    for (client, key) in clients.by_name() {
        say(&client.name, &client.role.to_string(), key)?;
    }
    Ok(())
}

/// The daemon's public certificate; `None` when there is none, as on the machine of somebody who only lists clients.
fn server_key(path: &Path) -> Result<Option<Certificate>, Failure> {
    match Certificate::read(path) {
        Ok(certificate) => Ok(Some(certificate)),
        Err(SecurityError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        client: ClientArgs,
    }

    #[test]
    fn a_key_may_begin_with_a_hyphen() {
        let key = "-Qo^V*>urgC?z$<HwD1ZVxM4=)[WGH{K<?$c3{*.";
        let words = ["senescope", "--key", "lab.key_secret", "--server-key", key];
        let command = Command::try_parse_from(words).unwrap();
        assert_eq!(command.client.server_key.as_deref(), Some(key));
    }
}
