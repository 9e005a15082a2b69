//! What is printed of a run's end.

use super::Exit;
use crate::{
    pipeline::{Cause, Ended},
    stages::publish::{Finish, Kind},
};

/// A few lines for people.
pub(crate) fn of(Ended { end, monitor, .. }: &Ended) -> String {
    let assigned = |kind| end.totals.get(&kind).map_or(0, |total| total.assigned);
    let latency = monitor.latency();
    let mut text = format!(
        "run {}: {} frame(s), {} row(s), {} lost, {} label(s), {} map(s)",
        finish(end.finish),
        end.rows.frames,
        end.rows.rows_scanned,
        end.rows.rows_lost,
        assigned(Kind::Label),
        assigned(Kind::Cam),
    );
    if let Some(detail) = &end.detail {
        text.push_str(&format!("\n  {detail}"));
    }
    if let Some(total) = latency.stages.get("total") {
        let ms = |ns: u64| ns as f64 / 1e6;
        text.push_str(&format!(
            "\n  label after the deciding row: median {:.0} ms, 95 % within {:.0} ms; {} of {} before the end of \
             their frame",
            ms(total.p50_ns),
            ms(total.p95_ns),
            latency.before_frame_end,
            latency.labels,
        ));
    }
    for edge in &end.edges {
        for (reason, items) in &edge.discarded {
            text.push_str(&format!(
                "\n  {}: {items} discarded ({})",
                edge.name,
                reason.as_str()
            ));
        }
    }
    text
}

/// The exit code that the end of a run deserves.
pub(crate) fn exit(ended: &Ended) -> Exit {
    match ended.cause {
        None => Exit::Done,
        Some(Cause::Board(kind)) => Exit::of_board(kind),
        Some(Cause::Sink | Cause::Recording) => Exit::Io,
        Some(Cause::Defect) => Exit::Software,
    }
}

fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Completed => "completed",
        Finish::Cancelled => "stopped",
        Finish::Incomplete => "incomplete",
        Finish::Errored => "failed",
    }
}
