//! Comma-separated tables with a header (RFC 4180), as `senescope tiles` and spreadsheets write them.
//!
//! Columns are found by their names, in any order. The text is in memory; its reader bounds it.

use std::borrow::Cow;

/// Text as a field.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    names: Vec<String>,
    records: Vec<Vec<String>>,
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    /// A sentence when the text is empty, a quotation mark is not closed, a name occurs twice, or a record has
    /// another number of fields than the header.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // Spreadsheets put a byte order mark in front.
        let mut records = records(text.trim_start_matches('\u{feff}'))?;
        if records.is_empty() {
            return Err("it is empty: it needs a header".to_owned());
        }
        let names = records.remove(0);
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(format!("its header names the column `{name}` twice"));
            }
        }
        for (index, record) in records.iter().enumerate() {
            if record.len() != names.len() {
                return Err(format!(
                    "record {} has {} field(s) and the header {}",
                    index + 1,
                    record.len(),
                    names.len()
                ));
            }
        }
        Ok(Self { names, records })
    }

    /// Places of the columns `wanted`.
    ///
    /// # Errors
    /// A sentence that names those that are missing.
    pub(crate) fn columns<const N: usize>(&self, wanted: [&str; N]) -> Result<[usize; N], String> {
        let place = |name: &str| self.names.iter().position(|found| found == name);
        let missing: Vec<_> = wanted
            .iter()
            .filter(|name| place(name).is_none())
            .map(|name| format!("`{name}`"))
            .collect();
        if missing.is_empty() {
            // Every one was found just now.
            Ok(wanted.map(|name| place(name).unwrap_or(0)))
        } else {
            Err(format!("it lacks the column(s) {}", missing.join(", ")))
        }
    }

    /// The records below the header.
    pub(crate) fn records(&self) -> &[Vec<String>] {
        &self.records
    }
}

/// Splits text into records of fields. Empty lines are no records.
fn records(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let (mut quoted, mut begun) = (false, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => {
                quoted = !quoted;
                begun = true;
            }
            ',' if !quoted => {
                record.push(std::mem::take(&mut field));
                begun = true;
            }
            '\r' if !quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                if begun || !field.is_empty() {
                    record.push(std::mem::take(&mut field));
                    records.push(std::mem::take(&mut record));
                }
                begun = false;
            }
            other => field.push(other),
        }
    }
    if quoted {
        return Err("a quotation mark is not closed: the file is cut off or damaged".to_owned());
    }
    if begun || !field.is_empty() {
        record.push(field);
        records.push(record);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_commas_and_line_ends_are_fields_contents() {
        let table = Table::parse("\u{feff}a,b\r\n\"x, \"\"y\"\"\n\",2\n\n,\n").unwrap();
        assert_eq!(table.columns(["b", "a"]).unwrap(), [1, 0]);
        assert_eq!(table.records(), [["x, \"y\"\n", "2"], ["", ""]]);
    }

    #[test]
    fn what_is_no_table_is_told() {
        for (text, part) in [
            ("", "empty"),
            ("a,a\n", "twice"),
            ("a,b\n1\n", "record 1 has 1 field(s) and the header 2"),
            ("a\n\"1\n", "not closed"),
        ] {
            let sentence = Table::parse(text).unwrap_err();
            assert!(sentence.contains(part), "{sentence}");
        }
        let sentence = Table::parse("a\n")
            .unwrap()
            .columns(["a", "c"])
            .unwrap_err();
        assert!(
            sentence.contains("`c`") && !sentence.contains("`a`"),
            "{sentence}"
        );
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(fields in proptest::collection::vec("[a\",\r\n é]{0,6}", 1..5)) {
            // An empty line is no record.
            prop_assume!(fields.len() > 1 || !fields[0].is_empty());
            let quoted: Vec<_> = fields.iter().map(|field| quoted(field)).collect();
            let header: Vec<_> = (0..fields.len()).map(|index| index.to_string()).collect();
            let table = Table::parse(&format!("{}\n{}\n", header.join(","), quoted.join(","))).unwrap();
            prop_assert_eq!(table.records(), [fields]);
        }
    }
}
