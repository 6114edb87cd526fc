//! Rows turned into one array per column, which a statement takes apart again with `unnest`. For wide rows see `records.rs`.

use crate::text::stored;
use std::borrow::Cow;

pub(crate) fn column<'r, T, C>(rows: &'r [T], of: impl Fn(&'r T) -> C) -> Vec<C> {
    rows.iter().map(of).collect()
}

pub(crate) fn texts<'r, T>(rows: &'r [T], of: impl Fn(&'r T) -> &'r str) -> Vec<Cow<'r, str>> {
    rows.iter().map(|row| stored(of(row))).collect()
}
