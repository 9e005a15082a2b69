use proptest::prelude::*;

use super::*;

/// The machine as its users see it: the events that were accepted since the last start, and nothing else. Everything
/// that is said of a state is derived from them anew.
#[derive(Debug, Default)]
struct Model {
    /// Accepted events of the present or last run, the start first.
    history: Vec<Event>,
    runs: u64,
    ends: u64,
    refused_to_arm: u64,
}

impl Model {
    fn has(&self, wanted: Event) -> bool {
        self.history.contains(&wanted)
    }

    /// A run was asked for, and has neither ended nor failed to begin.
    fn is_on(&self) -> bool {
        self.has(Event::Start) && !self.has(Event::Drained) && !self.has(Event::NotArmed)
    }

    fn gravest(&self) -> Option<Fault> {
        let faults = self.history.iter().filter_map(|event| match event {
            Event::Failed(fault) => Some(*fault),
            _ => None,
        });
        faults.max()
    }

    /// A stop before the end of the scan.
    fn was_stopped(&self) -> bool {
        let before = self
            .history
            .iter()
            .take_while(|event| **event != Event::Scanned);
        before.into_iter().any(|event| *event == Event::Stop)
    }

    fn finish(&self) -> Finish {
        match self.gravest() {
            Some(Fault::Board) => Finish::Incomplete,
            Some(_) => Finish::Errored,
            None if self.was_stopped() => Finish::Cancelled,
            None => Finish::Completed,
        }
    }

    fn accepts(&self, event: Event) -> bool {
        let on = self.is_on();
        let (armed, scanned) = (self.has(Event::Armed), self.has(Event::Scanned));
        match event {
            Event::Start => !on,
            Event::Stop => on,
            Event::Armed | Event::NotArmed => on && !armed,
            Event::Scanning => on && armed && !self.has(Event::Scanning) && !scanned,
            Event::Failed(_) => on && armed,
            Event::Scanned => on && armed && !scanned,
            Event::Drained => on && scanned,
        }
    }

    fn state(&self) -> State {
        let failed = match self.history.last() {
            None => false,
            Some(_) if self.has(Event::NotArmed) => !self.was_stopped(),
            Some(_) => matches!(self.finish(), Finish::Incomplete | Finish::Errored),
        };
        match (self.is_on(), failed) {
            (false, false) => State::Idle,
            (false, true) => State::Fault,
            (true, _) if self.has(Event::Scanned) => State::Draining,
            (true, _) if self.has(Event::Scanning) => State::Running,
            (true, _) if self.has(Event::Armed) => State::Armed,
            (true, _) => State::Arming,
        }
    }

    fn take(&mut self, event: Event) {
        if event == Event::Start {
            self.history.clear();
            self.runs += 1;
        }
        self.history.push(event);
        self.refused_to_arm += u64::from(event == Event::NotArmed);
    }
}

fn event() -> impl Strategy<Value = Event> {
    let fault = prop_oneof![Just(Fault::Board), Just(Fault::Sink), Just(Fault::Defect)];
    prop_oneof![
        4 => Just(Event::Start),
        2 => Just(Event::Stop),
        6 => Just(Event::Armed),
        1 => Just(Event::NotArmed),
        6 => Just(Event::Scanning),
        2 => fault.prop_map(Event::Failed),
        4 => Just(Event::Scanned),
        4 => Just(Event::Drained),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn it_does_what_the_history_of_events_says(events in prop::collection::vec(event(), 0..60)) {
        let mut machine = Machine::default();
        let mut model = Model::default();
        for event in events {
            let before = machine.clone();
            match machine.apply(event) {
                Ok(effect) => {
                    prop_assert!(model.accepts(event), "{event:?} was accepted in {before:?}");
                    let stops = event == Event::Stop && !model.has(Event::Scanned);
                    model.take(event);
                    let wanted = match event {
                        Event::Start => Effect::Begin,
                        Event::Drained => Effect::End(model.finish()),
                        _ if stops => Effect::StopBoard,
                        _ => Effect::Nothing,
                    };
                    prop_assert_eq!(effect, wanted);
                    model.ends += u64::from(matches!(effect, Effect::End(_)));
                }
                Err(refusal) => {
                    prop_assert!(!model.accepts(event), "{event:?} was refused in {before:?}");
                    prop_assert_eq!(&machine, &before, "a refusal changes nothing");
                    let impossible = matches!(refusal, Refusal::Impossible { .. });
                    let commanded = matches!(event, Event::Start | Event::Stop);
                    prop_assert_eq!(impossible, !commanded, "a command is refused in words");
                }
            }
            prop_assert_eq!(machine.state(), model.state());
            // Every run that was begun ends exactly once, or is on.
            let on = u64::from(model.is_on());
            prop_assert_eq!(model.runs, model.ends + model.refused_to_arm + on);
        }
    }
}

#[test]
fn a_stop_while_it_drains_does_not_make_a_whole_run_a_cancelled_one() {
    let mut machine = Machine::default();
    for event in [
        Event::Start,
        Event::Armed,
        Event::Scanning,
        Event::Scanned,
        Event::Stop,
    ] {
        machine.apply(event).unwrap();
    }
    assert_eq!(
        machine.apply(Event::Drained),
        Ok(Effect::End(Finish::Completed))
    );
}
