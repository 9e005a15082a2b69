//! From the bytes of a request to the bytes of its answer. No sockets.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    config::{Effective, LiveSettings, Settings, changed},
    control::{
        Lifecycle, Reprocessed, Reprocessing,
        command::{Caller, Command},
    },
    recording::{LabelLine, labels_since},
    sentence::printable,
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
    /// For `set` and `reprocess`: `section.key=value` each.
    #[serde(default)]
    set: Vec<String>,
}

/// What requests are answered from. Copies share everything.
#[derive(Clone)]
pub struct Desk {
    /// What was published, and where the daemon is.
    pub outbox: Outbox,
    /// The runs.
    pub lifecycle: Lifecycle,
    /// The settings in force.
    pub settings: LiveSettings,
    /// The last frame once more.
    pub reprocessing: Reprocessing,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    /// No run is on, and `settings` are in force.
    pub fn new(outbox: Outbox, settings: LiveSettings) -> Self {
        Self {
            lifecycle: Lifecycle::new(outbox.clone()),
            reprocessing: Reprocessing::default(),
            outbox,
            settings,
        }
    }

    /// Answers one request of `caller`, whatever the bytes of its frames are, with one CBOR map; and waits for it.
    pub fn answer(&self, request: &[Vec<u8>], caller: &Caller) -> Vec<u8> {
        match answer(request, caller, self) {
            Answered::Now(answer) => answer,
            Answered::Later(work) => work(),
        }
    }

    /// What looks at the last frame again with settings that are changed, once that is known to be possible: it takes
    /// long, and belongs on a thread of its own.
    ///
    /// # Errors
    /// When a change is refused, there is nobody to do it, or somebody is at it.
    pub fn reprocess(
        &self,
        changes: &[String],
    ) -> Result<impl FnOnce() -> Result<Again, String> + Send + use<>, String> {
        let settings = changed(&self.settings.now(), changes).map_err(|error| error.to_string())?;
        let turn = self.reprocessing.turn()?;
        let lifecycle = self.lifecycle.clone();
        Ok(move || {
            let said = turn.who.reprocess(settings, &|| lifecycle.is_quitting());
            said.map(bounded)
        })
    }
}

/// An answer, now or after some work.
pub(super) enum Answered {
    Now(Vec<u8>),
    /// Takes long, and belongs on a thread of its own.
    Later(Box<dyn FnOnce() -> Vec<u8> + Send>),
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

/// Answer to `settings` and `set`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InForce {
    /// Digest of the settings.
    pub config: String,
    /// All of them: of a run that is on, from its next frame on.
    pub settings: Settings,
}

/// Answer to `reprocess`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Again {
    /// What is said now.
    #[serde(flatten)]
    pub said: Reprocessed,
    /// Labels that are left out because the answer would be too long.
    pub left_out: u64,
}

/// Longest that the labels of one `reprocess` are, in bytes.
const AGAIN_BYTES: usize = 8 << 20;

/// Most characters of a refusal: settings are repeated in it.
const REFUSAL: usize = 300;

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
pub(super) fn answer(request: &[Vec<u8>], caller: &Caller, desk: &Desk) -> Answered {
    let permitted = command(request).and_then(|(command, request)| {
        caller.may(command)?;
        Ok((command, request))
    });
    let Desk {
        outbox,
        lifecycle,
        settings,
        ..
    } = desk;
    let answered = permitted.and_then(|(command, request)| {
        match command {
            Command::Status => granted(status(outbox)),
            Command::Snapshot => outbox
                .snapshot()
                .map_err(|error| error.to_string())
                .and_then(granted),
            Command::Start => lifecycle.start().and_then(|()| state(outbox)),
            Command::Stop => lifecycle.stop().and_then(|()| state(outbox)),
            Command::Since => since(lifecycle, request.seq).and_then(granted),
            Command::Settings => granted(in_force(&settings.now())),
            Command::Set => set(settings, &request.set).and_then(granted),
            Command::Reprocess => {
                let work = desk.reprocess(&request.set)?;
                return Ok(Answered::Later(Box::new(|| {
                    work()
                        .and_then(granted)
                        .unwrap_or_else(|error| refused(&error))
                })));
            }
        }
        .map(Answered::Now)
    });
    answered.unwrap_or_else(|error| Answered::Now(refused(&error)))
}

fn refused(error: &str) -> Vec<u8> {
    let refusal = Answer {
        ok: false,
        body: Refusal {
            error: &printable(error, REFUSAL),
        },
    };
    to_cbor(&refusal).unwrap_or_default()
}

fn in_force(settings: &Effective) -> InForce {
    InForce {
        config: settings.digest().to_owned(),
        settings: Settings::clone(settings),
    }
}

fn set(settings: &LiveSettings, changes: &[String]) -> Result<InForce, String> {
    if changes.is_empty() {
        return Err(
            "nothing to set: give `set` as a list of texts such as segment.smoothing_um=0.8"
                .to_owned(),
        );
    }
    let effective = settings
        .change(changes)
        .map_err(|error| error.to_string())?;
    Ok(in_force(&effective))
}

/// The labels that an answer has room for.
fn bounded(mut said: Reprocessed) -> Again {
    let mut bytes = 0;
    let there = said.labels.len();
    let kept = said.labels.iter().take_while(|label| {
        bytes += to_cbor(label).map_or(0, |cbor| cbor.len());
        bytes <= AGAIN_BYTES
    });
    let kept = kept.count();
    said.labels.truncate(kept);
    Again {
        said,
        left_out: (there - kept) as u64,
    }
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

/// The command of a request, and what goes with it.
fn command(request: &[Vec<u8>]) -> Result<(Command, Request), String> {
    let [request] = request else {
        return Err(format!(
            "a request is one frame with a CBOR map, and {} frames came",
            request.len()
        ));
    };
    let request = from_cbor::<Request>(request)
        .map_err(|_| "a request is a CBOR map with a text `cmd`, and this is not one".to_owned())?;
    let command = Command::of(&request.cmd).ok_or_else(|| {
        let cmd = request.cmd.chars().take(32).collect::<String>();
        format!(
            "the command `{}` is not known; known are {}",
            cmd.escape_debug(),
            Command::ALL.map(Command::name).join(", ")
        )
    })?;
    Ok((command, request))
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

    /// The bytes of an answer.
    fn said(request: &[Vec<u8>], caller: &Caller, desk: &Desk) -> Vec<u8> {
        desk.answer(request, caller)
    }

    fn ask(request: &[Vec<u8>], desk: &Desk) -> (bool, String) {
        #[derive(Deserialize)]
        struct Reply {
            ok: bool,
            error: Option<String>,
        }
        let reply: Reply = from_cbor(&said(request, &Caller::Anybody, desk)).unwrap();
        (reply.ok, reply.error.unwrap_or_default())
    }

    fn idle() -> Desk {
        Desk::new(outbox(), LiveSettings::default())
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
        let reply: Status = from_cbor(&said(
            &request(&cbor!({"cmd" => "status"}).unwrap()),
            &Caller::Anybody,
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
        let desk = idle();
        let lifecycle = &desk.lifecycle;
        let command = |cmd: &str| ask(&request(&cbor!({"cmd" => cmd}).unwrap()), &desk);
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
    fn settings_are_set_all_together_or_refused() {
        let desk = idle();
        let set = |set: Vec<&str>| {
            ask(
                &request(&cbor!({"cmd" => "set", "set" => set}).unwrap()),
                &desk,
            )
        };
        assert_eq!(
            set(vec!["segment.smoothing_um=0.8", "quality.warn_part=0.3"]),
            (true, String::new())
        );
        let now = desk.settings.now();
        assert_eq!(
            (now.segment.smoothing_um, now.quality.warn_part),
            (0.8, 0.3)
        );
        for (wrong, word) in [
            (vec![], "nothing to set"),
            (
                vec!["segment.smoothing_um=1", "scan.height=64"],
                "`scan.height`",
            ),
            (vec!["segment.smoothing_um"], "section.key=value"),
            (vec!["segment.smoothing_um=-1"], "segment.smoothing_um"),
        ] {
            let (done, why) = set(wrong);
            assert!(!done && why.contains(word), "{why}");
        }
        assert_eq!(desk.settings.now(), now);
        let reply: InForce = from_cbor(&said(
            &request(&cbor!({"cmd" => "settings"}).unwrap()),
            &Caller::Anybody,
            &desk,
        ))
        .unwrap();
        assert_eq!(
            (reply.config.as_str(), &reply.settings),
            (now.digest(), &**now)
        );
    }

    /// Says that the frame has no cells, when it is let.
    struct Slow(crossbeam_channel::Receiver<()>);

    impl crate::control::Reprocess for Slow {
        fn reprocess(
            &self,
            settings: Settings,
            _: &dyn Fn() -> bool,
        ) -> Result<Reprocessed, String> {
            self.0.recv().map_err(|error| error.to_string())?;
            Ok(Reprocessed {
                frame: 3,
                field: 0,
                config: Effective::from(settings).digest().to_owned(),
                labels: Vec::new(),
            })
        }
    }

    #[test]
    fn one_at_a_time_looks_at_the_last_frame_again() {
        let desk = idle();
        let request =
            request(&cbor!({"cmd" => "reprocess", "set" => ["segment.smoothing_um=0.8"]}).unwrap());
        assert!(ask(&request, &desk).1.contains("no run has begun"));
        let (let_go, held) = crossbeam_channel::bounded(1);
        desk.reprocessing.by(Arc::new(Slow(held)));
        let Answered::Later(work) = answer(&request, &Caller::Anybody, &desk) else {
            panic!("it was answered at once");
        };
        assert!(ask(&request, &desk).1.contains("when that is done"));
        let_go.send(()).unwrap();
        let again: Again = from_cbor(&work()).unwrap();
        assert_eq!((again.said.frame, again.left_out), (3, 0));
        // The settings in force are as they were.
        assert_eq!(*desk.settings.now(), Settings::default().into());
        assert_ne!(again.said.config, desk.settings.now().digest());
        let_go.send(()).unwrap();
        assert!(ask(&request, &desk).0);
    }

    #[test]
    fn who_may_not_stop_does_not() {
        let desk = idle();
        desk.lifecycle.start().unwrap();
        let request = request(&cbor!({"cmd" => "stop"}).unwrap());
        let viewer = Caller::Client {
            name: "desk".to_owned(),
            role: crate::security::Role::Viewer,
        };
        for caller in [viewer, Caller::Stranger] {
            let answer = said(&request, &caller, &desk);
            let fields: Value = from_cbor(&answer).unwrap();
            let ok = fields
                .as_map()
                .unwrap()
                .iter()
                .find(|(key, _)| key.as_text() == Some("ok"));
            assert_eq!(ok.unwrap().1, Value::Bool(false), "{caller:?}");
            assert!(!desk.lifecycle.run_stop().asked(), "{caller:?}");
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
            request(&cbor!({"cmd" => "set", "set" => ["\u{1b}[2J".repeat(10_000)]}).unwrap()),
            // Deep nesting.
            vec![vec![0x81; 60_000]],
        ];
        for case in cases {
            let (ok, error) = ask(&case, &idle());
            assert!(!ok && !error.is_empty(), "{error}");
            assert!(error.chars().count() <= REFUSAL && !error.contains(char::is_control));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_left_without_an_answer(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..3)) {
            ask(&frames, &idle());
        }
    }
}
