//! Rows turned into one array, which a statement takes apart again with `unnest`; for each there is a type of its own in the
//! database, see `migrations/0008_records.sql`.

use crate::text::stored;
use pmflow_store::tables::HistoryAddition;
use pmflow_store::tables::rows::{
    Column, Columns, InstanceEnding, InstancePut, OutputInsertion, RunChange, RunInsertion, StepRecord, UsageAppend,
};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo};
use sqlx::{Encode, Postgres, Type};

/// A row that the database has a type for.
pub(crate) trait Recorded: Columns {
    const TYPE: &'static str;
}

impl Recorded for RunChange<'_> {
    const TYPE: &'static str = "run_change";
}

impl Recorded for RunInsertion<'_> {
    const TYPE: &'static str = "run_insertion";
}

impl Recorded for StepRecord<'_> {
    const TYPE: &'static str = "step_record";
}

impl Recorded for UsageAppend<'_> {
    const TYPE: &'static str = "usage_line";
}

impl Recorded for OutputInsertion<'_> {
    const TYPE: &'static str = "output_record";
}

impl Recorded for InstancePut<'_> {
    const TYPE: &'static str = "instance_record";
}

impl Recorded for InstanceEnding<'_> {
    const TYPE: &'static str = "instance_ending";
}

impl Recorded for HistoryAddition<'_> {
    const TYPE: &'static str = "history_addition";
}

pub(crate) struct Record<'r, R>(&'r R);

pub(crate) fn records<R: Recorded>(rows: &[R]) -> Vec<Record<'_, R>> {
    rows.iter().map(Record).collect()
}

impl<R: Recorded> Type<Postgres> for Record<'_, R> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name(R::TYPE)
    }
}

impl<R: Recorded> PgHasArrayType for Record<'_, R> {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::array_of(R::TYPE)
    }
}

/// `record_recv` of PostgreSQL takes the number of columns, and of each its type, its length and its bytes; a length of -1 is NULL.
impl<R: Recorded> Encode<'_, Postgres> for Record<'_, R> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let start = buffer.len();
        buffer.extend_from_slice(&0i32.to_be_bytes());
        let mut columns = 0i32;
        self.0.each(&mut |column| {
            columns += 1;
            match column {
                Column::Integer(number) => {
                    let number = number.map(i64::to_be_bytes);
                    put(buffer, INT8, number.as_ref().map(|bytes| bytes.as_slice()))
                }
                Column::Text(text) => put(buffer, TEXT, text.map(stored).as_ref().map(|text| text.as_bytes())),
                Column::Boolean(truth) => {
                    put(buffer, BOOL, truth.map(|truth| [u8::from(truth)]).as_ref().map(|byte| byte.as_slice()))
                }
            }
        })?;
        if let Some(count) = buffer.get_mut(start..start + 4) {
            count.copy_from_slice(&columns.to_be_bytes());
        }
        Ok(IsNull::No)
    }
}

/// Of the types that PostgreSQL always has (its `pg_type.dat`).
const BOOL: u32 = 16;
const INT8: u32 = 20;
const TEXT: u32 = 25;

fn put(buffer: &mut Vec<u8>, of_type: u32, bytes: Option<&[u8]>) -> Result<(), BoxDynError> {
    buffer.extend_from_slice(&of_type.to_be_bytes());
    match bytes {
        Some(bytes) => {
            buffer.extend_from_slice(&i32::try_from(bytes.len())?.to_be_bytes());
            buffer.extend_from_slice(bytes);
        }
        None => buffer.extend_from_slice(&(-1i32).to_be_bytes()),
    }
    Ok(())
}
