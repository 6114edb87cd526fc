//! OpenAI's batches: a file of requests is uploaded, a batch is made of it, and its answers and errors are files again.

use super::{Ended, LONG, Line, SHORT, Said, Taken, batch_key, beside, has_no_batches};
use crate::client::{Client, whole_answer};
use crate::failures::Context;
use crate::protocol::text_at;
use pmflow_plan::{Api, Billing, Failure, FailureClass};
use reqwest::Url;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

pub(super) async fn submit(client: &Client, context: &Context<'_>, lines: &[Line<'_>]) -> Result<Taken, Failure> {
    let file = Part::bytes(file_of(context, lines)).file_name("requests.jsonl").mime_str("application/jsonl");
    let file = file.map_err(|error| Failure::not_sent(FailureClass::InvalidInput, error.to_string()))?;
    let form = Form::new().text("purpose", "batch").part("file", file);
    let upload = client.http()?.post(url(context, &["files"])).multipart(form);
    // Requests that only lie in a file are never billed.
    let unbilled = |failure: Failure| Failure { billing: failure.billing.min(Billing::NotBilled), ..failure };
    let uploaded = client.exchange(context, upload, LONG).await.map_err(unbilled)?;
    if has_no_batches(&uploaded) {
        return Ok(Taken::NoBatches);
    }
    let file = whole_answer(context, &uploaded).map_err(unbilled)?;
    let file = text_at(&file, "/id").ok_or_else(|| unbilled(super::failure(context, "took a file and did not name it")))?;
    let endpoint = if context.model.api == Api::OpenaiResponses { "/v1/responses" } else { "/v1/chat/completions" };
    let batch = json!({ "input_file_id": file, "endpoint": endpoint, "completion_window": "24h" });
    let key = batch_key(lines.iter().map(|line| line.key));
    let create = client.http()?.post(batch_url(context, &[])).header("idempotency-key", key).json(&batch);
    let created = client.exchange(context, create, SHORT).await?;
    if has_no_batches(&created) {
        return Ok(Taken::NoBatches);
    }
    let created = whole_answer(context, &created)?;
    text_at(&created, "/id").map(Taken::As).ok_or_else(|| super::failure(context, "took a batch and did not name it"))
}

/// A line of JSON for each request.
fn file_of(context: &Context<'_>, lines: &[Line<'_>]) -> Vec<u8> {
    let url = if context.model.api == Api::OpenaiResponses { "/v1/responses" } else { "/v1/chat/completions" };
    let mut file = Vec::new();
    for line in lines {
        file.extend(format!(r#"{{"custom_id":{},"method":"POST","url":"{url}","body":"#, json!(line.key)).bytes());
        file.extend(&line.body);
        file.extend(b"}\n");
    }
    file
}

pub(super) async fn look(
    client: &Client,
    context: &Context<'_>,
    name: &str,
    mut keep: impl FnMut(String, Said),
) -> Result<Ended, Failure> {
    let Some(batch) = client.batch(context, batch_url(context, &[name])).await? else { return Ok(Ended::Unknown) };
    let status = text_at(&batch, "/status").unwrap_or_default();
    if !matches!(status.as_str(), "completed" | "expired" | "cancelled" | "failed") {
        return Ok(Ended::NotYet);
    }
    for file in ["/output_file_id", "/error_file_id"] {
        if let Some(file) = text_at(&batch, file) {
            let answers = url(context, &["files", &file, "content"]);
            client
                .lines(context, answers, |line| {
                    if let Some((key, said)) = read(line) {
                        keep(key, said)
                    }
                })
                .await?;
        }
    }
    Ok(match status.as_str() {
        "failed" => Ended::Refused(errors(&batch)),
        _ => Ended::Answered,
    })
}

fn read(mut line: Value) -> Option<(String, Said)> {
    let key = text_at(&line, "/custom_id")?;
    let code = text_at(&line, "/error/code").unwrap_or_default();
    let message = text_at(&line, "/error/message").unwrap_or_else(|| "no reason is given".to_owned());
    let status = line.pointer("/response/status_code").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    let body = line.pointer_mut("/response/body").map(Value::take).unwrap_or_default();
    let said = match (code.as_str(), status) {
        ("batch_expired", _) => Said::Expired,
        ("batch_cancelled", _) => Said::Cancelled,
        (_, Some(200..300)) => Said::Body(body),
        (_, Some(status)) => Said::Status(status, body),
        (_, None) => Said::Failed(message),
    };
    Some((key, said))
}

fn errors(batch: &Value) -> String {
    let errors = batch.pointer("/errors/data").and_then(Value::as_array).into_iter().flatten();
    let mut messages: Vec<String> = errors.filter_map(|error| text_at(error, "/message")).take(3).collect();
    messages.dedup();
    if messages.is_empty() { "no reason is given".to_owned() } else { messages.join("; ") }
}

pub(super) fn batch_url(context: &Context<'_>, segments: &[&str]) -> Url {
    url(context, &[&["batches"], segments].concat())
}

fn url(context: &Context<'_>, segments: &[&str]) -> Url {
    let replaced = if context.model.api == Api::OpenaiChat { 2 } else { 1 };
    beside(context, replaced, segments)
}
