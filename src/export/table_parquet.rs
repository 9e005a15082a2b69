//! The table as Apache Parquet: the unit and the meaning of each column in its metadata, Snappy compression.

use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::{
    ArrayRef, RecordBatch,
    builder::{
        BooleanBuilder, Float32Builder, Float64Builder, StringBuilder, UInt32Builder, UInt64Builder,
    },
};
use arrow_schema::{DataType, Field, Schema};
use parquet::{
    arrow::ArrowWriter,
    basic::Compression,
    file::{metadata::KeyValue, properties::WriterProperties},
};

use super::{
    ExportError, Report,
    columns::{Column, Kind, Row, Value, columns},
    error::unwritable,
    walk::{Exporter, FrameHead},
};
use crate::recording::{LabelLine, Recording, RunFile};

/// Rows that are gathered before they are handed to the writer.
const BATCH_ROWS: usize = 4096;
/// Rows of a row group, which is in the memory until it is full: some 20 MiB.
const GROUP_ROWS: usize = 1 << 16;

/// A table that is being written.
pub(super) struct ParquetTable {
    run: RunFile,
    columns: Vec<(Column, Builder)>,
    schema: Arc<Schema>,
    rows: usize,
    writer: ArrowWriter<File>,
    path: PathBuf,
}

impl ParquetTable {
    /// Creates the file.
    pub(super) fn create(recording: &Recording, path: &Path) -> Result<Self, ExportError> {
        let run = recording.run().clone();
        let columns = columns(&run)?;
        let fields: Vec<_> = columns.iter().map(field).collect();
        let about = [
            ("run", run.run.clone()),
            ("pixel_size_um", run.start.pixel_size_um.to_string()),
            (
                "started_utc",
                run.start.started_utc.clone().unwrap_or_default(),
            ),
            ("software", run.context.software.clone()),
        ];
        let about = about.map(|(key, value)| (format!("senescope.{key}"), value));
        let schema = Arc::new(Schema::new_with_metadata(fields, HashMap::from(about)));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let file = File::create(path).map_err(|error| unwritable(path, &error))?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))
            .map_err(|error| unwritable(path, &error))?;
        let columns = columns.into_iter().map(|column| {
            let builder = Builder::new(column.kind);
            (column, builder)
        });
        Ok(Self {
            run,
            columns: columns.collect(),
            schema,
            rows: 0,
            writer,
            path: path.to_owned(),
        })
    }

    fn hand_on(&mut self) -> Result<(), ExportError> {
        self.rows = 0;
        let arrays = self.columns.iter_mut().map(|(_, builder)| builder.finish());
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays.collect())
            .map_err(|error| ExportError::Defect(error.to_string()))?;
        self.writer
            .write(&batch)
            .map_err(|error| unwritable(&self.path, &error))
    }
}

impl Exporter for ParquetTable {
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
        for (column, builder) in &mut self.columns {
            let value = column.value(row);
            if !builder.append(&value) {
                let found = format!("`{}` of kind {:?} is {value:?}", column.name, column.kind);
                return Err(ExportError::Defect(found));
            }
        }
        report.cells += 1;
        self.rows += 1;
        if self.rows >= BATCH_ROWS {
            self.hand_on()
        } else {
            Ok(())
        }
    }

    fn finish(mut self: Box<Self>, report: &mut Report) -> Result<(), ExportError> {
        self.hand_on()?;
        // A table that is not whole says so itself, wherever it is copied to.
        self.writer.append_key_value_metadata(KeyValue::new(
            "senescope.left_out".to_owned(),
            report.problem_count.to_string(),
        ));
        self.writer
            .close()
            .map_err(|error| unwritable(&self.path, &error))?;
        Ok(())
    }
}

fn field(column: &Column) -> Field {
    let kind = match column.kind {
        Kind::Text => DataType::Utf8,
        Kind::U32 => DataType::UInt32,
        Kind::U64 => DataType::UInt64,
        Kind::F32 => DataType::Float32,
        Kind::F64 => DataType::Float64,
        Kind::Bool => DataType::Boolean,
    };
    let mut about = HashMap::from([("description".to_owned(), column.what.clone())]);
    about.extend(column.unit.map(|unit| ("unit".to_owned(), unit.to_owned())));
    Field::new(&column.name, kind, column.nullable).with_metadata(about)
}

/// The values of one column of a batch.
enum Builder {
    Text(StringBuilder),
    U32(UInt32Builder),
    U64(UInt64Builder),
    F32(Float32Builder),
    F64(Float64Builder),
    Bool(BooleanBuilder),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::U32 => Self::U32(UInt32Builder::new()),
            Kind::U64 => Self::U64(UInt64Builder::new()),
            Kind::F32 => Self::F32(Float32Builder::new()),
            Kind::F64 => Self::F64(Float64Builder::new()),
            Kind::Bool => Self::Bool(BooleanBuilder::new()),
        }
    }

    /// Says whether the value is of the column's kind.
    fn append(&mut self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Text(column), Value::Text(text)) => column.append_value(text),
            (Self::Text(column), Value::Null) => column.append_null(),
            (Self::U32(column), Value::U32(number)) => column.append_value(*number),
            (Self::U32(column), Value::Null) => column.append_null(),
            (Self::U64(column), Value::U64(number)) => column.append_value(*number),
            (Self::U64(column), Value::Null) => column.append_null(),
            (Self::F32(column), Value::F32(number)) => column.append_value(*number),
            (Self::F32(column), Value::Null) => column.append_null(),
            (Self::F64(column), Value::F64(number)) => column.append_value(*number),
            (Self::F64(column), Value::Null) => column.append_null(),
            (Self::Bool(column), Value::Bool(flag)) => column.append_value(*flag),
            (Self::Bool(column), Value::Null) => column.append_null(),
            _ => return false,
        }
        true
    }

    /// The values so far as an array; the next ones begin anew.
    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(column) => Arc::new(column.finish()),
            Self::U32(column) => Arc::new(column.finish()),
            Self::U64(column) => Arc::new(column.finish()),
            Self::F32(column) => Arc::new(column.finish()),
            Self::F64(column) => Arc::new(column.finish()),
            Self::Bool(column) => Arc::new(column.finish()),
        }
    }
}
