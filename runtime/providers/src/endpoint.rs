//! Where a model is reached and with which key.

use crate::client::Settings;
use crate::secrets::{Secrets, redact};
use pmflow_plan::{Api, Failure, FailureClass, Model};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

/// The API version that rejects sampling parameters; what Anthropic's own libraries send since November 2026.
pub(crate) const ANTHROPIC_VERSION: &str = "2026-10-21";

/// The names under which a provider's key is looked for, in this order.
pub fn key_variables(provider: &str) -> Vec<String> {
    match provider {
        "google" | "gemini" => vec!["GEMINI_API_KEY".to_owned(), "GOOGLE_API_KEY".to_owned()],
        other => vec![format!("{}_API_KEY", variable_prefix(other))],
    }
}

/// The variable that moves a provider to another address: `OPENAI_BASE_URL`.
pub fn base_url_variable(provider: &str) -> String {
    match provider {
        "google" => "GEMINI_BASE_URL".to_owned(),
        other => format!("{}_BASE_URL", variable_prefix(other)),
    }
}

/// The variable that declares what a provider's key may do: `OPENAI_RATE_LIMIT`.
pub fn rate_limit_variable(provider: &str) -> String {
    match provider {
        "google" => "GEMINI_RATE_LIMIT".to_owned(),
        other => format!("{}_RATE_LIMIT", variable_prefix(other)),
    }
}

pub(crate) fn display_name(provider: &str) -> &str {
    match provider {
        "openai" => "OpenAI",
        "anthropic" => "Anthropic",
        "google" => "Google",
        "mistral" => "Mistral",
        "deepseek" => "DeepSeek",
        "groq" => "Groq",
        "xai" => "xAI",
        other => other,
    }
}

/// One model's address and key.
pub(crate) struct Endpoint {
    pub url: Url,
    pub key: Option<SecretString>,
    /// Not the provider's own address: a proxy, or a server of one's own.
    pub own_server: bool,
}

impl Endpoint {
    /// Fails before anything is sent: no address, a bad address, a missing key.
    pub fn of(model: &Model, settings: &Settings, secrets: &dyn Secrets) -> Result<Endpoint, Failure> {
        let (base, own_server) = base_address(model, settings)?;
        let url = full_address(model, &base)?;
        let key = find_key(model, secrets, own_server)?;
        Ok(Endpoint { url, key, own_server })
    }

    pub fn headers(&self, model: &Model) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        if let Some(key) = &self.key {
            let (name, value) = match model.api {
                Api::AnthropicMessages => ("x-api-key", key.expose_secret().trim().to_owned()),
                Api::GeminiGenerate => ("x-goog-api-key", key.expose_secret().trim().to_owned()),
                _ => ("authorization", format!("Bearer {}", key.expose_secret().trim())),
            };
            let mut value = HeaderValue::from_str(&value).map_err(|_| unusable_key(model))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(name), value);
        }
        if model.api == Api::AnthropicMessages {
            headers.insert("anthropic-version", HeaderValue::from_static(ANTHROPIC_VERSION));
        }
        Ok(headers)
    }

    /// The same for the same server and key, and for no others.
    pub fn fingerprint(&self) -> String {
        let key = self.key.as_ref().map_or("", |key| key.expose_secret().trim());
        let digest = Sha256::digest(format!("{}\n{key}", self.url.origin().ascii_serialization()));
        digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// For messages: the address without a query, which might hold a token.
    pub fn shown(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        let _ = url.set_username("");
        let _ = url.set_password(None);
        redact(url.as_str(), self.key.as_ref())
    }
}

fn variable_prefix(provider: &str) -> String {
    provider.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

fn default_base(provider: &str) -> Option<&'static str> {
    Some(match provider {
        "openai" => "https://api.openai.com/v1",
        "anthropic" => "https://api.anthropic.com",
        "google" | "gemini" => "https://generativelanguage.googleapis.com/v1beta",
        "mistral" => "https://api.mistral.ai/v1",
        "deepseek" => "https://api.deepseek.com/v1",
        "groq" => "https://api.groq.com/openai/v1",
        "xai" => "https://api.x.ai/v1",
        "openrouter" => "https://openrouter.ai/api/v1",
        _ => return None,
    })
}

/// The environment's address, else the model's own, else the provider's.
fn base_address(model: &Model, settings: &Settings) -> Result<(String, bool), Failure> {
    let set = settings.base_urls.get(&model.provider).or(model.base_url.as_ref());
    if let Some(base) = set.map(|base| base.trim().trim_end_matches('/')).filter(|base| !base.is_empty()) {
        return Ok((base.to_owned(), Some(base) != default_base(&model.provider)));
    }
    let base = default_base(&model.provider).ok_or_else(|| {
        let text = format!(
            "`{}` has no address: give the model a `base_url`, or set the environment variable {}.",
            model.id,
            base_url_variable(&model.provider)
        );
        Failure::not_sent(FailureClass::InvalidInput, text)
    })?;
    Ok((base.to_owned(), false))
}

fn full_address(model: &Model, base: &str) -> Result<Url, Failure> {
    let bad = |reason: &str| {
        // What stands before an `@` may be a password.
        let base = base.rsplit_once('@').map_or(base, |(_, rest)| rest);
        let text = format!(
            "The address `{base}` of `{}` cannot be used: {reason}. It should look like `http://localhost:11434/v1`.",
            model.id
        );
        Failure::not_sent(FailureClass::InvalidInput, text)
    };
    let mut url = Url::parse(base).map_err(|error| bad(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(bad("it is neither http nor https"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    let last = path.rsplit('/').next().unwrap_or_default().to_owned();
    let mut pieces = url.path_segments_mut().map_err(|()| bad("it has no path"))?;
    pieces.pop_if_empty();
    match model.api {
        Api::OpenaiChat | Api::OpenaiResponses => {
            if path.is_empty() {
                pieces.push("v1");
            }
            pieces.extend(if model.api == Api::OpenaiChat { &["chat", "completions"][..] } else { &["responses"][..] });
        }
        Api::AnthropicMessages => {
            if last != "v1" {
                pieces.push("v1");
            }
            pieces.push("messages");
        }
        Api::GeminiGenerate => {
            if !matches!(last.as_str(), "v1" | "v1beta") {
                pieces.push("v1beta");
            }
            let name = model.wire_name.strip_prefix("models/").unwrap_or(&model.wire_name);
            pieces.push("models").push(&format!("{name}:generateContent"));
        }
        Api::Simulated => {}
    }
    drop(pieces);
    Ok(url)
}

fn find_key(model: &Model, secrets: &dyn Secrets, own_server: bool) -> Result<Option<SecretString>, Failure> {
    let names = key_variables(&model.provider);
    let found = names.iter().find_map(|name| secrets.get(name).filter(|key| !key.expose_secret().trim().is_empty()));
    if found.is_some() || own_server {
        return Ok(found);
    }
    let name = names.first().map_or("the key", String::as_str);
    let or = names.get(1).map(|other| format!(" (or {other})")).unwrap_or_default();
    let text = format!(
        "No key for {}: `{}` needs the environment variable {name}{or}. Set it with `export {name}=…`; nothing was sent.",
        display_name(&model.provider),
        model.id
    );
    Err(Failure::not_sent(FailureClass::Permission, text))
}

fn unusable_key(model: &Model) -> Failure {
    let names = key_variables(&model.provider).join(" or ");
    let text = format!("The value of {names} holds a character that no key has, such as a line break: copy the key again.");
    Failure::not_sent(FailureClass::Permission, text)
}
