use crate::exit::{Code, Failed, Result};
use crate::terminal::{Style, Terminal};
use pmflow_compiler::problems;

/// Tell the long story of a diagnostic code
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pmflow explain E0201\n  pmflow explain          all codes with their titles")]
pub struct Arguments {
    /// A code such as `E0201`; none: the list of all.
    code: Option<String>,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let Some(wanted) = &arguments.code else {
        for explanation in problems::all() {
            terminal.line(&format!("{}  {}", terminal.paint(Style::Strong, explanation.code), explanation.title));
        }
        return Ok(Code::Fine);
    };
    let Some(explanation) = problems::explain(wanted) else {
        let failed = Failed::new(format!("there is no diagnostic code `{wanted}`"));
        return Err(match problems::nearest_code(wanted) {
            Some(near) => failed.help(format!("did you mean {near}?")),
            None => failed.help("`pmflow explain` lists all codes"),
        });
    };
    terminal.line(&terminal.paint(Style::Strong, &format!("{}: {}", explanation.code, explanation.title)));
    terminal.line(&format!("\n{}", explanation.text));
    Ok(Code::Fine)
}
