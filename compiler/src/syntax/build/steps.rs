//! The steps of a flow.

use super::expressions::missing;
use super::{Builder, Pair, Pairs, Rule, behind};
use crate::Span;
use crate::problems::Problem;
use crate::syntax::ast::{
    BinaryOperator, Block, Expr, ExprKind, ForStep, Likely, MatchArm, Modifier, Name, Otherwise, Setting, Step, StepKind,
    TypeExpr,
};

/// What may stand behind the value of a step.
const MODIFIERS: &str = "`retry`, `timeout`, `else`, `cache`, `key`, `limit`, `expect`, `was`, or the next step";

/// The parts that many steps share.
#[derive(Default)]
struct Parts<'a> {
    name: Option<Name>,
    assign: Option<Span>,
    ty: Option<TypeExpr>,
    value: Option<Pair<'a>>,
    modifiers: Vec<Modifier>,
    junk: bool,
}

impl<'a> Builder<'a> {
    pub(super) fn block(&mut self, pair: Pair<'a>, of: &str) -> Block {
        let span = self.span(&pair);
        let (steps, _) = self.members(pair, span, of, false);
        Block { span, steps }
    }

    fn block_or_report(&mut self, pair: Option<Pair<'a>>, after: Span, of: &str) -> Block {
        match pair {
            Some(pair) => self.block(pair, of),
            None => {
                self.expected(after, &format!("a `{{` and the steps of {of}"));
                Block { span: behind(after), steps: Vec::new() }
            }
        }
    }

    /// The steps of a block, and the settings that stand before them when it is a flow's.
    pub(super) fn members(&mut self, pair: Pair<'a>, span: Span, of: &str, flow: bool) -> (Vec<Step>, Vec<Setting>) {
        let (mut steps, mut settings): (Vec<Step>, Vec<Setting>) = (Vec::new(), Vec::new());
        let mut closed = false;
        self.depth += 1;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::close_curly => closed = true,
                Rule::comma => {}
                Rule::step => steps.push(self.step(inner)),
                Rule::setting => {
                    let (setting, behind) = self.setting(inner);
                    if let Some(first) = steps.first() {
                        self.report(late_setting(&setting, first));
                    }
                    settings.push(setting);
                    if let Some(span) = behind {
                        let broken = self.broken_steps(span, flow, !steps.is_empty());
                        steps.extend(broken);
                    }
                }
                _ => {
                    let span = self.span(&inner);
                    let broken = self.broken_steps(span, flow, !steps.is_empty());
                    steps.extend(broken);
                }
            }
        }
        self.depth -= 1;
        if !closed {
            self.unclosed(span, "{", of);
        }
        (steps, settings)
    }

    fn step(&mut self, pair: Pair<'a>) -> Step {
        let span = self.span(&pair);
        let doc = self.doc(span);
        let kind = match pair.into_inner().next() {
            Some(inner) => self.step_kind(inner, span),
            None => StepKind::Broken,
        };
        Step { span, doc, kind }
    }

    fn step_kind(&mut self, pair: Pair<'a>, span: Span) -> StepKind {
        let rule = pair.as_rule();
        let mut inner = pair.into_inner();
        let keyword = match rule {
            Rule::for_step => None,
            _ => inner.next().map(|keyword| self.span(&keyword)),
        };
        let keyword = keyword.unwrap_or(span);
        match rule {
            Rule::let_step => self.let_step(inner, keyword),
            Rule::source_step => self.source_step(inner, keyword),
            Rule::do_step => {
                let parts = self.parts(inner, MODIFIERS);
                let call = self.value(parts.value, keyword, "a call after `do`", parts.junk);
                StepKind::Do { call, modifiers: parts.modifiers }
            }
            Rule::if_step => self.if_step(inner, keyword),
            Rule::match_step => self.match_step(inner, keyword),
            Rule::for_step => match inner.next() {
                Some(head) => StepKind::For(Box::new(self.for_head(head))),
                None => StepKind::Broken,
            },
            Rule::repeat_step => self.repeat_step(inner, keyword),
            Rule::set_step => {
                let parts = self.parts(inner, "the next step");
                let name = self.name_or_report(parts.name, keyword, "a name after `set`");
                let value = self.assigned(parts.assign, parts.value, name.span, &name.text, parts.junk);
                StepKind::Set { name, value }
            }
            Rule::parallel_step => {
                let body = self.only_block(inner, keyword, "`parallel`");
                StepKind::Parallel { body }
            }
            Rule::wait_step => self.wait_step(inner, keyword),
            Rule::approve_step => self.approve_step(inner, keyword),
            Rule::output_step => self.output_step(inner, keyword),
            Rule::fail_step => StepKind::Fail { text: self.single(inner, keyword, "a text after `fail` that says why") },
            Rule::yield_step => StepKind::Yield { value: self.single(inner, keyword, "a value after `yield`") },
            _ => {
                self.parts(inner, "the next step");
                StepKind::Stop
            }
        }
    }

    /// One value behind the keyword.
    fn single(&mut self, inner: Pairs<'a>, keyword: Span, what: &str) -> Expr {
        let parts = self.parts(inner, "the next step");
        self.value(parts.value, keyword, what, parts.junk)
    }

    fn parts(&mut self, inner: Pairs<'a>, wanted: &str) -> Parts<'a> {
        let mut parts = Parts::default();
        let mut colon = None;
        for piece in inner {
            let span = self.span(&piece);
            match piece.as_rule() {
                Rule::name => parts.name = Some(self.name(&piece)),
                Rule::colon => colon = Some(span),
                Rule::r#type => parts.ty = Some(self.type_expression(piece)),
                Rule::assign => parts.assign = Some(span),
                Rule::modifier => parts.modifiers.extend(self.modifier(piece)),
                Rule::step_junk => {
                    self.step_junk(&piece, wanted);
                    parts.junk = true;
                }
                _ => parts.value = Some(piece),
            }
        }
        if let (Some(colon), None) = (colon, &parts.ty) {
            self.expected(colon, "a type after the `:`");
        }
        parts
    }

    /// A missing value is reported unless something unreadable stands in its place.
    fn value(&mut self, value: Option<Pair<'a>>, after: Span, what: &str, junk: bool) -> Expr {
        match value {
            None if junk => missing(after),
            value => self.expression_or_report(value, after, what),
        }
    }

    /// `= EXPR`
    fn assigned(&mut self, assign: Option<Span>, value: Option<Pair<'a>>, after: Span, name: &str, junk: bool) -> Expr {
        match assign {
            Some(assign) => self.value(value, assign, &format!("a value for `{name}` after the `=`"), junk),
            None => {
                if !junk {
                    self.expected(after, &format!("a `=` and a value for `{name}`"));
                }
                missing(after)
            }
        }
    }

    fn let_step(&mut self, inner: Pairs<'a>, keyword: Span) -> StepKind {
        let mut parts = self.parts(inner, MODIFIERS);
        let name = self.name_or_report(parts.name, keyword, "a name after `let`");
        if let Some(head) = parts.value.take_if(|value| value.as_rule() == Rule::for_head) {
            let body = Box::new(self.for_head(head));
            if let Some(modifier) = parts.modifiers.first() {
                self.unexpected_at(modifier.span, "the next step");
            }
            return StepKind::LetFor { name, ty: parts.ty, body };
        }
        let after = parts.ty.as_ref().map_or(name.span, |ty| ty.span);
        let value = self.assigned(parts.assign, parts.value, after, &name.text, parts.junk);
        StepKind::Let { name, ty: parts.ty, value, modifiers: parts.modifiers }
    }

    fn source_step(&mut self, inner: Pairs<'a>, keyword: Span) -> StepKind {
        let parts = self.parts(inner, "`limit`, `expect`, `retry`, or the next step");
        let name = self.name_or_report(parts.name, keyword, "a name after `source`");
        let after = parts.ty.as_ref().map_or(name.span, |ty| ty.span);
        let call = self.assigned(parts.assign, parts.value, after, &name.text, parts.junk);
        StepKind::Source { name, ty: parts.ty, call, modifiers: parts.modifiers }
    }

    fn if_step(&mut self, inner: Pairs<'a>, keyword: Span) -> StepKind {
        let mut branches = Vec::new();
        let (mut last, mut after_else, mut if_keyword) = (None, None, keyword);
        for piece in inner {
            let span = self.span(&piece);
            match piece.as_rule() {
                Rule::if_branch => {
                    self.depth += 1;
                    if self.depth > super::TREE_DEPTH_MAX {
                        self.report(crate::syntax::parse::too_deep(if_keyword));
                        break;
                    }
                    branches.push((if_keyword, self.if_branch(piece, if_keyword)));
                    after_else = None;
                }
                Rule::kw_if => if_keyword = span,
                Rule::kw_else => after_else = Some(span),
                _ => last = Some(self.block(piece, "`else`")),
            }
        }
        self.depth -= branches.len();
        if let (Some(keyword), None) = (after_else, &last) {
            last = Some(self.block_or_report(None, keyword, "`else`"));
        }
        nest_branches(branches, last)
    }

    fn if_branch(&mut self, pair: Pair<'a>, keyword: Span) -> (Expr, Option<Likely>, Block) {
        let (mut condition, mut likely, mut block) = (None, None, None);
        let mut junk = false;
        for piece in pair.into_inner() {
            match piece.as_rule() {
                Rule::expression => condition = Some(piece),
                Rule::likely => likely = Some(self.likely(piece)),
                Rule::head_junk => {
                    self.unexpected(&piece, "an operator, `likely`, or the `{` of the steps");
                    junk = true;
                }
                _ => block = Some(piece),
            }
        }
        // What was read is only the start of what was meant.
        let condition = if junk { None } else { condition };
        let condition = self.value(condition, keyword, "a condition after `if`", junk);
        let condition = if junk { compared_with_nothing(condition) } else { condition };
        let block = self.block_or_report(block, condition.span, "this `if`");
        (condition, likely, block)
    }

    fn likely(&mut self, pair: Pair<'a>) -> Likely {
        let span = self.span(&pair);
        let mut inner = pair.into_inner();
        let keyword = inner.next().map_or(span, |keyword| self.span(&keyword));
        Likely { span, percent: self.expression_or_report(inner.next(), keyword, "a percentage after `likely`, such as `30%`") }
    }

    fn match_step(&mut self, inner: Pairs<'a>, keyword: Span) -> StepKind {
        let (mut value, mut body, mut junk) = (None, None, false);
        for piece in inner {
            match piece.as_rule() {
                Rule::expression => value = Some(piece),
                Rule::match_body => body = Some(piece),
                _ => {
                    self.unexpected(&piece, "the `{` of the cases");
                    junk = true;
                }
            }
        }
        let value = self.value(value, keyword, "a value after `match`", junk);
        // In `match mood` and, on the next line, `.good {` the case was read as a field.
        let first_line = self.source(value.span).find('\n').map(|at| Span { end: value.span.start + at as u32, ..value.span });
        let body = body.filter(|body| first_line.is_none() || !starts_with_a_step(body));
        let Some(body) = body else {
            self.expected(first_line.unwrap_or(value.span), "a `{` and the cases of this `match`");
            return StepKind::Match { value, arms: Vec::new(), otherwise: None };
        };
        let (arms, otherwise) = self.match_body(body);
        StepKind::Match { value, arms, otherwise }
    }

    fn match_body(&mut self, pair: Pair<'a>) -> (Vec<MatchArm>, Option<Block>) {
        let span = self.span(&pair);
        let (mut arms, mut otherwise, mut closed) = (Vec::new(), None, false);
        self.depth += 1;
        for piece in pair.into_inner() {
            match piece.as_rule() {
                Rule::close_curly => closed = true,
                Rule::match_arm => arms.push(self.match_arm(piece)),
                Rule::match_else => {
                    let piece_span = self.span(&piece);
                    let block = piece.into_inner().find(|inner| inner.as_rule() == Rule::block);
                    let keyword = Span { end: piece_span.start + 4, ..piece_span };
                    otherwise = Some(self.block_or_report(block, keyword, "`else`"));
                }
                _ => self.unexpected(&piece, "a case: `.value { … }` or `else { … }`"),
            }
        }
        self.depth -= 1;
        if !closed {
            self.unclosed(span, "{", "this `match`");
        }
        (arms, otherwise)
    }

    fn match_arm(&mut self, pair: Pair<'a>) -> MatchArm {
        let span = self.span(&pair);
        let (mut patterns, mut likely, mut block): (Vec<Expr>, _, _) = (Vec::new(), None, None);
        for piece in pair.into_inner() {
            match piece.as_rule() {
                Rule::expression => {
                    let pattern = self.expression(piece);
                    patterns.extend(self.two_patterns(pattern));
                }
                Rule::likely => likely = Some(self.likely(piece)),
                Rule::comma => {}
                _ => block = Some(piece),
            }
        }
        let after = patterns.last().map_or(span, |pattern| pattern.span);
        MatchArm { span, patterns, likely, body: self.block_or_report(block, after, "this case") }
    }

    /// `.bad .unsure`, of which the comma is missing, was read as a field of `.bad`.
    fn two_patterns(&mut self, pattern: Expr) -> Vec<Expr> {
        match pattern.kind {
            ExprKind::Field { of, name: Some(name), optional: false } if matches!(of.kind, ExprKind::EnumValue(_)) => {
                self.expected_with_fix(of.span, "a `,` between the values of a case", ",");
                let span = name.span;
                vec![*of, Expr { span, kind: ExprKind::EnumValue(name) }]
            }
            kind => vec![Expr { span: pattern.span, kind }],
        }
    }

    pub(super) fn for_head(&mut self, pair: Pair<'a>) -> ForStep {
        let mut inner = pair.into_inner().peekable();
        let keyword = inner.next().map(|keyword| self.span(&keyword)).unwrap_or(self.range(0, 0));
        let variable = inner.next_if(|piece| piece.as_rule() == Rule::name).map(|name| self.name(&name));
        let variable = self.name_or_report(variable, keyword, "a name for the element after `for`");
        let in_keyword = inner.next_if(|piece| matches!(piece.as_rule(), Rule::kw_in | Rule::kw_of));
        let in_keyword = in_keyword.map(|piece| self.in_keyword(&piece));
        if in_keyword.is_none() {
            self.expected_with_fix(variable.span, "`in` and a list", " in ");
        }
        let list = inner.next_if(|piece| piece.as_rule() == Rule::expression);
        let after = in_keyword.unwrap_or(variable.span);
        let list = match (list, in_keyword) {
            (None, None) => missing(after),
            (list, _) => self.expression_or_report(list, after, "a list after `in`"),
        };
        let key = inner.next_if(|piece| piece.as_rule() == Rule::kw_key).map(|keyword| {
            let keyword = self.span(&keyword);
            let value = inner.next_if(|piece| piece.as_rule() == Rule::expression);
            self.expression_or_report(value, keyword, "a value after `key`")
        });
        let after = key.as_ref().map_or(list.span, |key| key.span);
        let mut block = None;
        for piece in inner {
            match piece.as_rule() {
                Rule::block => block = Some(piece),
                _ => self.unexpected(&piece, "`key`, or the `{` of the steps"),
            }
        }
        ForStep { variable, list, key, body: self.block_or_report(block, after, "this `for`") }
    }

    /// `in`, or the `of` that was written in its place.
    pub(super) fn in_keyword(&mut self, piece: &Pair<'a>) -> Span {
        let span = self.span(piece);
        if piece.as_rule() == Rule::kw_of {
            let problem = Problem::new("E0012", span, "`of` is not expected here").help("a loop goes over what is `in` a list");
            self.report(problem.fix("write `in`", span, "in"));
        }
        span
    }

    fn repeat_step(&mut self, inner: Pairs<'a>, keyword: Span) -> StepKind {
        let (mut up_to, mut condition, mut block) = (None, None, None);
        let (mut last, mut while_keyword, mut words) = (keyword, None, 0);
        for piece in inner {
            let span = self.span(&piece);
            match piece.as_rule() {
                Rule::kw_up | Rule::kw_to => {
                    last = span;
                    words += 1;
                }
                Rule::kw_while => while_keyword = Some(span),
                Rule::expression if while_keyword.is_some() => condition = Some(piece),
                Rule::expression => up_to = Some(piece),
                Rule::block => block = Some(piece),
                _ => self.unexpected(&piece, "`while`, or the `{` of the steps"),
            }
        }
        if words < 2 {
            self.expected(last, "`repeat up to N while CONDITION { … }`");
        }
        let up_to = match up_to {
            None if words < 2 => missing(last),
            up_to => self.expression_or_report(up_to, last, "how often at most, after `up to`"),
        };
        let condition = while_keyword.map(|keyword| self.expression_or_report(condition, keyword, "a condition after `while`"));
        let after = condition.as_ref().map_or(up_to.span, |condition| condition.span);
        StepKind::Repeat { up_to, condition, body: self.block_or_report(block, after, "this `repeat`") }
    }

    fn only_block(&mut self, inner: Pairs<'a>, keyword: Span, of: &str) -> Block {
        let mut block = None;
        for piece in inner {
            match piece.as_rule() {
                Rule::block => block = Some(piece),
                _ => self.unexpected(&piece, "the `{` of the steps"),
            }
        }
        self.block_or_report(block, keyword, of)
    }

    fn wait_step(&mut self, inner: Pairs<'a>, keyword: Span) -> StepKind {
        let mut inner = inner.peekable();
        let until = inner.next_if(|piece| piece.as_rule() == Rule::kw_until).map(|piece| self.span(&piece));
        let value = inner.next_if(|piece| piece.as_rule() == Rule::expression);
        let mut junk = false;
        for piece in inner {
            self.step_junk(&piece, "the next step");
            junk = true;
        }
        let what = if until.is_some() { "a time after `until`" } else { "a duration after `wait`, such as `2h`" };
        StepKind::Wait { until: until.is_some(), value: self.value(value, until.unwrap_or(keyword), what, junk) }
    }

    fn approve_step(&mut self, inner: Pairs<'a>, keyword: Span) -> StepKind {
        let (mut text, mut by, mut timeout, mut otherwise, mut junk) = (None, None, None, None, false);
        for piece in inner {
            let span = self.span(&piece);
            match piece.as_rule() {
                Rule::expression => text = Some(piece),
                Rule::approve_by => {
                    let name = piece.into_inner().nth(1).map(|name| self.name(&name));
                    by = Some(self.name_or_report(name, span, "who approves, after `by`"));
                }
                Rule::approve_timeout => {
                    let value = piece.into_inner().nth(1);
                    timeout = Some(self.expression_or_report(value, span, "a duration after `timeout`, such as `24h`"));
                }
                Rule::approve_else => {
                    let block = piece.into_inner().nth(1);
                    otherwise = Some(self.block_or_report(block, span, "`else`"));
                }
                _ => {
                    self.step_junk(&piece, "`by`, `timeout`, `else`, or the next step");
                    junk = true;
                }
            }
        }
        let text = self.value(text, keyword, "a text after `approve` that says what is decided", junk);
        StepKind::Approve { text, by, timeout, otherwise }
    }

    fn output_step(&mut self, inner: Pairs<'a>, keyword: Span) -> StepKind {
        let (mut value, mut tagged, mut junk) = (None, None, false);
        for piece in inner {
            let span = self.span(&piece);
            match piece.as_rule() {
                Rule::expression => value = Some(piece),
                Rule::tagged => {
                    let tags = piece.into_inner().nth(1);
                    tagged = Some(self.expression_or_report(tags, span, "a list of texts after `tagged`"));
                }
                _ => {
                    self.step_junk(&piece, "`tagged`, or the next step");
                    junk = true;
                }
            }
        }
        StepKind::Output { value: self.value(value, keyword, "a value after `output`", junk), tagged }
    }
}

fn starts_with_a_step(body: &Pair<'_>) -> bool {
    body.clone().into_inner().next().is_some_and(|first| first.as_rule() == Rule::broken_arm)
}

/// A condition of which only the beginning could be read, as in `x = 1`: it is checked, and need not be true or false.
fn compared_with_nothing(left: Expr) -> Expr {
    let (span, operator_span, right) = (left.span, behind(left.span), missing(left.span));
    let kind = ExprKind::Binary { operator: BinaryOperator::Equal, operator_span, left: Box::new(left), right: Box::new(right) };
    Expr { span, kind }
}

/// The keyword's place, then what stands behind it.
type Branch = (Span, (Expr, Option<Likely>, Block));

/// `if a { } else if b { } else { }` as nested steps.
fn nest_branches(branches: Vec<Branch>, last: Option<Block>) -> StepKind {
    let mut otherwise = last.map(Otherwise::Block);
    let mut result = StepKind::Broken;
    for (index, (keyword, (condition, likely, then))) in branches.into_iter().enumerate().rev() {
        let end = match &otherwise {
            Some(Otherwise::Block(block)) => block.span,
            Some(Otherwise::If(step)) => step.span,
            None => then.span,
        };
        result = StepKind::If { condition, likely, then, otherwise: otherwise.take() };
        if index > 0 {
            let kind = std::mem::replace(&mut result, StepKind::Broken);
            otherwise = Some(Otherwise::If(Box::new(Step { span: keyword.to(end), doc: None, kind })));
        }
    }
    result
}

fn late_setting(setting: &Setting, first_step: &Step) -> Problem {
    Problem::new("E0016", setting.name.span, format!("the setting `{}` stands behind a step", setting.name.text))
        .related(Span { end: first_step.span.start + 1, ..first_step.span }, "the first step is here")
        .help("settings stand at the start of the flow, before its steps")
}
