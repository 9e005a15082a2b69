//! From the bytes of a request to the bytes of its answer. No sockets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    control::command::{Caller, Command},
    stages::publish::{
        Depth, Kind, Outbox, RunState,
        message::{from_cbor, to_cbor},
    },
    telemetry::EdgeCounts,
};

/// Stops the present run, or says in a sentence why not. Must not block.
pub type StopRun = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// A request. Fields that are not known are ignored.
#[derive(Deserialize)]
struct Request {
    cmd: String,
}

/// Answer to `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// This start of the daemon.
    pub epoch: String,
    /// Where the daemon is.
    pub state: RunState,
    /// The present run; null between runs.
    pub run: Option<String>,
    /// The last number of each kind; 0 for none.
    pub last_seq: BTreeMap<Kind, u64>,
    /// Messages shed before the sockets since the daemon started.
    pub shed: u64,
    /// The edges from the pipeline to the sockets since the run began.
    pub edges: Vec<EdgeCounts>,
    /// Queues in front of the sockets.
    pub queues: BTreeMap<String, Depth>,
    /// Version of this program.
    pub software: String,
}

#[derive(Serialize)]
struct Answer<Body> {
    ok: bool,
    #[serde(flatten)]
    body: Body,
}

#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
}

#[derive(Serialize)]
struct Stopped {
    state: RunState,
}

/// Answers one request of `caller`, whatever its bytes are.
pub(super) fn answer(
    request: &[Vec<u8>],
    caller: &Caller,
    outbox: &Outbox,
    stop: &StopRun,
) -> Vec<u8> {
    let permitted = command(request).and_then(|command| caller.may(command).map(|()| command));
    let answered = permitted.and_then(|command| match command {
        Command::Status => granted(status(outbox)),
        Command::Snapshot => outbox
            .snapshot()
            .map_err(|error| error.to_string())
            .and_then(granted),
        Command::Stop => stop().and_then(|()| {
            granted(Stopped {
                state: outbox.run_state(),
            })
        }),
        Command::Start | Command::Since => Err(format!(
            "the command `{command}` is not available in this version; known are status, snapshot and stop"
        )),
    });
    answered.unwrap_or_else(|error| {
        let refusal = Answer {
            ok: false,
            body: Refusal { error: &error },
        };
        to_cbor(&refusal).unwrap_or_default()
    })
}

fn command(request: &[Vec<u8>]) -> Result<Command, String> {
    let [request] = request else {
        return Err(format!(
            "a request is one frame with a CBOR map, and {} frames came",
            request.len()
        ));
    };
    let cmd = from_cbor::<Request>(request)
        .map(|request| request.cmd)
        .map_err(|_| "a request is a CBOR map with a text `cmd`, and this is not one".to_owned())?;
    Command::of(&cmd).ok_or_else(|| {
        format!(
            "the command `{}` is not known; known are status, snapshot and stop",
            cmd.chars().take(32).collect::<String>().escape_debug()
        )
    })
}

fn granted(body: impl Serialize) -> Result<Vec<u8>, String> {
    to_cbor(&Answer { ok: true, body })
}

fn status(outbox: &Outbox) -> Status {
    Status {
        epoch: outbox.epoch().to_owned(),
        state: outbox.run_state(),
        run: outbox.run().map(|identity| identity.run.to_string()),
        last_seq: outbox.last_seq(),
        shed: outbox.shed(),
        edges: outbox.edges().into(),
        queues: outbox.depths(),
        software: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use ciborium::{Value, cbor};
    use proptest::prelude::*;
    use senescope_hal::SystemClock;

    use super::*;

    fn outbox() -> Outbox {
        Outbox::disabled(Arc::new(SystemClock))
    }

    fn never() -> StopRun {
        Box::new(|| Err("nothing runs".to_owned()))
    }

    fn ask(request: &[Vec<u8>], stop: &StopRun) -> (bool, String) {
        #[derive(Deserialize)]
        struct Reply {
            ok: bool,
            error: Option<String>,
        }
        let reply: Reply = from_cbor(&answer(request, &Caller::Anybody, &outbox(), stop)).unwrap();
        (reply.ok, reply.error.unwrap_or_default())
    }

    fn request(value: &Value) -> Vec<Vec<u8>> {
        vec![to_cbor(value).unwrap()]
    }

    #[test]
    fn known_commands_are_answered() {
        for cmd in ["status", "snapshot"] {
            let request = request(&cbor!({"cmd" => cmd, "more" => [1, 2]}).unwrap());
            assert_eq!(ask(&request, &never()), (true, String::new()), "{cmd}");
        }
        let reply: Status = from_cbor(&answer(
            &request(&cbor!({"cmd" => "status"}).unwrap()),
            &Caller::Anybody,
            &outbox(),
            &never(),
        ))
        .unwrap();
        assert_eq!(
            (reply.state, reply.last_seq[&Kind::Label]),
            (RunState::Idle, 0)
        );
    }

    #[test]
    fn stop_pulls_the_trigger_once_or_says_why_not() {
        let pulled = Arc::new(AtomicUsize::new(0));
        let stop: StopRun = Box::new({
            let pulled = pulled.clone();
            move || {
                pulled.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        });
        let request = request(&cbor!({"cmd" => "stop"}).unwrap());
        assert!(ask(&request, &stop).0);
        assert_eq!(pulled.load(Ordering::Relaxed), 1);
        assert_eq!(ask(&request, &never()), (false, "nothing runs".to_owned()));
    }

    #[test]
    fn who_may_not_stop_does_not() {
        let stop: StopRun = Box::new(|| panic!("stopped"));
        let request = request(&cbor!({"cmd" => "stop"}).unwrap());
        let viewer = Caller::Client {
            name: "desk".to_owned(),
            role: crate::security::Role::Viewer,
        };
        for caller in [viewer, Caller::Stranger] {
            let answer = answer(&request, &caller, &outbox(), &stop);
            let fields: Value = from_cbor(&answer).unwrap();
            let ok = fields
                .as_map()
                .unwrap()
                .iter()
                .find(|(key, _)| key.as_text() == Some("ok"));
            assert_eq!(ok.unwrap().1, Value::Bool(false), "{caller:?}");
        }
    }

    #[test]
    fn what_is_not_a_request_is_refused_in_a_sentence() {
        let cases = [
            vec![],
            vec![vec![]],
            vec![vec![0xff; 100]],
            vec![vec![1], vec![2]],
            request(&cbor!({"cmd" => 7}).unwrap()),
            request(&cbor!(["cmd", "status"]).unwrap()),
            request(&cbor!({"cmd" => "since", "seq" => 3}).unwrap()),
            request(&cbor!({"cmd" => "x".repeat(10_000)}).unwrap()),
            // A map that claims 2⁶⁴ − 1 entries, and a text of as many bytes.
            vec![[[0xbb].as_slice(), &[0xff; 8]].concat()],
            vec![[b"\xa1\x63cmd\x7b".as_slice(), &[0xff; 8]].concat()],
            // Deep nesting.
            vec![vec![0x81; 60_000]],
        ];
        for case in cases {
            let (ok, error) = ask(&case, &never());
            assert!(!ok && !error.is_empty() && error.len() < 200, "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_left_without_an_answer(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..3)) {
            ask(&frames, &never());
        }
    }
}
