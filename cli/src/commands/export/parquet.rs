//! Parquet: columns with their types, in groups of rows, so that no more than one group is in memory.

use super::columns::{Column, Read};
use crate::exit::{Failed, Result};
use ::parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int64Type};
use ::parquet::errors::{ParquetError, Result as Written};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use ::parquet::schema::types::Type;
use pmflow_engine::Time;
use pmflow_plan::Money;
use std::io::Write;
use std::sync::Arc;

/// So many rows stand in memory before they are written.
const GROUP_ROWS: usize = 20_000;
/// Money, as many digits as 16 bytes hold.
const MONEY_DIGITS: i32 = 38;
/// Pico-dollars.
const MONEY_PLACES: i32 = 12;
const MONEY_BYTES: i32 = 16;

pub struct Groups<Row: 'static, W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: Vec<Values<Row>>,
    rows: usize,
}

/// How a column's values are read, and those of one group; none where a row has none.
enum Values<Row> {
    Text(fn(&Row) -> Option<String>, Vec<Option<ByteArray>>),
    Flag(fn(&Row) -> Option<bool>, Vec<Option<bool>>),
    Count(fn(&Row) -> Option<u64>, Vec<Option<i64>>),
    Money(fn(&Row) -> Option<Money>, Vec<Option<FixedLenByteArray>>),
    Time(fn(&Row) -> Option<Time>, Vec<Option<i64>>),
}

impl<Row, W: Write + Send> Groups<Row, W> {
    pub fn new(columns: &[Column<Row>], to: W) -> Result<Groups<Row, W>> {
        let fields = columns.iter().map(|column| field(column).map(Arc::new)).collect::<Written<_>>().map_err(stopped)?;
        let schema = Type::group_type_builder("schema").with_fields(fields).build().map_err(stopped)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("pmflow ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let file = SerializedFileWriter::new(to, Arc::new(schema), Arc::new(properties)).map_err(stopped)?;
        Ok(Groups { file, columns: columns.iter().map(|column| Values::of(&column.read)).collect(), rows: 0 })
    }

    pub fn take(&mut self, row: &Row) -> Result<()> {
        for values in &mut self.columns {
            values.take(row);
        }
        self.rows += 1;
        if self.rows < GROUP_ROWS { Ok(()) } else { self.write_group() }
    }

    /// What was written to, with everything in it.
    pub fn end(mut self) -> Result<W> {
        if self.rows > 0 {
            self.write_group()?;
        }
        self.file.into_inner().map_err(stopped)
    }

    fn write_group(&mut self) -> Result<()> {
        self.rows = 0;
        let mut group = self.file.next_row_group().map_err(stopped)?;
        for values in &mut self.columns {
            let column = group.next_column().map_err(stopped)?.ok_or_else(|| Failed::new("a column is missing"))?;
            values.write(column).map_err(stopped)?;
        }
        group.close().map_err(stopped)?;
        Ok(())
    }
}

fn stopped(error: ParquetError) -> Failed {
    Failed::new(format!("the rows cannot be written as Parquet: {error}"))
}

/// Times are on UTC, in microseconds.
fn field<Row>(column: &Column<Row>) -> Written<Type> {
    let of = |physical| Type::primitive_type_builder(column.name, physical).with_repetition(Repetition::OPTIONAL);
    match &column.read {
        Read::Text(_) => of(Physical::BYTE_ARRAY).with_logical_type(Some(LogicalType::String)),
        Read::Flag(_) => of(Physical::BOOLEAN),
        Read::Count(_) => of(Physical::INT64),
        Read::Money(_) => of(Physical::FIXED_LEN_BYTE_ARRAY)
            .with_length(MONEY_BYTES)
            .with_logical_type(Some(LogicalType::decimal(MONEY_PLACES, MONEY_DIGITS)))
            .with_precision(MONEY_DIGITS)
            .with_scale(MONEY_PLACES),
        Read::Time(_) => of(Physical::INT64).with_logical_type(Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
    }
    .build()
}

impl<Row> Values<Row> {
    fn of(read: &Read<Row>) -> Values<Row> {
        match *read {
            Read::Text(read) => Values::Text(read, Vec::new()),
            Read::Flag(read) => Values::Flag(read, Vec::new()),
            Read::Count(read) => Values::Count(read, Vec::new()),
            Read::Money(read) => Values::Money(read, Vec::new()),
            Read::Time(read) => Values::Time(read, Vec::new()),
        }
    }

    fn take(&mut self, row: &Row) {
        match self {
            Values::Text(read, values) => values.push(read(row).map(|text| ByteArray::from(text.into_bytes()))),
            Values::Flag(read, values) => values.push(read(row)),
            Values::Count(read, values) => values.push(read(row).map(|count| i64::try_from(count).unwrap_or(i64::MAX))),
            Values::Money(read, values) => {
                values.push(read(row).map(|money| FixedLenByteArray::from(money.pico().to_be_bytes().to_vec())));
            }
            Values::Time(read, values) => values.push(read(row)),
        }
    }

    fn write(&mut self, column: SerializedColumnWriter<'_>) -> Written<()> {
        match self {
            Values::Text(_, values) => write_column::<ByteArrayType>(column, values),
            Values::Flag(_, values) => write_column::<BoolType>(column, values),
            Values::Count(_, values) | Values::Time(_, values) => write_column::<Int64Type>(column, values),
            Values::Money(_, values) => write_column::<FixedLenByteArrayType>(column, values),
        }
    }
}

fn write_column<Of: DataType>(mut column: SerializedColumnWriter<'_>, values: &mut Vec<Option<Of::T>>) -> Written<()> {
    let is_there: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<Of::T> = values.drain(..).flatten().collect();
    column.typed::<Of>().write_batch(&values, Some(&is_there), None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::export::columns;
    use ::parquet::file::reader::{FileReader as _, SerializedFileReader};

    static NUMBERS: &[Column<u64>] = &[
        Column { name: "number", read: Read::Count(|number| Some(*number)) },
        Column { name: "odd", read: Read::Text(|number| (number % 2 == 1).then(|| format!("{number} is odd"))) },
    ];

    /// However many rows there are, a group has so many at most, and nothing of a written group is kept.
    #[test]
    fn rows_are_written_in_groups() {
        let file = tempfile::tempfile().expect("a temporary file can be made");
        let mut groups = Groups::new(NUMBERS, file).expect("the file can be written");
        let total = 2 * GROUP_ROWS as u64 + 7;
        for number in 0..total {
            groups.take(&number).expect("the file can be written");
            assert!(groups.rows < GROUP_ROWS);
        }
        let file = groups.end().expect("the file can be written");
        let reader = SerializedFileReader::new(file).expect("it is Parquet");
        let rows: Vec<i64> = reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
        assert_eq!(rows, [GROUP_ROWS as i64, GROUP_ROWS as i64, 7]);
    }

    #[test]
    fn without_rows_the_columns_are_there() {
        let bytes = Groups::new(columns::LEDGER, Vec::new()).and_then(Groups::end).expect("memory can be written to");
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    }
}
