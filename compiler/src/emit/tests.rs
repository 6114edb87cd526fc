//! Tests as data, for a host that runs them offline.

use super::names::Renaming;
use crate::Span;
use crate::types::{Checked, CheckedTest, Expectation, GivenStandIn};
use pmflow_plan::{Expr, Place, Plan, SourceMap};

/// A `test` of a root file.
#[derive(Clone, Debug)]
pub struct TestPlan {
    pub title: String,
    pub place: Option<Place>,
    pub span: Span,
    /// Of the flow that it runs, with all that its expectations need.
    pub plan: Plan,
    pub map: SourceMap,
    /// What is stood in for, by the name that the plan has for it: a source's variable, the full name of a prompt, an
    /// operation or a flow, `approve` or `now`.
    pub givens: Vec<(Vec<String>, GivenStandIn)>,
    /// The flow's arguments; they are constant.
    pub input: Vec<(String, Expr)>,
    /// Over `outputs` (list), `cost` (money), `failed` and `calls` (int), `alerts` (list).
    pub expectations: Vec<Expectation>,
}

/// The tests of the root files, in the order in which they are written; those that run no flow hold nothing to run and are
/// left out. Empty when the project has errors.
pub fn test_plans(checked: &Checked) -> Vec<TestPlan> {
    if !checked.clean() {
        return Vec::new();
    }
    let of_root = |test: &&CheckedTest| checked.files.get(test.file).is_some_and(|file| file.root);
    checked.tests.iter().filter(of_root).filter_map(|test| test_plan(checked, test)).collect()
}

fn test_plan(checked: &Checked, test: &CheckedTest) -> Option<TestPlan> {
    let flow = checked.flows.iter().find(|flow| Some(&flow.full) == test.flow.as_ref())?;
    let (plan, map) = super::emit_flow(checked, flow, &exprs(test))?;
    let module = checked.files.get(flow.file).map_or("", |file| file.module.as_str());
    let renaming = Renaming { module };
    let mut test = test.clone();
    for (path, stand_in) in &mut test.givens {
        path.iter_mut().for_each(|name| *name = renaming.name(name));
        match stand_in {
            GivenStandIn::Value(expr) | GivenStandIn::Fail(expr) => renaming.expr(expr),
            GivenStandIn::Function(lambda) => {
                lambda.parameters.iter_mut().for_each(|(_, ty)| renaming.ty(ty));
                renaming.expr(&mut lambda.body);
            }
        }
    }
    test.input.iter_mut().for_each(|(_, value)| renaming.expr(value));
    for expectation in &mut test.expectations {
        match expectation {
            Expectation::Condition { condition, .. } => renaming.expr(condition),
            Expectation::Called { target, .. } => target.iter_mut().for_each(|name| *name = renaming.name(name)),
        }
    }
    Some(TestPlan {
        title: test.title,
        place: super::place(checked, test.span),
        span: test.span,
        plan,
        map,
        givens: test.givens,
        input: test.input,
        expectations: test.expectations,
    })
}

fn exprs(test: &CheckedTest) -> Vec<&Expr> {
    let mut exprs: Vec<&Expr> = test.input.iter().map(|(_, value)| value).collect();
    for (_, stand_in) in &test.givens {
        match stand_in {
            GivenStandIn::Value(expr) | GivenStandIn::Fail(expr) => exprs.push(expr),
            GivenStandIn::Function(lambda) => exprs.push(&lambda.body),
        }
    }
    for expectation in &test.expectations {
        if let Expectation::Condition { condition, .. } = expectation {
            exprs.push(condition);
        }
    }
    exprs
}
