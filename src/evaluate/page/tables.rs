//! The tables of the page.

use std::fmt::Write as _;

use super::text::{escape, percent, plain, share};
use crate::evaluate::{Figure, LearningPoint, Metrics, Part, Report};

const METRICS: [&str; 6] = [
    "accuracy",
    "balanced accuracy",
    "area under ROC",
    "calibration error",
    "Brier score",
    "log loss",
];

fn header(columns: &[&str]) -> String {
    let cells: String = columns
        .iter()
        .map(|column| format!("<th scope=col>{}</th>", escape(column)))
        .collect();
    format!("<thead><tr>{cells}</tr></thead>")
}

/// Every figure of the ensemble, its members and the oracle.
pub(super) fn figures(report: &Report) -> String {
    let mut columns = vec![""];
    columns.extend(METRICS);
    let mut table = format!("<table class=figures>{}<tbody>", header(&columns));
    let mut row = |name: &str, metrics: &Metrics<Figure>| {
        let [accuracy, balanced, rest @ ..] = metrics.values();
        let cells: String = [share(accuracy), share(balanced)]
            .into_iter()
            .chain(rest.map(plain))
            .map(|cell| format!("<td>{cell}</td>"))
            .collect();
        let _ = write!(table, "<tr><th scope=row>{}</th>{cells}</tr>", escape(name));
    };
    row("ensemble", &report.ensemble);
    for name in &report.judged.members {
        if let Some(metrics) = report.members.get(name) {
            row(name, metrics);
        }
    }
    if let Some(oracle) = &report.oracle {
        row("oracle", &oracle.metrics);
    }
    table + "</tbody></table>"
}

/// Numbers of cells as a heat table: the deeper a cell's colour, the greater its share of the row.
fn heat(columns: &[(&str, &str)], rows: [(&str, Vec<u32>); 2]) -> String {
    let mut table = "<table class=heat><thead><tr><th scope=col>true</th>".to_owned();
    for (name, _) in columns {
        let _ = write!(table, "<th scope=col>{name}</th>");
    }
    table.push_str("</tr></thead><tbody>");
    for (name, counts) in rows {
        let all = f64::from(counts.iter().sum::<u32>().max(1));
        let _ = write!(table, "<tr><th scope=row>{name}</th>");
        for (count, (_, class)) in counts.iter().zip(columns) {
            let part = f64::from(*count) / all;
            let _ = write!(
                table,
                "<td class={class} style=\"--part:{:.0}%\"><b>{count}</b><small>{}</small></td>",
                8.0 + 72.0 * part,
                percent(part)
            );
        }
        table.push_str("</tr>");
    }
    table + "</tbody></table>"
}

/// True class against the more probable class.
pub(super) fn decided(report: &Report) -> String {
    let counts = report.confusion.decided;
    let row = |of: crate::evaluate::ByClass<u32>| vec![of.proliferating, of.senescent];
    heat(
        &[("proliferating", "pro"), ("senescent", "sen")],
        [
            ("proliferating", row(counts.proliferating)),
            ("senescent", row(counts.senescent)),
        ],
    )
}

/// True class against the published label.
pub(super) fn published(report: &Report) -> String {
    let counts = report.confusion.published;
    let row = |of: crate::evaluate::ByLabel<u32>| {
        vec![of.proliferating, of.senescent, of.uncertain, of.atypical]
    };
    heat(
        &[
            ("proliferating", "pro"),
            ("senescent", "sen"),
            ("uncertain", "unc"),
            ("atypical", "aty"),
        ],
        [
            ("proliferating", row(counts.proliferating)),
            ("senescent", row(counts.senescent)),
        ],
    )
}

/// Accuracy of whole cells and of those that the border cuts.
pub(super) fn by_border(report: &Report) -> String {
    let mut table = format!(
        "<table>{}<tbody>",
        header(&["accuracy", "cells", "ensemble", "oracle"])
    );
    let mut row = |name: &str, part: &Option<Part>| {
        let Some(part) = part else {
            let _ = write!(
                table,
                "<tr><th scope=row>{name}</th><td colspan=3>too few to judge</td></tr>"
            );
            return;
        };
        let oracle = part
            .oracle
            .map_or_else(|| "unknown".to_owned(), |oracle| share(oracle.accuracy));
        let _ = write!(
            table,
            "<tr><th scope=row>{name}</th><td>{}</td><td>{}</td><td>{oracle}</td></tr>",
            part.tiles,
            share(part.ensemble.accuracy)
        );
    };
    row("wholly in the field", &report.by_border.whole);
    row("cut by its border", &report.by_border.cut_by_the_border);
    table + "</tbody></table>"
}

/// Where the maps lie; `None` when the structures or the maps are not known.
pub(super) fn map_on_structures(report: &Report) -> Option<String> {
    let found = report.map_on_structures.as_ref()?;
    let columns = [
        "cells called",
        "number",
        "map",
        "by chance",
        "ratio",
        "turned map",
        "ratio",
    ];
    let mut table = format!("<table class=figures>{}<tbody>", header(&columns));
    for (class, kinds) in [
        ("senescent", &found.senescent),
        ("proliferating", &found.proliferating),
    ] {
        for (kind, found) in kinds {
            let _ = write!(
                table,
                "<tr><th scope=row>{class}: {kind}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
                 <td>{}</td></tr>",
                found.tiles,
                share(found.map),
                share(found.by_chance),
                plain(found.ratio),
                share(found.turned),
                plain(found.ratio_to_turned)
            );
        }
    }
    Some(table + "</tbody></table>")
}

/// Tiles unlike the training set; `None` without a reference.
pub(super) fn unlike(report: &Report) -> Option<String> {
    let unlike = report.unlike.as_ref()?;
    let mut table = format!(
        "<table>{}<tbody>",
        header(&["tiles", "number", "flagged", "area under ROC"])
    );
    let mut row = |name: &str, tiles: usize, flagged: Figure, auc: String| {
        let _ = write!(
            table,
            "<tr><th scope=row>{}</th><td>{tiles}</td><td class=meter style=\"--part:{:.1}%\">{}</td><td>{auc}</td></tr>",
            escape(name),
            100.0 * flagged.value,
            share(flagged)
        );
    };
    row(
        "as they are (false alarms)",
        report.judged.tiles,
        unlike.held_out,
        "–".to_owned(),
    );
    for set in &unlike.sets {
        row(&set.name, set.tiles, set.flagged, plain(set.auc));
    }
    Some(table + "</tbody></table>")
}

/// The table that was given, as it was given.
pub(super) fn learning_curve(points: &[LearningPoint]) -> String {
    let mut table = format!(
        "<table>{}<tbody>",
        header(&["row", "labelled tiles", "accuracy", "interval"])
    );
    for point in points {
        let interval = match (point.low, point.high) {
            (Some(low), Some(high)) => format!("{:.1}–{:.1}\u{a0}%", 100.0 * low, 100.0 * high),
            _ => "–".to_owned(),
        };
        let _ = write!(
            table,
            "<tr><th scope=row>{}</th><td>{}</td><td>{}</td><td>{interval}</td></tr>",
            escape(&point.row),
            point.tiles,
            percent(point.accuracy)
        );
    }
    table + "</tbody></table>"
}

/// What was judged, on what, and how.
pub(super) fn provenance(report: &Report) -> String {
    let judged = &report.judged;
    let mut rows = vec![
        (
            "ensemble",
            format!("{} {}", escape(&judged.ensemble), escape(&judged.version)),
        ),
        (
            "manifest, SHA-256",
            format!("<code>{}</code>", judged.manifest_sha256),
        ),
        ("members", escape(&judged.members.join(", "))),
        (
            "trained on",
            format!(
                "{} {} tiles of {} dishes",
                judged.training_tiles,
                if judged.simulated {
                    "simulated"
                } else {
                    "real"
                },
                judged.training_dishes
            ),
        ),
        (
            "judged by",
            format!("{}, networks run by {}", judged.program, judged.engine),
        ),
        (
            "judged on",
            format!(
                "{} tiles of {} dishes and {} instruments, {} senescent; {} tiles left out: class unknown, or less than half of the cell in the field",
                judged.tiles,
                judged.dishes,
                judged.instruments,
                percent(judged.share_senescent),
                judged.tiles_left_out
            ),
        ),
        (
            "tiles, SHA-256",
            format!("<code>{}</code>", judged.tiles_sha256),
        ),
        (
            "intervals",
            format!(
                "95\u{a0}%, percentiles of {} resamples of whole dishes (seed {}); resamples that miss a class are \
                 drawn again",
                judged.resamples, judged.seed
            ),
        ),
    ];
    if judged.instruments == 0 {
        rows.push(("instruments", "the table does not name them".to_owned()));
    }
    let rows: String = rows
        .iter()
        .map(|(name, value)| format!("<tr><th scope=row>{name}</th><td>{value}</td></tr>"))
        .collect();
    format!("<table class=provenance><tbody>{rows}</tbody></table>")
}
