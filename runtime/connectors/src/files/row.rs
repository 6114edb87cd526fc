//! The type of a row, and how columns become its fields.

use super::{FileOptions, failure};
use pmflow_plan::columns::{field_names, numbered};
use pmflow_plan::patterns::Patterns;
use pmflow_plan::schema::{Mismatch, TokenCount, Types, Uncounted, cast, convert_text, describe};
use pmflow_plan::value::Record;
use pmflow_plan::{Failure, Type, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub(super) struct RowType {
    ty: Type,
    named: BTreeMap<String, Type>,
    tokens: Option<Arc<dyn TokenCount + Send + Sync>>,
    patterns: Patterns,
    columns: Columns,
}

enum Columns {
    /// Of the type's fields, with the place of their column; none for optional fields without one.
    Fields(Vec<Column>),
    /// `json` or a map: every column is a text.
    All(Vec<Arc<str>>),
}

struct Column {
    name: Arc<str>,
    ty: Type,
    place: Option<usize>,
}

impl RowType {
    pub fn new(options: &FileOptions<'_>) -> RowType {
        let (named, tokens) = (options.types.clone(), options.tokens.clone());
        RowType { ty: options.row.clone(), named, tokens, patterns: options.patterns.clone(), columns: Columns::All(Vec::new()) }
    }

    fn types(&self) -> Types<'_> {
        let types = Types::new(&self.named).with_patterns(self.patterns.clone());
        match &self.tokens {
            Some(tokens) => Types { tokens: tokens.as_ref() as &(dyn TokenCount + Sync), ..types },
            None => Types { tokens: &Uncounted, ..types },
        }
    }

    /// The value of a row that is JSON already.
    pub fn cast(&self, value: Value) -> Result<Value, Mismatch> {
        cast(&self.ty, &self.types(), value)
    }

    /// Finds a column for each field; `header` is none where the columns have no names and stand in the fields' order.
    pub fn bind_columns(&mut self, path: &Path, header: Option<&[String]>, count: usize) -> Result<(), Failure> {
        let types = self.types();
        self.columns = match (types.resolve(&self.ty), header) {
            (Some(Type::Record(fields)), _) => {
                let fields = fields.iter().enumerate().map(|(place, field)| {
                    let found = match header {
                        Some(names) => find_column(path, names, &field.name)?,
                        None => (place < count).then_some(place),
                    };
                    let optional = matches!(types.resolve(&field.ty), Some(Type::Optional(_)));
                    if found.is_none() && !optional {
                        return Err(missing_column(path, &field.name, &field.ty, header, count));
                    }
                    Ok(Column { name: field.name.as_str().into(), ty: field.ty.clone(), place: found })
                });
                Columns::Fields(fields.collect::<Result<Vec<Column>, Failure>>()?)
            }
            (Some(Type::Json | Type::Map(_)), Some(names)) => {
                Columns::All(numbered(names.iter().cloned()).into_iter().map(Arc::from).collect())
            }
            (Some(Type::Json | Type::Map(_)), None) => {
                Columns::All((1..=count).map(|place| format!("column_{place}").into()).collect())
            }
            (other, _) => {
                let shape = other.map_or_else(|| describe(&self.ty), describe);
                return Err(failure(path, format!("has columns, so a row of it is a record, not {shape}")));
            }
        };
        Ok(())
    }

    pub fn of_cells<'c>(&self, cell: impl Fn(usize) -> Option<&'c str>) -> Result<Value, Mismatch> {
        let types = self.types();
        let fields: Result<Vec<(Arc<str>, Value)>, Mismatch> = match &self.columns {
            Columns::Fields(columns) => columns.iter().map(|column| column.value(&types, &cell)).collect(),
            Columns::All(names) => {
                let cells = names.iter().enumerate();
                Ok(cells.map(|(place, name)| (name.clone(), Value::text(cell(place).unwrap_or_default()))).collect())
            }
        };
        let row = Value::Record(Arc::new(Record { fields: fields? }));
        if matches!(self.columns, Columns::All(_)) { cast(&self.ty, &types, row) } else { Ok(row) }
    }
}

impl Column {
    fn value<'c>(&self, types: &Types<'_>, cell: &impl Fn(usize) -> Option<&'c str>) -> Result<(Arc<str>, Value), Mismatch> {
        let value = match self.place.and_then(cell) {
            Some(text) => convert_text(&self.ty, types, text),
            None => Ok(Value::None),
        };
        let named = |mismatch: Mismatch| {
            let rest = mismatch.path;
            let path = if rest.is_empty() { self.name.to_string() } else { format!("{}.{rest}", self.name) };
            Mismatch { path, ..mismatch }
        };
        value.map(|value| (self.name.clone(), value)).map_err(named)
    }
}

/// By its name, else by what is left of it without capitals, spaces and marks (`First Name` for `first_name`).
fn find_column(path: &Path, names: &[String], field: &str) -> Result<Option<usize>, Failure> {
    // As the compiler called it, where the type was made from this header.
    let made: Vec<usize> = places(&field_names(names), |name| name == field);
    let exact = if made.is_empty() { places(names, |name| name.trim() == field) } else { made };
    let alike = if exact.is_empty() { places(names, |name| simplified(name) == simplified(field)) } else { exact };
    match alike.as_slice() {
        [] => Ok(None),
        [place] => Ok(Some(*place)),
        _ => Err(failure(path, format!("has {} columns for the field `{field}`; rename all but one", alike.len()))),
    }
}

fn places(names: &[String], fits: impl Fn(&str) -> bool) -> Vec<usize> {
    names.iter().enumerate().filter(|(_, name)| fits(name)).map(|(place, _)| place).collect()
}

fn simplified(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn missing_column(path: &Path, field: &str, ty: &Type, header: Option<&[String]>, count: usize) -> Failure {
    let has = match header {
        Some(names) => format!("its columns are {}", names.join(", ")),
        None => format!("it has {count} columns"),
    };
    failure(path, format!("has no column for the field `{field}` ({}); {has}", describe(ty)))
}
