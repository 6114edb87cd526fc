//! Arguments against parameters, for everything that is called by name.

use super::Checker;
use super::coerce::Typed;
use super::items::Signature;
use super::names::suggest;
use super::scope::Scope;
use crate::syntax::ast::Argument;
use crate::{Problem, Span};
use ecow::EcoString;
use std::collections::BTreeSet;

impl Checker<'_> {
    /// The arguments by parameter; those with a default or an optional type may be left out.
    pub(super) fn check_arguments(
        &mut self,
        scope: &mut Scope,
        callee: &str,
        signature: &Signature,
        arguments: &[Argument],
        span: Span,
    ) -> Vec<(EcoString, Typed)> {
        let mut given: Vec<(EcoString, Typed)> = Vec::new();
        let mut seen: BTreeSet<EcoString> = BTreeSet::new();
        for (position, argument) in arguments.iter().enumerate() {
            let parameter = match &argument.name {
                Some(name) => signature.parameters.iter().find(|parameter| parameter.name == name.text),
                None => signature.parameters.get(position),
            };
            let Some(parameter) = parameter else {
                self.report_surplus(callee, signature, argument);
                self.infer(scope, &argument.value);
                continue;
            };
            if let Some(name) = &argument.name {
                self.refer(name.span, parameter.span);
            }
            let value = self.check(scope, &argument.value, &parameter.ty, &format!("the argument `{}`", parameter.name));
            if !seen.insert(parameter.name.clone()) {
                self.report(Problem::new(
                    "E0208",
                    argument.value.span,
                    format!("the argument `{}` is given twice", parameter.name),
                ));
                continue;
            }
            if let Some(demand) = &parameter.demand {
                self.require_trusted(&value, &format!("`{}` of `{callee}`", parameter.name), demand);
            }
            given.push((parameter.name.clone(), value));
        }
        // A misspelt argument is not missing as well.
        let misspelt = |argument: &Argument| {
            argument.name.as_ref().is_some_and(|name| !signature.parameters.iter().any(|known| known.name == name.text))
        };
        if arguments.iter().any(misspelt) {
            return given;
        }
        for parameter in signature.parameters.iter().filter(|parameter| !parameter.optional && !seen.contains(&parameter.name)) {
            let problem =
                Problem::new("E0208", span, format!("`{callee}` needs the argument `{}` ({})", parameter.name, parameter.ty));
            self.report(problem.related(parameter.span, "declared here"));
        }
        given
    }

    fn report_surplus(&mut self, callee: &str, signature: &Signature, argument: &Argument) {
        let problem = match &argument.name {
            Some(name) => {
                let problem = Problem::new("E0108", name.span, format!("`{callee}` has no parameter `{}`", name.text));
                suggest(problem, name.span, &name.text, signature.parameters.iter().map(|parameter| parameter.name.as_str()))
            }
            None => {
                let count = match signature.parameters.len() {
                    0 => "no argument".to_string(),
                    1 => "one argument".to_string(),
                    count => format!("{count} arguments"),
                };
                Problem::new("E0208", argument.value.span, format!("`{callee}` takes {count}"))
            }
        };
        self.report(problem);
    }
}
