//! Generated projects: ours, and the same for the nearest peer.

use std::fmt::Write as _;
use std::path::Path;

/// What a generated project has of each kind besides types and prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    Nothing,
    Tests,
    FlowsAndTests,
}

/// `count` of each kind, in files of fifty; how many lines that are. With tests it is 21 lines for each of them.
pub fn pmflow(folder: &Path, count: usize, with: With) -> usize {
    let mut lines = 0;
    for (number, start) in (0..count).step_by(50).enumerate() {
        let text: String = (start..(start + 50).min(count)).map(|index| one(index, with)).collect();
        lines += text.lines().count();
        std::fs::write(folder.join(format!("part{number}.pmflow")), text).expect("a generated file can be written");
    }
    lines
}

fn one(index: usize, with: With) -> String {
    let prompt = format!(
        r#"type Record{index} {{
  name:  text(max 40 tokens)
  score: int(1..10)
  notes: [text(max 20 tokens)](max 5)
}}

prompt judge{index}(subject: text, previous: Record{index}?) -> Record{index} {{
  model:      "openai/gpt-6-luna"
  max_input:  800 tokens
  max_output: 300 tokens
  user:       """
    {{{{ if previous }}}}Before: {{{{ previous.name }}}} with {{{{ previous.score }}}}.{{{{ end }}}}
    {{{{ subject }}}}
  """
}}

"#
    );
    match with {
        With::Nothing => prompt,
        With::Tests => prompt + &test_of_prompt(index),
        With::FlowsAndTests => prompt + &flow_and_test(index),
    }
}

fn test_of_prompt(index: usize) -> String {
    format!(
        r#"test "record {index} is judged" {{
  given judge{index} = {{ name: "A", score: 3, notes: ["short"] }}
  expect judge{index}("x", none).score == 3
}}

"#
    )
}

fn flow_and_test(index: usize) -> String {
    format!(
        r#"flow judge_all{index}(subject: text = "a subject") {{
  let first  = judge{index}(subject, none)
  let second = judge{index}(subject, first)
  output {{ name: second.name, better: second.score > first.score }}
}}

test "record {index} is judged twice" {{
  given judge{index} = {{ name: "A", score: 3, notes: ["short"] }}
  run judge_all{index}("x")
  expect called judge{index} 2 times
  expect outputs[0].better == false
}}

"#
    )
}

/// As many functions, classes and tests for BAML.
pub fn baml(folder: &Path, count: usize, with_tests: bool) {
    let source = folder.join("baml_src");
    std::fs::create_dir_all(&source).expect("a folder can be made");
    let head =
        "client<llm> Small {\n  provider openai\n  options {\n    model gpt-4o-mini\n    api_key env.OPENAI_API_KEY\n  }\n}\n";
    std::fs::write(source.join("clients.baml"), head).expect("a generated file can be written");
    for (number, start) in (0..count).step_by(50).enumerate() {
        let text: String = (start..(start + 50).min(count)).map(|index| one_baml(index, with_tests)).collect();
        std::fs::write(source.join(format!("part{number}.baml")), text).expect("a generated file can be written");
    }
}

fn one_baml(index: usize, with_tests: bool) -> String {
    let mut text = format!(
        r##"class Record{index} {{
  name string
  score int
  notes string[]
}}

function Judge{index}(subject: string, previous: Record{index}?) -> Record{index} {{
  client Small
  prompt #"
    You judge subject number {index}.
    {{% if previous %}}Before: {{{{ previous.name }}}} with {{{{ previous.score }}}}.{{% endif %}}
    {{{{ subject }}}}
    {{{{ ctx.output_format }}}}
  "#
}}

"##
    );
    if with_tests {
        // Writing to a text cannot fail.
        let _ = write!(
            text,
            r##"test Test{index} {{
  functions [Judge{index}]
  args {{
    subject "x"
    previous null
  }}
}}

"##
        );
    }
    text
}
