//! What the page knows: the present run, its last labels and maps, and the last statistics. Bounded.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::Value;

use super::events::Event;
use crate::stages::publish::Kind;

/// Labels that are kept.
const LABELS: usize = 4096;
/// Bytes of maps that are kept: one map a cell of 4096 cells.
const MAP_BYTES: usize = 64 << 20;

/// A map, as it is shown.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Map {
    /// `mean`, `spread`, or a member's name.
    pub(super) member: String,
    /// The class that it explains.
    pub(super) class: String,
    /// x, y, width, height in pixels of the frame.
    pub(super) bbox: [f64; 4],
    /// Minimum and maximum before it was scaled.
    pub(super) range: [f32; 2],
    /// Rows, columns.
    pub(super) shape: [u32; 2],
    /// Samples, 0 to 255, row by row.
    #[serde(skip)]
    pub(super) samples: Vec<u8>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Board {
    run_start: Option<Event>,
    run_end: Option<Event>,
    settings: Option<Event>,
    stat: Option<Event>,
    labels: VecDeque<Event>,
    maps: BTreeMap<u64, Vec<Map>>,
    map_bytes: usize,
}

impl Board {
    /// Takes a message that is not a map.
    pub(super) fn take(&mut self, event: &Event) {
        match (event.kind, event.text("phase")) {
            (Kind::Run, Some("start")) => {
                *self = Self {
                    run_start: Some(event.clone()),
                    ..Self::default()
                };
            }
            (Kind::Run, Some("settings")) => self.settings = Some(event.clone()),
            (Kind::Run, Some("end")) => self.run_end = Some(event.clone()),
            (Kind::Stat, _) => self.stat = Some(event.clone()),
            (Kind::Label, _) => {
                self.labels.push_back(event.clone());
                if self.labels.len() > LABELS {
                    self.labels.pop_front();
                }
            }
            _ => {}
        }
    }

    /// Takes a map of the label of this number. The oldest make room.
    pub(super) fn take_map(&mut self, label: u64, map: Map) {
        self.map_bytes += map.samples.len();
        self.maps.entry(label).or_default().push(map);
        while self.map_bytes > MAP_BYTES {
            let Some((_, gone)) = self.maps.pop_first() else {
                break;
            };
            self.map_bytes -= gone.iter().map(|map| map.samples.len()).sum::<usize>();
        }
    }

    /// The last labels whose numbers are above `seq`, at most `most`, in order.
    pub(super) fn labels(&self, seq: u64, most: usize) -> Vec<Event> {
        let newest = self.labels.iter().rev();
        let mut labels: Vec<_> = newest
            .take_while(|label| label.seq > seq)
            .take(most)
            .cloned()
            .collect();
        labels.reverse();
        labels
    }

    /// The maps of the label of this number.
    pub(super) fn maps(&self, label: u64) -> &[Map] {
        self.maps.get(&label).map_or(&[], Vec::as_slice)
    }

    /// The start of the present or the last run, changed settings, its statistics and its end, as far as they are known.
    pub(super) fn run(&self) -> impl Iterator<Item = &Event> {
        [&self.run_start, &self.settings, &self.stat, &self.run_end]
            .into_iter()
            .flatten()
    }

    /// The last statistics.
    pub(super) fn stat(&self) -> Option<&Value> {
        self.stat.as_ref().map(|stat| &*stat.value)
    }

    /// The end of the last run; `None` while one is on.
    pub(super) fn run_end(&self) -> Option<&Value> {
        self.run_end.as_ref().map(|end| &*end.value)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn event(kind: Kind, seq: u64, phase: &str) -> Event {
        let value = serde_json::json!({"seq": seq, "phase": phase});
        Event {
            kind,
            seq,
            json: value.to_string().into(),
            value: Arc::new(value),
        }
    }

    fn map(bytes: usize) -> Map {
        Map {
            member: "mean".to_owned(),
            class: "senescent".to_owned(),
            bbox: [0.0; 4],
            range: [0.0; 2],
            shape: [1, 1],
            samples: vec![0; bytes],
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_of_one_run() {
        let mut board = Board::default();
        board.take(&event(Kind::Run, 1, "start"));
        for seq in 1..=LABELS as u64 + 10 {
            board.take(&event(Kind::Label, seq, ""));
        }
        let labels = board.labels(0, usize::MAX);
        assert_eq!((labels.len(), labels[0].seq), (LABELS, 11));
        let last: Vec<_> = board
            .labels(4100, 3)
            .iter()
            .map(|label| label.seq)
            .collect();
        assert_eq!(last, [4104, 4105, 4106]);
        board.take_map(1, map(MAP_BYTES / 2));
        board.take_map(2, map(MAP_BYTES / 2));
        board.take_map(2, map(1));
        assert!(board.maps(1).is_empty());
        assert_eq!(board.maps(2).len(), 2);
        assert_eq!(board.map_bytes, MAP_BYTES / 2 + 1);
        board.take(&event(Kind::Run, 2, "end"));
        assert!(board.run_end().is_some());
        board.take(&event(Kind::Run, 3, "start"));
        assert!(
            board.run_end().is_none() && board.labels(0, 1).is_empty() && board.maps(2).is_empty()
        );
    }
}
