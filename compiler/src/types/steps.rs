//! The steps of a flow.

use super::Checker;
use super::coerce::Typed;
use super::flows::Body;
use super::phrases::milliseconds;
use super::scope::{Fact, FactKind, VariableKind};
use super::ty::{FieldTy, Fit, Ty};
use crate::syntax::ast::{
    Block, Expr, ExprKind, ForStep, Likely, MatchArm, Name, Otherwise, Step, StepKind, TemplatePiece, TypeExpr,
};
use crate::{Problem, Span};
use ecow::EcoString;
use pmflow_plan as plan;
use pmflow_plan::{Expr as Plan, Op, Value};

impl Checker<'_> {
    pub(super) fn check_block(&mut self, body: &mut Body, block: &Block) -> plan::Block {
        if !self.deeper(block.span) {
            return plan::Block::default();
        }
        let level = body.scope.enter();
        let mut steps = Vec::new();
        for step in &block.steps {
            if let Some((name, kind)) = self.check_step(body, step) {
                let was = was(step).map(|name| name.text.to_string());
                steps.push(plan::Step { name, after: Vec::new(), kind, was });
            }
        }
        self.check_former_names(block, &steps);
        body.scope.leave(level);
        self.depth -= 1;
        plan::Block { steps }
    }

    /// A history belongs to one step: to the one that is called so, or else to the one that was.
    fn check_former_names(&mut self, block: &Block, steps: &[plan::Step]) {
        let former: Vec<&Name> = block.steps.iter().filter_map(was).collect();
        for (at, name) in former.iter().enumerate() {
            let taken = steps.iter().any(|step| *step.name == *name.text);
            let again = former.iter().take(at).any(|before| before.text == name.text);
            let message = match (taken, again) {
                (true, _) => format!("a step of this block is called `{}` now, so no other keeps that name's history", name.text),
                (_, true) => format!("two steps of this block say that they were `{}`", name.text),
                _ => continue,
            };
            self.report(Problem::new("E0102", name.span, message).help("delete this `was`"));
        }
    }

    /// A block one step further down.
    pub(super) fn inner_block(&mut self, body: &mut Body, name: &str, block: &Block) -> plan::Block {
        let outer = body.below(name);
        let outer = std::mem::replace(&mut body.path, outer);
        let block = self.check_block(body, block);
        body.path = outer;
        block
    }

    fn check_step(&mut self, body: &mut Body, step: &Step) -> Option<(String, plan::StepKind)> {
        match &step.kind {
            StepKind::Source { name, ty, call, modifiers } => self.check_source(body, name, ty.as_ref(), call, modifiers),
            StepKind::Let { name, ty, value, modifiers } => self.check_let(body, name, ty.as_ref(), value, modifiers),
            StepKind::LetFor { name, ty, body: for_step } => self.check_let_for(body, name, ty.as_ref(), for_step),
            StepKind::Do { call, modifiers } => self.check_do(body, call, modifiers),
            StepKind::If { condition, likely, then, otherwise } => {
                self.check_if(body, step.span, condition, likely.as_ref(), then, otherwise.as_ref())
            }
            StepKind::Match { value, arms, otherwise } => self.check_match(body, step.span, value, arms, otherwise.as_ref()),
            StepKind::For(for_step) => {
                let (unique, looped, _) = self.check_for(body, for_step, None)?;
                Some((unique, plan::StepKind::For(looped)))
            }
            StepKind::Repeat { up_to, condition, body: inner } => {
                self.check_repeat(body, step.span, up_to, condition.as_ref(), inner)
            }
            StepKind::Set { name, value } => self.check_set(body, step.span, name, value),
            StepKind::Parallel { body: inner } => {
                let name = body.name("parallel", true, step.span);
                let outer = std::mem::replace(&mut body.parallel, true);
                let block = self.inner_block(body, &name, inner);
                body.parallel = outer;
                Some((name, plan::StepKind::Parallel { body: block }))
            }
            StepKind::Wait { until, value } => {
                let (ty, purpose) =
                    if *until { (Ty::Datetime, "the time to wait for") } else { (Ty::Duration, "the time to wait") };
                let value = self.check(&mut body.scope, value, &ty, purpose);
                let wait = if *until { plan::Wait::Until(value.expr) } else { plan::Wait::For(value.expr) };
                Some((body.name("wait", true, step.span), plan::StepKind::Wait(wait)))
            }
            StepKind::Approve { text, by, timeout, otherwise } => {
                self.check_approve(body, step.span, text, by.as_ref(), timeout.as_ref(), otherwise.as_ref())
            }
            StepKind::Output { value, tagged } => Some(self.check_output(body, step.span, value, tagged.as_ref())),
            StepKind::Fail { text } => {
                let text = self.check(&mut body.scope, text, &Ty::text(), "the reason");
                Some((body.name("fail", true, step.span), plan::StepKind::Fail { text: text.expr }))
            }
            StepKind::Stop => Some((body.name("stop", true, step.span), plan::StepKind::Stop)),
            StepKind::Yield { value } => {
                let problem = Problem::new("E0405", step.span, "`yield` stands at the end of a loop whose results are kept");
                self.report(problem.help("as in `let results = for x in xs { … yield x.name }`, once, not inside an `if`"));
                self.infer(&mut body.scope, value);
                None
            }
            StepKind::Broken => None,
        }
    }

    fn check_if(
        &mut self,
        body: &mut Body,
        span: Span,
        condition: &Expr,
        likely: Option<&Likely>,
        then: &Block,
        otherwise: Option<&Otherwise>,
    ) -> Option<(String, plan::StepKind)> {
        let condition = self.condition(&mut body.scope, condition);
        let likely_percent = likely.and_then(|likely| self.likely_percent(likely));
        let name = body.name("if", true, span);
        let outputs = body.outputs_max;
        let level = body.scope.enter();
        body.scope.learn(&condition.when_true);
        let then_block = self.inner_block(body, &name, then);
        body.scope.leave(level);
        let outputs_then = std::mem::replace(&mut body.outputs_max, outputs);
        body.scope.learn(&condition.when_false);
        let otherwise_block = self.otherwise_block(body, &name, otherwise);
        body.scope.leave(level);
        body.outputs_max = larger(outputs_then, body.outputs_max);
        if leaves(then) {
            body.scope.learn(&condition.when_false);
        }
        if otherwise.is_some_and(leaves_otherwise) {
            body.scope.learn(&condition.when_true);
        }
        let kind = plan::StepKind::If { condition: condition.expr, likely_percent, then: then_block, otherwise: otherwise_block };
        Some((name, kind))
    }

    fn otherwise_block(&mut self, body: &mut Body, name: &str, otherwise: Option<&Otherwise>) -> plan::Block {
        match otherwise {
            None => plan::Block::default(),
            Some(Otherwise::Block(block)) => self.inner_block(body, name, block),
            Some(Otherwise::If(step)) => {
                let block = Block { span: step.span, steps: vec![(**step).clone()] };
                self.inner_block(body, name, &block)
            }
        }
    }

    fn likely_percent(&mut self, likely: &Likely) -> Option<u32> {
        let percent = match likely.percent.kind {
            ExprKind::Percent(thousandths) => u32::try_from(thousandths / 1000).ok().filter(|percent| *percent <= 100),
            ExprKind::Missing => return None,
            _ => None,
        };
        if percent.is_none() {
            let problem = Problem::new("E0302", likely.percent.span, "`likely` takes a share from 0% to 100%");
            self.report(problem.help("as in `likely 30%`"));
        }
        percent
    }

    fn check_match(
        &mut self,
        body: &mut Body,
        span: Span,
        value: &Expr,
        arms: &[MatchArm],
        otherwise: Option<&Block>,
    ) -> Option<(String, plan::StepKind)> {
        let matched = self.infer(&mut body.scope, value);
        if !matches!(matched.ty, Ty::Enum(_) | Ty::Text(_) | Ty::Int { .. } | Ty::Bool | Ty::Error) {
            let problem = match &matched.ty {
                Ty::Optional(_) => Problem::new("E0204", matched.span, "this may be missing")
                    .help("test it first with `if`, or give a value for that case with `??`"),
                other => Problem::new(
                    "E0201",
                    matched.span,
                    format!("`match` tells enum values, texts, ints and bools apart, but this is {other}"),
                ),
            };
            self.report(problem);
        }
        let name = body.name("match", true, span);
        let before = body.outputs_max;
        let mut most = if otherwise.is_some() { Some(0) } else { before };
        let mut seen: Vec<(String, Span)> = Vec::new();
        let mut planned = Vec::new();
        for arm in arms {
            let patterns = self.arm_patterns(body, arm, &matched, &mut seen);
            let likely = arm.likely.as_ref().and_then(|likely| self.likely_percent(likely));
            body.outputs_max = before;
            let block = self.inner_block(body, &name, &arm.body);
            most = larger(most, body.outputs_max);
            // What is said of several values together is divided among them.
            let (each, rest) = match u32::try_from(patterns.len()) {
                Ok(count @ 1..) => likely.map_or((None, 0), |percent| (Some(percent / count), percent % count)),
                _ => (None, 0),
            };
            planned.extend(patterns.into_iter().zip(0u32..).map(|(case, position)| {
                let likely_percent = each.map(|percent| percent + u32::from(position < rest));
                plan::MatchArm { case, likely_percent, body: block.clone() }
            }));
        }
        body.outputs_max = before;
        let otherwise_block = otherwise.map(|block| self.inner_block(body, &name, block));
        body.outputs_max = larger(most, body.outputs_max);
        self.check_exhaustive(&matched, &seen, arms, otherwise, span);
        let likely: u32 = planned.iter().filter_map(|arm| arm.likely_percent).sum();
        if let (101.., Some(last)) = (likely, arms.iter().rev().find_map(|arm| arm.likely.as_ref())) {
            let problem = Problem::new("E0302", last.span, format!("the cases of this `match` are likely by {likely}% together"));
            self.report(problem.help("all cases together have 100%"));
        }
        Some((name, plan::StepKind::Match { value: matched.expr, arms: planned, otherwise: otherwise_block }))
    }

    fn arm_patterns(&mut self, body: &mut Body, arm: &MatchArm, matched: &Typed, seen: &mut Vec<(String, Span)>) -> Vec<String> {
        let mut patterns = Vec::new();
        for pattern in &arm.patterns {
            let value = self.check(&mut body.scope, pattern, &matched.ty, "the value of this arm");
            if value.ty.is_error()
                && let Some(meant) = self.meant_value(pattern, &matched.ty)
            {
                seen.push((meant, pattern.span));
                continue;
            }
            let Plan::Literal(literal) = &value.expr else {
                if !value.ty.is_error() {
                    self.report(
                        Problem::new("E0403", pattern.span, "an arm of `match` is a value that is written out")
                            .help("use `if` for anything else"),
                    );
                }
                continue;
            };
            let text = match literal {
                Value::Text(text) => text.to_string(),
                Value::Int(number) => number.to_string(),
                Value::Bool(value) => value.to_string(),
                _ => continue,
            };
            if value.ty.is_error() {
                continue;
            }
            if let Some((_, before)) = seen.iter().find(|(known, _)| *known == text) {
                let problem = Problem::new("E0403", pattern.span, format!("`{text}` has an arm already"));
                self.report(problem.related(*before, "here").help("delete one of the two"));
                continue;
            }
            seen.push((text.clone(), pattern.span));
            patterns.push(text);
        }
        patterns
    }

    /// The value that a misspelt one was probably meant to be, so that it is not reported as missing too.
    fn meant_value(&self, pattern: &Expr, ty: &Ty) -> Option<String> {
        let (ExprKind::EnumValue(name), Ty::Enum(of)) = (&pattern.kind, ty) else { return None };
        let near = crate::problems::nearest(&name.text, of.values.iter().map(|(value, _)| value.as_str()));
        near.map(str::to_owned)
    }

    fn check_exhaustive(
        &mut self,
        matched: &Typed,
        seen: &[(String, Span)],
        arms: &[MatchArm],
        otherwise: Option<&Block>,
        span: Span,
    ) {
        let wanted: Vec<EcoString> = match &matched.ty {
            Ty::Enum(of) => of.values.iter().map(|(value, _)| value.clone()).collect(),
            Ty::Bool => vec!["true".into(), "false".into()],
            Ty::Text(_) | Ty::Int { .. } if otherwise.is_none() => {
                let end = Span { start: span.end.saturating_sub(1), end: span.end.saturating_sub(1), ..span };
                let problem = Problem::new(
                    "E0403",
                    matched.span,
                    format!("this `match` does not say what happens for every other {}", matched.ty),
                );
                self.report(problem.help("add `else { … }`").fix("add `else {}`", end, "  else {}\n  "));
                return;
            }
            _ => return,
        };
        let broken = arms.iter().any(|arm| arm.patterns.iter().any(|pattern| matches!(pattern.kind, ExprKind::Missing)));
        let missing: Vec<&str> =
            wanted.iter().filter(|value| !seen.iter().any(|(known, _)| known == *value)).map(EcoString::as_str).collect();
        if missing.is_empty() || otherwise.is_some() || broken {
            return;
        }
        let dot = if matches!(matched.ty, Ty::Enum(_)) { "." } else { "" };
        let text: String = missing.iter().map(|value| format!("  {dot}{value} {{}}\n  ")).collect();
        let end = Span { start: span.end.saturating_sub(1), end: span.end.saturating_sub(1), ..span };
        let problem = Problem::new(
            "E0403",
            matched.span,
            format!("this `match` leaves out {}", super::project::listed(missing.iter().copied())),
        );
        self.report(problem.help("add an arm for each, or `else { … }` for all of them").fix("add the arms", end, text));
    }

    fn check_let_for(
        &mut self,
        body: &mut Body,
        name: &Name,
        ty: Option<&TypeExpr>,
        for_step: &ForStep,
    ) -> Option<(String, plan::StepKind)> {
        let (_, looped, yielded) = self.check_for(body, for_step, Some(&name.text))?;
        let of = yielded.as_ref().map_or(Ty::Error, |yielded| yielded.ty.clone());
        let mut bound = Ty::list(of, looped.items_max);
        if let Some(ty) = ty {
            let wanted = self.resolve_type(super::resolve::TypeScope::file(body.scope.file), ty);
            if bound.fit(&wanted) != Fit::Same {
                let problem = Problem::new("E0201", ty.span, format!("`{}` is {wanted}, but the loop gives {bound}", name.text));
                self.report(problem);
            }
            bound = wanted;
        }
        let trust = yielded.map(|yielded| yielded.trust.passed(&name.text, name.span)).unwrap_or_default();
        let unique = self.bind(body, name, bound, trust, VariableKind::Let);
        Some((unique, plan::StepKind::For(looped)))
    }

    /// `kept`: the name that the yielded values are bound to; the loop's steps stand below it, else below its variable.
    fn check_for(
        &mut self,
        body: &mut Body,
        for_step: &ForStep,
        kept: Option<&EcoString>,
    ) -> Option<(String, plan::For, Option<Typed>)> {
        let list = self.infer(&mut body.scope, &for_step.list);
        let of = self.element_of(&list);
        let items_max = match &list.ty {
            Ty::List { max, .. } => *max,
            _ => None,
        };
        let level = body.scope.enter();
        body.scope.loops += 1;
        let trust = list.trust.passed(&for_step.variable.text, for_step.variable.span);
        let of = if self.refuse_second(body, &for_step.variable) { Ty::Error } else { of };
        self.note_type(for_step.variable.span, &of);
        let unique = body.scope.declare(&for_step.variable.text, of.clone(), trust, for_step.variable.span, VariableKind::Loop);
        let step = kept.map_or_else(|| unique.to_string(), EcoString::to_string);
        if kept.is_none() {
            body.place(&step, for_step.variable.span);
        }
        let key = self.loop_key(body, for_step, &of, &unique);
        let of_rows = root_of(&list.expr).is_some_and(|root| body.scope.is_source(root));
        let (times, calls) = (body.times, body.calls);
        body.times = times.zip(items_max).and_then(|(times, items)| times.checked_mul(items));
        let (block, yielded) = self.loop_body(body, &step, &for_step.body, kept.is_some());
        body.times = times;
        if key.is_none() && of_rows && body.calls > calls {
            self.report_no_key(for_step, &of);
        }
        body.scope.loops -= 1;
        body.scope.leave(level);
        if items_max.is_none() && body.calls > calls && !list.ty.is_error() {
            self.report_unbounded(&list, &for_step.list);
        }
        let looped = plan::For {
            variable: unique.to_string(),
            over: plan::Stream { from: plan::StreamFrom::List(list.expr), stages: Vec::new() },
            key,
            items_max,
            captures: Vec::new(),
            body: block,
            yields: yielded.as_ref().map(|yielded| yielded.expr.clone()),
        };
        Some((step, looped, yielded))
    }

    /// Without a key an item is named by its position, and another one stands there when the rows change. Said where a field
    /// seems to tell the rows apart.
    fn report_no_key(&mut self, for_step: &ForStep, of: &Ty) {
        let Ty::Record(record) = of else { return };
        let told_apart = |field: &&FieldTy| matches!(field.ty, Ty::Text(_) | Ty::Int { .. }) && names_one_thing(&field.name);
        let Some(field) = record.fields.iter().find(told_apart) else { return };
        let key = format!("key {}.{}", for_step.variable.text, field.name);
        let end = Span { start: for_step.list.span.end, ..for_step.list.span };
        let problem = Problem::new("W0112", for_step.list.span, "nothing names the items of this loop but their position");
        self.report(problem.help(format!("if `{}` tells them apart, write `{key}`", field.name)).fix(
            format!("add `{key}`"),
            end,
            format!(" {key}"),
        ));
    }

    fn report_unbounded(&mut self, list: &Typed, written: &Expr) {
        let mut problem =
            Problem::new("E0706", written.span, "nothing bounds how often this loop runs, and each time costs a call");
        let root = root_of(&list.expr).map(str::to_string);
        let source =
            root.and_then(|root| self.items.source_ends.iter().rev().find(|(name, _)| *name == root).map(|(_, span)| *span));
        problem = match source {
            Some(end) => problem.related(end, "this source has no limit").help("add a limit to the source: `limit 1000`").fix(
                "add `limit 1000`",
                end,
                " limit 1000",
            ),
            None => {
                let end = Span { start: written.span.end, ..written.span };
                problem.help("bound the list: `[T](max 1000)` where it is declared, or `.take(1000)` here").fix(
                    "add `.take(1000)`",
                    end,
                    ".take(1000)",
                )
            }
        };
        self.report(problem);
    }

    fn loop_body(&mut self, body: &mut Body, step: &str, block: &Block, kept: bool) -> (plan::Block, Option<Typed>) {
        let outer = body.below(step);
        let outer = std::mem::replace(&mut body.path, outer);
        let level = body.scope.enter();
        let mut steps = Vec::new();
        let mut yielded: Option<Typed> = None;
        let last = block.steps.len().saturating_sub(1);
        for (position, inner) in block.steps.iter().enumerate() {
            match &inner.kind {
                StepKind::Yield { value } if kept && position == last => yielded = Some(self.infer(&mut body.scope, value)),
                _ => {
                    if let Some((name, kind)) = self.check_step(body, inner) {
                        let was = was(inner).map(|name| name.text.to_string());
                        steps.push(plan::Step { name, after: Vec::new(), kind, was });
                    }
                }
            }
        }
        body.scope.leave(level);
        body.path = outer;
        let complains_already = block.steps.iter().any(|step| matches!(step.kind, StepKind::Yield { .. } | StepKind::Broken));
        if kept && yielded.is_none() && !complains_already {
            let problem = Problem::new("E0405", block.span, "this loop's results are kept, but it yields none");
            self.report(problem.help("end its body with `yield …`, or write the loop without `let`"));
        }
        (plan::Block { steps }, yielded)
    }

    fn loop_key(&mut self, body: &mut Body, for_step: &ForStep, of: &Ty, unique: &str) -> Option<Plan> {
        if let Some(key) = &for_step.key {
            let key = self.infer(&mut body.scope, key);
            if !matches!(key.ty, Ty::Text(_) | Ty::Int { .. } | Ty::Enum(_) | Ty::Date | Ty::Datetime | Ty::Error) {
                let problem = Problem::new(
                    "E0201",
                    key.span,
                    format!("a key is a text, an int, a date or an enum value, but this is {}", key.ty),
                );
                self.report(problem.help("it names the item in every run, so it must be there and be the same each time"));
            }
            return Some(key.expr);
        }
        let Ty::Record(record) = of else { return None };
        let field = ["id", "key"]
            .iter()
            .find_map(|name| record.field(name).filter(|field| matches!(field.ty, Ty::Text(_) | Ty::Int { .. })))?;
        Some(Plan::Field { of: Box::new(Plan::Var(unique.to_string())), name: field.name.to_string() })
    }

    fn check_approve(
        &mut self,
        body: &mut Body,
        span: Span,
        text: &Expr,
        by: Option<&Name>,
        timeout: Option<&Expr>,
        otherwise: Option<&Block>,
    ) -> Option<(String, plan::StepKind)> {
        let shown = self.check(&mut body.scope, text, &Ty::text(), "what is approved");
        let timeout_ms = timeout.and_then(|timeout| self.duration_ms(timeout, "`timeout`", "24h"));
        let name = body.name("approve", true, span);
        let before = body.outputs_max;
        let block = otherwise.map(|block| self.inner_block(body, &name, block));
        body.outputs_max = larger(before, body.outputs_max);
        if otherwise.is_none_or(leaves) {
            let facts = self.approved(body, text);
            body.scope.learn(&facts);
        }
        let approve = plan::Approve { text: shown.expr, by: by.map(|by| by.text.to_string()), timeout_ms, otherwise: block };
        Some((name, plan::StepKind::Approve(approve)))
    }

    /// What the person saw in the text's holes is what they vouch for.
    fn approved(&mut self, body: &mut Body, text: &Expr) -> Vec<Fact> {
        let ExprKind::Text(template) = &text.kind else { return Vec::new() };
        let mut facts = Vec::new();
        for piece in &template.pieces {
            if let TemplatePiece::Hole { value, .. } = piece {
                facts.extend(self.path_of(&mut body.scope, value).map(|path| Fact { path, kind: FactKind::Trusted }));
            }
        }
        facts
    }

    fn check_output(&mut self, body: &mut Body, span: Span, value: &Expr, tagged: Option<&Expr>) -> (String, plan::StepKind) {
        let value = self.infer(&mut body.scope, value);
        if value.ty.fit(&Ty::Json) == Fit::No {
            if matches!(value.ty, Ty::Secret) {
                self.report_secret(value.span, "an output");
            } else {
                self.report(Problem::new("E0201", value.span, format!("{} cannot be stored", value.ty)));
            }
        }
        body.outputs.push((value.ty.clone(), value.span));
        body.outputs_max = body.outputs_max.zip(body.times).and_then(|(sum, times)| sum.checked_add(times));
        let tags = tagged.map(|tagged| self.tags(body, tagged)).unwrap_or_default();
        (body.name("output", true, span), plan::StepKind::Output { value: value.expr, tags })
    }

    fn tags(&mut self, body: &mut Body, tagged: &Expr) -> Vec<Plan> {
        let ExprKind::List(items) = &tagged.kind else {
            if !matches!(tagged.kind, ExprKind::Missing) {
                let problem = Problem::new("E0302", tagged.span, "tags are written out in a list")
                    .help("as in `tagged [\"sales\", fit.priority]`");
                self.report(problem);
            }
            return Vec::new();
        };
        let mut tags = Vec::new();
        for item in items {
            let tag = self.infer(&mut body.scope, item);
            if !matches!(tag.ty, Ty::Text(_) | Ty::Enum(_) | Ty::Error) {
                self.report(Problem::new("E0201", tag.span, format!("a tag is a text or an enum value, but this is {}", tag.ty)));
            }
            tags.push(tag.expr);
        }
        tags
    }

    /// A duration that is written out.
    pub(super) fn duration_ms(&mut self, expr: &Expr, what: &str, example: &str) -> Option<u64> {
        if matches!(expr.kind, ExprKind::Missing | ExprKind::Duration(None)) {
            return None;
        }
        let read = milliseconds(expr);
        if read.is_none() {
            self.report(
                Problem::new("E0302", expr.span, format!("{what} takes a duration that is written out"))
                    .help(format!("as in `{example}`")),
            );
        }
        read
    }
}

/// Whether a field of this name tells rows apart as a rule.
fn names_one_thing(field: &str) -> bool {
    let name = field.to_lowercase();
    let ends = ["_id", "email", "uuid", "guid", "url", "number", "sku", "slug", "username"];
    field.ends_with("Id") || ends.iter().any(|end| name.ends_with(end))
}

/// The name that the step had before it was renamed.
fn was(step: &Step) -> Option<&Name> {
    use crate::syntax::ast::ModifierKind;
    let modifiers = match &step.kind {
        StepKind::Source { modifiers, .. } | StepKind::Let { modifiers, .. } | StepKind::Do { modifiers, .. } => modifiers,
        _ => return None,
    };
    modifiers.iter().find_map(|modifier| match &modifier.kind {
        ModifierKind::Was(name) => Some(name),
        _ => None,
    })
}

/// Whether what follows the block is reached only without it.
fn leaves(block: &Block) -> bool {
    block.steps.iter().any(|step| match &step.kind {
        StepKind::Fail { .. } | StepKind::Stop => true,
        StepKind::If { then, otherwise: Some(otherwise), .. } => leaves(then) && leaves_otherwise(otherwise),
        _ => false,
    })
}

fn leaves_otherwise(otherwise: &Otherwise) -> bool {
    match otherwise {
        Otherwise::Block(block) => leaves(block),
        Otherwise::If(step) => match &step.kind {
            StepKind::If { then, otherwise: Some(otherwise), .. } => leaves(then) && leaves_otherwise(otherwise),
            _ => false,
        },
    }
}

fn larger(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.zip(b).map(|(a, b)| a.max(b))
}

/// The variable that a list is made from.
fn root_of(expr: &Plan) -> Option<&str> {
    match expr {
        Plan::Var(name) => Some(name),
        Plan::Op {
            op: Op::ListFilter | Op::ListMap | Op::ListSkip | Op::ListTake | Op::ListSortBy | Op::ListDistinctBy,
            arguments,
        } => root_of(arguments.first()?),
        _ => None,
    }
}
