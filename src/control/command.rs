//! What can be asked, and who may.

use std::fmt;

use crate::security::Role;

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Where the daemon is, and its counters.
    Status,
    /// What a late joiner needs.
    Snapshot,
    /// Labels again, from the record.
    Since,
    /// Begin a run.
    Start,
    /// End the run.
    Stop,
    /// The settings in force.
    Settings,
    /// Change settings from the next frame on.
    Set,
    /// The last frame once more, with other settings.
    Reprocess,
}

impl Command {
    /// Every command.
    pub const ALL: [Self; 8] = [
        Self::Status,
        Self::Snapshot,
        Self::Since,
        Self::Start,
        Self::Stop,
        Self::Settings,
        Self::Set,
        Self::Reprocess,
    ];

    /// The command of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.name() == name)
    }

    /// As it is written in a request.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Snapshot => "snapshot",
            Self::Since => "since",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Settings => "settings",
            Self::Set => "set",
            Self::Reprocess => "reprocess",
        }
    }

    /// The least role that may ask it.
    pub fn least_role(self) -> Role {
        match self {
            Self::Status | Self::Snapshot | Self::Since | Self::Settings => Role::Viewer,
            // It takes time from the networks of the run.
            Self::Start | Self::Stop | Self::Set | Self::Reprocess => Role::Operator,
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The socket has no keys: whoever can reach it.
    Anybody,
    /// The holder of a listed key.
    Client {
        /// Its name.
        name: String,
        /// What it is trusted with.
        role: Role,
    },
    /// The socket has keys, and whose this one is, is not known.
    Stranger,
}

impl Caller {
    /// A sentence when `command` is not for this caller.
    pub(super) fn may(&self, command: Command) -> Result<(), String> {
        match self {
            Self::Anybody => Ok(()),
            Self::Client { role, .. } if *role >= command.least_role() => Ok(()),
            Self::Client { name, role } => Err(format!(
                "the command `{command}` needs a key of role {}, and `{name}` is a {role}",
                command.least_role()
            )),
            Self::Stranger => Err("the key of this connection is not listed".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command × every caller.
    #[test]
    fn who_may_what() {
        let client = |role| Caller::Client {
            name: "desk".to_owned(),
            role,
        };
        // viewer, operator, anybody without keys, stranger
        let table = [
            (Command::Status, [true, true, true, false]),
            (Command::Snapshot, [true, true, true, false]),
            (Command::Since, [true, true, true, false]),
            (Command::Start, [false, true, true, false]),
            (Command::Stop, [false, true, true, false]),
            (Command::Settings, [true, true, true, false]),
            (Command::Set, [false, true, true, false]),
            (Command::Reprocess, [false, true, true, false]),
        ];
        assert_eq!(table.map(|(command, _)| command), Command::ALL);
        for (command, may) in table {
            let callers = [
                client(Role::Viewer),
                client(Role::Operator),
                Caller::Anybody,
                Caller::Stranger,
            ];
            assert_eq!(
                callers.map(|caller| caller.may(command).is_ok()),
                may,
                "{command}"
            );
            assert_eq!(Command::of(command.name()), Some(command));
        }
        let refusal = client(Role::Viewer).may(Command::Stop).unwrap_err();
        assert_eq!(
            refusal,
            "the command `stop` needs a key of role operator, and `desk` is a viewer"
        );
    }
}
