//! The syntax tree. Every node keeps its span; what could not be read is a `Broken` or `Missing` node among whole
//! neighbours. Nothing here is resolved or checked.

use super::{FileId, Span};
use ecow::EcoString;
use std::sync::Arc;

/// A name as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    pub text: EcoString,
    pub span: Span,
}

/// `hubspot.create_task`
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    pub names: Vec<Name>,
    pub span: Span,
}

/// A `//` comment; `///` lines before an item, field or step are its documentation, not comments.
#[derive(Clone, Debug, PartialEq)]
pub struct Comment {
    pub span: Span,
    pub text: EcoString,
}

#[derive(Clone, Debug, PartialEq)]
pub struct File {
    pub id: FileId,
    pub items: Vec<Arc<Item>>,
}

impl File {
    /// In the order of the text.
    pub fn items(&self) -> impl DoubleEndedIterator<Item = &Item> {
        self.items.iter().map(|item| &**item)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub span: Span,
    /// The `///` lines above, joined by newlines, without the slashes.
    pub doc: Option<EcoString>,
    pub kind: ItemKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ItemKind {
    Import(Import),
    Type(TypeItem),
    Enum(EnumItem),
    Model(ModelItem),
    Prompt(PromptItem),
    Function(FunctionItem),
    Connector(ConnectorItem),
    Budget(BudgetItem),
    Flow(FlowItem),
    Test(TestItem),
    /// A stretch that could not be read; already reported.
    Broken,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Import {
    /// `import std.NAME`
    Std { path: Path },
    /// `import "./file.pmflow"`; known by the file's name without its ending.
    File { path: EcoString, path_span: Span },
}

#[derive(Clone, Debug, PartialEq)]
pub struct TypeItem {
    pub name: Name,
    pub fields: Vec<FieldDeclaration>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FieldDeclaration {
    pub span: Span,
    pub doc: Option<EcoString>,
    pub name: Name,
    pub ty: TypeExpr,
}

#[derive(Clone, Debug, PartialEq)]
pub struct EnumItem {
    pub name: Name,
    pub values: Vec<EnumValue>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct EnumValue {
    pub doc: Option<EcoString>,
    pub name: Name,
}

/// `model NAME = "id" { options } else "id" else …`
#[derive(Clone, Debug, PartialEq)]
pub struct ModelItem {
    pub name: Name,
    pub chain: Vec<ModelLink>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ModelLink {
    pub span: Span,
    /// A quoted id, or the name of another `model`.
    pub target: ModelTarget,
    /// `{ base_url: "…", price: { input: $1.00, output: $2.00 }, region: "eu" }`, prices per million tokens.
    pub options: Vec<Setting>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ModelTarget {
    Id { text: EcoString, span: Span },
    Name(Name),
    Missing(Span),
}

#[derive(Clone, Debug, PartialEq)]
pub struct PromptItem {
    pub name: Name,
    pub parameters: Vec<Parameter>,
    pub result: Option<TypeExpr>,
    /// `system` and `user` are settings as well; their value is a text.
    pub settings: Vec<Setting>,
    pub examples: Vec<Example>,
}

/// `example { user: "…" assistant: "…" }`
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    pub span: Span,
    pub settings: Vec<Setting>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub span: Span,
    pub name: Name,
    /// `trusted text`
    pub trusted: Option<Span>,
    pub ty: Option<TypeExpr>,
    pub default: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FunctionItem {
    pub name: Name,
    pub parameters: Vec<Parameter>,
    pub result: Option<TypeExpr>,
    /// `Missing` in the prelude, where the compiler has the body.
    pub body: Expr,
    /// `<T, U>`; only the prelude may have them. `self` as first parameter makes a method.
    pub generics: Vec<Name>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ConnectorItem {
    pub name: Name,
    pub settings: Vec<Setting>,
    pub types: Vec<Item>,
    pub operations: Vec<OperationItem>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OperationItem {
    pub span: Span,
    pub doc: Option<EcoString>,
    /// `source` or `action`
    pub source: bool,
    pub name: Name,
    pub generics: Vec<Name>,
    pub parameters: Vec<Parameter>,
    pub result: Option<TypeExpr>,
    pub settings: Vec<Setting>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct BudgetItem {
    pub name: Name,
    pub settings: Vec<Setting>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FlowItem {
    pub name: Name,
    pub parameters: Vec<Parameter>,
    pub settings: Vec<Setting>,
    pub body: Block,
}

/// `name: value`. The value is kept in the general shape of phrases; the checker knows which setting wants which.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    pub span: Span,
    pub doc: Option<EcoString>,
    pub name: Name,
    /// Separated by commas: `$2.00 per run, $20.00 per day`.
    pub phrases: Vec<Phrase>,
}

/// Terms side by side: `every 2h`, `5 per second`, `bearer secret("X")`, `422 => "text"`.
#[derive(Clone, Debug, PartialEq)]
pub struct Phrase {
    pub span: Span,
    pub terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// An expression; a lone word (`every`, `per`, `skip`) is [`ExprKind::Name`].
    Expr(Expr),
    /// `a..b`
    Range { from: Expr, to: Expr, span: Span },
    /// `=>`
    Arrow(Span),
    /// `{ token_url: "…", scopes: ["…"] }` after a word, as in `oauth2 { … }`
    Settings { settings: Vec<Setting>, span: Span },
    /// `webhook: lead: Lead verify …`: the type after the inner name.
    Type(TypeExpr),
    /// `[75% info, 90% warn]`, `[429, 500..599]`: a list in which an element is more than one expression; every other
    /// list is an [`ExprKind::List`].
    Phrases { phrases: Vec<Phrase>, span: Span },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub span: Span,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub span: Span,
    pub doc: Option<EcoString>,
    pub kind: StepKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// `source NAME: [T] = CALL limit N expect M`
    Source {
        name: Name,
        ty: Option<TypeExpr>,
        call: Expr,
        modifiers: Vec<Modifier>,
    },
    /// `let NAME: T = EXPR modifiers`
    Let {
        name: Name,
        ty: Option<TypeExpr>,
        value: Expr,
        modifiers: Vec<Modifier>,
    },
    /// `let NAME = for x in xs { … yield E }`
    LetFor {
        name: Name,
        ty: Option<TypeExpr>,
        body: Box<ForStep>,
    },
    /// `do CALL modifiers`
    Do {
        call: Expr,
        modifiers: Vec<Modifier>,
    },
    If {
        condition: Expr,
        likely: Option<Likely>,
        then: Block,
        otherwise: Option<Otherwise>,
    },
    Match {
        value: Expr,
        arms: Vec<MatchArm>,
        otherwise: Option<Block>,
    },
    For(Box<ForStep>),
    /// `repeat up to N while COND { … }`
    Repeat {
        up_to: Expr,
        condition: Option<Expr>,
        body: Block,
    },
    Set {
        name: Name,
        value: Expr,
    },
    Parallel {
        body: Block,
    },
    Wait {
        until: bool,
        value: Expr,
    },
    Approve {
        text: Expr,
        by: Option<Name>,
        timeout: Option<Expr>,
        otherwise: Option<Block>,
    },
    Output {
        value: Expr,
        tagged: Option<Expr>,
    },
    Fail {
        text: Expr,
    },
    Stop,
    Yield {
        value: Expr,
    },
    /// `allow`ed nowhere: a stretch that could not be read; already reported.
    Broken,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Likely {
    pub span: Span,
    /// `30%`
    pub percent: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Otherwise {
    Block(Block),
    /// `else if …`: an [`StepKind::If`].
    If(Box<Step>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct MatchArm {
    pub span: Span,
    /// `.high`, a literal, or several separated by commas.
    pub patterns: Vec<Expr>,
    pub likely: Option<Likely>,
    pub body: Block,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ForStep {
    pub variable: Name,
    pub list: Expr,
    pub key: Option<Expr>,
    pub body: Block,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Modifier {
    pub span: Span,
    pub kind: ModifierKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ModifierKind {
    Limit(Expr),
    Expect(Expr),
    Retry { times: Expr, backoff: Option<Box<(Expr, Expr)>>, on: Vec<Name> },
    Timeout(Expr),
    Else(Expr),
    Cache(Expr),
    Key(Expr),
    Was(Name),
}

#[derive(Clone, Debug, PartialEq)]
pub struct TestItem {
    pub title: EcoString,
    pub title_span: Span,
    pub steps: Vec<TestStep>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TestStep {
    pub span: Span,
    pub kind: TestStepKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TestStepKind {
    /// `given hunter.company = …`; `fail "text"` as a value is [`GivenValue::Fail`].
    Given {
        target: Path,
        value: GivenValue,
    },
    /// `run flow(arguments)`
    Run {
        call: Expr,
    },
    /// `expect EXPR`
    Expect {
        condition: Expr,
    },
    /// `expect called PATH once`
    ExpectCalled {
        target: Path,
        times: CalledTimes,
    },
    Broken,
}

#[derive(Clone, Debug, PartialEq)]
pub enum GivenValue {
    Value(Expr),
    Fail(Expr),
}

#[derive(Clone, Debug, PartialEq)]
pub enum CalledTimes {
    /// Nothing said: at least once.
    AtLeastOnce,
    Never,
    Once,
    /// `3 times`
    Times(Expr),
}

#[derive(Clone, Debug, PartialEq)]
pub struct TypeExpr {
    pub span: Span,
    pub kind: TypeExprKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TypeExprKind {
    Named {
        path: Path,
        refinements: Vec<Refinement>,
    },
    List {
        of: Box<TypeExpr>,
        refinements: Vec<Refinement>,
    },
    /// `{text: T}`
    Map {
        of: Box<TypeExpr>,
    },
    Record {
        fields: Vec<FieldDeclaration>,
    },
    Optional(Box<TypeExpr>),
    /// `fn(T) -> U`; only the prelude may write it.
    Function {
        parameters: Vec<TypeExpr>,
        result: Box<TypeExpr>,
    },
    Missing,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Refinement {
    pub span: Span,
    pub kind: RefinementKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RefinementKind {
    /// `max 60 tokens`, `max 20`
    Max { number: Expr, unit: Option<Name> },
    /// `matches /re/`
    Matches { pattern: EcoString, pattern_span: Span },
    /// `1..10`
    Range { from: Expr, to: Expr },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub span: Span,
    pub kind: ExprKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// Nothing stands here although something should; already reported.
    Missing,
    None,
    Bool(bool),
    /// None: beyond 64 bits; already reported.
    Int(Option<i64>),
    Float(f64),
    /// Pico-dollars; none: too large or more than twelve places; already reported.
    Money(Option<i128>),
    /// `30%`, `12.5%` in thousandths of a per cent.
    Percent(u64),
    /// Microseconds.
    Duration(Option<i64>),
    Text(Template),
    /// `/re/`
    Regex(EcoString),
    /// `.high`
    EnumValue(Name),
    Name(EcoString),
    /// `a.b`, `a?.b`; the name is missing while it is typed.
    Field {
        of: Box<Expr>,
        name: Option<Name>,
        optional: bool,
    },
    Index {
        of: Box<Expr>,
        index: Box<Expr>,
    },
    Call {
        callee: Box<Expr>,
        arguments: Vec<Argument>,
    },
    /// `x => e`, `(x, y) => e`
    Lambda {
        parameters: Vec<Name>,
        body: Box<Expr>,
    },
    Unary {
        operator: UnaryOperator,
        of: Box<Expr>,
    },
    Binary {
        operator: BinaryOperator,
        operator_span: Span,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    If {
        condition: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    List(Vec<Expr>),
    Record(Vec<RecordField>),
    /// `x as T`
    As {
        of: Box<Expr>,
        ty: TypeExpr,
    },
    Parenthesized(Box<Expr>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    pub name: Option<Name>,
    pub value: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RecordField {
    pub name: Name,
    pub value: Expr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOperator {
    Negate,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOperator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    /// `??`
    Otherwise,
}

/// Text with `{{ }}` holes. `"…"` knows the escapes `\n \t \" \\ \{ \u{…}`; `"""…"""` is dedented by the indentation of
/// its least indented line, and the line breaks next to the quotes do not count.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pub span: Span,
    pub multiline: bool,
    pub pieces: Vec<TemplatePiece>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TemplatePiece {
    /// Escapes resolved, indentation removed.
    Text {
        text: EcoString,
        span: Span,
    },
    Hole {
        value: Expr,
        span: Span,
    },
    /// `{{ if c }} … {{ else if d }} … {{ else }} … {{ end }}`; an `else if` is an `If` alone in `otherwise`.
    If {
        condition: Expr,
        then: Vec<TemplatePiece>,
        otherwise: Vec<TemplatePiece>,
        span: Span,
    },
    For {
        variable: Name,
        list: Expr,
        body: Vec<TemplatePiece>,
        span: Span,
    },
}

impl Template {
    /// The text, when it has no hole.
    pub fn as_constant(&self) -> Option<EcoString> {
        let mut whole = EcoString::new();
        for piece in &self.pieces {
            let TemplatePiece::Text { text, .. } = piece else { return None };
            whole.push_str(text);
        }
        Some(whole)
    }
}
