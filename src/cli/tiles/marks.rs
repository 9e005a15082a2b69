//! What somebody said at the live page of the cells of a recording.

use std::{collections::BTreeMap, path::Path};

use crate::{
    cli::{Failure, output},
    domain::Rect,
    recording::{MarkedClass, Recording, read_marks},
};

/// A cell and a marked one are the same from this intersection over union of their boxes on: the settings may be others
/// than those with which it was found.
const SAME_IOU: f64 = 0.5;

/// The marked cells of a recording.
pub(super) struct Marks {
    /// Of each frame that is replayed, in order.
    of_frame: Vec<Vec<(Rect, MarkedClass)>>,
}

impl Marks {
    /// Those of the recording in `source`; none when it is no recording, or nobody has marked anything.
    pub(super) fn of(source: &Path) -> Result<Self, Failure> {
        let mut of_frame = Vec::new();
        if !Recording::is_at(source) {
            return Ok(Self { of_frame });
        }
        let marked = read_marks(source)?;
        if marked.damaged > 0 {
            output::note(&format!(
                "{} line(s) of the marks of {} are damaged and left out",
                marked.damaged,
                source.display()
            ));
        }
        if marked.classes.is_empty() {
            return Ok(Self { of_frame });
        }
        let recording = Recording::open(source)?;
        let mut cells: BTreeMap<u64, Vec<(Rect, MarkedClass)>> = BTreeMap::new();
        let mut labels = recording.labels()?;
        while let Some(line) = labels.read()? {
            let Ok(line) = line else { continue };
            let of = (line.label.frame, line.label.cell);
            if let Some(class) = marked.classes.get(&of) {
                let [x, y, width, height] = line.label.bbox;
                let place = Rect {
                    x,
                    y,
                    width,
                    height,
                };
                cells
                    .entry(line.label.frame)
                    .or_default()
                    .push((place, *class));
            }
        }
        let mut frames = recording.frames()?;
        while let Some(line) = frames.read()? {
            let Ok(line) = line else { continue };
            // A replay counts the files that are there.
            let is_there = |name: &String| source.join(name).is_file();
            if line.file.as_ref().is_some_and(is_there) {
                of_frame.push(cells.remove(&line.frame).unwrap_or_default());
            }
        }
        Ok(Self { of_frame })
    }

    /// What somebody said of the cell in `place` of the replayed frame `frame`.
    pub(super) fn class(&self, frame: u64, place: Rect) -> Option<MarkedClass> {
        let index = usize::try_from(frame).ok()?;
        let marked = self.of_frame.get(index)?;
        marked
            .iter()
            .map(|(other, class)| (iou(place, *other), *class))
            .filter(|(iou, _)| *iou >= SAME_IOU)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, class)| class)
    }
}

/// Intersection over union.
fn iou(a: Rect, b: Rect) -> f64 {
    let shared = |from: u32, to: u32| f64::from(to.saturating_sub(from));
    let both = shared(a.x.max(b.x), a.right().min(b.right()))
        * shared(a.y.max(b.y), a.bottom().min(b.bottom()));
    let area = |rect: Rect| f64::from(rect.width) * f64::from(rect.height);
    both / (area(a) + area(b) - both)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(x: u32, y: u32, edge: u32) -> Rect {
        Rect {
            x,
            y,
            width: edge,
            height: edge,
        }
    }

    #[test]
    fn a_mark_belongs_to_the_cell_at_its_place() {
        let (senescent, neither) = (MarkedClass::Senescent, MarkedClass::Neither);
        let marks = Marks {
            of_frame: vec![
                vec![],
                vec![(rect(10, 10, 20), senescent), (rect(25, 10, 20), neither)],
            ],
        };
        assert_eq!(marks.class(1, rect(11, 9, 20)), Some(senescent));
        assert_eq!(marks.class(1, rect(24, 10, 20)), Some(neither));
        assert_eq!(marks.class(1, rect(60, 10, 20)), None);
        assert_eq!(marks.class(1, rect(10, 10, 60)), None);
        assert_eq!(marks.class(0, rect(10, 10, 20)), None);
        assert_eq!(marks.class(2, rect(10, 10, 20)), None);
    }
}
