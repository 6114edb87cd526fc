//! Types as the plan knows them: what a value may be, with its bounds.

use serde::{Deserialize, Serialize};

/// The type of a value. Named records and enums are kept in [`crate::Plan::types`] and referred to by name, so that a
/// plan does not grow with the number of uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Type {
    Text(TextBounds),
    /// 64-bit, both ends inclusive.
    Int {
        min: Option<i64>,
        max: Option<i64>,
    },
    Float,
    Bool,
    Money,
    Date,
    Datetime,
    Duration,
    /// Any JSON value.
    Json,
    /// A credential; only a connector's authentication may read it.
    Secret,
    List {
        of: Box<Type>,
        max: Option<u64>,
    },
    /// `{text: T}`
    Map(Box<Type>),
    Optional(Box<Type>),
    Record(Vec<Field>),
    Enum(Vec<String>),
    /// A record or enum declared in [`crate::Plan::types`], by its full name (`hunter.Company`).
    Named(String),
}

/// Bounds on a text; each is enforced where a value enters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextBounds {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_max: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chars_max: Option<u64>,
    /// A regular expression that the whole text must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub name: String,
    pub ty: Type,
    /// The author's `///` comment; sent to the model with the answer's schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
}

impl Type {
    pub fn text() -> Type {
        Type::Text(TextBounds::default())
    }

    pub fn int() -> Type {
        Type::Int { min: None, max: None }
    }

    pub fn list(of: Type) -> Type {
        Type::List { of: Box::new(of), max: None }
    }

    pub fn optional(of: Type) -> Type {
        match of {
            Type::Optional(_) => of,
            other => Type::Optional(Box::new(other)),
        }
    }
}
