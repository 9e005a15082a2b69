//! What stays at the bottom of a terminal while labels go by: how many there are of each, and how long they take.

use std::{
    collections::VecDeque,
    fmt::Write,
    io::{self, IsTerminal},
};

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::Style;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::table::style;
use crate::{
    domain::Label,
    stages::publish::{LabelMessage, Message},
};

/// Labels whose latencies are shown.
const SHOWN: usize = 48;
/// Heights of a bar.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The footer. Without a terminal it is not there.
#[derive(Debug)]
pub(super) struct Footer {
    bar: ProgressBar,
    run: Option<String>,
    frame: u64,
    counts: [u64; Label::ALL.len()],
    coloured: bool,
    latencies_ns: VecDeque<u64>,
}

impl Footer {
    /// Nothing has come yet. Stays away when it is not `wanted`, and where there is no terminal.
    pub(super) fn new(wanted: bool) -> Self {
        let target = if wanted && io::stdout().is_terminal() {
            // Hidden when that is no terminal.
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        bar.set_message("no cell has come yet");
        Self {
            bar,
            run: None,
            frame: 0,
            counts: Default::default(),
            coloured: AutoStream::choice(&io::stderr()) != ColorChoice::Never,
            latencies_ns: VecDeque::new(),
        }
    }

    /// Does what prints above the footer.
    pub(super) fn above<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Takes a label.
    pub(super) fn take(&mut self, label: &Message<LabelMessage>) {
        if self.run != label.header.run {
            self.run.clone_from(&label.header.run);
            self.counts = Default::default();
        }
        for (each, count) in Label::ALL.iter().zip(&mut self.counts) {
            *count += u64::from(*each == label.body.label);
        }
        self.frame = label.body.frame;
        if let Some(total) = label.body.latency_ns.get("total") {
            self.latencies_ns.push_back(*total);
            while self.latencies_ns.len() > SHOWN {
                self.latencies_ns.pop_front();
            }
        }
        self.bar.set_message(self.text());
    }

    fn text(&self) -> String {
        let mut text = format!("frame {}", self.frame);
        for (label, count) in Label::ALL.into_iter().zip(self.counts) {
            let style = if self.coloured {
                style(label)
            } else {
                Style::new()
            };
            // A string takes everything.
            let _ = write!(text, "   {style}{} {count}{style:#}", label.as_str());
        }
        if let Some(slowest) = self.latencies_ns.iter().max() {
            let line = sparkline(&self.latencies_ns);
            let ms = *slowest as f64 / 1e6;
            let _ = write!(text, "\nlatency {line}  at most {ms:.0} ms");
        }
        text
    }
}

/// Each value as a bar; the largest is the highest.
fn sparkline<'a>(values: impl IntoIterator<Item = &'a u64, IntoIter: Clone>) -> String {
    let values = values.into_iter();
    let most = values.clone().max().copied().unwrap_or(0).max(1) as f64;
    values
        .map(|value| {
            let step = (*value as f64 / most * (BARS.len() - 1) as f64).round() as usize;
            BARS.get(step).copied().unwrap_or('█')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_the_values() {
        assert_eq!(sparkline(&[0, 35, 70]), "▁▅█");
        assert_eq!(sparkline(&[5, 5]), "██");
        assert_eq!(sparkline(&[0]), "▁");
        assert_eq!(sparkline(&Vec::new()), "");
    }
}
