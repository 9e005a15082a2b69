//! The charts of the page.

use super::{
    svg::{Axis, Chart},
    text::{percent, percent_interval, shortened},
};
use crate::evaluate::{Figure, Report};

/// Width of a chart that stands beside another.
const HALF: f64 = 480.0;
/// Width of a chart that stands alone.
const WHOLE: f64 = 1000.0;
/// Places on a line of certainty where the gain is pointed out.
const POINTED_OUT: usize = 10;

/// Accuracy of the ensemble, its members and the oracle.
pub(super) fn accuracies(report: &Report) -> String {
    let mut rows = vec![("ensemble", "ens", report.ensemble.accuracy)];
    if report.members.len() > 1 {
        rows.extend(
            report.judged.members.iter().filter_map(|name| {
                Some((name.as_str(), "mem", report.members.get(name)?.accuracy))
            }),
        );
    }
    rows.extend(
        report
            .oracle
            .iter()
            .map(|oracle| ("oracle", "ora", oracle.metrics.accuracy)),
    );
    // A coin is right in half of the cases: what lies above is what was learnt.
    let least = rows.iter().map(|row| row.2.low).fold(1.0, f64::min);
    let from = if least >= 0.5 { 0.5 } else { 0.0 };
    let height = 56.0 + 34.0 * rows.len() as f64;
    let x = Axis::shares("accuracy, cells named right", from, 1.0, 0.1);
    let y = Axis::linear("", [rows.len() as f64, 0.0].map(|end| -end), [], |_| {
        String::new()
    });
    let mut chart = Chart::new(WHOLE, height, [190.0, 190.0, 6.0, 50.0], x, y);
    for (index, (name, class, accuracy)) in rows.iter().enumerate() {
        let middle = -(index as f64) - 0.5;
        let (y, start) = (chart.at_y(middle), chart.at_x(from));
        let about = format!(
            "{name}: {} ({})",
            percent(accuracy.value),
            percent_interval(*accuracy)
        );
        let width = chart.at_x(accuracy.value) - start;
        chart.rectangle(
            &format!("bar {class}"),
            [start, y - 10.0, width, 20.0],
            &about,
        );
        chart.whisker_x("whisker", middle, [accuracy.low, accuracy.high]);
        chart.text("name", 178.0, y + 5.0, "end", &shortened(name, 24));
        chart.text(
            "value",
            WHOLE - 178.0,
            y + 5.0,
            "start",
            &percent(accuracy.value),
        );
        chart.text(
            "tick",
            WHOLE - 118.0,
            y + 5.0,
            "start",
            &percent_interval(*accuracy),
        );
    }
    chart.finish("Accuracy of the ensemble, of its members and of the oracle, with 95 % intervals")
}

/// ROC curves.
pub(super) fn roc(report: &Report) -> String {
    let x = Axis::shares("proliferating cells called senescent", 0.0, 1.0, 0.25);
    let y = Axis::shares("senescent cells found", 0.0, 1.0, 0.25);
    let mut chart = Chart::new(HALF, 440.0, [64.0, 26.0, 14.0, 50.0], x, y);
    chart.line("chance", [[0.0, 0.0], [1.0, 1.0]]);
    if report.members.len() > 1 {
        for curve in report.roc.members.values() {
            chart.line("thin mem", curve.iter().copied());
        }
    }
    if let Some(curve) = &report.roc.oracle {
        chart.line("dashed ora", curve.iter().copied());
    }
    chart.line("thick ens", report.roc.ensemble.iter().copied());
    let area =
        |figure: Figure| format!("{:.3} ({:.3}–{:.3})", figure.value, figure.low, figure.high);
    let mut legend = vec![(
        "thick ens",
        format!("ensemble {}", area(report.ensemble.auc)),
    )];
    if report.members.len() > 1 {
        legend.push(("thin mem", format!("{} members", report.members.len())));
    }
    if let Some(oracle) = &report.oracle {
        legend.push(("dashed ora", format!("oracle {}", area(oracle.metrics.auc))));
    }
    legend.push(("chance", "chance 0.5".to_owned()));
    for (index, (class, name)) in legend.iter().enumerate() {
        // Below the diagonal, where no useful curve passes.
        let at = 0.33 - 0.075 * index as f64;
        chart.line(class, [[0.42, at], [0.5, at]]);
        let (x, y) = (chart.at_x(0.52), chart.at_y(at) + 4.0);
        chart.text("name", x, y, "start", name);
    }
    chart.finish("ROC curves: senescent cells found against proliferating cells called senescent")
}

/// The reliability diagram above the numbers of tiles.
pub(super) fn reliability(report: &Report) -> String {
    let x = Axis::shares("probability that the ensemble gives", 0.0, 1.0, 0.25);
    let y = Axis::shares("share that is senescent", 0.0, 1.0, 0.25);
    let mut chart = Chart::new(HALF, 440.0, [64.0, 26.0, 14.0, 126.0], x, y);
    chart.line("chance", [[0.0, 0.0], [1.0, 1.0]]);
    let most = report
        .reliability
        .iter()
        .map(|bin| bin.tiles)
        .max()
        .unwrap_or(1)
        .max(1);
    let mut points = Vec::new();
    for bin in &report.reliability {
        let (left, right) = (chart.at_x(bin.from) + 1.5, chart.at_x(bin.to) - 1.5);
        let height = 46.0 * f64::from(bin.tiles) / f64::from(most);
        let about = format!("{} tiles of p {:.1} to {:.1}", bin.tiles, bin.from, bin.to);
        chart.rectangle(
            "count",
            [left, 426.0 - height, right - left, height],
            &about,
        );
        chart.text(
            "tick",
            (left + right) / 2.0,
            422.0 - height,
            "middle",
            &bin.tiles.to_string(),
        );
        if let (Some(p), Some(share)) = (bin.mean_p, bin.share_senescent) {
            points.push((p, share, about));
        }
    }
    chart.text("tick", 57.0, 424.0, "end", "cells");
    for (p, share, _) in &points {
        chart.whisker_y("whisker ens", *p, [share.low, share.high]);
    }
    chart.line("ens", points.iter().map(|(p, share, _)| [*p, share.value]));
    for (p, share, about) in &points {
        let about = format!(
            "{about}: {} senescent ({})",
            percent(share.value),
            percent_interval(*share)
        );
        chart.dot("ens", [*p, share.value], 5.0, &about);
    }
    chart.finish("Reliability diagram: share of senescent cells against the probability given, and numbers of cells")
}

/// Accuracy against the share that is left out.
pub(super) fn abstention(report: &Report) -> String {
    let curve = &report.abstention.curve;
    let accuracies = || curve.iter().map(|point| point.accuracy);
    let least = accuracies().map(|figure| figure.low).fold(1.0, f64::min);
    let from = (least * 20.0).floor() / 20.0;
    let step = if 1.0 - from > 0.26 { 0.1 } else { 0.05 };
    let from = 1.0 - ((1.0 - from) / step - 1e-9).ceil().max(1.0) * step;
    let x = Axis::shares("least certain cells left out", 0.0, 0.5, 0.1);
    let y = Axis::shares("accuracy on the rest", from, 1.0, step);
    let mut chart = Chart::new(HALF, 330.0, [64.0, 26.0, 14.0, 50.0], x, y);
    let edge = |of: fn(Figure) -> f64| -> Vec<[f64; 2]> {
        curve
            .iter()
            .map(|point| [point.share, of(point.accuracy)])
            .collect()
    };
    chart.band(
        "band",
        &edge(|figure| figure.low),
        &edge(|figure| figure.high),
    );
    chart.line("thick ens", edge(|figure| figure.value));
    if let Some(point) = curve.get(POINTED_OUT) {
        let at = [point.share, point.accuracy.value];
        let about = format!(
            "{} left out: {}",
            percent(point.share),
            percent(point.accuracy.value)
        );
        chart.dot("ens", at, 5.5, &about);
        let (x, y) = (chart.at_x(at[0]) + 10.0, chart.at_y(at[1]) + 22.0);
        chart.text(
            "value",
            x,
            y,
            "start",
            &format!("{} at 10\u{a0}%", percent(at[1])),
        );
    }
    chart.finish(
        "Accuracy on the remaining cells against the share of cells left out, with 95 % interval",
    )
}

/// Observed coverage of each class beside the stated one, and the labels of the cells of each class.
pub(super) fn coverage(report: &Report) -> String {
    let conformal = &report.conformal;
    let observed = conformal.observed_coverage;
    let rows = [
        ("proliferating", "pro", observed.proliferating),
        ("senescent", "sen", observed.senescent),
    ];
    let least = rows
        .iter()
        .map(|row| row.2.low)
        .fold(conformal.stated_coverage, f64::min);
    let from = ((least * 10.0 - 0.2).floor() / 10.0).max(0.0);
    let x = Axis::shares(
        "cells whose class is among the possible ones",
        from,
        1.0,
        0.1,
    );
    let y = Axis::linear("", [-2.0, 0.0], [], |_| String::new());
    let mut chart = Chart::new(HALF, 170.0, [112.0, 26.0, 22.0, 50.0], x, y);
    let stated = conformal.stated_coverage;
    chart.line("dashed ora", [[stated, -2.0], [stated, 0.0]]);
    let x = chart.at_x(stated);
    chart.text(
        "tick",
        x,
        14.0,
        "middle",
        &format!("stated {}", percent(stated)),
    );
    for (index, (name, class, figure)) in rows.into_iter().enumerate() {
        let at = -(index as f64) - 0.5;
        chart.whisker_x(&format!("whisker {class}"), at, [figure.low, figure.high]);
        let about = format!(
            "{name}: {} ({})",
            percent(figure.value),
            percent_interval(figure)
        );
        chart.dot(class, [figure.value, at], 6.0, &about);
        let y = chart.at_y(at);
        chart.text("name", 102.0, y + 4.0, "end", name);
        let x = chart.at_x(figure.value);
        chart.text("value", x, y - 12.0, "middle", &percent(figure.value));
    }
    chart.finish("Observed coverage of each class with 95 % intervals, and the stated coverage")
}

/// Accuracy against the number of labelled tiles, a line for each row name; `None` without a table.
pub(super) fn learning_curve(report: &Report) -> Option<(String, Vec<String>)> {
    let points = report.learning_curve.as_ref()?;
    let mut names: Vec<String> = Vec::new();
    for point in points {
        if !names.contains(&point.row) {
            names.push(point.row.clone());
        }
    }
    let mut tiles: Vec<_> = points.iter().map(|point| point.tiles).collect();
    tiles.sort_unstable();
    tiles.dedup();
    let (first, last) = (*tiles.first()? as f64, *tiles.last()? as f64);
    let range = [first / 1.15, last * 1.15];
    // Ticks where something was measured, as far as their numbers do not touch.
    let mut ticks: Vec<(f64, String)> = Vec::new();
    let apart = ((range[1] / range[0]).ln() / 16.0).exp();
    for at in tiles {
        if ticks.last().is_none_or(|tick| at as f64 / tick.0 >= apart) {
            ticks.push((at as f64, at.to_string()));
        }
    }
    let lows = points
        .iter()
        .map(|point| point.low.unwrap_or(point.accuracy));
    let from = (lows.fold(1.0, f64::min) * 10.0 - 0.1).floor().max(0.0) / 10.0;
    let x = Axis::logarithmic(
        "labelled tiles that were trained on (logarithmic)",
        range,
        ticks,
    );
    let y = Axis::shares(
        "accuracy on held-out dishes",
        from,
        1.0,
        if from > 0.75 { 0.05 } else { 0.1 },
    );
    let mut chart = Chart::new(WHOLE, 400.0, [64.0, 26.0, 14.0, 50.0], x, y);
    for (index, name) in names.iter().enumerate() {
        let class = format!("line{}", index % 8);
        let mut line: Vec<_> = points.iter().filter(|point| point.row == *name).collect();
        line.sort_by(|a, b| {
            a.tiles
                .cmp(&b.tiles)
                .then(a.accuracy.total_cmp(&b.accuracy))
        });
        for point in &line {
            if let (Some(low), Some(high)) = (point.low, point.high) {
                chart.whisker_y(&format!("whisker {class}"), point.tiles as f64, [low, high]);
            }
        }
        chart.line(
            &class,
            line.iter()
                .map(|point| [point.tiles as f64, point.accuracy]),
        );
        for point in line {
            let about = format!("{name}, {} tiles: {}", point.tiles, percent(point.accuracy));
            chart.dot(&class, [point.tiles as f64, point.accuracy], 4.5, &about);
        }
    }
    Some((
        chart.finish("Accuracy against the number of labelled tiles"),
        names,
    ))
}
