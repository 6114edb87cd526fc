//! Everything that the project declares: names first, then signatures, then bodies.

use super::trust::Demand;
use super::ty::{Ty, TypeName};
use crate::Span;
use ecow::EcoString;
use pmflow_plan as plan;
use std::collections::HashMap;
use std::sync::Arc;

/// What a name of a file stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Type(usize),
    Model(usize),
    Prompt(usize),
    Function(usize),
    Connector(usize),
    Budget(usize),
    Flow(usize),
    /// An imported file, by its index; none when it could not be read.
    Module(Option<usize>),
}

/// All items, by kind, in the order of files and places.
#[derive(Debug, Default)]
pub(crate) struct Items {
    /// By file: what its names stand for, and where they are declared.
    pub names: Vec<HashMap<EcoString, (Item, Span)>>,
    pub types: Vec<TypeDeclaration>,
    pub models: Vec<ModelDeclaration>,
    pub prompts: Vec<PromptDeclaration>,
    pub functions: Vec<FunctionDeclaration>,
    pub connectors: Vec<ConnectorDeclaration>,
    pub operations: Vec<OperationDeclaration>,
    pub budgets: Vec<BudgetDeclaration>,
    pub flows: Vec<FlowDeclaration>,
    /// Demands on the parameters of what is being checked.
    pub demands: Vec<(usize, Demand)>,
    /// The function whose body is being checked.
    pub current_function: Option<usize>,
    /// Of every checked flow: name, row and place.
    pub sources: HashMap<usize, Vec<(EcoString, Ty, Span)>>,
    /// Sources without a limit, by their variable, with the place where one can be written.
    pub source_ends: Vec<(String, Span)>,
    /// The flows whose bodies are being checked, each called by the one before.
    pub flows_open: Vec<OpenFlow>,
}

/// A flow whose body is being checked.
#[derive(Debug)]
pub(crate) struct OpenFlow {
    pub index: usize,
    pub name: EcoString,
    /// The call that led to it.
    pub call: Option<Span>,
}

/// Where an item stands: file, and position among its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub file: usize,
    pub item: usize,
}

#[derive(Debug)]
pub(crate) struct TypeDeclaration {
    pub at: At,
    /// For a type declared inside a connector: its position there.
    pub inner: Option<usize>,
    pub connector: Option<usize>,
    pub name: TypeName,
    pub span: Span,
    /// None until its turn has come.
    pub ty: Option<Ty>,
}

#[derive(Debug)]
pub(crate) struct ModelDeclaration {
    pub at: At,
    pub span: Span,
    pub state: ModelState,
}

#[derive(Clone, Debug)]
pub(crate) enum ModelState {
    Unread,
    Reading,
    /// Names in the plan's table, in the order of the chain; empty after an error.
    Read(Vec<String>),
}

#[derive(Clone, Debug)]
pub(crate) struct ParameterTy {
    pub name: EcoString,
    pub ty: Ty,
    pub optional: bool,
    pub trusted: Option<Span>,
    pub span: Span,
    /// Why only trusted text may be given for it, when the body says so.
    pub demand: Option<Demand>,
}

#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub parameters: Vec<ParameterTy>,
    pub result: Ty,
}

#[derive(Debug)]
pub(crate) struct PromptDeclaration {
    pub at: At,
    pub name: EcoString,
    pub full: EcoString,
    pub signature: Signature,
}

#[derive(Debug)]
pub(crate) struct FunctionDeclaration {
    pub at: At,
    pub name: EcoString,
    pub full: EcoString,
    pub signature: Signature,
    pub defaults: Vec<Option<plan::ParameterDefault>>,
    /// Functions that its body calls, with the place of the call.
    pub calls: Vec<(usize, Span)>,
}

#[derive(Debug)]
pub(crate) struct ConnectorDeclaration {
    pub at: At,
    pub full: EcoString,
    pub types: HashMap<EcoString, usize>,
    pub operations: HashMap<EcoString, usize>,
}

#[derive(Debug)]
pub(crate) struct OperationDeclaration {
    pub connector: usize,
    /// Position among the connector's operations.
    pub inner: usize,
    /// `hubspot.create_task`
    pub name: EcoString,
    pub full: EcoString,
    pub span: Span,
    pub generics: Vec<EcoString>,
    pub signature: Signature,
    pub kind: plan::OperationKind,
    pub repeatable: bool,
}

#[derive(Debug)]
pub(crate) struct BudgetDeclaration {
    pub at: At,
    pub budget: Option<plan::SharedBudget>,
}

#[derive(Debug)]
pub(crate) struct FlowDeclaration {
    pub at: At,
    pub name: EcoString,
    pub full: EcoString,
    pub signature: Signature,
    pub state: FlowState,
    /// Some call in it changes something outside.
    pub writes: bool,
    /// The largest number of outputs of one run; none: unbounded.
    pub outputs_max: Option<u64>,
    /// How deep the calls of other flows nest in it.
    pub flows_below: usize,
    pub checked: Option<CheckedFlow>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlowState {
    Unchecked,
    Checking,
    Checked,
}

/// A flow as data; what depends on the whole plan is filled in when it is emitted.
#[derive(Clone, Debug)]
pub struct CheckedFlow {
    pub name: String,
    pub(crate) full: String,
    pub(crate) file: usize,
    pub span: Span,
    pub(crate) plan: Arc<plan::Flow>,
    /// Path below the flow → place of the step.
    pub(crate) places: Vec<(String, Span)>,
}

/// A `test`, checked.
#[derive(Clone, Debug)]
pub struct CheckedTest {
    pub title: String,
    pub span: Span,
    pub(crate) file: usize,
    /// Full name of the flow that it runs; none when the test runs none.
    pub(crate) flow: Option<String>,
    pub(crate) givens: Vec<(Vec<String>, GivenStandIn)>,
    pub(crate) input: Vec<(String, plan::Expr)>,
    pub(crate) expectations: Vec<Expectation>,
}

/// What stands in for a source, prompt, action or approval.
#[derive(Clone, Debug)]
pub enum GivenStandIn {
    Value(plan::Expr),
    /// Of the call's arguments, in the order of its parameters.
    Function(plan::Lambda),
    /// The call fails with this text.
    Fail(plan::Expr),
}

/// `expect …`, with its own text for the report.
#[derive(Clone, Debug)]
pub enum Expectation {
    Condition {
        condition: plan::Expr,
        text: String,
        span: Span,
    },
    /// The path as in the givens; counts from and to, both inclusive.
    Called {
        target: Vec<String>,
        min: u64,
        max: Option<u64>,
        text: String,
        span: Span,
    },
}

impl Expectation {
    pub(crate) fn span(&self) -> Span {
        let (Expectation::Condition { span, .. } | Expectation::Called { span, .. }) = self;
        *span
    }
}

impl Items {
    pub fn checked_flows(&mut self) -> Vec<CheckedFlow> {
        self.flows.iter_mut().filter_map(|flow| flow.checked.take()).collect()
    }
}
