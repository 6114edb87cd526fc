//! Credentials, put into a request at the last moment.

use super::{Client, Invocation, remaining};
use pmflow_plan::{Auth, Connector, Credential, Failure, FailureClass, OauthGrant};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// A token is renewed so long before it ends.
const RENEWED_BEFORE: Duration = Duration::from_secs(30);
const TOKEN_LIFE: Duration = Duration::from_secs(3_600);
const TOKEN_ANSWER_BYTES_MAX: usize = 1 << 20;

/// What a request is given to prove who sends it.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    pub header: Option<(HeaderName, HeaderValue)>,
    pub query: Option<(String, SecretString)>,
    /// Every secret in the request, to be struck out of messages.
    pub secrets: Vec<SecretString>,
    pub token_was_kept: bool,
}

impl Credentials {
    /// A message without any of the secrets.
    pub fn strike_out(&self, message: &str) -> String {
        self.secrets.iter().filter(|secret| !secret.expose_secret().is_empty()).fold(message.to_owned(), |message, secret| {
            let written = percent_encoding::utf8_percent_encode(secret.expose_secret(), percent_encoding::NON_ALPHANUMERIC);
            message.replace(secret.expose_secret(), "[secret]").replace(&written.to_string(), "[secret]")
        })
    }
}

/// Access tokens by connector. The lock is held while one is asked for, so that many calls ask once.
#[derive(Default)]
pub(super) struct Tokens {
    kept: Mutex<BTreeMap<String, Token>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

struct Token {
    access: SecretString,
    /// A service may hand out a new one with each use.
    refresh: Option<SecretString>,
    valid_until: Instant,
}

impl Tokens {
    pub async fn forget(&self, connector: &Connector) {
        if let Some(token) = self.kept.lock().await.get_mut(&connector.name) {
            token.valid_until = Instant::now();
        }
    }
}

pub(super) async fn credentials(
    client: &Client,
    invocation: &Invocation<'_>,
    connector: &Connector,
    deadline: Instant,
) -> Result<Credentials, Failure> {
    let read = |credential: &Credential| read(invocation, credential);
    match &connector.auth {
        Auth::None => Ok(Credentials::default()),
        Auth::Bearer { secret } => {
            with_header(invocation, "authorization", "Bearer ", read(&Credential::Secret(secret.clone()))?)
        }
        Auth::Header { name, value } => with_header(invocation, name, "", read(value)?),
        Auth::Query { name, value } => {
            let value = read(value)?;
            Ok(Credentials { query: Some((name.clone(), value.clone())), secrets: vec![value], ..Credentials::default() })
        }
        Auth::Basic { user, password } => {
            let (user, password) = (read(user)?, read(password)?);
            let pair = base64(format!("{}:{}", user.expose_secret(), password.expose_secret()).as_bytes());
            let mut credentials = with_header(invocation, "authorization", "Basic ", SecretString::from(pair))?;
            credentials.secrets.push(password);
            Ok(credentials)
        }
        Auth::Oauth2 { token_url, scopes, grant } => {
            let (token, kept) = token(client, invocation, connector, token_url, scopes, grant, deadline).await?;
            let credentials = with_header(invocation, AUTHORIZATION.as_str(), "Bearer ", token)?;
            Ok(Credentials { token_was_kept: kept, ..credentials })
        }
    }
}

fn read(invocation: &Invocation<'_>, credential: &Credential) -> Result<SecretString, Failure> {
    match credential {
        Credential::Text(text) => Ok(SecretString::from(text.as_str())),
        Credential::Secret(name) => {
            let found = invocation.secrets.secret(name).filter(|secret| !secret.expose_secret().is_empty());
            found.ok_or_else(|| {
                let message = format!("`{}` was not called: the secret `{name}` is not set", invocation.operation.name);
                Failure::not_sent(FailureClass::Permission, message)
            })
        }
    }
}

fn with_header(invocation: &Invocation<'_>, name: &str, scheme: &str, secret: SecretString) -> Result<Credentials, Failure> {
    let name: HeaderName = name.parse().map_err(|_| invocation.not_sent(format!("`{name}` is no name of a header")))?;
    // The reason would show the secret, so it is said without it.
    let value = HeaderValue::from_str(&format!("{scheme}{}", secret.expose_secret()));
    let mut value =
        value.map_err(|_| invocation.not_sent("the credential holds characters that no header may hold, such as a line end"))?;
    value.set_sensitive(true);
    Ok(Credentials { header: Some((name, value)), secrets: vec![secret], ..Credentials::default() })
}

async fn token(
    client: &Client,
    invocation: &Invocation<'_>,
    connector: &Connector,
    token_url: &str,
    scopes: &[String],
    grant: &OauthGrant,
    deadline: Instant,
) -> Result<(SecretString, bool), Failure> {
    let mut kept = client.tokens.kept.lock().await;
    let previous = kept.get(&connector.name);
    if let Some(token) = previous.filter(|token| token.valid_until > Instant::now()) {
        return Ok((token.access.clone(), true));
    }
    let form = grant_form(invocation, scopes, grant, previous.and_then(|token| token.refresh.clone()))?;
    let token = ask_for_token(client, invocation, token_url, form, deadline).await?;
    let access = token.access.clone();
    kept.insert(connector.name.clone(), token);
    Ok((access, false))
}

type Form = Vec<(&'static str, SecretString)>;

fn grant_form(
    invocation: &Invocation<'_>,
    scopes: &[String],
    grant: &OauthGrant,
    rotated: Option<SecretString>,
) -> Result<Form, Failure> {
    let read = |credential: &Credential| read(invocation, credential);
    let mut form: Form = match grant {
        OauthGrant::ClientCredentials { client_id, client_secret } => vec![
            ("grant_type", "client_credentials".into()),
            ("client_id", read(client_id)?),
            ("client_secret", read(client_secret)?),
        ],
        OauthGrant::RefreshToken { client_id, client_secret, refresh_token } => vec![
            ("grant_type", "refresh_token".into()),
            ("client_id", read(client_id)?),
            ("client_secret", read(client_secret)?),
            ("refresh_token", rotated.map_or_else(|| read(refresh_token), Ok)?),
        ],
        OauthGrant::ServiceAccount { .. } => {
            let message =
                format!("`{}` was not called: signing in by service account is not supported yet", invocation.operation.name);
            return Err(Failure::not_sent(FailureClass::Permission, message));
        }
    };
    if !scopes.is_empty() {
        form.push(("scope", scopes.join(" ").into()));
    }
    Ok(form)
}

/// Nothing of the operation itself was sent yet, so every failure here is `not_sent`.
async fn ask_for_token(
    client: &Client,
    invocation: &Invocation<'_>,
    token_url: &str,
    form: Form,
    deadline: Instant,
) -> Result<Token, Failure> {
    let name = &invocation.operation.name;
    let failed = |class: FailureClass, reason: &str| {
        Failure::not_sent(class, format!("`{name}` was not called: {token_url} gave no access token: {reason}"))
    };
    let pairs = form.iter().map(|(name, value)| (*name, value.expose_secret()));
    let body = super::body::form(pairs);
    let request = client.http()?.post(token_url).timeout(remaining(deadline)).header("accept", "application/json");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
    let mut response = request.send().await.map_err(|error| failed(FailureClass::Transport, &super::outcome::reason(&error)))?;
    let mut bytes = Vec::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|error| failed(FailureClass::Transport, &super::outcome::reason(&error)))?
    {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > TOKEN_ANSWER_BYTES_MAX {
            return Err(failed(FailureClass::InvalidOutput, "its answer is too long"));
        }
    }
    let status = response.status();
    let answer: TokenAnswer = serde_json::from_slice(&bytes).unwrap_or_default();
    match answer.access_token {
        Some(access) if status.is_success() => Ok(Token {
            access: access.into(),
            refresh: answer.refresh_token.map(SecretString::from),
            valid_until: Instant::now() + life(answer.expires_in).saturating_sub(RENEWED_BEFORE),
        }),
        _ => {
            let class = match status.as_u16() {
                429 => FailureClass::RateLimit,
                400..=499 => FailureClass::Permission,
                _ => FailureClass::Transport,
            };
            let error = [answer.error, answer.error_description].into_iter().flatten().collect::<Vec<String>>().join(", ");
            Err(failed(class, &format!("answered {status} {error}")))
        }
    }
}

fn life(expires_in: Option<f64>) -> Duration {
    expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).map_or(TOKEN_LIFE, |life| life.min(TOKEN_LIFE * 24))
}

#[derive(Default, serde::Deserialize)]
struct TokenAnswer {
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<f64>,
    error: Option<String>,
    error_description: Option<String>,
}

const ALPHABET: [char; 64] = [
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y',
    'Z', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x',
    'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/',
];

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, place| (bits << 8) | u32::from(group.get(place).copied().unwrap_or(0)));
        for place in 0..4usize {
            let index = (bits >> (18 - 6 * place)) & 63;
            let letter = ALPHABET.get(index as usize).copied().unwrap_or('=');
            text.push(if place <= group.len() { letter } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_as_the_standard_says() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(super::base64(bytes.as_bytes()), text);
        }
    }
}
