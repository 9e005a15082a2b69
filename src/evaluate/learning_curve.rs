//! A table of accuracies that was made elsewhere: a learning curve, or a comparison.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use serde::Serialize;

use super::EvaluateError;
use crate::csv::Table;

/// Largest table that is read, in bytes.
const LIMIT: u64 = 1 << 20;
/// Lines that a plot can show apart.
const LINES: usize = 16;

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LearningPoint {
    /// What was trained, for example `fine-tuned`: one line of the plot.
    pub row: String,
    /// Number of labelled tiles that it was trained on.
    pub tiles: u64,
    /// Accuracy on held-out dishes.
    pub accuracy: f64,
    /// Lower bound of its interval, when it is known.
    pub low: Option<f64>,
    /// Upper bound of its interval, when it is known.
    pub high: Option<f64>,
}

/// Reads a CSV table with the columns `row`, `tiles`, `accuracy`, `low` and `high`; further ones are left alone.
///
/// # Errors
/// When it is missing, cannot be read or has a value out of its range.
pub fn read(path: &Path) -> Result<Vec<LearningPoint>, EvaluateError> {
    let mut text = String::new();
    let wrong = |reason: String| EvaluateError::Table {
        path: path.to_owned(),
        reason,
    };
    File::open(path)
        .and_then(|file| file.take(LIMIT).read_to_string(&mut text))
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => EvaluateError::NoTable {
                path: path.to_owned(),
            },
            _ => wrong(format!("it cannot be read ({error})")),
        })?;
    if text.len() as u64 >= LIMIT {
        return Err(wrong(format!("it has {LIMIT} bytes or more")));
    }
    parse(&text).map_err(wrong)
}

fn parse(text: &str) -> Result<Vec<LearningPoint>, String> {
    let table = Table::parse(text)?;
    let columns = table.columns(["row", "tiles", "accuracy", "low", "high"])?;
    let points = table
        .records()
        .iter()
        .enumerate()
        .map(|(place, record)| {
            point(columns.map(|column| record[column].trim()))
                .map_err(|reason| format!("row {}: {reason}", place + 1))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut lines: Vec<_> = points.iter().map(|point| &point.row).collect();
    lines.sort();
    lines.dedup();
    match lines.len() {
        0 => Err("it has no row below its header".to_owned()),
        1..=LINES => Ok(points),
        many => Err(format!(
            "it has {many} different rows, at most {LINES} can be drawn apart"
        )),
    }
}

fn point([row, tiles, accuracy, low, high]: [&str; 5]) -> Result<LearningPoint, String> {
    let share = |name: &str, text: &str| {
        text.parse::<f64>()
            .ok()
            .filter(|value| (0.0..=1.0).contains(value))
            .ok_or_else(|| format!("{text:?} as `{name}`; a number from 0 to 1 is expected"))
    };
    let bound = |name: &str, text: &str| match text {
        "" => Ok(None),
        _ => share(name, text).map(Some),
    };
    let point = LearningPoint {
        row: row.to_owned(),
        tiles: tiles
            .parse()
            .ok()
            .filter(|tiles| (1..=1_000_000_000).contains(tiles))
            .ok_or_else(|| format!("{tiles:?} as `tiles`; a whole number from 1 on is expected"))?,
        accuracy: share("accuracy", accuracy)?,
        low: bound("low", low)?,
        high: bound("high", high)?,
    };
    if point.low.is_some_and(|low| low > point.accuracy)
        || point.high.is_some_and(|high| high < point.accuracy)
    {
        return Err("the accuracy lies outside its interval".to_owned());
    }
    Ok(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_and_bounds_may_be_missing() {
        let text = "seed,accuracy,tiles,row,high,low\n1,0.8,50,\"a, b\",0.9,0.7\n1,0.85,100,c,,\n";
        let points = parse(text).unwrap();
        assert_eq!(
            (points[0].row.as_str(), points[0].tiles, points[0].low),
            ("a, b", 50, Some(0.7))
        );
        assert_eq!((points[1].accuracy, points[1].high), (0.85, None));
    }

    #[test]
    fn each_wrong_value_is_told_with_its_row() {
        for (record, part) in [
            ("a,0,0.8,,", "`tiles`"),
            ("a,5,80,,", "`accuracy`"),
            ("a,5,nan,,", "`accuracy`"),
            ("a,5,0.8,x,", "`low`"),
            ("a,5,0.8,0.9,1", "outside its interval"),
        ] {
            let sentence = parse(&format!("row,tiles,accuracy,low,high\n{record}\n")).unwrap_err();
            assert!(
                sentence.contains("row 1") && sentence.contains(part),
                "{sentence}"
            );
        }
        assert!(
            parse("row,tiles,accuracy,low,high\n")
                .unwrap_err()
                .contains("no row")
        );
        assert!(
            parse("row,tiles\n")
                .unwrap_err()
                .contains("`accuracy`, `low`, `high`")
        );
    }
}
