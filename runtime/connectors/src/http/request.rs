//! A request, worked out before anything is sent.

use super::auth::Credentials;
use super::body::{self, RESERVED, body};
use super::{Client, Invocation};
use percent_encoding::utf8_percent_encode;
use pmflow_plan::eval::{Scope, evaluate, evaluate_bool};
use pmflow_plan::{Connector, Expr, Failure, Method, Piece, Repeatable, Value};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Url};
use secrecy::ExposeSecret;
use std::time::Duration;

pub(super) struct Prepared {
    pub url: Url,
    method: reqwest::Method,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    /// Only what changes nothing follows a redirect.
    pub may_follow: bool,
}

impl Prepared {
    pub fn new(
        client: &Client,
        invocation: &Invocation<'_>,
        connector: &Connector,
        scope: &Scope,
        next: Option<&str>,
    ) -> Result<Prepared, Failure> {
        let operation = invocation.operation;
        let base = base_url(client, invocation, connector, scope)?;
        let url = match next {
            Some(next) => next_url(invocation, &base, next)?,
            None => operation_url(invocation, &base, scope)?,
        };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"));
        let body = body(invocation, scope)?;
        if let Some((_, content_type)) = &body {
            insert(invocation, &mut headers, CONTENT_TYPE.as_str(), content_type)?;
        }
        for (name, expr) in connector.headers.iter().chain(&operation.headers) {
            match body::value(invocation, expr, scope)? {
                Value::None => {}
                value => insert(invocation, &mut headers, name, &value.to_text())?,
            }
        }
        if let (Repeatable::IdempotencyHeader(name), Some(key)) = (&operation.repeat, invocation.idempotency_key) {
            insert(invocation, &mut headers, name, key)?;
        }
        let method = method(operation.method);
        let may_follow = method == reqwest::Method::GET;
        Ok(Prepared { url, method, headers, body: body.map(|(bytes, _)| bytes), may_follow })
    }

    pub fn request(&self, http: &reqwest::Client, url: &Url, credentials: &Credentials, timeout: Duration) -> RequestBuilder {
        let mut url = url.clone();
        if let Some((name, value)) = &credentials.query {
            let others: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(other, _)| other != name).collect();
            url.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value.expose_secret());
        }
        let mut headers = self.headers.clone();
        if let Some((name, value)) = &credentials.header {
            headers.insert(name.clone(), value.clone());
        }
        let request = http.request(self.method.clone(), url).headers(headers).timeout(timeout);
        match &self.body {
            Some(body) => request.body(body.clone()),
            None => request,
        }
    }
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

fn base_url(client: &Client, invocation: &Invocation<'_>, connector: &Connector, scope: &Scope) -> Result<Url, Failure> {
    let text = match client.base_urls.get(&connector.name) {
        Some(url) => url.clone(),
        None => body::value(invocation, &connector.base_url, scope)?.to_text(),
    };
    let url =
        Url::parse(text.trim_end_matches('/')).map_err(|error| invocation.not_sent(format!("base_url `{text}`: {error}")))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        other => Err(invocation.not_sent(format!("base_url `{text}` begins with `{other}:`; use https"))),
    }
}

/// Only the connector's own origin, for the credentials go along.
fn next_url(invocation: &Invocation<'_>, base: &Url, next: &str) -> Result<Url, Failure> {
    let url = base.join(next).map_err(|error| invocation.not_sent(format!("the next page's address `{next}`: {error}")))?;
    if url.origin() != base.origin() {
        let (host, own) = (url.host_str().unwrap_or_default(), base.host_str().unwrap_or_default());
        return Err(invocation.not_sent(format!("the next page is said to be at `{host}`, and credentials go to `{own}` only")));
    }
    Ok(url)
}

fn operation_url(invocation: &Invocation<'_>, base: &Url, scope: &Scope) -> Result<Url, Failure> {
    let mut path = String::new();
    write_path(invocation, &invocation.operation.path, scope, &mut path)?;
    let dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.split('/').any(dots) {
        return Err(invocation.not_sent(format!("its path `{path}` would lead to another place by its dots")));
    }
    let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
    let whole = format!("{}{slash}{path}", base.as_str().trim_end_matches('/'));
    let mut url = Url::parse(&whole).map_err(|error| invocation.not_sent(format!("`{whole}`: {error}")))?;
    let pairs = body::pairs(invocation, &invocation.operation.query, scope)?;
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    Ok(url)
}

fn write_path(invocation: &Invocation<'_>, pieces: &[Piece], scope: &Scope, path: &mut String) -> Result<(), Failure> {
    let context = invocation.context();
    for piece in pieces {
        match piece {
            Piece::Text(text) => path.push_str(text),
            Piece::Hole { value, .. } => path.extend(utf8_percent_encode(&hole(invocation, value, scope)?, RESERVED)),
            Piece::If { condition, then, otherwise } => {
                let holds = evaluate_bool(condition, scope, &context).map_err(|error| invocation.not_sent(error))?;
                write_path(invocation, if holds { then } else { otherwise }, scope, path)?;
            }
            Piece::For { variable, list, body } => {
                let list = evaluate(list, scope, &context).map_err(|error| invocation.not_sent(error))?;
                for item in list.as_list().unwrap_or_default() {
                    write_path(invocation, body, &scope.with(variable.as_str(), item.clone()), path)?;
                }
            }
        }
    }
    Ok(())
}

/// An empty piece would name another place: `/users//delete`.
fn hole(invocation: &Invocation<'_>, value: &Expr, scope: &Scope) -> Result<String, Failure> {
    let text = body::value(invocation, value, scope)?.to_text();
    if text.is_empty() { Err(invocation.not_sent("a piece of its path is empty")) } else { Ok(text) }
}

fn insert(invocation: &Invocation<'_>, headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), Failure> {
    let refused = || invocation.not_sent(format!("the header `{name}` would hold a line end or another control character"));
    let header: HeaderName = name.parse().map_err(|_| invocation.not_sent(format!("`{name}` is no name of a header")))?;
    headers.insert(header, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| refused())?);
    Ok(())
}
