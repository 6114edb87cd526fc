//! Bodies of requests.

use super::Invocation;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pmflow_plan::eval::{Scope, evaluate};
use pmflow_plan::{Body, Expr, Failure, Value};
use sha2::{Digest, Sha256};

/// All but letters, digits and `-._~`.
pub(super) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The bytes and their content type; none where there is no body.
pub(super) fn body(invocation: &Invocation<'_>, scope: &Scope) -> Result<Option<(Vec<u8>, String)>, Failure> {
    let made = match &invocation.operation.body {
        Body::None => return Ok(None),
        Body::Json(expr) => {
            let json = json(invocation, expr, scope)?;
            (json.to_string().into_bytes(), "application/json".to_owned())
        }
        Body::Text(expr) => (value(invocation, expr, scope)?.to_text().into_bytes(), "text/plain; charset=utf-8".to_owned()),
        Body::Form(fields) => {
            let pairs = pairs(invocation, fields, scope)?;
            let body = form(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            (body.into_bytes(), "application/x-www-form-urlencoded".to_owned())
        }
        Body::Multipart(fields) => multipart(&pairs(invocation, fields, scope)?),
    };
    Ok(Some(made))
}

pub(super) fn value(invocation: &Invocation<'_>, expr: &Expr, scope: &Scope) -> Result<Value, Failure> {
    evaluate(expr, scope, &invocation.context()).map_err(|error| invocation.not_sent(error))
}

/// A field that is written in the body itself and is none is left out, as in a query; what an argument holds is sent as
/// it is, nulls too.
fn json(invocation: &Invocation<'_>, expr: &Expr, scope: &Scope) -> Result<serde_json::Value, Failure> {
    match expr {
        Expr::Record(fields) => {
            let mut object = serde_json::Map::new();
            for (name, field) in fields {
                let field = json(invocation, field, scope)?;
                if !field.is_null() {
                    object.insert(name.clone(), field);
                }
            }
            Ok(object.into())
        }
        Expr::List(items) => items.iter().map(|item| json(invocation, item, scope)).collect(),
        other => Ok(value(invocation, other, scope)?.to_json()),
    }
}

/// Names and texts; none is left out, a list gives its name once for each element.
pub(super) fn pairs(
    invocation: &Invocation<'_>,
    fields: &[(String, Expr)],
    scope: &Scope,
) -> Result<Vec<(String, String)>, Failure> {
    let mut pairs = Vec::new();
    for (name, expr) in fields {
        match value(invocation, expr, scope)? {
            Value::None => {}
            Value::List(items) => pairs.extend(items.iter().map(|item| (name.clone(), item.to_text()))),
            other => pairs.push((name.clone(), other.to_text())),
        }
    }
    Ok(pairs)
}

pub(super) fn form<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>) -> String {
    let written = |text: &str| utf8_percent_encode(text, RESERVED).to_string().replace("%20", "+");
    pairs.map(|(name, value)| format!("{}={}", written(name), written(value))).collect::<Vec<String>>().join("&")
}

/// The boundary is made from what it bounds, so it does not occur in it and a repeated request is the same.
fn multipart(pairs: &[(String, String)]) -> (Vec<u8>, String) {
    let mut digest = Sha256::new();
    pairs.iter().for_each(|(name, value)| digest.update(format!("{}:{name}{}:{value}", name.len(), value.len())));
    let boundary: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut body = String::new();
    for (name, value) in pairs {
        let name = name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
        body.push_str(&format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    (body.into_bytes(), format!("multipart/form-data; boundary={boundary}"))
}
