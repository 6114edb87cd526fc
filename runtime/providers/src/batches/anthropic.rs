//! Anthropic's message batches.

use super::{Ended, LONG, Line, Said, Taken, batch_key, beside, has_no_batches};
use crate::client::{Client, whole_answer};
use crate::failures::{Context, Detail};
use crate::protocol::text_at;
use pmflow_plan::Failure;
use reqwest::Url;
use serde_json::{Value, json};

pub(super) async fn submit(client: &Client, context: &Context<'_>, lines: &[Line<'_>]) -> Result<Taken, Failure> {
    let key = batch_key(lines.iter().map(|line| line.key));
    let create = client.http()?.post(batch_url(context, &[]));
    let create = create.header("idempotency-key", key).header("content-type", "application/json").body(body_of(lines));
    let created = client.exchange(context, create, LONG).await?;
    if has_no_batches(&created) {
        return Ok(Taken::NoBatches);
    }
    let created = whole_answer(context, &created)?;
    text_at(&created, "/id").map(Taken::As).ok_or_else(|| super::failure(context, "took a batch and did not name it"))
}

fn body_of(lines: &[Line<'_>]) -> Vec<u8> {
    let mut body = br#"{"requests":["#.to_vec();
    for (position, line) in lines.iter().enumerate() {
        let comma = if position == 0 { "" } else { "," };
        body.extend(format!(r#"{comma}{{"custom_id":{},"params":"#, json!(line.key)).bytes());
        body.extend(&line.body);
        body.push(b'}');
    }
    body.extend(b"]}");
    body
}

pub(super) async fn look(
    client: &Client,
    context: &Context<'_>,
    name: &str,
    mut keep: impl FnMut(String, Said),
) -> Result<Ended, Failure> {
    let Some(batch) = client.batch(context, batch_url(context, &[name])).await? else { return Ok(Ended::Unknown) };
    if text_at(&batch, "/processing_status").as_deref() != Some("ended") {
        return Ok(Ended::NotYet);
    }
    // Not the address that the batch names: the key goes to no other server than the one that it is for.
    let results = batch_url(context, &[name, "results"]);
    client
        .lines(context, results, |line| {
            if let Some((key, said)) = read(line) {
                keep(key, said)
            }
        })
        .await?;
    Ok(Ended::Answered)
}

fn read(mut line: Value) -> Option<(String, Said)> {
    let key = text_at(&line, "/custom_id")?;
    let kind = text_at(&line, "/result/type")?;
    let mut take = |path: &str| line.pointer_mut(path).map(Value::take).unwrap_or_default();
    let said = match kind.as_str() {
        "succeeded" => Said::Body(take("/result/message")),
        "errored" => {
            let error = take("/result/error");
            Detail::of(&error).map_or_else(|| Said::Failed(error.to_string()), Said::Errored)
        }
        "expired" => Said::Expired,
        "canceled" => Said::Cancelled,
        other => Said::Failed(format!("the result is of an unknown kind, `{other}`")),
    };
    Some((key, said))
}

pub(super) fn batch_url(context: &Context<'_>, segments: &[&str]) -> Url {
    beside(context, 0, &[&["batches"], segments].concat())
}
