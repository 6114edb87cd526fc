//! Token counts as reported, made disjoint, with absent kept apart from zero.
//!
//! OpenAI's and Gemini's input counts include cached tokens, Anthropic's exclude them; OpenAI's and Anthropic's output
//! counts include thinking, Gemini's do not (the providers' own type descriptions, November 2026).

use crate::request::Request;
use pmflow_plan::{CapFidelity, Model, Usage};
use serde_json::Value;

/// Beyond this a JSON number is no exact count.
const COUNT_MAX: u64 = 1 << 53;

/// Usage as read from an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Report {
    pub usage: Usage,
    /// Verbatim; null where none was sent.
    pub raw: Value,
    pub doubts: Vec<String>,
}

/// `usage` of Chat Completions (`prompt`, `completion`) and of Responses (`input`, `output`).
pub(crate) fn openai(answer: &Value, input: &str, output: &str) -> Report {
    let mut reader = Reader::new(answer, "usage");
    let total = reader.count(&format!("{input}_tokens"));
    let details = format!("{input}_tokens_details");
    let read = reader.count(&format!("{details}/cached_tokens"));
    let write = reader.count(&format!("{details}/cache_write_tokens"));
    let output_tokens = reader.count(&format!("{output}_tokens"));
    let reasoning = reader.count(&format!("{output}_tokens_details/reasoning_tokens"));
    reader.split_input(total, read, write);
    reader.split_output(output_tokens, reasoning);
    reader.report
}

pub(crate) fn anthropic(answer: &Value) -> Report {
    let mut reader = Reader::new(answer, "usage");
    reader.report.usage.input_tokens = reader.count("input_tokens");
    reader.report.usage.cache_read_tokens = reader.count("cache_read_input_tokens");
    reader.report.usage.cache_write_tokens = reader.count("cache_creation_input_tokens");
    let output = reader.count("output_tokens");
    let reasoning = reader.count("output_tokens_details/thinking_tokens");
    reader.split_output(output, reasoning);
    reader.report
}

/// Gemini leaves out counts that are zero; an absent part of a sum that is reported counts as nothing, an absent sum as
/// not reported.
pub(crate) fn gemini(answer: &Value) -> Report {
    let mut reader = Reader::new(answer, "usageMetadata");
    let prompt = reader.count("promptTokenCount");
    let tools = reader.count("toolUsePromptTokenCount").unwrap_or(0);
    let cached = reader.count("cachedContentTokenCount");
    let candidates = reader.count("candidatesTokenCount");
    let thoughts = reader.count("thoughtsTokenCount");
    let total = reader.count("totalTokenCount");
    reader.split_input(prompt.map(|prompt| prompt.saturating_add(tools)), cached, None);
    let parts = match (candidates, thoughts) {
        (None, None) => None,
        (candidates, thoughts) => Some(candidates.unwrap_or(0).saturating_add(thoughts.unwrap_or(0))),
    };
    let rest = total.zip(prompt).map(|(total, prompt)| total.saturating_sub(prompt).saturating_sub(tools));
    if let (Some(parts), Some(rest)) = (parts, rest)
        && rest > parts
    {
        reader.doubt(format!("the total leaves {rest} tokens of output, the parts add up to {parts}; the larger one is taken"));
    }
    reader.split_output(parts.max(rest), thoughts);
    reader.report
}

/// Adds what is unbelievable in the light of the cap that was sent. The counts stay: an overshoot may be real, and then it is
/// owed.
pub(crate) fn doubt_output(model: &Model, output_tokens_max: u64, report: &mut Report) {
    let slack = match model.output_cap {
        CapFidelity::Soft { slack_tokens } => slack_tokens,
        CapFidelity::Hard | CapFidelity::None => 0,
    };
    let cap = output_tokens_max.saturating_add(slack);
    if let Some(output) = report.usage.output_tokens.filter(|output| *output > cap) {
        report.doubts.push(format!("{output} tokens of output were reported above the cap of {cap} that was sent"));
    }
}

/// The same in the light of the whole request.
pub(crate) fn doubt_against(request: &Request, report: &mut Report) {
    doubt_output(&request.model, request.output_tokens_max, report);
    let usage = &report.usage;
    let input = [usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens]
        .iter()
        .flatten()
        .fold(0, |sum: u64, count| sum.saturating_add(*count));
    // No tokenizer makes more tokens than this out of so many bytes; the constant is for roles and schema.
    let bytes: usize = request.system.iter().map(String::len).sum::<usize>()
        + request.messages.iter().map(|(_, text)| text.len()).sum::<usize>();
    let most = (bytes as u64).saturating_mul(8).saturating_add(100_000);
    if input > most {
        report.doubts.push(format!("{input} tokens of input were reported for a text of {bytes} bytes"));
    }
}

struct Reader<'a> {
    source: Option<&'a Value>,
    report: Report,
}

impl<'a> Reader<'a> {
    fn new(answer: &'a Value, field: &str) -> Reader<'a> {
        let source = answer.get(field).filter(|value| !value.is_null());
        let mut report = Report { raw: source.cloned().unwrap_or(Value::Null), ..Report::default() };
        if source.is_none() {
            report.doubts.push("the answer says nothing about its usage".to_owned());
        }
        Reader { source, report }
    }

    fn doubt(&mut self, text: String) {
        self.report.doubts.push(text);
    }

    /// A count, or none where it is absent, null, or no count.
    fn count(&mut self, path: &str) -> Option<u64> {
        let value = self.source?.pointer(&format!("/{path}")).filter(|value| !value.is_null())?;
        let whole = value.as_u64().or_else(|| {
            value
                .as_f64()
                .filter(|number| *number >= 0.0 && number.fract() == 0.0 && *number <= COUNT_MAX as f64)
                .map(|number| number as u64)
        });
        let count = whole.filter(|count| *count <= COUNT_MAX);
        if count.is_none() {
            self.doubt(format!("`{path}` is {}, which is no count of tokens", shortened(value)));
        }
        count
    }

    /// From a total that includes both cache counts.
    fn split_input(&mut self, total: Option<u64>, read: Option<u64>, write: Option<u64>) {
        let usage = &mut self.report.usage;
        let Some(total) = total else {
            usage.cache_read_tokens = read;
            usage.cache_write_tokens = write;
            return;
        };
        match total.checked_sub(read.unwrap_or(0)).and_then(|rest| rest.checked_sub(write.unwrap_or(0))) {
            Some(rest) => {
                usage.input_tokens = Some(rest);
                usage.cache_read_tokens = read;
                usage.cache_write_tokens = write;
            }
            None => {
                usage.input_tokens = Some(total);
                self.doubt(format!(
                    "more tokens are reported as cached than the {total} of the whole input; all are taken as uncached"
                ));
            }
        }
    }

    fn split_output(&mut self, output: Option<u64>, reasoning: Option<u64>) {
        self.report.usage.output_tokens = output;
        match (output, reasoning) {
            (Some(output), Some(reasoning)) if reasoning > output => {
                self.doubt(format!("{reasoning} tokens of thinking are reported within {output} of output"));
            }
            _ => self.report.usage.reasoning_tokens = reasoning,
        }
    }
}

fn shortened(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn counts(report: &Report) -> [Option<u64>; 5] {
        let usage = report.usage;
        [usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.output_tokens, usage.reasoning_tokens]
    }

    #[test]
    fn openai_input_is_freed_from_what_was_cached() {
        let answer = json!({"usage": {"prompt_tokens": 1200, "completion_tokens": 80, "total_tokens": 1280,
            "prompt_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 150}, "completion_tokens_details": {"reasoning_tokens": 60}}});
        let report = openai(&answer, "prompt", "completion");
        assert_eq!(counts(&report), [Some(50), Some(1000), Some(150), Some(80), Some(60)]);
        assert_eq!(report.raw, answer["usage"]);
        assert!(report.doubts.is_empty());
    }

    #[test]
    fn anthropic_input_is_taken_as_it_is() {
        let answer = json!({"usage": {"input_tokens": 50, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 0,
            "output_tokens": 80, "output_tokens_details": {"thinking_tokens": 10}}});
        assert_eq!(counts(&anthropic(&answer)), [Some(50), Some(1000), Some(0), Some(80), Some(10)]);
    }

    #[test]
    fn gemini_output_is_answer_and_thoughts() {
        let answer = json!({"usageMetadata": {"promptTokenCount": 1200, "cachedContentTokenCount": 1000, "candidatesTokenCount": 80,
            "thoughtsTokenCount": 60, "toolUsePromptTokenCount": 5, "totalTokenCount": 1345}});
        let report = gemini(&answer);
        assert_eq!(counts(&report), [Some(205), Some(1000), None, Some(140), Some(60)]);
        assert!(report.doubts.is_empty());
    }

    #[test]
    fn gemini_without_parts_is_read_from_the_total() {
        let answer = json!({"usageMetadata": {"promptTokenCount": 10, "totalTokenCount": 110}});
        assert_eq!(counts(&gemini(&answer))[3], Some(100));
        let more = json!({"usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 110}});
        assert_eq!(counts(&gemini(&more))[3], Some(100));
        assert_eq!(gemini(&more).doubts.len(), 1);
    }

    #[test]
    fn absent_is_not_zero() {
        assert_eq!(
            counts(&openai(&json!({"usage": {"prompt_tokens": 5, "completion_tokens": 0}}), "prompt", "completion")),
            [Some(5), None, None, Some(0), None]
        );
        let nothing = anthropic(&json!({"usage": null}));
        assert_eq!(counts(&nothing), [None; 5]);
        assert_eq!(nothing.doubts, ["the answer says nothing about its usage"]);
    }

    #[test]
    fn what_is_no_count_is_not_reported_and_doubted() {
        for bad in [json!(-5), json!(1.5), json!(1e300), json!("12"), json!(9_007_199_254_740_993_u64), json!({})] {
            let report = anthropic(&json!({"usage": {"input_tokens": bad, "output_tokens": 3}}));
            assert_eq!(counts(&report)[0], None, "{bad}");
            assert_eq!(report.doubts.len(), 1, "{bad}");
        }
        assert_eq!(counts(&anthropic(&json!({"usage": {"input_tokens": 12.0}})))[0], Some(12));
    }

    #[test]
    fn contradictions_are_doubted() {
        let answer = json!({"usage": {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 11}, "completion_tokens_details": {"reasoning_tokens": 2}}});
        let report = openai(&answer, "prompt", "completion");
        assert_eq!(counts(&report), [Some(10), None, None, Some(1), None]);
        assert_eq!(report.doubts.len(), 2);
    }
}
