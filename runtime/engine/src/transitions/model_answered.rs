use crate::step_records::Detail;
use crate::turn::{At, Turn};
use crate::{CallId, Finish};
use pmflow_plan::schema::parse_answer;
use pmflow_plan::{Failure, FailureClass, Usage, Value};

impl<'a> Turn<'a> {
    /// A model answered. It is billed whatever the answer is worth.
    pub fn on_model_answered(&mut self, call: &CallId, text: String, finish: &Finish, usage: Usage) {
        let Some((at, sent, sent_at)) = self.sent_prompt(call) else { return };
        let cost = self.settle_call(&sent, &usage);
        let cap = sent.output_tokens_max;
        let detail = Detail {
            started_at: Some(sent_at),
            model: Some(sent.model.clone()),
            usage: Some(usage),
            cost: Some(cost),
            ..Detail::default()
        };
        match self.usable(&at, &text, finish, cap) {
            Ok(value) => self.prompt_answered(&at, value, detail),
            Err(failure) if failure.class == FailureClass::InvalidOutput => self.prompt_unusable(&at, text, failure, detail),
            Err(failure) => self.prompt_failed(&at, failure, detail),
        }
    }

    fn usable(&self, at: &At<'a>, text: &str, finish: &Finish, cap: u64) -> Result<Value, Failure> {
        let Some(prompt) = self.prompt(at) else { return Err(crate::failures::damaged_plan(&at.path())) };
        match finish {
            Finish::Complete => parse_answer(&prompt.answer, &self.context.types, text).map_err(|mismatch| {
                let message = format!("the answer of `{}` does not fit: {mismatch}", prompt.name);
                Failure::unknown(FailureClass::InvalidOutput, message)
            }),
            Finish::Truncated => {
                let (name, declared) = (&prompt.name, prompt.output_tokens_max);
                let message = match cap < declared {
                    true => format!(
                        "the answer of `{name}` was cut off at {cap} tokens: of the {declared} that it may have, no more could be \
                         paid for; raise the budget, or let its calls wait (`when_short`)"
                    ),
                    false => format!("the answer of `{name}` was cut off at its cap of {cap} tokens; raise `max_output`"),
                };
                Err(Failure::unknown(FailureClass::InvalidOutput, message))
            }
            Finish::Refused => {
                let said = if text.is_empty() { String::new() } else { format!(": {text}") };
                Err(Failure::unknown(FailureClass::Refusal, format!("the model declined to answer `{}`{said}", prompt.name)))
            }
        }
    }
}
