//! The table as comma-separated values: a header, UTF-8, numbers that read back to the last bit, null as nothing.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{
    ExportError, Report,
    columns::{Column, Row, Value, columns},
    error::unwritable,
    walk::{Exporter, FrameHead},
};
use crate::{
    csv::quoted,
    recording::{LabelLine, Recording, RunFile},
};

/// A table that is being written.
pub(super) struct CsvTable {
    run: RunFile,
    columns: Vec<Column>,
    file: BufWriter<File>,
    path: PathBuf,
}

impl CsvTable {
    /// Creates the file and writes the header.
    pub(super) fn create(recording: &Recording, path: &Path) -> Result<Self, ExportError> {
        let columns = columns(recording.run())?;
        let file = File::create(path).map_err(|error| unwritable(path, &error))?;
        let mut table = Self {
            run: recording.run().clone(),
            file: BufWriter::new(file),
            path: path.to_owned(),
            columns: Vec::new(),
        };
        let names: Vec<_> = columns.iter().map(|column| quoted(&column.name)).collect();
        table.line(&names.join(","))?;
        table.columns = columns;
        Ok(table)
    }

    fn line(&mut self, line: &str) -> Result<(), ExportError> {
        writeln!(self.file, "{line}").map_err(|error| unwritable(&self.path, &error))
    }
}

impl Exporter for CsvTable {
    fn cell(
        &mut self,
        frame: &FrameHead,
        label: &LabelLine,
        report: &mut Report,
    ) -> Result<(), ExportError> {
        let row = Row {
            run: &self.run,
            frame,
            label,
        };
        let fields: Vec<_> = self
            .columns
            .iter()
            .map(|column| field(&column.value(row)))
            .collect();
        report.cells += 1;
        self.line(&fields.join(","))
    }

    fn finish(mut self: Box<Self>, _: &mut Report) -> Result<(), ExportError> {
        self.file
            .flush()
            .map_err(|error| unwritable(&self.path, &error))
    }
}

fn field(value: &Value<'_>) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => quoted(text).into_owned(),
        Value::U32(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        // The shortest text that reads back as the same number.
        Value::F32(number) => number.to_string(),
        Value::F64(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
    }
}
