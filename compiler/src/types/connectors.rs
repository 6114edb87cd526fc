//! Connectors: where a service is, how it is authenticated to, how often it may be asked.

use super::Checker;
use super::names::suggest;
use super::phrases::{Settings, Terms, constant_text};
use super::scope::{Place, Scope};
use super::ty::Ty;
use crate::Problem;
use crate::syntax::ast::{ConnectorItem, ItemKind, Phrase, Setting};
use pmflow_plan::{Auth, Connector, Credential, Expr as Plan, RateLimit, Value};

const SETTINGS: &[&str] = &["base_url", "auth", "limit", "retry_on", "headers"];
const AUTH_FORMS: &str = "one of `bearer secret(\"NAME\")`, `basic USER PASSWORD`, `header \"NAME\" secret(\"NAME\")`, \
                          `query \"NAME\" secret(\"NAME\")`, `oauth2 { … }` or `none`";

impl Checker<'_> {
    pub(super) fn check_connectors(&mut self) {
        for index in 0..self.items.connectors.len() {
            self.check_connector(index);
        }
    }

    fn check_connector(&mut self, index: usize) {
        let Some(declaration) = self.items.connectors.get(index) else { return };
        let (at, full) = (declaration.at, declaration.full.clone());
        let Some((ast, item)) = self.item(at) else { return };
        let Some(ItemKind::Connector(connector)) = ast.items.get(item).map(|item| &item.kind) else { return };
        let settings = self.settings("a connector", &connector.settings, SETTINGS, &[]);
        let planned = Connector {
            name: full.to_string(),
            base_url: self.base_url(at.file, &settings, connector),
            auth: self.auth(&settings, &connector.name.text),
            headers: self.connector_headers(at.file, &settings),
            rate: self.read_setting(&settings, "limit", "how many requests in which time, as in `5 per second`", rate),
            retry_on: self.status_ranges(&settings, "retry_on"),
        };
        self.parts.connectors.insert(full.to_string(), planned);
        let declared = self.items.connectors.get(index).map(|connector| &connector.operations);
        let mut operations: Vec<usize> = declared.map(|declared| declared.values().copied().collect()).unwrap_or_default();
        operations.sort_unstable();
        for operation in operations {
            self.check_operation(operation, at.file, connector);
        }
    }

    fn base_url(&mut self, file: usize, settings: &Settings, connector: &ConnectorItem) -> Plan {
        let Some(setting) = settings.get("base_url").copied() else {
            if !connector.name.text.is_empty() {
                let message = format!("the connector `{}` has no `base_url`", connector.name.text);
                self.report(
                    Problem::new("E0601", connector.name.span, message)
                        .help("say where the service is: `base_url: \"https://…\"`"),
                );
            }
            return Plan::Literal(Value::text(""));
        };
        let expr = match setting.phrases.as_slice() {
            [phrase] => Terms::of(phrase).expr(),
            _ => None,
        };
        let Some(expr) = expr else {
            self.report_form(setting, "an address, as in `\"https://api.example.com\"`");
            return Plan::Literal(Value::text(""));
        };
        if let Some(address) = constant_text(expr)
            && !address.starts_with("https://")
            && !address.starts_with("http://")
        {
            let problem = Problem::new("E0302", expr.span, "an address starts with `https://` or `http://`");
            self.report(problem);
        }
        let mut scope = Scope::new(file, Place::Operation);
        self.check(&mut scope, expr, &Ty::text(), "`base_url`").expr
    }

    fn connector_headers(&mut self, file: usize, settings: &Settings) -> Vec<(String, Plan)> {
        let Some(setting) = settings.get("headers").copied() else { return Vec::new() };
        let mut scope = Scope::new(file, Place::Operation);
        self.named_values(&mut scope, setting)
    }

    /// `{ name: value, … }` of a request; values are texts, numbers or what is left out when it is missing.
    pub(super) fn named_values(&mut self, scope: &mut Scope, setting: &Setting) -> Vec<(String, Plan)> {
        let entries = match setting.phrases.as_slice() {
            [phrase] => {
                let mut terms = Terms::of(phrase);
                terms.entries()
            }
            _ => None,
        };
        let Some(entries) = entries else {
            self.report_form(setting, "names and values, as in `{ name: value }`");
            return Vec::new();
        };
        let mut values = Vec::new();
        for (name, value) in entries {
            let value = self.infer(scope, value);
            if matches!(value.ty, Ty::Secret) {
                self.report_secret(value.span, "a request");
            }
            values.push((name.text.to_string(), value.expr));
        }
        values
    }

    fn auth(&mut self, settings: &Settings, connector: &str) -> Auth {
        let Some(setting) = settings.get("auth").copied() else { return Auth::None };
        let auth = match setting.phrases.as_slice() {
            [phrase] => self.auth_phrase(phrase, connector),
            _ => None,
        };
        auth.unwrap_or_else(|| {
            self.report_form(setting, AUTH_FORMS);
            Auth::None
        })
    }

    fn auth_phrase(&mut self, phrase: &Phrase, connector: &str) -> Option<Auth> {
        let mut terms = Terms::of(phrase);
        let (word, span) = terms.any_word()?;
        let auth = match word.as_str() {
            "none" => Auth::None,
            "bearer" => Auth::Bearer { secret: terms.secret()?.to_string() },
            "basic" => Auth::Basic { user: Box::new(credential(&mut terms)?), password: Box::new(credential(&mut terms)?) },
            "header" => Auth::Header { name: name(&mut terms)?, value: Box::new(credential(&mut terms)?) },
            "query" => Auth::Query { name: name(&mut terms)?, value: Box::new(credential(&mut terms)?) },
            "oauth2" => self.oauth2(&mut terms, connector, span)?,
            _ => {
                let known = ["bearer", "basic", "header", "query", "oauth2", "none"];
                let problem = Problem::new("E0302", span, format!("there is no authentication called `{word}`"));
                self.report(suggest(problem, span, &word, known.iter().copied()));
                return Some(Auth::None);
            }
        };
        terms.is_done().then_some(auth)
    }

    pub(super) fn status_ranges(&mut self, settings: &Settings, name: &str) -> Vec<(u16, u16)> {
        self.read_setting(settings, name, "status codes, as in `[429, 500..599]`", |terms| {
            let phrases = terms.list()?;
            phrases.iter().map(|phrase| status_range(&mut Terms::of(phrase))).collect::<Option<Vec<_>>>()
        })
        .unwrap_or_default()
    }

    pub(super) fn check_budgets(&mut self) {
        for index in 0..self.items.budgets.len() {
            let Some(at) = self.items.budgets.get(index).map(|budget| budget.at) else { continue };
            let Some((ast, item)) = self.item(at) else { continue };
            let Some(ItemKind::Budget(budget)) = ast.items.get(item).map(|item| &item.kind) else { continue };
            let full = self.full_name(at.file, &budget.name.text);
            let read = self.shared_budget(&full, budget);
            if let Some(declaration) = self.items.budgets.get_mut(index) {
                declaration.budget = Some(read);
            }
        }
    }
}

/// `429`, `500..599`
pub(super) fn status_range(terms: &mut Terms) -> Option<(u16, u16)> {
    let status = |number: i64| u16::try_from(number).ok().filter(|status| (100..=599).contains(status));
    let (from, to) = match terms.range() {
        Some((from, to)) => (super::resolve::constant_int(from)?, super::resolve::constant_int(to)?),
        None => {
            let code = terms.int()?;
            (code, code)
        }
    };
    Some((status(from)?, status(to)?)).filter(|(from, to)| from <= to)
}

fn rate(terms: &mut Terms) -> Option<RateLimit> {
    let requests = terms.count().filter(|count| *count > 0)?;
    terms.word("per").then_some(())?;
    let per_ms = match terms.milliseconds() {
        Some(per_ms) => per_ms,
        None => match terms.any_word()?.0.as_str() {
            "second" => 1_000,
            "minute" => 60_000,
            "hour" => 3_600_000,
            "day" => 86_400_000,
            _ => return None,
        },
    };
    (per_ms > 0).then_some(RateLimit { requests, per_ms })
}

fn name(terms: &mut Terms) -> Option<String> {
    terms.text().map(|(text, _)| text.to_string()).or_else(|| terms.any_word().map(|(word, _)| word.to_string()))
}

fn credential(terms: &mut Terms) -> Option<Credential> {
    match terms.secret() {
        Some(secret) => Some(Credential::Secret(secret.to_string())),
        None => terms.text().map(|(text, _)| Credential::Text(text.to_string())),
    }
}
