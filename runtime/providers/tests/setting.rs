//! Models, requests and keys for the tests.

use pmflow_plan::schema::{Types, json_schema};
use pmflow_plan::{Api, CapFidelity, Field, Model, Price, Rates, Role, Type};
use pmflow_providers::scripted::Scripted;
use pmflow_providers::{Answer, Client, Request, Secrets, Settings};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub const APIS: [Api; 4] = [Api::OpenaiChat, Api::OpenaiResponses, Api::AnthropicMessages, Api::GeminiGenerate];
pub const KEY: &str = "sk-test-0123456789abcdef";

/// Every variable holds this key; none where it is absent.
pub struct Keys(pub Option<&'static str>);

impl Secrets for Keys {
    fn get(&self, _name: &str) -> Option<SecretString> {
        self.0.map(SecretString::from)
    }
}

pub fn model(api: Api) -> Model {
    let (provider, wire_name) = match api {
        Api::OpenaiChat | Api::OpenaiResponses => ("openai", "gpt-6.1-terra"),
        Api::AnthropicMessages => ("anthropic", "claude-sonnet-5-5"),
        Api::GeminiGenerate => ("google", "gemini-3.8-flash"),
        Api::Simulated => ("simulated", "simulated"),
    };
    let rates = Rates { input: 1_000_000, output: 5_000_000, cache_read: 50_000, cache_write: 1_250_000 };
    Model {
        id: format!("{provider}/{wire_name}"),
        provider: provider.to_owned(),
        wire_name: wire_name.to_owned(),
        api,
        base_url: None,
        price: Price { base: rates, tiers: vec![], changes: vec![], batch: None },
        context_tokens_max: 1_000_000,
        input_tokens_max: 900_000,
        output_tokens_max: 128_000,
        output_cap: CapFidelity::Hard,
        encoding: Some("o200k_base".to_owned()),
        calibration_milli: None,
        structured_output: true,
        temperature: false,
    }
}

pub fn request(model: Model) -> Request {
    Request {
        model: Arc::new(model),
        system: Some("You are terse.".to_owned()),
        messages: vec![
            (Role::User, "Is 1 + 1 = 2?".to_owned()),
            (Role::Assistant, "Yes.".to_owned()),
            (Role::User, "Is \"ünïcode\" 日本 fine?\n".to_owned()),
        ],
        answer: Answer::Text,
        answer_type: Type::text(),
        types: Arc::new(BTreeMap::new()),
        output_tokens_max: 200,
        thinking_tokens_max: None,
        temperature_milli: None,
        timeout: Duration::from_secs(10),
        idempotency_key: "run-1/step/1".to_owned(),
    }
}

pub fn priority() -> Type {
    Type::Enum(vec!["high".to_owned(), "medium".to_owned(), "low".to_owned()])
}

pub fn fit() -> Type {
    let field = |name: &str, ty: Type| Field { name: name.to_owned(), ty, doc: None };
    Type::Record(vec![
        field("score", Type::Int { min: Some(1), max: Some(10) }),
        field("priority", priority()),
        field("reason", Type::text()),
        field("note", Type::optional(Type::text())),
    ])
}

pub fn asking_for_fit(model: Model) -> Request {
    asking_for(fit(), model)
}

pub fn asking_for_priority(model: Model) -> Request {
    asking_for(priority(), model)
}

pub fn asking_for(ty: Type, model: Model) -> Request {
    let types = BTreeMap::from([("Priority".to_owned(), priority())]);
    let schema = json_schema(&ty, &Types::new(&types)).unwrap().schema;
    let answer = Answer::Json { schema: Arc::new(schema.into()), name: "an.answer".to_owned() };
    Request { answer, answer_type: ty, types: Arc::new(types), ..request(model) }
}

/// A client whose every provider is at this address.
pub fn client_at(base_url: &str) -> Client {
    let base_urls =
        ["openai", "anthropic", "google", "ollama", "mistral"].map(|provider| (provider.to_owned(), base_url.to_owned()));
    let settings = Settings {
        base_urls: base_urls.into(),
        idle_timeout: Duration::from_millis(400),
        system_proxy: false,
        ..Settings::default()
    };
    Client::new(settings)
}

pub async fn server() -> (Scripted, Client) {
    let server = Scripted::start().await.unwrap();
    let client = client_at(&server.base_url());
    (server, client)
}
