//! Three prompts, each with the last one's answer.

use pmflow_compiler::world::Source;
use pmflow_compiler::{FileId, World};
use pmflow_plan::{Plan, SourceMap};

const TEXT: &str = r#"prompt first(number: text) -> text(max 40 tokens) {
  model:      "openai/gpt-6-luna"
  max_input:  200 tokens
  max_output: 60 tokens
  user:       "one {{ number }}"
}

prompt second(given: text) -> text(max 40 tokens) {
  model:      "openai/gpt-6-luna"
  max_input:  200 tokens
  max_output: 60 tokens
  user:       "two {{ given }}"
}

prompt third(given: text) -> text(max 40 tokens) {
  model:      "openai/gpt-6-luna"
  max_input:  200 tokens
  max_output: 60 tokens
  user:       "three {{ given }}"
}

flow chain(number: text) {
  let one = first(number)
  let two = second(one)
  let three = third(two)
  output three
}
"#;

struct OneFile;

impl World for OneFile {
    fn import(&self, _: FileId, relative: &str) -> Result<FileId, String> {
        Err(format!("there is no file `{relative}`"))
    }

    fn source(&self, _: FileId) -> Source {
        Source { path: "chain.pmflow".into(), text: TEXT.into() }
    }

    fn data_head(&self, _: FileId, relative: &str, _: usize) -> Result<Vec<u8>, String> {
        Err(format!("there is no file `{relative}`"))
    }

    /// 2026-11-22
    fn today(&self) -> i32 {
        20_779
    }
}

pub fn plan() -> Result<(Plan, SourceMap), String> {
    let checked = pmflow_compiler::types::check_project(&OneFile, &[FileId(0)]);
    let (mut plan, map) = pmflow_compiler::emit::emit(&checked, "chain").ok_or("the flow has problems")?;
    pmflow_compiler::cost::price(&mut plan);
    Ok((plan, map))
}

/// What the run of this number must come to.
pub fn output(number: u32) -> String {
    format!("three-two-one-{number}")
}
