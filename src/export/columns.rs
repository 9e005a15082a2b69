//! The columns of the tables: their names, units and meaning, and where their values come from.
//!
//! Names are a contract. What has a unit that is not in its name has it in [`Column::unit`], which Parquet keeps in the
//! metadata of the column: `entropy` and `mutual_information` are in bits; probabilities, `spread` (of probabilities)
//! and `ood` (in units of the limit, above 1 is outside the training set) have none.

use std::borrow::Cow;

use super::{ExportError, walk::FrameHead};
use crate::{
    domain::Latency,
    recording::{LabelLine, RunFile},
};

/// How the values of a column are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 64 bits.
    U64,
    /// Floating point, 32 bits: as the networks give it.
    F32,
    /// Floating point, 64 bits.
    F64,
    /// True or false.
    Bool,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// It was not measured, or does not apply.
    Null,
    /// Of [`Kind::Text`].
    Text(Cow<'a, str>),
    /// Of [`Kind::U32`].
    U32(u32),
    /// Of [`Kind::U64`].
    U64(u64),
    /// Of [`Kind::F32`].
    F32(f32),
    /// Of [`Kind::F64`].
    F64(f64),
    /// Of [`Kind::Bool`].
    Bool(bool),
}

/// A cell of a frame of a run.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The run.
    pub run: &'a RunFile,
    /// The frame.
    pub frame: &'a FrameHead,
    /// The cell.
    pub label: &'a LabelLine,
}

type Get = Box<dyn for<'a> Fn(Row<'a>) -> Value<'a>>;

/// A column.
pub struct Column {
    /// Its name.
    pub name: String,
    /// How its values are stored.
    pub kind: Kind,
    /// The unit of its values; `None` for what has none.
    pub unit: Option<&'static str>,
    /// Values may be null.
    pub nullable: bool,
    /// What it says, as a sentence without its full stop.
    pub what: String,
    get: Get,
}

impl Column {
    fn new(
        name: impl Into<String>,
        kind: Kind,
        what: impl Into<String>,
        get: impl for<'a> Fn(Row<'a>) -> Value<'a> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            kind,
            unit: None,
            nullable: false,
            what: what.into(),
            get: Box::new(get),
        }
    }

    fn in_unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }

    fn or_null(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// The value in `row`.
    pub fn value<'a>(&self, row: Row<'a>) -> Value<'a> {
        (self.get)(row)
    }
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Column")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("unit", &self.unit)
            .finish_non_exhaustive()
    }
}

/// The columns of a run's table, in order.
///
/// # Errors
/// [`ExportError::Column`] when a member is called so that two columns would have one name.
pub fn columns(run: &RunFile) -> Result<Vec<Column>, ExportError> {
    let mut columns = identity();
    columns.extend(place());
    columns.extend(verdict(&run.start.members));
    columns.extend(origin());
    for (index, column) in columns.iter().enumerate() {
        if columns
            .iter()
            .take(index)
            .any(|other| other.name == column.name)
        {
            return Err(ExportError::Column(column.name.clone()));
        }
    }
    Ok(columns)
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}

/// Helps inference: a closure whose value lives as long as its row.
fn of_row<F: for<'a> Fn(Row<'a>) -> Value<'a>>(get: F) -> F {
    get
}

fn maybe<'a, T>(value: Option<T>, as_value: impl FnOnce(T) -> Value<'a>) -> Value<'a> {
    value.map_or(Value::Null, as_value)
}

fn identity() -> Vec<Column> {
    use Kind::{Text, U32, U64};
    vec![
        Column::new("run", Text, "the run, 32 hexadecimal digits", |row| {
            text(&row.run.run)
        }),
        Column::new(
            "frame",
            U64,
            "index of the frame in the run, from 0",
            |row| Value::U64(row.frame.frame),
        ),
        Column::new("field", U32, "field of view", |row| {
            Value::U32(row.label.label.field)
        }),
        Column::new(
            "cell",
            U32,
            "number of the cell in its frame, from 0",
            |row| Value::U32(row.label.label.cell),
        ),
        Column::new("seq", U64, "number of the label in the stream", |row| {
            Value::U64(row.label.seq)
        }),
    ]
}

fn place() -> Vec<Column> {
    use Kind::{F64, U32};
    let sides = [
        ("bbox_x_px", "left column of the bounding box"),
        ("bbox_y_px", "top row of the bounding box"),
        ("bbox_width_px", "columns of the bounding box"),
        ("bbox_height_px", "rows of the bounding box"),
    ];
    let sides = sides.into_iter().enumerate().map(|(index, (name, what))| {
        let get = of_row(move |row| maybe(row.label.label.bbox.get(index).copied(), Value::U32));
        Column::new(name, U32, what, get).in_unit("px")
    });
    let centre = "centre of mass, from the centre of the frame's top left pixel";
    sides
        .chain([
            Column::new("centroid_x_um", F64, centre, |row| {
                Value::F64(row.label.label.centroid_um[0])
            })
            .in_unit("µm"),
            Column::new("centroid_y_um", F64, centre, |row| {
                Value::F64(row.label.label.centroid_um[1])
            })
            .in_unit("µm"),
            Column::new("area_um2", F64, "area", |row| {
                Value::F64(row.label.label.area_um2)
            })
            .in_unit("µm²"),
        ])
        .collect()
}

fn verdict(members: &[String]) -> Vec<Column> {
    use Kind::{Bool, F32, Text};
    let mut columns = vec![
        Column::new(
            "p_senescent",
            F32,
            "calibrated probability of senescence",
            |row| Value::F32(row.label.label.p_senescent()),
        ),
        Column::new(
            "p_raw",
            F32,
            "mean of the members' probabilities of senescence, before calibration",
            |row| Value::F32(row.label.label.p_raw[1]),
        ),
    ];
    columns.extend(members.iter().enumerate().map(|(index, member)| {
        let what = format!("probability of senescence by the member {member}, before calibration");
        let get = of_row(move |row| {
            maybe(row.label.label.members.get(index), |both| {
                Value::F32(both[1])
            })
        });
        Column::new(format!("p_{member}"), F32, what, get).or_null()
    }));
    columns.extend([
        Column::new("spread", F32, "standard deviation of the members' probabilities", |row| {
            Value::F32(row.label.label.spread)
        }),
        Column::new("entropy", F32, "entropy of the calibrated probability", |row| {
            Value::F32(row.label.label.entropy)
        })
        .in_unit("bit"),
        Column::new(
            "mutual_information",
            F32,
            "mutual information of class and member: what their disagreement adds to the entropy",
            |row| Value::F32(row.label.label.mutual_information),
        )
        .in_unit("bit"),
        Column::new(
            "ood",
            F32,
            "distance from the training set in units of its limit, above 1 is outside; null without a reference",
            |row| maybe(row.label.label.ood, Value::F32),
        )
        .or_null(),
        Column::new("label", Text, "senescent, proliferating, uncertain or atypical", |row| {
            text(row.label.label.label.as_str())
        }),
        Column::new("abstain", Bool, "the label names no class", |row| {
            Value::Bool(row.label.label.abstain)
        }),
        Column::new("flags", Text, "what is unusual about the image of the cell, joined by ;", |row| {
            Value::Text(Cow::Owned(row.label.label.flags.names().join(";")))
        }),
    ]);
    columns
}

fn origin() -> Vec<Column> {
    use Kind::{Text, U64};
    let mut columns = vec![
        Column::new("model", Text, "SHA-256 of the ensemble's manifest", |row| {
            text(&row.run.context.model)
        }),
        Column::new("config", Text, "SHA-256 of the effective settings", |row| {
            text(row.frame.config(row.run))
        }),
        Column::new(
            "engine",
            Text,
            "what computed the networks: library, version and arithmetic",
            |row| text(&row.label.label.engine),
        ),
    ];
    // Their names are those of the stream; a stage that a label does not tell of is null.
    columns.extend(Latency::default().by_stage().map(|(stage, _)| {
        let get =
            of_row(move |row| maybe(row.label.label.latency_ns.get(stage).copied(), Value::U64));
        let what = match stage {
            "total" => {
                "time from the scan of the row that decided the cell to the label".to_owned()
            }
            stage => format!("time in the stage {stage}"),
        };
        Column::new(format!("latency_{stage}_ns"), U64, what, get)
            .in_unit("ns")
            .or_null()
    }));
    columns.extend([
        Column::new(
            "image",
            Text,
            "file of the frame in the recording; null when it was not kept",
            |row| maybe(row.frame.image(), text),
        )
        .or_null(),
        Column::new(
            "source_file",
            Text,
            "file that the frame was read from, when a board reads files",
            |row| maybe(row.label.label.source.as_ref(), |source| text(&source.file)),
        )
        .or_null(),
        Column::new(
            "source_index",
            U64,
            "index of the frame in that file, from 0",
            |row| {
                maybe(row.label.label.source.as_ref(), |source| {
                    Value::U64(source.index)
                })
            },
        )
        .or_null(),
    ]);
    columns
}
