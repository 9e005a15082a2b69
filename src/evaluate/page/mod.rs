//! The report as one page: no script, no network, light and dark as the reader's system is, and printable.

mod plots;
mod svg;
mod tables;
mod text;

use std::fmt::Write as _;

use super::{Figure, Report};
use text::{escape, percent, percent_interval, points};

const STYLE: &str = include_str!("style.css");

/// The page as HTML.
pub fn render(report: &Report) -> String {
    let judged = &report.judged;
    let mut page = format!(
        "<!doctype html>\n<html lang=en-GB><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <meta name=color-scheme content=\"light dark\">\
         <title>{name} {version}: evaluation</title><style>{STYLE}</style></head><body><main>\
         <header><p class=eyebrow>Evaluation of {name} {version}</p><h1>{}</h1>{}{}</header>",
        headline(report),
        introduction(report),
        key_figures(report),
        name = escape(&judged.ensemble),
        version = escape(&judged.version),
    );
    card(
        &mut page,
        "wide",
        "How often it is right",
        &plots::accuracies(report),
        &differences(report),
    );
    card(
        &mut page,
        "",
        "How well it separates the classes",
        &plots::roc(report),
        "At every threshold: the senescent cells that are found against the proliferating cells that are called \
         senescent by mistake. Further left and higher is better.",
    );
    card(
        &mut page,
        "",
        "Whether its probabilities can be believed",
        &plots::reliability(report),
        &format!(
            "On the diagonal a probability is what happens. Mean distance from it, weighted by the cells (bars below): \
             {} (expected calibration error).",
            report_figure(report.ensemble.calibration_error)
        ),
    );
    card(
        &mut page,
        "",
        "What it takes a cell for",
        &tables::decided(report),
        "Cells by true class (rows) and more probable class (columns); shares of the row.",
    );
    card(
        &mut page,
        "",
        "What it publishes",
        &tables::published(report),
        &published(report),
    );
    card(
        &mut page,
        "",
        "Whether it keeps its promise",
        &plots::coverage(report),
        &format!(
            "The ensemble states that {} of the cells of each class have it among their possible classes. On average \
             {:.2} classes are possible. Bars: 95\u{a0}% intervals.",
            percent(report.conformal.stated_coverage),
            report.conformal.mean_set_size.value
        ),
    );
    card(
        &mut page,
        "",
        "Cells at the border of the field",
        &tables::by_border(report),
        "The border cuts cells, and those show less than the oracle knows; their labels carry the flag \
         <code>touches_border</code>.",
    );
    card(
        &mut page,
        "",
        "What doubt is worth",
        &plots::abstention(report),
        &format!(
            "Leaving out the tenth of the cells whose probability is nearest to a half changes the accuracy on the \
             rest by {}.",
            points(report.abstention.rise_at_10_percent_points, 1.0)
        ),
    );
    if let Some(table) = tables::unlike(report) {
        card(
            &mut page,
            "",
            "Tiles unlike the training set",
            &table,
            "Share of tiles whose image statistics lie beyond the limit, and how well the distance tells them from \
             the judged tiles. The first row are false alarms.",
        );
    }
    if let Some(table) = tables::map_on_structures(report) {
        card(
            &mut page,
            "wide",
            "Whether its maps mean something",
            &table,
            &format!(
                "{}Of that, the share that lies on structures by which the classes differ, against the same of a map of \
                 equal mass placed at random in the cell (the structures' share of its area), and of the same map \
                 turned by 180°, which is as smooth and as central. Cells by the class that was decided, whose map \
                 it is.",
                in_cell(report)
            ),
        );
    }
    learning_curve(&mut page, report);
    card(
        &mut page,
        "wide",
        "All figures",
        &tables::figures(report),
        "In small type: 95\u{a0}% intervals. Accuracy at p = 0.5; calibration error in ten bins of equal width; log \
         loss in nats. Members at the ensemble’s temperature.",
    );
    card(
        &mut page,
        "wide",
        "What was judged",
        &tables::provenance(report),
        "The same figures for machines: <code>report.json</code> beside this page.",
    );
    page.push_str("</main></body></html>\n");
    page
}

fn in_cell(report: &Report) -> String {
    report
        .map_on_structures
        .as_ref()
        .map_or_else(String::new, |found| {
            format!(
                "{} of a map is inside its cell. ",
                percent(found.in_cell.value)
            )
        })
}

fn card(page: &mut String, class: &str, title: &str, content: &str, caption: &str) {
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<section class=\"card {class}\"><h2>{title}</h2><figure><div class=content>{content}</div>\
         <figcaption>{caption}</figcaption></figure></section>"
    );
}

fn headline(report: &Report) -> String {
    let accuracy = report.ensemble.accuracy;
    let cells = if report.judged.trained_on_these_tiles {
        "the cells that it was trained on"
    } else {
        "the cells in dishes that it has not seen"
    };
    let mut sentence = format!(
        "{} names the right class for {} of {cells} (95\u{a0}% interval {})",
        escape(&report.judged.ensemble),
        percent(accuracy.value),
        percent_interval(accuracy),
    );
    sentence.push_str(&match &report.oracle {
        Some(oracle) => format!(
            "; an oracle that knows their true phenotype does so for {}.",
            percent(oracle.metrics.accuracy.value)
        ),
        None => ".".to_owned(),
    });
    sentence
}

fn introduction(report: &Report) -> String {
    let judged = &report.judged;
    let mut text = String::new();
    if judged.trained_on_these_tiles {
        text.push_str(
            "<p class=warning><strong>It was trained on these very tiles.</strong> The figures say what it \
             remembers, not how it does on other dishes: judge it on tiles of other dishes.</p>",
        );
    }
    if judged.simulated {
        text.push_str("<p class=warning><strong>Its training data are simulated.</strong> ");
        text.push_str(if report.oracle.is_some() {
            "So are the tiles that it is judged on here: the figures say how well it reads the simulator, not how \
             well it reads a culture. It has never seen a real senescent cell.</p>"
        } else {
            "It has never seen a real senescent cell in training; the figures hold for cells like those that it is \
             judged on here.</p>"
        });
    }
    let _ = write!(
        text,
        "<p class=lead>Judged on {} cells of {} dishes{}, {} of them senescent. Intervals come from resampling whole \
         dishes, because cells of one dish are alike.{}</p>",
        judged.tiles,
        judged.dishes,
        match judged.instruments {
            0 => String::new(),
            instruments => format!(" and {instruments} instruments"),
        },
        percent(judged.share_senescent),
        match &report.oracle {
            Some(oracle) if oracle.tiles < judged.tiles => format!(
                " The oracle is known of {} cells; the classes overlap, so that it errs too.",
                oracle.tiles
            ),
            Some(_) => " The classes overlap, so that the oracle errs too.".to_owned(),
            None => String::new(),
        }
    );
    text
}

fn key_figures(report: &Report) -> String {
    let mut figures = vec![
        (
            "accuracy",
            percent(report.ensemble.accuracy.value),
            percent_interval(report.ensemble.accuracy),
        ),
        (
            "area under the ROC curve",
            short(report.ensemble.auc),
            interval(report.ensemble.auc),
        ),
        (
            "calibration error",
            short(report.ensemble.calibration_error),
            interval(report.ensemble.calibration_error),
        ),
    ];
    if let Some(unlike) = &report.unlike {
        figures.push((
            "false alarms, unlike training",
            percent(unlike.held_out.value),
            percent_interval(unlike.held_out),
        ));
    }
    let figures: String = figures
        .iter()
        .map(|(name, value, interval)| {
            format!("<div><dt>{name}</dt><dd><b>{value}</b><small>{interval}</small></dd></div>")
        })
        .collect();
    format!("<dl class=key>{figures}</dl>")
}

fn short(figure: Figure) -> String {
    format!("{:.3}", figure.value)
}

fn interval(figure: Figure) -> String {
    format!("{:.3}–{:.3}", figure.low, figure.high)
}

fn report_figure(figure: Figure) -> String {
    format!("{} ({})", short(figure), interval(figure))
}

fn differences(report: &Report) -> String {
    let mut sentences = Vec::new();
    if report.members.len() > 1 {
        let best = &report.ensemble_minus_best_member;
        sentences.push(format!(
            "Ensemble minus its best member ({}): {}.",
            escape(&best.member),
            points(best.accuracy, 100.0)
        ));
    }
    if let Some(oracle) = &report.oracle {
        sentences.push(format!(
            "Ensemble minus oracle: {}.",
            points(oracle.ensemble_minus_oracle, 100.0)
        ));
    }
    sentences.push(
        "Whiskers are 95\u{a0}% intervals; differences are taken on the same resamples.".to_owned(),
    );
    sentences.join(" ")
}

fn published(report: &Report) -> String {
    let labels = &report.conformal.labels;
    format!(
        "Cells by true class and published label. A class is published when it alone is possible: {} of all cells \
         are uncertain and {} atypical.",
        percent(labels.uncertain.value),
        percent(labels.atypical.value)
    )
}

fn learning_curve(page: &mut String, report: &Report) {
    let (Some((plot, names)), Some(table)) =
        (plots::learning_curve(report), &report.learning_curve)
    else {
        return;
    };
    let legend: String = names
        .iter()
        .enumerate()
        .map(|(index, name)| format!("<li class=line{}>{}</li>", index % 8, escape(name)))
        .collect();
    let content = format!(
        "<ul class=legend>{legend}</ul>{plot}<details><summary>The table</summary>{}</details>",
        tables::learning_curve(table)
    );
    card(
        page,
        "wide",
        "How many labelled cells it takes",
        &content,
        "From a table that was made elsewhere and given with <code>--table</code>.",
    );
}
