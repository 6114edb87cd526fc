//! What a prompt sends: its texts, its repairs, the key of its cache.

use crate::Message;
use crate::expressions::clock;
use crate::state::Invalid;
use crate::{Time, failures, keys};
use pmflow_plan::eval::{self, Context};
use pmflow_plan::model::REPAIR_NOTE_BYTES_MAX;
use pmflow_plan::value::Record;
use pmflow_plan::{Expr, Failure, Prompt, Role};
use std::sync::Arc;

/// The texts of one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    pub system: Option<Arc<str>>,
    pub messages: Vec<Message>,
}

/// Fills in a prompt's templates. A host that has to shorten an argument calls this again with the shorter one. Where
/// untrusted text is fenced, the system message begins with what that means.
///
/// # Errors
/// An expression in a template failed.
pub fn render(context: &Context<'_>, prompt: &Prompt, arguments: &Record, now: Time) -> Result<Rendered, Failure> {
    let scope = clock(now).with_all(arguments.fields.iter().cloned());
    let mut fences = 0u32;
    let mut text = |expr: &Expr| {
        let rendered = eval::render(expr, &scope, context).map_err(|error| failures::expression(&prompt.name, error))?;
        fences = fences.saturating_add(rendered.fences);
        Ok(rendered.text)
    };
    let system = prompt.system.as_ref().map(&mut text).transpose()?;
    let messages: Result<Vec<Message>, Failure> =
        prompt.messages.iter().map(|message| Ok(Message { role: message.role, text: text(&message.text)?.into() })).collect();
    let messages = messages?;
    let system = match (fences, system) {
        (0, system) => system,
        (_, system) => Some(format!("{}{}", eval::FENCE_NOTICE, system.unwrap_or_default())),
    };
    Ok(Rendered { system: system.map(Into::into), messages })
}

/// Of the answer that is sent back with what was wrong; a longer one is cut.
const ANSWER_BYTES_PER_TOKEN: u64 = 8;
/// What the note's own words and two more messages' overhead take from [`REPAIR_NOTE_BYTES_MAX`].
const NOTE_FRAME_BYTES: u64 = 160;

/// The messages that ask for a repair, appended to the prompt's own. Only the last unusable answer is sent again: what
/// was wrong with those before it helps nobody, and costs.
pub(crate) fn repair_messages(prompt: &Prompt, invalid: &Invalid) -> [Message; 2] {
    let problem_bytes = usize::try_from(REPAIR_NOTE_BYTES_MAX - NOTE_FRAME_BYTES).unwrap_or(usize::MAX);
    let note = format!(
        "That answer cannot be used: {}. Answer again, in the form that was asked for and nothing else.",
        clipped(&invalid.problem, problem_bytes)
    );
    let answer = match clip_answer(prompt, &invalid.answer) {
        "" => "(no answer)",
        answer => answer,
    };
    [Message { role: Role::Assistant, text: answer.into() }, Message { role: Role::User, text: note.into() }]
}

/// As much of an answer as can be sent back.
pub(crate) fn clip_answer<'t>(prompt: &Prompt, answer: &'t str) -> &'t str {
    let bytes_max = prompt.output_tokens_max.saturating_mul(ANSWER_BYTES_PER_TOKEN);
    clipped(answer, usize::try_from(bytes_max).unwrap_or(usize::MAX))
}

/// How many unusable answers a sending carries.
pub(crate) fn repairs_before(invalid: Option<&Invalid>) -> u32 {
    u32::from(invalid.is_some())
}

/// Two requests have the same key only when they ask the same models the same for the same answer.
pub(crate) fn cache_key(prompt: &Prompt, rendered: &Rendered) -> String {
    let answer = serde_json::to_string(&prompt.answer).expect("a type is plain data");
    let settings = format!(
        "{} {:?} {:?} {:?}",
        prompt.output_tokens_max, prompt.thinking_tokens_max, prompt.temperature_milli, prompt.on_overflow
    );
    let mut parts: Vec<&str> = vec!["cache 1", &answer, &settings, rendered.system.as_deref().unwrap_or("\u{0}none")];
    parts.extend(prompt.chain.iter().map(String::as_str));
    for message in &rendered.messages {
        parts.push(match message.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        });
        parts.push(&message.text);
    }
    keys::digest(&parts)
}

/// The longest beginning of a text that has at most so many bytes.
fn clipped(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}
