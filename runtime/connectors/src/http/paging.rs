//! Pages of a source, and the circles that services lead one into.

use super::outcome::Answer;
use super::{Client, Invocation};
use crate::Page;
use pmflow_plan::{Expr, Failure, FailureClass, Paging, Value};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Where the next page begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    /// The service's own cursor, or the address of the next page.
    next: Value,
    number: i64,
    /// Rows before this page.
    offset: u64,
    /// Rows of this page that were taken already.
    #[serde(default, skip_serializing_if = "is_zero")]
    taken: u64,
    pages: u64,
    /// A cursor met some pages ago; to meet it again is to walk in a circle. It moves on to every page whose number is a
    /// power of two, so every circle is noticed, and no more than one is kept.
    mark: Value,
    /// Of the rows of the page before: services that ignore the page's number repeat the same rows for ever.
    rows: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The cursor of a place within a page: of the page that began at `cursor`, so many rows were taken. The page is asked for
/// again, and those rows are left out. None when the text is no cursor.
pub fn cursor_within(cursor: Option<&str>, taken: u64, first_number: i64) -> Option<String> {
    let place = match cursor {
        Some(text) => serde_json::from_str(text).ok()?,
        None => Place::first(first_number),
    };
    let place = Place { taken: place.taken + taken, ..place };
    serde_json::to_string(&place).ok()
}

impl Place {
    fn first(number: i64) -> Place {
        Place { next: Value::None, number, offset: 0, taken: 0, pages: 0, mark: Value::None, rows: String::new() }
    }

    /// What expressions see as `page`.
    fn value(&self) -> Value {
        let offset = Value::Int(i64::try_from(self.offset).unwrap_or(i64::MAX));
        Value::record([("cursor", self.next.clone()), ("number", Value::Int(self.number)), ("offset", offset)])
    }
}

pub(super) async fn page(client: &Client, invocation: &Invocation<'_>, cursor: Option<&str>) -> Result<Page, Failure> {
    let paging = &invocation.operation.paging;
    let place = match cursor {
        Some(text) => {
            serde_json::from_str(text).map_err(|error| invocation.not_sent(format!("its cursor cannot be read: {error}")))?
        }
        None => Place::first(if let Paging::Number { first, .. } = paging { *first } else { 1 }),
    };
    let scope = invocation.parameters()?.with("page", place.value());
    let address = if matches!(paging, Paging::Link { .. }) { place.next.as_text() } else { None };
    let answer = client.attempt(invocation, &scope, address).await?;
    let rows = rows(&answer, invocation)?;
    let next = following(&answer, invocation, paging, &rows)?;
    let after = advance(invocation, &place, next.clone().unwrap_or(Value::None), &rows)?;
    let mut kept = rows;
    kept.drain(..usize::try_from(place.taken).unwrap_or(usize::MAX).min(kept.len()));
    let cursor = serde_json::to_string(&after).expect("a place of values and numbers can be written");
    Ok(Page { read: kept.len() as u64, rows: kept, cursor, exhausted: next.is_none(), skipped: Vec::new() })
}

fn rows(answer: &Answer, invocation: &Invocation<'_>) -> Result<Vec<Value>, Failure> {
    let ty = invocation.row.unwrap_or(&invocation.operation.result);
    let items = match answer.mapped(invocation)? {
        Value::List(items) => items,
        Value::None => return Ok(Vec::new()),
        other => return Err(answer.unusable(invocation, format!("its rows are {}, not a list", other.kind()))),
    };
    let cast = items.iter().enumerate().map(|(place, row)| {
        let row = answer.cast(invocation, ty, row.clone());
        row.map_err(|failure| Failure { message: format!("row {}: {}", place + 1, failure.message), ..failure })
    });
    cast.collect()
}

/// How the next page is found; none when there is none.
fn following(answer: &Answer, invocation: &Invocation<'_>, paging: &Paging, rows: &[Value]) -> Result<Option<Value>, Failure> {
    let more = |next: &Option<Expr>| -> Result<bool, Failure> {
        match next {
            Some(next) => Ok(answer.evaluate(invocation, next)?.as_bool().unwrap_or(false)),
            None => Ok(true),
        }
    };
    let named = |value: Value| if value.is_none() || value.as_text() == Some("") { None } else { Some(value) };
    match paging {
        Paging::None => Ok(None),
        Paging::Cursor { next } | Paging::Link { next: Some(next) } => answer.evaluate(invocation, next).map(named),
        Paging::Link { next: None } => Ok(next_link(answer).map(Value::text)),
        Paging::Number { next, .. } | Paging::Offset { next } => Ok((!rows.is_empty() && more(next)?).then_some(Value::None)),
    }
}

fn advance(invocation: &Invocation<'_>, place: &Place, next: Value, rows: &[Value]) -> Result<Place, Failure> {
    let pages = place.pages + 1;
    let repeats = !next.is_none() && (next.equals(&place.next) || next.equals(&place.mark));
    let digest = digest_of(rows);
    let by_position = matches!(invocation.operation.paging, Paging::Number { .. } | Paging::Offset { .. });
    if repeats || (by_position && !rows.is_empty() && digest == place.rows) {
        let what = if repeats { "names a next page that was read before" } else { "gives the same rows for two pages" };
        let message =
            format!("`{}` {what} (page {pages}), so it would never end; check the connector's paging", invocation.operation.name);
        return Err(Failure::not_billed(FailureClass::InvalidOutput, message));
    }
    let mark = if pages.is_power_of_two() { next.clone() } else { place.mark.clone() };
    Ok(Place {
        next,
        number: place.number.saturating_add(1),
        offset: place.offset.saturating_add(rows.len() as u64),
        taken: 0,
        pages,
        mark,
        rows: if by_position { digest } else { String::new() },
    })
}

fn digest_of(rows: &[Value]) -> String {
    let mut digest = Sha256::new();
    rows.iter().for_each(|row| digest.update(row.to_exact()));
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The address in `Link: <…>; rel="next"`, made whole.
fn next_link(answer: &Answer) -> Option<String> {
    let header = answer.headers.get("link")?;
    let mut rest = header.as_str();
    while let Some((_, after)) = rest.split_once('<') {
        let (address, after) = after.split_once('>')?;
        let parameters = after.split_once('<').map_or(after, |(parameters, _)| parameters);
        if parameters.split(';').any(is_next) {
            return answer.url.join(address).ok().map(String::from);
        }
        rest = after;
    }
    None
}

fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let value = value.trim().trim_end_matches(',').trim().trim_matches('"');
    name.trim().eq_ignore_ascii_case("rel")
        && value.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
}
