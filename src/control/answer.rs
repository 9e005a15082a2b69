//! From the bytes of a request to the bytes of its answer. No sockets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    control::{
        Lifecycle,
        command::{Caller, Command},
    },
    recording::{LabelLine, labels_since},
    stages::publish::{
        Depth, Kind, Outbox, RunState,
        message::{from_cbor, to_cbor},
    },
    telemetry::EdgeCounts,
};

/// A request. Fields that are not known are ignored.
#[derive(Deserialize)]
struct Request {
    cmd: String,
    /// For `since`.
    #[serde(default)]
    seq: u64,
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

/// Answer to `since`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Since {
    /// Labels that are on the disk, in order.
    pub labels: Vec<LabelLine>,
    /// There are more: ask again with the number of the last of these.
    pub more: bool,
}

/// Longest that the labels of one answer are on the disk, in bytes.
const SINCE_BYTES: u64 = 1 << 20;

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
struct Where {
    state: RunState,
}

/// Answers one request of `caller`, whatever its bytes are.
pub(super) fn answer(
    request: &[Vec<u8>],
    caller: &Caller,
    outbox: &Outbox,
    lifecycle: &Lifecycle,
) -> Vec<u8> {
    let permitted = command(request).and_then(|(command, seq)| {
        caller.may(command)?;
        Ok((command, seq))
    });
    let answered = permitted.and_then(|(command, seq)| match command {
        Command::Status => granted(status(outbox)),
        Command::Snapshot => outbox
            .snapshot()
            .map_err(|error| error.to_string())
            .and_then(granted),
        Command::Start => lifecycle.start().and_then(|()| state(outbox)),
        Command::Stop => lifecycle.stop().and_then(|()| state(outbox)),
        Command::Since => since(lifecycle, seq).and_then(granted),
    });
    answered.unwrap_or_else(|error| {
        let refusal = Answer {
            ok: false,
            body: Refusal { error: &error },
        };
        to_cbor(&refusal).unwrap_or_default()
    })
}

fn state(outbox: &Outbox) -> Result<Vec<u8>, String> {
    granted(Where {
        state: outbox.run_state(),
    })
}

/// Labels behind `seq`, from the recording of the present or the last run.
fn since(lifecycle: &Lifecycle, seq: u64) -> Result<Since, String> {
    let folder = lifecycle.recording().ok_or(
        "no run was recorded, and labels are sent again from the record only; set `record.enabled`",
    )?;
    let (labels, more) = labels_since(&folder, seq, SINCE_BYTES)
        .map_err(|error| format!("the recording cannot be read: {error}"))?;
    Ok(Since { labels, more })
}

/// The command of a request, and the number that goes with it.
fn command(request: &[Vec<u8>]) -> Result<(Command, u64), String> {
    let [request] = request else {
        return Err(format!(
            "a request is one frame with a CBOR map, and {} frames came",
            request.len()
        ));
    };
    let Request { cmd, seq } = from_cbor::<Request>(request)
        .map_err(|_| "a request is a CBOR map with a text `cmd`, and this is not one".to_owned())?;
    let command = Command::of(&cmd).ok_or_else(|| {
        format!(
            "the command `{}` is not known; known are status, snapshot, since, start and stop",
            cmd.chars().take(32).collect::<String>().escape_debug()
        )
    })?;
    Ok((command, seq))
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
    use std::sync::Arc;

    use ciborium::{Value, cbor};
    use proptest::prelude::*;
    use senescope_hal::SystemClock;

    use super::*;

    fn outbox() -> Outbox {
        Outbox::disabled(Arc::new(SystemClock))
    }

    fn ask(request: &[Vec<u8>], lifecycle: &Lifecycle) -> (bool, String) {
        #[derive(Deserialize)]
        struct Reply {
            ok: bool,
            error: Option<String>,
        }
        let reply: Reply =
            from_cbor(&answer(request, &Caller::Anybody, &outbox(), lifecycle)).unwrap();
        (reply.ok, reply.error.unwrap_or_default())
    }

    fn idle() -> Lifecycle {
        Lifecycle::new(outbox())
    }

    fn request(value: &Value) -> Vec<Vec<u8>> {
        vec![to_cbor(value).unwrap()]
    }

    #[test]
    fn known_commands_are_answered() {
        for cmd in ["status", "snapshot"] {
            let request = request(&cbor!({"cmd" => cmd, "more" => [1, 2]}).unwrap());
            assert_eq!(ask(&request, &idle()), (true, String::new()), "{cmd}");
        }
        let reply: Status = from_cbor(&answer(
            &request(&cbor!({"cmd" => "status"}).unwrap()),
            &Caller::Anybody,
            &outbox(),
            &idle(),
        ))
        .unwrap();
        assert_eq!(
            (reply.state, reply.last_seq[&Kind::Label]),
            (RunState::Idle, 0)
        );
    }

    #[test]
    fn a_run_is_started_and_stopped_once_or_it_is_said_why_not() {
        let lifecycle = idle();
        let command = |cmd: &str| ask(&request(&cbor!({"cmd" => cmd}).unwrap()), &lifecycle);
        let (done, why) = command("stop");
        assert!(!done && why.contains("no run is on"), "{why}");
        assert!(command("start").0);
        let stop = lifecycle.run_stop();
        let (done, why) = command("start");
        assert!(!done && why.contains("stop it first"), "{why}");
        assert!(!stop.asked() && command("stop").0 && stop.asked());
        lifecycle.quit();
        lifecycle.not_armed();
        let (done, why) = command("start");
        assert!(!done && why.contains("about to end"), "{why}");
    }

    #[test]
    fn who_may_not_stop_does_not() {
        let lifecycle = idle();
        lifecycle.start().unwrap();
        let request = request(&cbor!({"cmd" => "stop"}).unwrap());
        let viewer = Caller::Client {
            name: "desk".to_owned(),
            role: crate::security::Role::Viewer,
        };
        for caller in [viewer, Caller::Stranger] {
            let answer = answer(&request, &caller, &outbox(), &lifecycle);
            let fields: Value = from_cbor(&answer).unwrap();
            let ok = fields
                .as_map()
                .unwrap()
                .iter()
                .find(|(key, _)| key.as_text() == Some("ok"));
            assert_eq!(ok.unwrap().1, Value::Bool(false), "{caller:?}");
            assert!(!lifecycle.run_stop().asked(), "{caller:?}");
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
            request(&cbor!({"cmd" => "x".repeat(10_000)}).unwrap()),
            // A map that claims 2⁶⁴ − 1 entries, and a text of as many bytes.
            vec![[[0xbb].as_slice(), &[0xff; 8]].concat()],
            vec![[b"\xa1\x63cmd\x7b".as_slice(), &[0xff; 8]].concat()],
            // Deep nesting.
            vec![vec![0x81; 60_000]],
        ];
        for case in cases {
            let (ok, error) = ask(&case, &idle());
            assert!(!ok && !error.is_empty() && error.len() < 200, "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_left_without_an_answer(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..3)) {
            ask(&frames, &idle());
        }
    }
}
