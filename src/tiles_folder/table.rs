//! `tiles.csv` (RFC 4180): one row a tile.

use std::collections::HashMap;

use super::TileRow;
use crate::stages::infer::{PROLIFERATING, SENESCENT};

const COLUMNS: [&str; 14] = [
    "index",
    "source",
    "dish",
    "frame",
    "cell",
    "class",
    "severity",
    "p_oracle",
    "instrument",
    "x_um",
    "y_um",
    "area_um2",
    "iou",
    "flags",
];

/// The rows in the order of the tiles.
pub(super) fn parse(text: &str, tiles: usize) -> Result<Vec<TileRow>, String> {
    // Spreadsheets put a byte-order mark before UTF-8.
    let mut records = records(text.strip_prefix('\u{feff}').unwrap_or(text))?.into_iter();
    let header = records.next().unwrap_or_default();
    let place: HashMap<&str, usize> = header
        .iter()
        .enumerate()
        .map(|(place, name)| (name.trim(), place))
        .collect();
    let missing: Vec<_> = COLUMNS
        .into_iter()
        .filter(|name| !place.contains_key(name))
        .collect();
    if !missing.is_empty() {
        return Err(format!(
            "lacks the columns {}; keep the columns of `senescope tiles`, parted by commas",
            missing.join(", ")
        ));
    }
    if records.len() != tiles {
        return Err(format!(
            "has {} rows and tiles.npy has {tiles} tiles; keep one row a tile and leave `class` empty \
             where it is not known",
            records.len()
        ));
    }
    let mut rows: Vec<Option<TileRow>> = vec![None; tiles];
    for (number, record) in records.enumerate() {
        // The header is line 1.
        let line = number + 2;
        if record.len() != header.len() {
            return Err(format!(
                "row {line} has {} fields and the header has {}",
                record.len(),
                header.len()
            ));
        }
        let field = |name: &str| {
            place
                .get(name)
                .and_then(|place| record.get(*place))
                .map_or("", |text| text.trim())
        };
        let (index, row) = row(&field).map_err(|reason| format!("row {line}: {reason}"))?;
        match rows.get_mut(index) {
            Some(slot @ None) => *slot = Some(row),
            Some(Some(_)) => return Err(format!("row {line}: tile {index} has another row")),
            None => {
                return Err(format!(
                    "row {line}: there is no tile {index}; tiles are counted from 0"
                ));
            }
        }
    }
    Ok(rows.into_iter().flatten().collect())
}

fn row<'a>(field: &impl Fn(&str) -> &'a str) -> Result<(usize, TileRow), String> {
    let index = field("index")
        .parse()
        .map_err(|_| format!("`index` is {:?}; a number is expected", field("index")))?;
    let class = match field("class") {
        "" => None,
        SENESCENT => Some(true),
        PROLIFERATING => Some(false),
        other => {
            return Err(format!(
                "`class` is {other:?}; `{PROLIFERATING}`, `{SENESCENT}` or nothing is expected"
            ));
        }
    };
    let number = |name: &str, most: f64| match field(name) {
        "" => Ok(None),
        text => text
            .parse()
            .ok()
            .filter(|value| (0.0..=most).contains(value))
            .map(Some)
            .ok_or_else(|| format!("`{name}` is {text:?}; a number from 0 to {most} is expected")),
    };
    Ok((
        index,
        TileRow {
            source: field("source").to_owned(),
            dish: field("dish").to_owned(),
            frame: field("frame").to_owned(),
            cell: field("cell").to_owned(),
            class,
            p_oracle: number("p_oracle", 1.0)?,
            instrument: field("instrument").to_owned(),
            area_um2: number("area_um2", 1e12)?,
            flags: field("flags")
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
        },
    ))
}

/// Fields of each record; empty lines are left out.
fn records(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            other => field.push(other),
        }
    }
    if quoted {
        return Err("a quotation mark is not closed; the file is cut off".to_owned());
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records.retain(|record| record.iter().any(|field| !field.is_empty()));
    Ok(records)
}
