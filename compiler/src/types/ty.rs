//! Types as the checker knows them: the plan's types, with what messages need and with what only expressions have.

use crate::Span;
use ecow::EcoString;
use pmflow_plan::types::TextBounds;
use pmflow_plan::{Field, Type};
use std::fmt;
use std::sync::Arc;

/// The type of an expression. `Error` is the type of what was already reported: it fits everywhere and absorbs.
#[derive(Clone, Debug)]
pub enum Ty {
    Error,
    /// Of the literal `none` alone.
    None,
    Text(TextBounds),
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
    Json,
    Secret,
    Regex,
    List {
        of: Arc<Ty>,
        max: Option<u64>,
    },
    Map(Arc<Ty>),
    Optional(Arc<Ty>),
    Record(Arc<RecordTy>),
    Enum(Arc<EnumTy>),
    Function {
        parameters: Vec<Ty>,
        result: Arc<Ty>,
    },
    /// A type parameter of the prelude or of a connector's source.
    Generic(EcoString),
}

#[derive(Clone, Debug)]
pub struct RecordTy {
    /// None: written in place.
    pub name: Option<TypeName>,
    pub fields: Vec<FieldTy>,
    /// No field can carry text whose origin matters.
    pub harmless: bool,
}

#[derive(Clone, Debug)]
pub struct FieldTy {
    pub name: EcoString,
    pub ty: Ty,
    pub doc: Option<EcoString>,
    pub span: Option<Span>,
}

#[derive(Clone, Debug)]
pub struct EnumTy {
    pub name: TypeName,
    pub values: Vec<(EcoString, Span)>,
}

/// `shown` is how its own file writes it; `full` names it in the whole project: `hunter/hunter.Company`.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeName {
    pub shown: EcoString,
    pub full: EcoString,
}

/// How a value of one type gets to be a value of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Same,
    /// An int where a float is wanted.
    ToFloat,
    /// Checked when the flow runs.
    Contract,
    No,
}

impl RecordTy {
    pub fn new(name: Option<TypeName>, fields: Vec<FieldTy>) -> RecordTy {
        let harmless = fields.iter().all(|field| field.ty.is_harmless());
        RecordTy { name, fields, harmless }
    }

    pub fn field(&self, name: &str) -> Option<&FieldTy> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl EnumTy {
    pub fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(value, _)| value == name)
    }
}

impl Ty {
    pub fn text() -> Ty {
        Ty::Text(TextBounds::default())
    }

    pub fn int() -> Ty {
        Ty::Int { min: None, max: None }
    }

    pub fn list(of: Ty, max: Option<u64>) -> Ty {
        Ty::List { of: Arc::new(of), max }
    }

    pub fn optional(of: Ty) -> Ty {
        match of {
            Ty::Optional(_) | Ty::Json | Ty::Error | Ty::None => of,
            other => Ty::Optional(Arc::new(other)),
        }
    }

    pub fn record(fields: Vec<(&str, Ty)>) -> Ty {
        let fields = fields.into_iter().map(|(name, ty)| FieldTy { name: name.into(), ty, doc: None, span: None }).collect();
        Ty::Record(Arc::new(RecordTy::new(None, fields)))
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Ty::Error)
    }

    pub fn is_optional(&self) -> bool {
        matches!(self, Ty::Optional(_) | Ty::None)
    }

    /// What is left when it is known to be there.
    pub fn present(&self) -> Ty {
        match self {
            Ty::Optional(of) => (**of).clone(),
            other => other.clone(),
        }
    }

    /// Numbers, dates and names of a closed set cannot carry an instruction; text can, unless its form is fixed.
    pub fn is_harmless(&self) -> bool {
        match self {
            Ty::Text(bounds) => bounds.matches.is_some(),
            Ty::Json | Ty::Generic(_) | Ty::Secret | Ty::Map(_) => false,
            Ty::List { of, .. } | Ty::Optional(of) => of.is_harmless(),
            Ty::Record(record) => record.harmless,
            _ => true,
        }
    }

    pub fn same(&self, other: &Ty) -> bool {
        self.fit(other) == Fit::Same && other.fit(self) == Fit::Same
    }

    /// How a value of this type gets to be a value of `wanted`.
    pub fn fit(&self, wanted: &Ty) -> Fit {
        match (self, wanted) {
            (Ty::Error, _) | (_, Ty::Error) => Fit::Same,
            (Ty::Secret | Ty::Function { .. } | Ty::Regex, Ty::Json) => Fit::No,
            (_, Ty::Json) => Fit::Same,
            (Ty::None, Ty::Optional(_) | Ty::None) => Fit::Same,
            (Ty::Optional(from), Ty::Optional(to)) => from.fit(to).nested(),
            (from, Ty::Optional(to)) => from.fit(to),
            (Ty::Text(from), Ty::Text(to)) => fit_text(from, to),
            (Ty::Int { min, max }, Ty::Int { min: wanted_min, max: wanted_max }) => {
                fit_range((*min, *max), (*wanted_min, *wanted_max))
            }
            (Ty::Int { .. }, Ty::Float) => Fit::ToFloat,
            (Ty::List { of: from, max }, Ty::List { of: to, max: wanted_max }) => {
                let bound = if within(*max, *wanted_max) { Fit::Same } else { Fit::Contract };
                from.fit(to).nested().and(bound)
            }
            (Ty::Map(from), Ty::Map(to)) => from.fit(to).nested(),
            (Ty::Record(from), Ty::Map(to)) => {
                from.fields.iter().fold(Fit::Same, |fit, field| fit.and(field.ty.fit(to).nested()))
            }
            (Ty::Record(from), Ty::Record(to)) => fit_record(from, to),
            (Ty::Enum(from), Ty::Enum(to)) => {
                let fits = Arc::ptr_eq(from, to) || from.values.iter().all(|(value, _)| to.has(value));
                if fits { Fit::Same } else { Fit::No }
            }
            (Ty::Function { .. }, Ty::Function { .. }) => Fit::Same,
            (Ty::Generic(a), Ty::Generic(b)) if a == b => Fit::Same,
            (a, b) if std::mem::discriminant(a) == std::mem::discriminant(b) && a.is_plain() => Fit::Same,
            _ => Fit::No,
        }
    }

    fn is_plain(&self) -> bool {
        use Ty::*;
        matches!(self, Float | Bool | Money | Date | Datetime | Duration | Secret | Regex | None)
    }

    /// The type that holds the values of both; none when there is no such type but json.
    pub fn join(&self, other: &Ty) -> Option<Ty> {
        Some(match (self, other) {
            (Ty::Error, _) | (_, Ty::Error) => Ty::Error,
            (Ty::None, ty) | (ty, Ty::None) => Ty::optional(ty.clone()),
            (Ty::Optional(a), Ty::Optional(b)) => Ty::optional(a.join(b)?),
            (Ty::Optional(a), b) => Ty::optional(a.join(b)?),
            (a, Ty::Optional(b)) => Ty::optional(a.join(b)?),
            (Ty::Text(a), Ty::Text(b)) => Ty::Text(join_text(a, b)),
            (Ty::Int { min, max }, Ty::Int { min: other_min, max: other_max }) => {
                Ty::Int { min: min.zip(*other_min).map(|(a, b)| a.min(b)), max: max.zip(*other_max).map(|(a, b)| a.max(b)) }
            }
            (Ty::Int { .. }, Ty::Float) | (Ty::Float, Ty::Int { .. }) => Ty::Float,
            (Ty::List { of: a, max }, Ty::List { of: b, max: other_max }) => {
                Ty::list(a.join(b)?, max.zip(*other_max).map(|(a, b)| a.max(b)))
            }
            (Ty::Record(a), Ty::Record(b)) => {
                if Arc::ptr_eq(a, b) {
                    return Some(self.clone());
                }
                join_records(a, b)?
            }
            (a, b) if a.fit(b) == Fit::Same => b.clone(),
            (a, b) if b.fit(a) == Fit::Same => a.clone(),
            _ => return None,
        })
    }

    /// The plan's type; what only expressions have becomes json, for it stands in no plan of a clean project.
    pub fn to_plan(&self) -> Type {
        match self {
            Ty::Record(record) => match &record.name {
                Some(name) => Type::Named(name.full.to_string()),
                None => self.to_plan_definition(),
            },
            Ty::Enum(of) => Type::Named(of.name.full.to_string()),
            _ => self.to_plan_definition(),
        }
    }

    /// As [`Ty::to_plan`], but a named type is written out instead of referred to.
    pub fn to_plan_definition(&self) -> Type {
        match self {
            Ty::Text(bounds) => Type::Text(bounds.clone()),
            Ty::Int { min, max } => Type::Int { min: *min, max: *max },
            Ty::Float => Type::Float,
            Ty::Bool => Type::Bool,
            Ty::Money => Type::Money,
            Ty::Date => Type::Date,
            Ty::Datetime => Type::Datetime,
            Ty::Duration => Type::Duration,
            Ty::Secret => Type::Secret,
            Ty::List { of, max } => Type::List { of: Box::new(of.to_plan()), max: *max },
            Ty::Map(of) => Type::Map(Box::new(of.to_plan())),
            Ty::Optional(of) => Type::optional(of.to_plan()),
            Ty::Record(record) => Type::Record(record.fields.iter().map(FieldTy::to_plan).collect()),
            Ty::Enum(of) => Type::Enum(of.values.iter().map(|(value, _)| value.to_string()).collect()),
            Ty::Error | Ty::None | Ty::Json | Ty::Regex | Ty::Function { .. } | Ty::Generic(_) => Type::Json,
        }
    }
}

impl FieldTy {
    fn to_plan(&self) -> Field {
        Field { name: self.name.to_string(), ty: self.ty.to_plan(), doc: self.doc.as_ref().map(ToString::to_string) }
    }
}

impl Fit {
    fn and(self, other: Fit) -> Fit {
        match (self, other) {
            (Fit::No, _) | (_, Fit::No) => Fit::No,
            (Fit::Same, Fit::Same) => Fit::Same,
            _ => Fit::Contract,
        }
    }

    /// Inside a list or a record a value is not converted by itself: the whole is.
    fn nested(self) -> Fit {
        if self == Fit::ToFloat { Fit::Contract } else { self }
    }
}

fn within(have: Option<u64>, allowed: Option<u64>) -> bool {
    match (have, allowed) {
        (_, None) => true,
        (Some(have), Some(allowed)) => have <= allowed,
        (None, Some(_)) => false,
    }
}

fn fit_text(from: &TextBounds, to: &TextBounds) -> Fit {
    let same_form = to.matches.is_none() || to.matches == from.matches;
    let fits = within(from.tokens_max, to.tokens_max) && within(from.chars_max, to.chars_max) && same_form;
    if fits { Fit::Same } else { Fit::Contract }
}

fn fit_range(from: (Option<i64>, Option<i64>), to: (Option<i64>, Option<i64>)) -> Fit {
    let low = |bound: Option<i64>| bound.unwrap_or(i64::MIN);
    let high = |bound: Option<i64>| bound.unwrap_or(i64::MAX);
    if low(from.0) >= low(to.0) && high(from.1) <= high(to.1) {
        Fit::Same
    } else if high(from.1) < low(to.0) || low(from.0) > high(to.1) {
        Fit::No
    } else {
        Fit::Contract
    }
}

fn fit_record(from: &Arc<RecordTy>, to: &Arc<RecordTy>) -> Fit {
    if Arc::ptr_eq(from, to) {
        return Fit::Same;
    }
    let mut fit = Fit::Same;
    for wanted in &to.fields {
        fit = fit.and(match from.field(&wanted.name) {
            Some(field) => field.ty.fit(&wanted.ty).nested(),
            None if wanted.ty.is_optional() || matches!(wanted.ty, Ty::Json) => Fit::Same,
            None => Fit::No,
        });
    }
    fit
}

fn join_text(a: &TextBounds, b: &TextBounds) -> TextBounds {
    TextBounds {
        tokens_max: a.tokens_max.zip(b.tokens_max).map(|(a, b)| a.max(b)),
        chars_max: a.chars_max.zip(b.chars_max).map(|(a, b)| a.max(b)),
        matches: a.matches.clone().filter(|form| Some(form) == b.matches.as_ref()),
    }
}

fn join_records(a: &RecordTy, b: &RecordTy) -> Option<Ty> {
    let mut fields = Vec::new();
    for field in &a.fields {
        let ty = match b.field(&field.name) {
            Some(other) => field.ty.join(&other.ty)?,
            None => Ty::optional(field.ty.clone()),
        };
        fields.push(FieldTy { ty, ..field.clone() });
    }
    for field in b.fields.iter().filter(|field| a.field(&field.name).is_none()) {
        fields.push(FieldTy { ty: Ty::optional(field.ty.clone()), ..field.clone() });
    }
    Some(Ty::Record(Arc::new(RecordTy::new(None, fields))))
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ty::Error => write!(f, "something that is wrong already"),
            Ty::None => write!(f, "none"),
            Ty::Text(bounds) => write_text(f, bounds),
            Ty::Int { min: None, max: None } => write!(f, "int"),
            Ty::Int { min, max } => write!(f, "int({}..{})", shown(*min), shown(*max)),
            Ty::Float => write!(f, "float"),
            Ty::Bool => write!(f, "bool"),
            Ty::Money => write!(f, "money"),
            Ty::Date => write!(f, "date"),
            Ty::Datetime => write!(f, "datetime"),
            Ty::Duration => write!(f, "duration"),
            Ty::Json => write!(f, "json"),
            Ty::Secret => write!(f, "secret"),
            Ty::Regex => write!(f, "a pattern"),
            Ty::List { of, max: None } => write!(f, "[{of}]"),
            Ty::List { of, max: Some(max) } => write!(f, "[{of}](max {max})"),
            Ty::Map(of) => write!(f, "{{text: {of}}}"),
            Ty::Optional(of) => write!(f, "{of}?"),
            Ty::Record(record) => write_record(f, record),
            Ty::Enum(of) => write!(f, "{}", of.name.shown),
            Ty::Function { parameters, result } => {
                let parameters: Vec<String> = parameters.iter().map(ToString::to_string).collect();
                write!(f, "fn({}) -> {result}", parameters.join(", "))
            }
            Ty::Generic(name) => write!(f, "{name}"),
        }
    }
}

fn shown(bound: Option<i64>) -> String {
    bound.map(|bound| bound.to_string()).unwrap_or_default()
}

fn write_text(f: &mut fmt::Formatter<'_>, bounds: &TextBounds) -> fmt::Result {
    let mut parts = Vec::new();
    parts.extend(bounds.tokens_max.map(|max| format!("max {max} tokens")));
    parts.extend(bounds.chars_max.map(|max| format!("max {max} chars")));
    parts.extend(bounds.matches.as_ref().map(|form| format!("matches /{form}/")));
    if parts.is_empty() { write!(f, "text") } else { write!(f, "text({})", parts.join(", ")) }
}

const FIELDS_SHOWN_MAX: usize = 6;

fn write_record(f: &mut fmt::Formatter<'_>, record: &RecordTy) -> fmt::Result {
    if let Some(name) = &record.name {
        return write!(f, "{}", name.shown);
    }
    let mut fields: Vec<String> =
        record.fields.iter().take(FIELDS_SHOWN_MAX).map(|field| format!("{}: {}", field.name, field.ty)).collect();
    if record.fields.len() > FIELDS_SHOWN_MAX {
        fields.push("…".into());
    }
    write!(f, "{{ {} }}", fields.join(", "))
}
