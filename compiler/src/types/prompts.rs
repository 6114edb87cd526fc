//! Prompts: one paid call each, with its bounds.

use super::Checker;
use super::again::{KnownPrompt, Made};
use super::expressions::dotted;
use super::items::At;
use super::phrases::{Settings, Terms};
use super::resolve::TypeScope;
use super::scope::{Place, Scope};
use super::trust::Demand;
use super::ty::Ty;
use crate::cost::{ModelOptions, derived_output_tokens_max};
use crate::syntax::ast::{Example, ExprKind, ItemKind, PromptItem, Setting, Term};
use crate::{Problem, Span};
use pmflow_plan::{Expr as Plan, Message, Overflow, Prompt, Role};
use std::sync::Arc;

const SETTINGS: &[&str] =
    &["model", "max_input", "max_output", "on_overflow", "thinking", "temperature", "cache", "repair", "system", "user", "mode"];

/// `1500 tokens`
pub(super) fn tokens(terms: &mut Terms) -> Option<u64> {
    let count = terms.count()?;
    (terms.word("tokens") || terms.word("token")).then_some(count).filter(|count| *count > 0)
}

impl Checker<'_> {
    pub(super) fn read_prompt_signature(&mut self, index: usize) {
        let Some(at) = self.items.prompts.get(index).map(|prompt| prompt.at) else { return };
        let Some((ast, item)) = self.item(at) else { return };
        let Some(ItemKind::Prompt(prompt)) = ast.items.get(item).map(|item| &item.kind) else { return };
        let signature = self.signature(TypeScope::file(at.file), &prompt.parameters, prompt.result.as_ref());
        match &prompt.result {
            Some(written) => self.check_answer(&signature.result, written.span),
            None if prompt.name.text.is_empty() => {}
            None => {
                let problem = Problem::new(
                    "E0214",
                    prompt.name.span,
                    format!("the prompt `{}` does not say what it answers", prompt.name.text),
                );
                self.report(
                    problem.help(format!("write it after the parameters: `prompt {}(…) -> text {{ … }}`", prompt.name.text)),
                );
            }
        }
        if let Some(declaration) = self.items.prompts.get_mut(index) {
            declaration.signature = signature;
        }
    }

    fn check_answer(&mut self, ty: &Ty, span: Span) {
        if let Some(part) = unanswerable(ty) {
            let problem = Problem::new("E0213", span, format!("a prompt cannot answer {part}"));
            self.report(
                problem.help("an answer is made of `text`, `int`, `float`, `bool`, enums, records, lists and optionals of these"),
            );
        }
    }

    pub(super) fn check_prompts(&mut self) {
        for index in 0..self.items.prompts.len() {
            let Some(at) = self.items.prompts.get(index).map(|prompt| prompt.at) else { continue };
            if self.recall_prompt(index, at) {
                continue;
            }
            let outer = self.enter_item();
            self.check_prompt(index);
            self.leave_item(at, outer, |checker| {
                let prompt = checker.items.prompts.get(index)?;
                let plan = checker.parts.prompts.get(prompt.full.as_str())?.clone();
                let model = |id: &String| Some((id.clone(), checker.parts.models.get(id)?.clone()));
                Some(Made::Prompt(KnownPrompt {
                    models: plan.chain.iter().filter_map(model).collect(),
                    demands: prompt.signature.parameters.iter().map(|parameter| parameter.demand.clone()).collect(),
                    plan,
                }))
            });
        }
    }

    /// False: the prompt must be checked.
    fn recall_prompt(&mut self, index: usize, at: At) -> bool {
        let Some((known, moves)) = self.recalled(at) else { return false };
        let Made::Prompt(made) = &known.made else { return false };
        if made.models.iter().any(|(id, model)| self.parts.models.get(id).is_some_and(|other| other != model)) {
            return false;
        }
        let name = self.files.get(at.file).and_then(|file| match &file.ast.items.get(at.item)?.kind {
            ItemKind::Prompt(prompt) => Some(prompt.name.span),
            _ => None,
        });
        let (Some(name), Some(prompt)) = (name, self.items.prompts.get_mut(index)) else { return false };
        for (parameter, demand) in prompt.signature.parameters.iter_mut().zip(moves.demands(&made.demands)) {
            parameter.demand = demand;
        }
        for (id, model) in made.models.iter().filter(|(id, _)| !self.parts.models.contains_key(id)).collect::<Vec<_>>() {
            self.parts.models.insert(id.clone(), model.clone());
        }
        let full = prompt.full.to_string();
        self.parts.prompt_spans.insert(full.clone(), name);
        self.parts.prompts.insert(full, made.plan.clone());
        self.give_again(at, known.clone(), &moves);
        true
    }

    fn check_prompt(&mut self, index: usize) {
        let Some(declaration) = self.items.prompts.get(index) else { return };
        let (at, full, signature) = (declaration.at, declaration.full.clone(), declaration.signature.clone());
        let Some((ast, item)) = self.item(at) else { return };
        let Some(ItemKind::Prompt(prompt)) = ast.items.get(item).map(|item| &item.kind) else { return };
        let settings = self.settings("a prompt", &prompt.settings, SETTINGS, &[]);
        let defaults = self.defaults(at.file, &prompt.parameters, &signature.parameters, false);
        let chain = self.prompt_models(at.file, &settings, prompt);
        let (input_tokens_max, output_tokens_max, thinking_tokens_max) = self.prompt_bounds(&settings, prompt, &signature.result);
        let (system, messages) = self.prompt_texts(at.file, index, prompt, &settings);
        let planned = Prompt {
            name: full.to_string(),
            parameters: Self::plan_parameters(&signature.parameters, defaults),
            answer: signature.result.to_plan(),
            chain,
            input_tokens_max,
            overhead_tokens_max: 0,
            on_overflow: self.overflow(&settings, prompt),
            output_tokens_max,
            output_tokens_min: None,
            thinking_tokens_max,
            temperature_milli: self.temperature(&settings),
            cache_ms: self.read_setting(&settings, "cache", "how long, as in `7d`", |terms| terms.milliseconds()),
            repair: self
                .read_setting(&settings, "repair", "how often, at most 10, as in `1`", |terms| small_count(terms, 10))
                .unwrap_or(0),
            batch: self.word_setting(&settings, "mode", &["batch", "direct"]) == Some("batch"),
            system,
            messages,
        };
        self.parts.prompt_spans.insert(full.to_string(), prompt.name.span);
        self.parts.prompts.insert(full.to_string(), Arc::new(planned));
    }

    fn prompt_models(&mut self, file: usize, settings: &Settings, prompt: &PromptItem) -> Vec<String> {
        let Some(setting) = settings.get("model").copied() else {
            if !prompt.name.text.is_empty() {
                let message = format!("the prompt `{}` names no model", prompt.name.text);
                self.report_missing_setting(prompt.name.span, &message, "add `model: \"provider/id\"`, or the name of a `model`");
            }
            return Vec::new();
        };
        let expr = match setting.phrases.as_slice() {
            [phrase] => match phrase.terms.as_slice() {
                [Term::Expr(expr)] => Some(expr),
                _ => None,
            },
            _ => None,
        };
        let names = expr.and_then(dotted);
        match (expr, names) {
            (Some(expr), None) if super::models::written_id(expr).is_some() => {
                let id = super::models::written_id(expr).unwrap_or_default();
                self.model_by_id(&id, expr.span, &ModelOptions::default(), "").into_iter().collect()
            }
            (_, Some(names)) => self.model_by_name(file, &names),
            _ => {
                self.report_form(setting, "the name of a `model`, or an id, as in `\"openai/gpt-6-luna\"`");
                Vec::new()
            }
        }
    }

    /// Without both bounds there is no ceiling. An answer of which every part is bounded gives its own.
    fn prompt_bounds(&mut self, settings: &Settings, prompt: &PromptItem, answer: &Ty) -> (u64, u64, Option<u64>) {
        let input = self.prompt_bound(settings, prompt, "max_input", "1500 tokens", "");
        let thinking = self.read_setting(settings, "thinking", "a bound, as in `up to 1000 tokens`", |terms| {
            (terms.word("up") && terms.word("to")).then_some(())?;
            tokens(terms)
        });
        let derived = match answer {
            Ty::Error => Some(0),
            _ => derived_output_tokens_max(&answer.to_plan(), &self.parts.types),
        };
        let output = match derived {
            Some(tokens) if !settings.contains_key("max_output") => tokens.saturating_add(thinking.unwrap_or(0)),
            _ => self.prompt_bound(settings, prompt, "max_output", "300 tokens", ", or bound every text and list of the answer"),
        };
        if let (Some(thinking), true) = (thinking, settings.contains_key("max_output"))
            && thinking >= output
            && output > 0
        {
            let span = settings.get("thinking").map_or(prompt.name.span, |setting| super::phrases::value_span(setting));
            let problem =
                Problem::new("E0302", span, format!("thinking may use {thinking} tokens, and the whole output has {output}"));
            self.report(problem.help("`max_output` covers thinking and the answer: make it larger, or think less"));
        }
        (input, output, thinking)
    }

    fn prompt_bound(&mut self, settings: &Settings, prompt: &PromptItem, name: &str, example: &str, or_else: &str) -> u64 {
        if !settings.contains_key(name) {
            if !prompt.name.text.is_empty() {
                let span = prompt.name.span;
                let insert = prompt.settings.first().map(|setting| Span { end: setting.span.start, ..setting.span });
                let mut problem = Problem::new("E0301", span, format!("the prompt `{}` has no `{name}`", prompt.name.text))
                    .help(format!("without it there is no cost ceiling: add `{name}: {example}`{or_else}"));
                if let Some(insert) = insert {
                    problem = problem.fix(format!("add `{name}: {example}`"), insert, format!("{name}: {example}\n  "));
                }
                self.report(problem);
            }
            return 0;
        }
        let form = format!("a number of tokens, as in `{name}: {example}`");
        self.read_setting(settings, name, &form, tokens).unwrap_or(0)
    }

    fn overflow(&mut self, settings: &Settings, prompt: &PromptItem) -> Overflow {
        let form = "`reject`, or the parameter to shorten, as in `truncate notes`";
        let read = self.read_setting(settings, "on_overflow", form, |terms| {
            if terms.word("reject") {
                return Some(None);
            }
            terms.word("truncate").then_some(())?;
            terms.any_word().map(Some)
        });
        let Some(Some((parameter, span))) = read else { return Overflow::Reject };
        if let Some(known) = prompt.parameters.iter().find(|known| known.name.text == parameter) {
            self.refer(span, known.name.span);
        } else {
            let problem = Problem::new("E0101", span, format!("the prompt has no parameter `{parameter}`"));
            self.report(super::names::suggest(
                problem,
                span,
                &parameter,
                prompt.parameters.iter().map(|known| known.name.text.as_str()),
            ));
        }
        Overflow::Truncate { parameter: parameter.to_string() }
    }

    fn temperature(&mut self, settings: &Settings) -> Option<u32> {
        self.read_setting(settings, "temperature", "a number from 0 to 2, as in `0.7`", |terms| {
            let value = terms.expr_if(|expr| match expr.kind {
                ExprKind::Int(Some(number)) => Some(number as f64),
                ExprKind::Float(number) => Some(number),
                _ => None,
            })?;
            (0.0..=2.0).contains(&value).then_some((value * 1000.0).round() as u32)
        })
    }

    fn prompt_texts(
        &mut self,
        file: usize,
        index: usize,
        prompt: &PromptItem,
        settings: &Settings,
    ) -> (Option<Plan>, Vec<Message>) {
        let Some(signature) = self.items.prompts.get(index).map(|declaration| declaration.signature.clone()) else {
            return (None, Vec::new());
        };
        let mut scope = Scope::new(file, Place::Prompt);
        self.declare_parameters(&mut scope, &signature.parameters);
        let system = settings.get("system").and_then(|setting| self.prompt_text(&mut scope, setting, true));
        let mut messages = Vec::new();
        for example in &prompt.examples {
            messages.extend(self.example(&mut scope, example));
        }
        match settings.get("user") {
            Some(setting) => {
                messages.extend(self.prompt_text(&mut scope, setting, false).map(|text| Message { role: Role::User, text }));
            }
            None if !prompt.name.text.is_empty() => {
                let message = format!("the prompt `{}` says nothing to the model", prompt.name.text);
                self.report_missing_setting(prompt.name.span, &message, "add `user: \"…\"`");
            }
            None => {}
        }
        let demands = std::mem::take(&mut self.items.demands);
        if let Some(declaration) = self.items.prompts.get_mut(index) {
            for (position, demand) in demands {
                if let Some(parameter) = declaration.signature.parameters.get_mut(position) {
                    parameter.demand.get_or_insert(demand);
                }
            }
        }
        (system, messages)
    }

    fn prompt_text(&mut self, scope: &mut Scope, setting: &Setting, system: bool) -> Option<Plan> {
        let expr = match setting.phrases.as_slice() {
            [phrase] => Terms::of(phrase).expr().filter(|_| phrase.terms.len() == 1),
            _ => None,
        };
        let Some(expr) = expr else {
            self.report_form(setting, "a text");
            return None;
        };
        let value = self.check(scope, expr, &Ty::text(), &format!("`{}`", setting.name.text));
        if system {
            let demand =
                Demand { span: setting.name.span, why: "it goes into `system`, which the model obeys".into(), system: true };
            self.require_trusted(&value, "`system`", &demand);
        }
        Some(value.expr)
    }

    fn example(&mut self, scope: &mut Scope, example: &Example) -> Vec<Message> {
        let settings = self.settings("an example", &example.settings, &["user", "assistant"], &[]);
        let mut messages = Vec::new();
        for (name, role) in [("user", Role::User), ("assistant", Role::Assistant)] {
            match settings.get(name) {
                Some(setting) => messages.extend(self.prompt_text(scope, setting, false).map(|text| Message { role, text })),
                None => self.report_missing_setting(
                    example.span,
                    &format!("this example has no `{name}`"),
                    "an example is a pair: `user: \"…\" assistant: \"…\"`",
                ),
            }
        }
        messages
    }
}

/// `3`, at most so much.
pub(super) fn small_count(terms: &mut Terms, max: u32) -> Option<u32> {
    terms.count().and_then(|count| u32::try_from(count).ok()).filter(|count| *count <= max)
}

fn unanswerable(ty: &Ty) -> Option<String> {
    match ty {
        Ty::List { of, .. } | Ty::Optional(of) => unanswerable(of),
        Ty::Record(record) => record
            .fields
            .iter()
            .find_map(|field| unanswerable(&field.ty).map(|part| format!("{part} (its field `{}`)", field.name))),
        Ty::Error | Ty::Text(_) | Ty::Int { .. } | Ty::Float | Ty::Bool | Ty::Enum(_) => None,
        other => Some(other.to_string()),
    }
}
