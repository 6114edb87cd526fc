//! What is wrong with a flow's cost, at the step or prompt that it is about.

use super::domain::Figure;
use super::estimate::{Estimate, PromptCost};
use super::verdict::Standing;
use crate::problems::Code;
use crate::{Problem, Span};
use pmflow_plan::{Model, Plan, Prompt};
use serde::Serialize;

/// A problem of which the plan knows the path and the source map the place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub code: Code,
    /// A step's path (`daily/lead/fit`), a prompt (`prompt:analyze_fit`) or the flow's name.
    pub path: String,
    pub message: String,
    pub help: String,
}

impl Finding {
    fn new(code: Code, path: impl Into<String>, message: String, help: impl Into<String>) -> Finding {
        Finding { code, path: path.into(), message, help: help.into() }
    }

    pub fn problem(&self, span: Span) -> Problem {
        Problem::new(self.code, span, self.message.clone()).help(self.help.clone())
    }
}

pub(super) fn findings(plan: &Plan, estimate: &Estimate) -> Vec<Finding> {
    let mut found = Vec::new();
    for row in &estimate.prompts {
        if let Some(prompt) = plan.prompts.get(&row.prompt) {
            constant_part(prompt, row, &mut found);
            shortest_answer(prompt, row, &mut found);
            batches(prompt, plan, &mut found);
            for model in prompt.chain.iter().filter_map(|id| plan.models.get(id)) {
                window(prompt, model, &mut found);
            }
        }
    }
    ceiling(estimate, &mut found);
    for verdict in estimate.verdicts.iter().filter(|verdict| verdict.finding == Standing::Over) {
        let message = format!("the budget of {} per {} is less than what is expected", verdict.limit, verdict.scope);
        found.push(Finding::new(
            "W0716",
            &estimate.flow,
            message,
            "raise the budget, or see `pmflow cost` for what would lower the cost",
        ));
    }
    found
}

fn constant_part(prompt: &Prompt, row: &PromptCost, found: &mut Vec<Finding>) {
    let (over, declared) = (row.facts.constant_over, prompt.input_tokens_max.saturating_sub(prompt.overhead_tokens_max));
    if over > 0 {
        let message = format!("the constant part of `{}` alone is longer than its `max_input` of {declared} tokens", prompt.name);
        let enough = declared.saturating_add(over);
        let help =
            format!("every call would be refused; {enough} tokens are enough for it, and what is filled in needs room as well");
        found.push(Finding::new("E0711", format!("prompt:{}", prompt.name), message, help));
    }
}

fn window(prompt: &Prompt, model: &Model, found: &mut Vec<Finding>) {
    let (input, output) = (prompt.input_tokens_max, prompt.output_tokens_max);
    let together = input.saturating_add(output);
    let overhead = prompt.overhead_tokens_max;
    let too_much = if together > model.context_tokens_max {
        format!(
            "`max_input`, `max_output` and {overhead} tokens around them are {together} together, and its window has {}",
            model.context_tokens_max
        )
    } else if input > model.input_tokens_max {
        format!("`max_input` and {overhead} tokens around it are {input}, and it takes {}", model.input_tokens_max)
    } else if output > model.output_tokens_max {
        format!("`max_output` is {output} tokens, and it gives {}", model.output_tokens_max)
    } else {
        return;
    };
    let message = format!("`{}` does not fit the model `{}`: {too_much}", prompt.name, model.id);
    found.push(Finding::new(
        "E0712",
        format!("prompt:{}", prompt.name),
        message,
        "lower the bound, or leave the model out of the chain",
    ));
}

/// `mode: batch` where no model of the chain has batches.
fn batches(prompt: &Prompt, plan: &Plan, found: &mut Vec<Finding>) {
    let models = || prompt.chain.iter().filter_map(|id| plan.models.get(id));
    if !prompt.batch || models().any(|model| model.price.batch.is_some()) {
        return;
    }
    let names: Vec<String> = models().map(|model| format!("`{}`", model.id)).collect();
    let message = format!("`mode: batch` of `{}` changes nothing: no batches are known of {}", prompt.name, names.join(", "));
    let help = "its requests are sent at once, at the ordinary price; leave the setting out, or choose a model that `pmflow models show` \
                gives a batch price for (of OpenAI, Anthropic or Groq)";
    found.push(Finding::new("W0717", format!("prompt:{}", prompt.name), message, help));
}

/// A token of the encodings in use stands for at most 128 bytes, so fewer tokens than this cannot hold any valid answer.
fn shortest_answer(prompt: &Prompt, row: &PromptCost, found: &mut Vec<Finding>) {
    let shortest = row.facts.answer.bytes_min;
    let tokens = prompt.output_tokens_max.saturating_sub(prompt.thinking_tokens_max.unwrap_or(0));
    if shortest > tokens.saturating_mul(SHORTEST_BYTES_PER_TOKEN) {
        let least = shortest.div_ceil(SHORTEST_BYTES_PER_TOKEN);
        let message = format!(
            "`max_output` of `{}` leaves {tokens} tokens for the answer, and the shortest valid answer has {shortest} bytes",
            prompt.name
        );
        let help = format!("every answer would be cut off; {least} tokens are the least, and more are needed as a rule");
        found.push(Finding::new("E0713", format!("prompt:{}", prompt.name), message, help));
    }
}

const SHORTEST_BYTES_PER_TOKEN: u64 = 16;

fn ceiling(estimate: &Estimate, found: &mut Vec<Finding>) {
    match &estimate.run.ceiling {
        Figure::Known(_) => {}
        Figure::Overflow => {
            let message = format!("the ceiling of `{}` is beyond counting", estimate.flow);
            found.push(Finding::new("E0714", &estimate.flow, message, "lower `limit`, `repeat up to`, `retry` or `max_output`"));
        }
        Figure::Unbounded(symbols) => {
            let names: Vec<String> = symbols.iter().map(|symbol| format!("`{symbol}`")).collect();
            let message = format!("`{}` has no proven ceiling: nothing bounds {}", estimate.flow, names.join(", "));
            let help =
                "give a source a `limit` and a list a `max`; a cap that a provider does not keep can only be watched at run time";
            found.push(Finding::new("W0715", &estimate.flow, message, help));
        }
    }
}
