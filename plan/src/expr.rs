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
    #[serde(rename = "int.add")]
    IntAdd,
    #[serde(rename = "int.sub")]
    IntSub,
    #[serde(rename = "int.mul")]
    IntMul,
    #[serde(rename = "int.div")]
    IntDiv,
    #[serde(rename = "int.rem")]
    IntRem,
    #[serde(rename = "int.neg")]
    IntNeg,
    /// Ordering of two ints; likewise for the other types. Equality is one operation for all: `eq`, `ne`.
    #[serde(rename = "int.lt")]
    IntLt,
    #[serde(rename = "int.le")]
    IntLe,
    #[serde(rename = "int.to_float")]
    IntToFloat,
    #[serde(rename = "int.to_text")]
    IntToText,
    #[serde(rename = "float.add")]
    FloatAdd,
    #[serde(rename = "float.sub")]
    FloatSub,
    #[serde(rename = "float.mul")]
    FloatMul,
    #[serde(rename = "float.div")]
    FloatDiv,
    #[serde(rename = "float.rem")]
    FloatRem,
    #[serde(rename = "float.neg")]
    FloatNeg,
    #[serde(rename = "float.lt")]
    FloatLt,
    #[serde(rename = "float.le")]
    FloatLe,
    #[serde(rename = "float.round")]
    FloatRound,
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
    #[serde(rename = "date.add")]
    DateAdd,
    #[serde(rename = "date.sub")]
    DateSub,
    /// date − date = duration
    #[serde(rename = "date.since")]
    DateSince,
    #[serde(rename = "datetime.add")]
    DatetimeAdd,
    #[serde(rename = "datetime.sub")]
    DatetimeSub,
    #[serde(rename = "datetime.since")]
    DatetimeSince,
    #[serde(rename = "datetime.date")]
    DatetimeDate,
    #[serde(rename = "date.parse")]
    DateParse,
    #[serde(rename = "datetime.parse")]
    DatetimeParse,
    #[serde(rename = "text.lt")]
    TextLt,
    #[serde(rename = "text.le")]
    TextLe,
    #[serde(rename = "bool.not")]
    Not,
    #[serde(rename = "eq")]
    Eq,
    #[serde(rename = "ne")]
    Ne,
    #[serde(rename = "is_some")]
    IsSome,
    #[serde(rename = "now")]
    Now,
    #[serde(rename = "today")]
    Today,
    #[serde(rename = "text.concat")]
    TextConcat,
    /// Characters (Unicode scalar values).
    #[serde(rename = "text.len")]
    TextLen,
    #[serde(rename = "text.lower")]
    TextLower,
    #[serde(rename = "text.upper")]
    TextUpper,
    #[serde(rename = "text.trim")]
    TextTrim,
    #[serde(rename = "text.split")]
    TextSplit,
    #[serde(rename = "text.contains")]
    TextContains,
    #[serde(rename = "text.starts_with")]
    TextStartsWith,
    #[serde(rename = "text.ends_with")]
    TextEndsWith,
    #[serde(rename = "text.replace")]
    TextReplace,
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
    #[serde(rename = "text.to_float")]
    TextToFloat,
    #[serde(rename = "text.parse_json")]
    TextParseJson,
    #[serde(rename = "json.to_text")]
    JsonToText,
    #[serde(rename = "json.field")]
    JsonField,
    #[serde(rename = "list.concat")]
    ListConcat,
    #[serde(rename = "list.filter")]
    ListFilter,
    #[serde(rename = "list.map")]
    ListMap,
    #[serde(rename = "list.flat_map")]
    ListFlatMap,
    #[serde(rename = "list.sort_by")]
    ListSortBy,
    #[serde(rename = "list.take")]
    ListTake,
    #[serde(rename = "list.skip")]
    ListSkip,
    #[serde(rename = "list.distinct_by")]
    ListDistinctBy,
    /// `list.group_by(x => key) -> [{ key: K, items: [T] }]`, in order of first occurrence.
    #[serde(rename = "list.group_by")]
    ListGroupBy,
    #[serde(rename = "list.sum_int")]
    ListSumInt,
    #[serde(rename = "list.sum_float")]
    ListSumFloat,
    #[serde(rename = "list.sum_money")]
    ListSumMoney,
    /// `list.avg() -> float?` over ints or floats.
    #[serde(rename = "list.avg")]
    ListAvg,
    #[serde(rename = "list.min")]
    ListMin,
    #[serde(rename = "list.max")]
    ListMax,
    #[serde(rename = "list.count")]
    ListCount,
    #[serde(rename = "list.any")]
    ListAny,
    #[serde(rename = "list.all")]
    ListAll,
    #[serde(rename = "list.first")]
    ListFirst,
    #[serde(rename = "list.last")]
    ListLast,
    #[serde(rename = "list.join")]
    ListJoin,
    /// `a.zip(b) -> [{ left: A, right: B }]`
    #[serde(rename = "list.zip")]
    ListZip,
    #[serde(rename = "list.chunk")]
    ListChunk,
    #[serde(rename = "list.contains")]
    ListContains,
    #[serde(rename = "map.keys")]
    MapKeys,
    #[serde(rename = "map.values")]
    MapValues,
}
