//! Labels as a table for people. Coloured only on a terminal and without `NO_COLOR`.

use std::io::{self, Write};

use clap::builder::styling::{AnsiColor, Style};

use crate::{
    domain::Label,
    stages::publish::{LabelMessage, Message},
};

/// Rows between two headings.
const HEADING_EVERY: u64 = 40;

/// A table that grows downwards.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: u64,
}

impl Table {
    /// Prints one label.
    pub(super) fn row(&mut self, label: &Message<LabelMessage>) -> io::Result<()> {
        // It leaves the colours out when they are not wanted.
        let mut out = anstream::stdout().lock();
        if self.rows.is_multiple_of(HEADING_EVERY) {
            writeln!(
                out,
                "{:>7} {:>5} {:>5}  {:<13} {:>6} {:>9} {:>9}  flags",
                "frame", "field", "cell", "label", "p", "area µm²", "latency"
            )?;
        }
        self.rows += 1;
        let body = &label.body;
        let style = style(body.label);
        let latency = body.latency_ns.get("total").map_or_else(
            || "-".to_owned(),
            |ns| format!("{:.0} ms", *ns as f64 / 1e6),
        );
        writeln!(
            out,
            "{:>7} {:>5} {:>5}  {style}{:<13}{style:#} {:>6.3} {:>9.1} {:>9}  {}",
            body.frame,
            body.field,
            body.cell,
            body.label.as_str(),
            body.p_senescent(),
            body.area_um2,
            latency,
            flags(body)
        )?;
        out.flush()
    }
}

/// How a label is written. Near the live page's colours, which people with any colour vision tell apart.
pub(super) fn style(label: Label) -> Style {
    let colour = match label {
        Label::Senescent => AnsiColor::Yellow,
        Label::Proliferating => AnsiColor::BrightBlue,
        Label::Uncertain => return Style::new().dimmed(),
        Label::Atypical => AnsiColor::Magenta,
    };
    Style::new().fg_color(Some(colour.into()))
}

fn flags(label: &LabelMessage) -> String {
    let flags = label.flags;
    [
        (flags.touches_border, "border"),
        (flags.incomplete, "incomplete"),
        (flags.saturated, "saturated"),
        (flags.larger_than_tile, "large"),
        (flags.srs_lost, "SRS lost"),
        (flags.tpef_lost, "TPEF lost"),
        (flags.trans_lost, "TRANS lost"),
        (flags.empty, "empty"),
        (flags.channels_exchanged, "channels exchanged"),
        (flags.out_of_focus, "out of focus"),
        (flags.outside_training_set, "unlike training"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect::<Vec<_>>()
    .join(" ")
}
