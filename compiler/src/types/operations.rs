//! Sources and actions of connectors: one request each, and how its answer is read.

use super::Checker;
use super::phrases::{Settings, Terms};
use super::resolve::TypeScope;
use super::scope::{Place, Scope, VariableKind};
use super::trust::Trust;
use super::ty::Ty;
use crate::emit::visit;
use crate::syntax::ast::{ConnectorItem, Expr, ItemKind, OperationItem, Phrase, Setting};
use crate::{Problem, Span};
use pmflow_plan::{
    Body, ErrorCase, Expr as Plan, FailureClass, Method, Operation, OperationKind, Paging, Piece, Repeatable, Value,
};

const METHODS: &[(&str, Method)] =
    &[("get", Method::Get), ("post", Method::Post), ("put", Method::Put), ("patch", Method::Patch), ("delete", Method::Delete)];
const SETTINGS: &[&str] = &[
    "get",
    "post",
    "put",
    "patch",
    "delete",
    "query",
    "headers",
    "json",
    "form",
    "multipart",
    "text",
    "items",
    "result",
    "next",
    "first",
    "error",
    "repeat",
];
const BODIES: &[&str] = &["json", "form", "multipart", "text"];

impl Checker<'_> {
    fn operation_item(connector: &ConnectorItem, inner: usize) -> Option<&OperationItem> {
        connector.operations.get(inner)
    }

    pub(super) fn read_operation_signature(&mut self, index: usize) {
        let Some(declaration) = self.items.operations.get(index) else { return };
        let (connector, inner, generics) = (declaration.connector, declaration.inner, declaration.generics.clone());
        let Some(at) = self.items.connectors.get(connector).map(|connector| connector.at) else { return };
        let Some((ast, item)) = self.item(at) else { return };
        let Some(ItemKind::Connector(item)) = ast.items.get(item).map(|item| &item.kind) else { return };
        let Some(operation) = Self::operation_item(item, inner) else { return };
        let scope = TypeScope { file: at.file, connector: Some(connector), generics: &generics };
        let mut signature = self.signature(scope, &operation.parameters, operation.result.as_ref());
        if operation.result.is_none() {
            signature.result = if operation.source { Ty::list(Ty::Json, None) } else { Ty::Json };
        }
        if operation.source && !matches!(signature.result, Ty::List { .. } | Ty::Error) {
            let span = operation.result.as_ref().map_or(operation.name.span, |result| result.span);
            self.report(
                Problem::new("E0602", span, "a source gives a list of rows").help("write the row's type in brackets: `-> [T]`"),
            );
            signature.result = Ty::list(Ty::Error, None);
        }
        let has = |name: &str| operation.settings.iter().any(|setting| setting.name.text == name);
        let safe = operation.settings.iter().any(|setting| setting.name.text == "repeat" && is_word(setting, "safe"));
        let kind = match operation.source {
            true => OperationKind::Source,
            false if has("get") || safe => OperationKind::Read,
            false => OperationKind::Action,
        };
        let repeatable = kind != OperationKind::Action || has("repeat") || self.damage.touches(operation.span);
        if let Some(declaration) = self.items.operations.get_mut(index) {
            declaration.signature = signature;
            declaration.kind = kind;
            declaration.repeatable = repeatable;
        }
    }

    pub(super) fn check_operation(&mut self, index: usize, file: usize, connector: &ConnectorItem) {
        let Some(declaration) = self.items.operations.get(index) else { return };
        let (full, kind, signature) = (declaration.full.clone(), declaration.kind, declaration.signature.clone());
        let Some(operation) = Self::operation_item(connector, declaration.inner) else { return };
        let connector_index = declaration.connector;
        let Some(connector_full) = self.items.connectors.get(connector_index).map(|connector| connector.full.clone()) else {
            return;
        };
        let owner = if operation.source { "a source" } else { "an action" };
        let settings = self.settings(owner, &operation.settings, SETTINGS, &["error"]);
        let defaults = self.defaults(file, &operation.parameters, &signature.parameters, false);
        let mut scope = Scope::new(file, Place::Operation);
        scope.connector = Some(connector_index);
        self.declare_parameters(&mut scope, &signature.parameters);
        let level = scope.enter();
        declare_given(&mut scope, "page", page_type(), operation.name.span);
        let (method, path) = self.request_line(&mut scope, &settings, operation);
        let query = settings.get("query").map(|setting| self.named_values(&mut scope, setting)).unwrap_or_default();
        let headers = settings.get("headers").map(|setting| self.named_values(&mut scope, setting)).unwrap_or_default();
        let body = self.request_body(&mut scope, &settings, method);
        scope.leave(level);
        declare_given(&mut scope, "body", Ty::Json, operation.name.span);
        declare_given(&mut scope, "status", Ty::int(), operation.name.span);
        declare_given(&mut scope, "headers", Ty::Map(std::sync::Arc::new(Ty::text())), operation.name.span);
        let mapping = self.mapping(&mut scope, &settings, operation);
        let pages = PagesUsed::of(&path, &query, &headers, &body);
        let paging = self.paging(&mut scope, &settings, operation, &pages);
        let errors = self.error_cases(&mut scope, operation);
        self.items.demands.clear();
        let result = match &signature.result {
            Ty::List { of, .. } if operation.source => of.to_plan(),
            other => other.to_plan(),
        };
        let planned = Operation {
            name: full.to_string(),
            connector: connector_full.to_string(),
            kind,
            parameters: Self::plan_parameters(&signature.parameters, defaults),
            result,
            method,
            path,
            query,
            headers,
            body,
            mapping,
            paging,
            errors,
            repeat: self.repeatable(&settings, kind),
        };
        self.parts.operations.insert(full.to_string(), planned);
    }

    fn request_line(&mut self, scope: &mut Scope, settings: &Settings, operation: &OperationItem) -> (Method, Vec<Piece>) {
        let written: Vec<(&Setting, Method)> =
            METHODS.iter().filter_map(|(name, method)| settings.get(name).map(|setting| (*setting, *method))).collect();
        let Some(((setting, method), others)) = written.split_first() else {
            if !operation.name.text.is_empty() {
                let problem = Problem::new(
                    "E0602",
                    operation.name.span,
                    format!("`{}` does not say which request it makes", operation.name.text),
                );
                self.report(problem.help("add the method and the path: `get: \"/path\"`, or `post`, `put`, `patch`, `delete`"));
            }
            return (Method::Get, Vec::new());
        };
        for (other, _) in others {
            let problem = Problem::new("E0602", other.name.span, format!("`{}` makes two requests", operation.name.text));
            self.report(problem.related(setting.name.span, "the first is here").help("make two operations of it"));
        }
        let Some(expr) = single_expr(setting) else {
            self.report_form(setting, "a path below `base_url`, as in `\"/contacts/{{ id }}\"`");
            return (*method, Vec::new());
        };
        let value = self.check(scope, expr, &Ty::text(), "the path");
        let path = match value.expr {
            Plan::Literal(Value::Text(text)) => vec![Piece::Text(text.to_string())],
            Plan::Template(pieces) => pieces,
            other => vec![Piece::Hole { value: other, untrusted: false }],
        };
        (*method, path)
    }

    fn request_body(&mut self, scope: &mut Scope, settings: &Settings, method: Method) -> Body {
        let written: Vec<&Setting> = BODIES.iter().filter_map(|name| settings.get(name).copied()).collect();
        let Some((setting, others)) = written.split_first() else { return Body::None };
        if let Some(other) = others.first() {
            let problem = Problem::new("E0602", other.name.span, "a request has one body");
            self.report(problem.related(setting.name.span, "the first is here"));
        }
        if method == Method::Get {
            let problem = Problem::new("E0602", setting.name.span, "a request by `get` has no body");
            self.report(problem.help("use `query`, or another method"));
        }
        match setting.name.text.as_str() {
            "json" => match single_expr(setting) {
                Some(expr) => Body::Json(self.check(scope, expr, &Ty::Json, "the body").expr),
                None => Body::Json(Plan::Record(self.named_values(scope, setting))),
            },
            "form" => Body::Form(self.named_values(scope, setting)),
            "multipart" => Body::Multipart(self.named_values(scope, setting)),
            _ => match single_expr(setting) {
                Some(expr) => Body::Text(self.check(scope, expr, &Ty::text(), "the body").expr),
                None => {
                    self.report_form(setting, "a text");
                    Body::None
                }
            },
        }
    }

    fn mapping(&mut self, scope: &mut Scope, settings: &Settings, operation: &OperationItem) -> Option<Plan> {
        let (own, other) = if operation.source { ("items", "result") } else { ("result", "items") };
        if let Some(setting) = settings.get(other) {
            let problem = Problem::new("E0110", setting.name.span, format!("`{other}` does not belong here"));
            let help =
                if operation.source { "a source maps its rows with `items`" } else { "an action maps its answer with `result`" };
            self.report(problem.help(help).fix(format!("write `{own}`"), setting.name.span, own));
        }
        let setting = settings.get(own)?;
        let Some(expr) = single_expr(setting) else {
            self.report_form(setting, "an expression over `body`");
            return None;
        };
        let value = self.infer(scope, expr);
        if operation.source && !matches!(value.ty, Ty::Json | Ty::List { .. } | Ty::Error) {
            self.report(Problem::new("E0201", value.span, format!("`items` gives the rows as a list, but this is {}", value.ty)));
        }
        Some(value.expr)
    }

    fn paging(&mut self, scope: &mut Scope, settings: &Settings, operation: &OperationItem, pages: &PagesUsed) -> Paging {
        let next_setting = settings.get("next").copied();
        if let Some(setting) = next_setting.filter(|_| !operation.source) {
            self.report(Problem::new("E0603", setting.name.span, "only a source has pages").help("remove `next`"));
            return Paging::None;
        }
        if next_setting.is_some_and(|setting| is_word(setting, "link")) {
            return Paging::Link { next: None };
        }
        let next = next_setting.and_then(|setting| match single_expr(setting) {
            Some(expr) => Some(self.infer(scope, expr)),
            None => {
                self.report_form(setting, "an expression over `body`, or `link`");
                None
            }
        });
        let span = next_setting.map_or(operation.name.span, |setting| setting.name.span);
        let first =
            self.read_setting(settings, "first", "the number of the first page, as in `1`", |terms| terms.int()).unwrap_or(1);
        if [pages.cursor, pages.number, pages.offset].iter().filter(|used| **used).count() > 1 {
            self.report(
                Problem::new("E0603", span, "the pages are told apart in two ways")
                    .help("use one of `page.cursor`, `page.number` and `page.offset`"),
            );
        }
        match (pages, next) {
            (PagesUsed { cursor: true, .. }, Some(next)) => Paging::Cursor { next: next.expr },
            (PagesUsed { cursor: true, .. }, None) => {
                let problem = Problem::new("E0603", span, "`page.cursor` is sent, but nothing says where the next one is found");
                self.report(problem.help("add it: `next: body.next_cursor`"));
                Paging::None
            }
            (PagesUsed { number: true, .. }, next) => Paging::Number { first, next: next.map(|next| next.expr) },
            (PagesUsed { offset: true, .. }, next) => Paging::Offset { next: next.map(|next| next.expr) },
            (_, Some(next)) => Paging::Link { next: Some(next.expr) },
            (_, None) => Paging::None,
        }
    }

    fn error_cases(&mut self, scope: &mut Scope, operation: &OperationItem) -> Vec<ErrorCase> {
        let mut cases = Vec::new();
        for setting in operation.settings.iter().filter(|setting| setting.name.text == "error") {
            for phrase in &setting.phrases {
                match self.error_case(scope, phrase) {
                    Some(case) => cases.push(case),
                    None => self.report_form(setting, "a status and a message, as in `404 => \"There is no such contact\"`"),
                }
            }
        }
        cases
    }

    /// `404 => "…"`, `400..499 => rate_limit "…"`, `body.ok == false => "…"`
    fn error_case(&mut self, scope: &mut Scope, phrase: &Phrase) -> Option<ErrorCase> {
        let mut terms = Terms::of(phrase);
        let (range, when) = match super::connectors::status_range(&mut terms) {
            Some(range) => (range, None),
            None => {
                let condition = terms.expr()?;
                ((200, 299), Some(self.condition(scope, condition).expr))
            }
        };
        terms.arrow().then_some(())?;
        let class = terms.expr_if(|expr| match &expr.kind {
            crate::syntax::ast::ExprKind::Name(word) => Some((word.clone(), expr.span)),
            _ => None,
        });
        let class = class.and_then(|(word, span)| self.failure_class(&word, span));
        let message = terms.expr()?;
        let message = self.check(scope, message, &Ty::text(), "the message").expr;
        terms.is_done().then_some(ErrorCase { status_min: range.0, status_max: range.1, when, message, class })
    }

    pub(super) fn failure_class(&mut self, word: &str, span: Span) -> Option<FailureClass> {
        let class = serde_json::from_value(serde_json::Value::String(word.to_string())).ok();
        if class.is_none() {
            let problem = Problem::new("E0302", span, format!("there is no kind of failure called `{word}`"));
            let known = [
                "transport",
                "rate_limit",
                "timeout",
                "refusal",
                "invalid_input",
                "invalid_output",
                "permission",
                "unknown_outcome",
            ];
            self.report(super::names::suggest(problem, span, word, known.iter().copied()));
        }
        class
    }

    fn repeatable(&mut self, settings: &Settings, kind: OperationKind) -> Repeatable {
        let form = "how a repeated request is made harmless: `idempotency_header \"NAME\"`, `upsert_key \"FIELD\"`, \
                    `check_then_write \"OPERATION\"`, `at_least_once_ok`, or `safe`";
        let read = self.read_setting(settings, "repeat", form, |terms| {
            let (word, _) = terms.any_word()?;
            let mut argument =
                || terms.text().map(|(text, _)| text.to_string()).or_else(|| terms.any_word().map(|(word, _)| word.to_string()));
            Some(match word.as_str() {
                "safe" => Repeatable::Safe,
                "at_least_once_ok" => Repeatable::AtLeastOnceOk,
                "idempotency_header" => Repeatable::IdempotencyHeader(argument()?),
                "upsert_key" => Repeatable::UpsertKey(argument()?),
                "check_then_write" => Repeatable::CheckThenWrite(argument()?),
                _ => return None,
            })
        });
        match kind {
            OperationKind::Source | OperationKind::Read => Repeatable::Safe,
            OperationKind::Action => read.unwrap_or(Repeatable::Unsaid),
        }
    }
}

/// Which way of telling pages apart the request uses.
struct PagesUsed {
    cursor: bool,
    number: bool,
    offset: bool,
}

impl PagesUsed {
    fn of(path: &[Piece], query: &[(String, Plan)], headers: &[(String, Plan)], body: &Body) -> PagesUsed {
        let mut used = PagesUsed { cursor: false, number: false, offset: false };
        let mut look = |expr: &Plan| {
            if let Plan::Field { of, name } = expr
                && matches!(&**of, Plan::Var(variable) if variable == "page")
            {
                match name.as_str() {
                    "cursor" => used.cursor = true,
                    "number" => used.number = true,
                    _ => used.offset = true,
                }
            }
        };
        visit::pieces(path, &mut look);
        for (_, value) in query.iter().chain(headers) {
            visit::expr(value, &mut look);
        }
        match body {
            Body::None => {}
            Body::Json(value) | Body::Text(value) => visit::expr(value, &mut look),
            Body::Form(values) | Body::Multipart(values) => values.iter().for_each(|(_, value)| visit::expr(value, &mut look)),
        }
        used
    }
}

fn page_type() -> Ty {
    Ty::record(vec![("cursor", Ty::Json), ("number", Ty::int()), ("offset", Ty::int())])
}

fn declare_given(scope: &mut Scope, name: &str, ty: Ty, span: Span) {
    // A parameter of the same name comes first.
    if !scope.sees(name) {
        scope.declare(&name.into(), ty, Trust::trusted(), span, VariableKind::Given);
    }
}

fn single_expr(setting: &Setting) -> Option<&Expr> {
    match setting.phrases.as_slice() {
        [phrase] if phrase.terms.len() == 1 => Terms::of(phrase).expr(),
        _ => None,
    }
}

fn is_word(setting: &Setting, word: &str) -> bool {
    match setting.phrases.as_slice() {
        [phrase] => {
            let mut terms = Terms::of(phrase);
            terms.word(word) && terms.is_done()
        }
        _ => false,
    }
}
