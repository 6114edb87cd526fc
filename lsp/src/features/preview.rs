//! A prompt as its model would see it, with the values of a test or with samples, and what each piece of it takes.

use super::hover::price_line;
use crate::protocol::{Answer, Fault};
use crate::workspace::{Host, View, Workspace};
use pmflow_compiler::FileId;
use pmflow_compiler::cost::tokens::tokenizer;
use pmflow_compiler::emit::emit_prompt;
use pmflow_compiler::emit::tests::test_plans;
use pmflow_compiler::syntax::ast::{ExprKind, ItemKind, TemplatePiece, Term};
use pmflow_plan::eval::{Context, FENCE_NOTICE, NOW, Scope, TODAY, render};
use pmflow_plan::{Expr, Model, Money, Plan, Prompt, Role, Type, Value};
use std::fmt::Write as _;

/// `test`: the title of the one whose values are wanted; else the first test that calls the prompt, one of its own file first.
pub fn preview(workspace: &mut Workspace, file: FileId, name: &str, test: Option<&str>) -> Answer<String> {
    let view = &*workspace.view(file);
    let unknown = || Fault::refused(format!("this file has no prompt `{name}`"));
    let (plan, full) = emit_prompt(&view.checked, file, name).ok_or_else(|| match view.checked.clean() {
        true => unknown(),
        false => Fault::refused("the file has errors, so the prompt cannot be shown yet"),
    })?;
    let prompt = plan.prompts.get(&full).ok_or_else(unknown)?;
    let wanted = Wanted { file, path: view.file(file).map_or("", |file| &file.path), prompt, name, test };
    let (source, values) = match wanted.values(workspace) {
        Some((title, values)) => (format!("With the values of the test {title}:"), values),
        None if test.is_some() => {
            return Err(Fault::refused(format!("no test \"{}\" calls `{name}`", test.unwrap_or_default())));
        }
        None => ("With sample values, for no test calls it:".to_owned(), samples(&plan, prompt)),
    };
    let mut text = format!("# {name}\n\n{source}\n");
    for (parameter, value) in &values {
        let _ = write!(text, "\n- `{parameter}`: `{}`", serde_json::to_string(&value.to_json()).unwrap_or_default());
    }
    if !values.is_empty() {
        text.push('\n');
    }
    let scope = Scope::new().with_all(clock(view.today)).with_all(values);
    let page = Page { view, file, name, plan: &plan, prompt, scope };
    page.messages(&mut text);
    Ok(text)
}

/// A prompt of which the values in a test are wanted.
struct Wanted<'a> {
    file: FileId,
    path: &'a str,
    prompt: &'a Prompt,
    name: &'a str,
    test: Option<&'a str>,
}

/// The title of a test, and the prompt's parameters in it.
type Fixture = (String, Vec<(String, Value)>);

impl Wanted<'_> {
    /// What a test gives the prompt when it first calls it: of its own file, else of one that imports it.
    fn values(&self, workspace: &mut Workspace) -> Option<Fixture> {
        let own = workspace.view(self.file);
        let found = self.values_in(workspace.host, &own);
        found.map(|(title, values)| (format!("\"{title}\""), values)).or_else(|| self.values_elsewhere(workspace))
    }

    fn values_elsewhere(&self, workspace: &mut Workspace) -> Option<Fixture> {
        let others = workspace.files.all().into_iter().filter(|other| *other != self.file);
        let mentions =
            |other: &FileId| workspace.files.text(*other).is_ok_and(|text| text.contains("test") && text.contains(self.name));
        for other in others.filter(mentions).collect::<Vec<_>>() {
            let view = workspace.view(other);
            if let Some((title, values)) = self.values_in(workspace.host, &view) {
                let path = view.file(other).map_or("", |file| &file.path);
                return Some((format!("\"{title}\" of `{path}`"), values));
            }
        }
        None
    }

    fn values_in(&self, host: Host, view: &View) -> Option<Fixture> {
        view.file(self.file)?;
        let tests = test_plans(&view.checked).into_iter().filter(|test| self.test.is_none_or(|title| test.title == title));
        for test in tests {
            let is_called = |called: &str| {
                let place = test.map.places.get(&format!("prompt:{called}"));
                called.rsplit(['.', '/']).next() == Some(self.name) && place.is_none_or(|place| *place.file == *self.path)
            };
            if let Some((_, given)) = (host.prompt_calls)(&test).into_iter().find(|(called, _)| is_called(called)) {
                let of = |parameter: &str| given.get(parameter).cloned().unwrap_or(Value::None);
                let values = self.prompt.parameters.iter().map(|parameter| (parameter.name.clone(), of(&parameter.name)));
                return Some((test.title, values.collect()));
            }
        }
        None
    }
}

/// What `now()` and `today()` are: midnight of this day.
fn clock(today: i32) -> [(&'static str, Value); 2] {
    [(NOW, Value::Datetime(i64::from(today) * 86_400_000_000)), (TODAY, Value::Date(today))]
}

fn samples(plan: &Plan, prompt: &Prompt) -> Vec<(String, Value)> {
    let sampled = |parameter: &pmflow_plan::Parameter| sample(plan, &parameter.ty, &parameter.name, 0);
    prompt.parameters.iter().map(|parameter| (parameter.name.clone(), sampled(parameter))).collect()
}

struct Page<'a> {
    view: &'a View,
    file: FileId,
    name: &'a str,
    plan: &'a Plan,
    prompt: &'a Prompt,
    scope: Scope,
}

impl Page<'_> {
    fn messages(&self, text: &mut String) {
        let system = self.prompt.system.as_ref().map(|system| self.rendered(system));
        let messages: Vec<(String, u32)> = self.prompt.messages.iter().map(|message| self.rendered(&message.text)).collect();
        let fences: u32 = system.iter().chain(&messages).map(|(_, fences)| fences).sum();
        let mut total = 0;
        let system = match (system, fences) {
            (None, 0) => None,
            (Some((shown, _)), 0) => Some(shown),
            (system, _) => Some(format!("{FENCE_NOTICE}{}", system.unwrap_or_default().0)),
        };
        if let Some(shown) = system {
            let notice = (fences > 0).then_some(("what fences mean".to_owned(), FENCE_NOTICE.to_owned()));
            let own = self.prompt.system.iter().flat_map(|system| self.pieces(system, "system"));
            total += self.message(text, "system", &shown, notice.into_iter().chain(own).collect());
        }
        for (message, (shown, _)) in self.prompt.messages.iter().zip(messages) {
            let role = if message.role == Role::User { "user" } else { "assistant" };
            total += self.message(text, role, &shown, self.pieces(&message.text, role));
        }
        let _ = write!(text, "\n{}\n", self.totals(total));
    }

    /// One message, with its pieces where it has several; its tokens.
    fn message(&self, text: &mut String, role: &str, shown: &str, pieces: Vec<(String, String)>) -> u64 {
        let tokens = self.tokens(shown);
        let _ = write!(text, "\n## {role} · {tokens} tokens\n\n````text\n{}\n````\n", shown.trim_end());
        if pieces.len() > 1 {
            let _ = write!(text, "\n| piece | tokens | cost |\n|---|---:|---:|\n");
        }
        for (label, rendered) in pieces.iter().filter(|_| pieces.len() > 1) {
            let tokens = self.tokens(rendered);
            let cost = self.model().map_or_else(String::new, |model| input_cost(model, tokens).to_string());
            let _ = writeln!(text, "| {label} | {tokens} | {cost} |");
        }
        tokens
    }

    fn rendered(&self, template: &Expr) -> (String, u32) {
        match render(template, &self.scope, &Context::of(self.plan)) {
            Ok(rendered) => (rendered.text, rendered.fences),
            Err(error) => (format!("({error})"), 0),
        }
    }

    /// The pieces of a template, each as it is written and as it comes out.
    fn pieces(&self, template: &Expr, setting: &str) -> Vec<(String, String)> {
        let Expr::Template(pieces) = template else { return Vec::new() };
        let written = self.written(setting).filter(|written| written.len() == pieces.len()).unwrap_or_default();
        let made = pieces.iter().enumerate().map(|(at, piece)| {
            let (shown, _) = self.rendered(&Expr::Template(vec![piece.clone()]));
            let source = written.get(at).filter(|piece| !matches!(piece, TemplatePiece::Text { .. }));
            let label = match source {
                Some(piece) => self.view.text(crate::syntax::piece_span(piece)),
                None => shown.as_str(),
            };
            (format!("`{}`", clipped(label)), shown)
        });
        made.filter(|(_, shown)| !shown.trim().is_empty()).collect()
    }

    fn written(&self, setting: &str) -> Option<&[TemplatePiece]> {
        let mut items = self.view.tree(self.file)?.items.iter();
        let settings = items.find_map(|item| match &item.kind {
            ItemKind::Prompt(prompt) if prompt.name.text == self.name => Some(&prompt.settings),
            _ => None,
        })?;
        let phrase = settings.iter().find(|known| known.name.text == setting)?.phrases.first()?;
        match phrase.terms.as_slice() {
            [Term::Expr(pmflow_compiler::syntax::ast::Expr { kind: ExprKind::Text(template), .. })] => Some(&template.pieces),
            _ => None,
        }
    }

    fn model(&self) -> Option<&Model> {
        self.plan.models.get(self.prompt.chain.first()?)
    }

    fn tokens(&self, text: &str) -> u64 {
        self.model().map_or(0, |model| tokenizer(model).count(text))
    }

    fn totals(&self, tokens: u64) -> String {
        let mut text = format!("{tokens} tokens of at most {}.", self.prompt.input_tokens_max);
        if let Some(model) = self.model() {
            let input = input_cost(model, tokens);
            let _ = write!(text, " This input costs {input} with `{}` ({}).", model.id, price_line(model));
            let most = cost(model.price.base.output, self.prompt.output_tokens_max);
            let _ = write!(text, " An answer has at most {} tokens and costs at most {most}.", self.prompt.output_tokens_max);
        }
        text
    }
}

fn input_cost(model: &Model, tokens: u64) -> Money {
    cost(model.price.base.input, tokens)
}

fn cost(pico_per_token: u64, tokens: u64) -> Money {
    Money::from_pico(i128::from(pico_per_token).saturating_mul(i128::from(tokens)))
}

const LABEL_CHARACTERS_MAX: usize = 40;

/// The first line, short enough for a table.
fn clipped(text: &str) -> String {
    let trimmed = text.trim();
    let line = trimmed.lines().next().unwrap_or_default();
    let short: String = line.chars().take(LABEL_CHARACTERS_MAX).map(|c| if c == '`' { '\'' } else { c }).collect();
    let rest = if short.chars().count() < trimmed.chars().count() { "…" } else { "" };
    format!("{}{rest}", short.trim_end().replace('|', "\\|"))
}

const SAMPLE_DEPTH_MAX: u32 = 6;

/// A value of the type that a reader recognizes as a sample.
fn sample(plan: &Plan, ty: &Type, name: &str, depth: u32) -> Value {
    if depth > SAMPLE_DEPTH_MAX {
        return Value::None;
    }
    match ty {
        Type::Named(named) => plan.types.get(named).map_or(Value::None, |ty| sample(plan, ty, name, depth + 1)),
        Type::Optional(of) => sample(plan, of, name, depth + 1),
        Type::List { of, .. } => Value::list(vec![sample(plan, of, name, depth + 1)]),
        Type::Record(fields) => {
            Value::record(fields.iter().map(|field| (field.name.clone(), sample(plan, &field.ty, &field.name, depth + 1))))
        }
        Type::Enum(values) => Value::text(values.first().map_or("", String::as_str)),
        Type::Int { min, max } => Value::Int(min.or(*max).unwrap_or(1)),
        Type::Float => Value::Float(1.5),
        Type::Bool => Value::Bool(true),
        _ => Value::text(format!("a sample of {name}").as_str()),
    }
}
