//! Pure expressions, typed: every operator says the type it works on, every lambda parameter and every literal its own,
//! so native code can be made from a plan alone.

use crate::{Type, Value};
use serde::{Deserialize, Serialize};

/// An expression. It has no effect and its result depends on its variables only (`now()` and `today()` read the
/// variables `$now` and `$today`, recorded once per run).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Expr {
    Literal(Value),
    /// A parameter, a step's result, a loop's item or a lambda's parameter. Names are unique within a flow.
    Var(String),
    /// A record's field; the checker has made sure that it is there. An absent optional field is none.
    Field {
        of: Box<Expr>,
        name: String,
    },
    /// `a?.b`: none when `a` is none.
    OptionalField {
        of: Box<Expr>,
        name: String,
    },
    /// `list[i]` (out of range is a failure) or `map["key"]` (none when missing).
    Index {
        of: Box<Expr>,
        index: Box<Expr>,
    },
    Record(Vec<(String, Expr)>),
    List(Vec<Expr>),
    If {
        condition: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    /// `a ?? b`, `a and b`, `a or b`: the right side is evaluated only when needed.
    Otherwise {
        of: Box<Expr>,
        otherwise: Box<Expr>,
    },
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    /// A function of the author's, in [`crate::Plan::functions`].
    Call {
        function: String,
        arguments: Vec<Expr>,
    },
    /// A builtin: operators as well as the functions and methods of the prelude. A lambda is its own last argument.
    Op {
        op: Op,
        arguments: Vec<Expr>,
    },
    Lambda(Lambda),
    /// Text with holes.
    Template(Vec<Piece>),
    /// `x as T`: a value of unknown shape checked against a type; failing is a step failure.
    Cast {
        of: Box<Expr>,
        ty: Type,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lambda {
    pub parameters: Vec<(String, Type)>,
    pub body: Box<Expr>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Piece {
    Text(String),
    /// A hole. `untrusted` text is fenced as data where the template is sent to a model.
    Hole {
        value: Expr,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        untrusted: bool,
    },
    If {
        condition: Expr,
        then: Vec<Piece>,
        otherwise: Vec<Piece>,
    },
    For {
        variable: String,
        list: Expr,
        body: Vec<Piece>,
    },
}

/// Builtin operations. The name is `type.operation`; arguments in the order in which the prelude declares them, the
/// receiver of a method first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Op {
    /// Out of 64 bits is a failure, here and in all that follows.
    #[serde(rename = "int.add")]
    IntAdd,
    #[serde(rename = "int.sub")]
    IntSub,
    #[serde(rename = "int.mul")]
    IntMul,
    /// Cut towards zero: `-7 / 2 = -3`. By zero is a failure.
    #[serde(rename = "int.div")]
    IntDiv,
    /// With the sign of the left side: `-7 % 2 = -1`. By zero is a failure.
    #[serde(rename = "int.rem")]
    IntRem,
    #[serde(rename = "int.neg")]
    IntNeg,
    /// Ordering of two ints; likewise for the other types. Equality is one operation for all: `eq`, `ne`.
    #[serde(rename = "int.lt")]
    IntLt,
    #[serde(rename = "int.le")]
    IntLe,
    /// The nearest float, beyond 2⁵³.
    #[serde(rename = "int.to_float")]
    IntToFloat,
    #[serde(rename = "int.to_text")]
    IntToText,
    /// A result that is not finite is a failure, here and in all that follows.
    #[serde(rename = "float.add")]
    FloatAdd,
    #[serde(rename = "float.sub")]
    FloatSub,
    #[serde(rename = "float.mul")]
    FloatMul,
    /// By zero is a failure.
    #[serde(rename = "float.div")]
    FloatDiv,
    /// With the sign of the left side. By zero is a failure.
    #[serde(rename = "float.rem")]
    FloatRem,
    #[serde(rename = "float.neg")]
    FloatNeg,
    /// -0.0 and 0.0 are the same here.
    #[serde(rename = "float.lt")]
    FloatLt,
    #[serde(rename = "float.le")]
    FloatLe,
    /// The nearest int, halves away from zero; with a second argument the nearest float of so many decimal places.
    #[serde(rename = "float.round")]
    FloatRound,
    /// The shortest digits that read back as the same float, always with a fraction or an exponent.
    #[serde(rename = "float.to_text")]
    FloatToText,
    #[serde(rename = "money.add")]
    MoneyAdd,
    #[serde(rename = "money.sub")]
    MoneySub,
    /// money × int
    #[serde(rename = "money.mul")]
    MoneyMul,
    #[serde(rename = "money.lt")]
    MoneyLt,
    #[serde(rename = "money.le")]
    MoneyLe,
    /// All decimal digits without trailing zeros: `12.5`.
    #[serde(rename = "money.to_text")]
    MoneyToText,
    #[serde(rename = "duration.add")]
    DurationAdd,
    #[serde(rename = "duration.sub")]
    DurationSub,
    #[serde(rename = "duration.mul")]
    DurationMul,
    /// Orders dates, datetimes and durations alike.
    #[serde(rename = "time.lt")]
    TimeLt,
    #[serde(rename = "time.le")]
    TimeLe,
    /// date + duration of whole days; any other duration is a failure, and so is a year outside 0 to 9999.
    #[serde(rename = "date.add")]
    DateAdd,
    /// date − duration of whole days.
    #[serde(rename = "date.sub")]
    DateSub,
    /// date − date = duration
    #[serde(rename = "date.since")]
    DateSince,
    /// datetime + duration; a year outside 0 to 9999 is a failure.
    #[serde(rename = "datetime.add")]
    DatetimeAdd,
    /// datetime − duration
    #[serde(rename = "datetime.sub")]
    DatetimeSub,
    /// datetime − datetime = duration
    #[serde(rename = "datetime.since")]
    DatetimeSince,
    /// The day, in UTC.
    #[serde(rename = "datetime.date")]
    DatetimeDate,
    /// `date?`: none when the text is not of the form `2026-01-31`. Outer white space is passed over.
    #[serde(rename = "date.parse")]
    DateParse,
    /// `datetime?`: none when the text is no RFC 3339; without an offset it is UTC.
    #[serde(rename = "datetime.parse")]
    DatetimeParse,
    /// By Unicode scalar values.
    #[serde(rename = "text.lt")]
    TextLt,
    #[serde(rename = "text.le")]
    TextLe,
    /// Of a bool.
    #[serde(rename = "bool.not")]
    Not,
    /// Records by name whatever the order of their fields; in `json`, 1 and 1.0 are equal. Any two values may be compared.
    #[serde(rename = "eq")]
    Eq,
    #[serde(rename = "ne")]
    Ne,
    /// False for none alone.
    #[serde(rename = "is_some")]
    IsSome,
    /// The variable `$now`.
    #[serde(rename = "now")]
    Now,
    /// The variable `$today`.
    #[serde(rename = "today")]
    Today,
    /// Of any number of texts. At most 64 MB, here and in all that follows.
    #[serde(rename = "text.concat")]
    TextConcat,
    /// Characters (Unicode scalar values).
    #[serde(rename = "text.len")]
    TextLen,
    /// Unicode's simple and special casing, without a language.
    #[serde(rename = "text.lower")]
    TextLower,
    #[serde(rename = "text.upper")]
    TextUpper,
    /// Unicode white space at both ends.
    #[serde(rename = "text.trim")]
    TextTrim,
    /// The parts between the separators, empty ones too; an empty separator gives the characters, none the words.
    #[serde(rename = "text.split")]
    TextSplit,
    #[serde(rename = "text.contains")]
    TextContains,
    #[serde(rename = "text.starts_with")]
    TextStartsWith,
    #[serde(rename = "text.ends_with")]
    TextEndsWith,
    /// Every occurrence, from left to right; an empty text to look for is a failure.
    #[serde(rename = "text.replace")]
    TextReplace,
    /// Whether the pattern matches the whole text, as the refinement of the same name; linear in the text.
    #[serde(rename = "text.matches")]
    TextMatches,
    /// What stands before the first occurrence of the argument; the whole text when it does not occur.
    #[serde(rename = "text.before")]
    TextBefore,
    /// What stands after the first occurrence of the argument; empty when it does not occur.
    #[serde(rename = "text.after")]
    TextAfter,
    /// At most so many characters.
    #[serde(rename = "text.truncate")]
    TextTruncate,
    /// `text.to_int() -> int?`
    #[serde(rename = "text.to_int")]
    TextToInt,
    /// `text.to_float() -> float?`, finite ones only.
    #[serde(rename = "text.to_float")]
    TextToFloat,
    /// None when the text is no JSON, or nested too deep.
    #[serde(rename = "text.parse_json")]
    TextParseJson,
    /// Compact JSON in the plain form; a text gets quotes.
    #[serde(rename = "json.to_text")]
    JsonToText,
    /// A field by its name, or an element by its index; none where there is no such thing.
    #[serde(rename = "json.field")]
    JsonField,
    #[serde(rename = "list.concat")]
    ListConcat,
    /// The elements for which the lambda is true.
    #[serde(rename = "list.filter")]
    ListFilter,
    #[serde(rename = "list.map")]
    ListMap,
    /// The lambda gives lists, which are put in a row. At most ten million elements.
    #[serde(rename = "list.flat_map")]
    ListFlatMap,
    /// Ascending by the total order of values (none first), stable. Without a lambda by the elements themselves.
    #[serde(rename = "list.sort_by")]
    ListSortBy,
    /// A negative count is a failure.
    #[serde(rename = "list.take")]
    ListTake,
    /// A negative count is a failure.
    #[serde(rename = "list.skip")]
    ListSkip,
    /// The first element of each key.
    #[serde(rename = "list.distinct_by")]
    ListDistinctBy,
    /// `list.group_by(x => key) -> [{ key: K, items: [T] }]`, in order of first occurrence.
    #[serde(rename = "list.group_by")]
    ListGroupBy,
    /// Zero for an empty list. With a lambda, of what it gives; likewise for the other sums and `avg`.
    #[serde(rename = "list.sum_int")]
    ListSumInt,
    /// From left to right.
    #[serde(rename = "list.sum_float")]
    ListSumFloat,
    #[serde(rename = "list.sum_money")]
    ListSumMoney,
    /// `list.avg() -> float?` over ints or floats.
    #[serde(rename = "list.avg")]
    ListAvg,
    /// `T?`: the first of the smallest, by the total order; none elements do not count. With a lambda, by its keys.
    #[serde(rename = "list.min")]
    ListMin,
    /// `T?`: the first of the largest.
    #[serde(rename = "list.max")]
    ListMax,
    /// With a lambda, of those for which it is true.
    #[serde(rename = "list.count")]
    ListCount,
    /// Stops at the first that decides; likewise `all`. Without a lambda, of a list of bools.
    #[serde(rename = "list.any")]
    ListAny,
    #[serde(rename = "list.all")]
    ListAll,
    /// `T?`; with a lambda the first for which it is true.
    #[serde(rename = "list.first")]
    ListFirst,
    /// `T?`; with a lambda the last for which it is true.
    #[serde(rename = "list.last")]
    ListLast,
    /// Of texts, with the second argument between them; without one, with nothing.
    #[serde(rename = "list.join")]
    ListJoin,
    /// `a.zip(b) -> [{ left: A, right: B }]`, as long as the shorter one.
    #[serde(rename = "list.zip")]
    ListZip,
    /// Lists of at most so many; a size below one is a failure.
    #[serde(rename = "list.chunk")]
    ListChunk,
    /// By `eq`.
    #[serde(rename = "list.contains")]
    ListContains,
    /// In the order in which they were written.
    #[serde(rename = "map.keys")]
    MapKeys,
    /// In the order of the keys.
    #[serde(rename = "map.values")]
    MapValues,
}
