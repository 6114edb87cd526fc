//! Models: ids against the price catalog, chains, and what an author declares of a model of his own.

use super::Checker;
use super::items::ModelState;
use super::names::Found;
use super::phrases::{Settings, Terms, constant_text, money};
use crate::cost::ModelOptions;
use crate::syntax::ast::{ItemKind, ModelLink, ModelTarget, Name, Setting};
use crate::{Problem, Span};
use pmflow_plan::{Api, Model, Money, Rates};

const OPTIONS: &[&str] = &["base_url", "api", "price", "region", "context", "max_output"];
/// The protocols, as their makers call them.
const APIS: [(&str, Api); 4] = [
    ("chat_completions", Api::OpenaiChat),
    ("responses", Api::OpenaiResponses),
    ("messages", Api::AnthropicMessages),
    ("generate_content", Api::GeminiGenerate),
];
/// Prices are written per million tokens.
const TOKENS_PRICED: i128 = 1_000_000;

impl Checker<'_> {
    pub(super) fn check_models(&mut self) {
        for index in 0..self.items.models.len() {
            self.model_chain(index);
        }
    }

    /// The models of a `model` item, by their names in the plan.
    pub(super) fn model_chain(&mut self, index: usize) -> Vec<String> {
        let Some(declaration) = self.items.models.get_mut(index) else { return Vec::new() };
        let (at, span) = (declaration.at, declaration.span);
        match &declaration.state {
            ModelState::Read(chain) => return chain.clone(),
            ModelState::Reading => {
                let problem = Problem::new("E0115", span, "this model falls back to itself, by way of the models in its chain");
                self.report(problem.help("name a model id in place of one of them"));
                return Vec::new();
            }
            ModelState::Unread => declaration.state = ModelState::Reading,
        }
        let mut chain: Vec<String> = Vec::new();
        if let Some((ast, item)) = self.item(at)
            && let Some(ItemKind::Model(model)) = ast.items.get(item).map(|item| &item.kind)
        {
            for link in &model.chain {
                for id in self.model_link(at.file, &model.name.text, link) {
                    if chain.contains(&id) {
                        let problem = Problem::new("E0303", link.span, format!("`{id}` stands twice in this chain"));
                        self.report(
                            problem.help("a model that failed is not asked again by the same chain; use `retry` for that"),
                        );
                    } else {
                        chain.push(id);
                    }
                }
            }
        }
        if let Some(declaration) = self.items.models.get_mut(index) {
            declaration.state = ModelState::Read(chain.clone());
        }
        chain
    }

    fn model_link(&mut self, file: usize, name: &str, link: &ModelLink) -> Vec<String> {
        match &link.target {
            ModelTarget::Id { text, span } => {
                let options = self.model_options(&link.options);
                self.model_by_id(text, *span, &options, name).into_iter().collect()
            }
            ModelTarget::Name(target) => {
                if let Some(option) = link.options.first() {
                    let problem =
                        Problem::new("E0302", option.span, "options belong to a model id, not to the name of another model");
                    self.report(problem.help(format!("write them where `{}` is declared", target.text)));
                }
                self.model_by_name(file, std::slice::from_ref(target))
            }
            ModelTarget::Missing(_) => Vec::new(),
        }
    }

    pub(super) fn model_by_name(&mut self, file: usize, names: &[Name]) -> Vec<String> {
        if !names.first().is_some_and(|name| self.deeper(name.span)) {
            return Vec::new();
        }
        let (found, _) = self.follow(file, None, names);
        let chain = match found {
            Found::Model(index) => self.model_chain(index),
            Found::Missing => Vec::new(),
            other => {
                if let Some(last) = names.last() {
                    let problem =
                        Problem::new("E0303", last.span, format!("`{}` is {}, not a model", last.text, other.described()));
                    self.report(problem.help("models are declared with `model NAME = \"provider/id\"`"));
                }
                Vec::new()
            }
        };
        self.depth -= 1;
        chain
    }

    /// `name`: of the `model` item; empty for an id written in a prompt.
    pub(super) fn model_by_id(&mut self, id: &str, span: Span, options: &ModelOptions, name: &str) -> Option<String> {
        if id.is_empty() {
            self.report(
                Problem::new("E0303", span, "a model is named by its provider and its id").help("as in `\"openai/gpt-6-luna\"`"),
            );
            return None;
        }
        match self.world.catalog().resolve_with(id, options) {
            Ok(model) => Some(self.keep_model(model, options, name)),
            Err(unresolved) => {
                self.report(unresolved.problem(span));
                None
            }
        }
    }

    /// Two declarations of one id with different facts stay apart.
    fn keep_model(&mut self, model: Model, options: &ModelOptions, name: &str) -> String {
        let plain = *options == ModelOptions::default() || name.is_empty();
        let base = if plain { model.id.clone() } else { format!("{}@{name}", model.id) };
        let mut key = base.clone();
        let mut count = 1;
        while self.parts.models.get(&key).is_some_and(|known| *known != model) {
            count += 1;
            self.entangle();
            key = format!("{base}~{count}");
        }
        self.parts.models.insert(key.clone(), model);
        key
    }

    fn model_options(&mut self, written: &[Setting]) -> ModelOptions {
        let settings = self.settings("a model", written, OPTIONS, &[]);
        let tokens = "a number of tokens, as in `8192 tokens`";
        ModelOptions {
            base_url: self.read_setting(&settings, "base_url", "an address, as in `\"http://localhost:11434/v1\"`", |terms| {
                terms.text().map(|(text, _)| text.to_string())
            }),
            price: self.read_setting(
                &settings,
                "price",
                "prices per million tokens, as in `{ input: $0.10, output: $0.20 }`",
                price,
            ),
            region: self.read_setting(&settings, "region", "a region, as in `\"eu\"`", |terms| {
                terms.text().map(|(text, _)| text.to_string())
            }),
            context_tokens_max: self.read_setting(&settings, "context", tokens, super::prompts::tokens),
            output_tokens_max: self.read_setting(&settings, "max_output", tokens, super::prompts::tokens),
            api: self.model_api(&settings),
        }
    }

    /// The protocol that is spoken to the model.
    fn model_api(&mut self, settings: &Settings) -> Option<Api> {
        let written = self.word_setting(settings, "api", &APIS.map(|(name, _)| name))?;
        APIS.into_iter().find(|(name, _)| *name == written).map(|(_, api)| api)
    }
}

fn price(terms: &mut Terms) -> Option<Rates> {
    let entries = terms.entries()?;
    let rate =
        |wanted: &str| entries.iter().find(|(name, _)| name.text == wanted).map(|(_, value)| money(value).and_then(per_token));
    let known = ["input", "output", "cache_read", "cache_write"];
    if entries.iter().any(|(name, _)| !known.contains(&name.text.as_str())) {
        return None;
    }
    let (input, output) = (rate("input")??, rate("output")??);
    let cache_read = rate("cache_read").unwrap_or(Some(input))?;
    let cache_write = rate("cache_write").unwrap_or(Some(input))?;
    Some(Rates { input, output, cache_read, cache_write })
}

/// Rounded up: a ceiling may be too high, never too low.
fn per_token(per_million: Money) -> Option<u64> {
    let pico = per_million.pico();
    u64::try_from(pico.div_euclid(TOKENS_PRICED) + i128::from(pico.rem_euclid(TOKENS_PRICED) != 0)).ok()
}

/// An id in a text, for the prompt's own setting.
pub(super) fn written_id(expr: &crate::syntax::ast::Expr) -> Option<ecow::EcoString> {
    constant_text(expr)
}
