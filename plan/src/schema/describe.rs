//! Types and values in words.

use crate::{Type, Value};

/// A type as a message names it: `a text of at most 60 tokens`, `one of high, medium, low`.
pub fn describe(ty: &Type) -> String {
    match ty {
        Type::Text(bounds) => {
            let mut words = String::from("a text");
            if let Some(max) = bounds.chars_max {
                words.push_str(&format!(" of at most {max} characters"));
            }
            if let Some(max) = bounds.tokens_max {
                words.push_str(&format!(" of at most {max} tokens"));
            }
            if let Some(pattern) = &bounds.matches {
                words.push_str(&format!(" that matches /{pattern}/"));
            }
            words
        }
        Type::Int { min, max } => describe_int(*min, *max),
        Type::Float => "a float".to_owned(),
        Type::Bool => "true or false".to_owned(),
        Type::Money => "an amount of money, such as 12.50".to_owned(),
        Type::Date => "a date, such as 2026-01-31".to_owned(),
        Type::Datetime => "a datetime, such as 2026-01-31T09:30:00Z".to_owned(),
        Type::Duration => "a duration, such as 1h30m".to_owned(),
        Type::Json => "JSON".to_owned(),
        Type::Secret => "nothing: a secret never comes from outside".to_owned(),
        Type::List { max: Some(max), .. } => format!("a list of at most {max}"),
        Type::List { .. } => "a list".to_owned(),
        Type::Map(_) => "a map".to_owned(),
        Type::Optional(of) => format!("{} or none", describe(of)),
        Type::Record(_) => "a record".to_owned(),
        Type::Enum(names) => describe_enum(names),
        Type::Named(name) => format!("`{name}`"),
    }
}

fn describe_int(min: Option<i64>, max: Option<i64>) -> String {
    match (min, max) {
        (None, None) => "an int".to_owned(),
        (Some(min), None) => format!("an int from {min}"),
        (None, Some(max)) => format!("an int up to {max}"),
        (Some(min), Some(max)) => format!("an int from {min} to {max}"),
    }
}

const NAMES_SHOWN: usize = 12;

fn describe_enum(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES_SHOWN).map(String::as_str).collect();
    let more = if names.len() > NAMES_SHOWN { format!(" and {} more", names.len() - NAMES_SHOWN) } else { String::new() };
    format!("one of {}{more}", shown.join(", "))
}

const TEXT_SHOWN: usize = 40;

/// A value as a message names it: `the int 12`, `the text "abc…"`, `a list of 3`.
pub fn describe_value(value: &Value) -> String {
    match value {
        Value::None => "none".to_owned(),
        Value::Text(text) => format!("the text {}", quote(text)),
        Value::List(items) => format!("a list of {}", items.len()),
        Value::Record(_) => "a record".to_owned(),
        Value::Bool(value) => format!("{value}"),
        other => format!("{} {}", other.kind().replacen("an ", "the ", 1).replacen("a ", "the ", 1), other.to_text()),
    }
}

/// A text in quotes, cut after some characters.
pub fn quote(text: &str) -> String {
    let start: String = text.chars().take(TEXT_SHOWN).collect();
    let more = if text.chars().nth(TEXT_SHOWN).is_some() { "…" } else { "" };
    format!("{:?}", format!("{start}{more}"))
}
