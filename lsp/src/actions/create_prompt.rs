//! A prompt for a call of something that is not declared yet.

use super::{Asked, Offered};
use pmflow_compiler::syntax::ast::{Argument, ExprKind};
use pmflow_compiler::types::Ty;
use tower_lsp_server::ls_types::CodeActionKind;

pub fn create(asked: &Asked<'_>) -> Vec<Offered> {
    offered(asked).into_iter().collect()
}

fn offered(asked: &Asked<'_>) -> Option<Offered> {
    let (name, arguments, diagnostic) = asked.around.exprs.iter().rev().find_map(|expr| match &expr.kind {
        ExprKind::Call { callee, arguments } => match &callee.kind {
            ExprKind::Name(name) => Some((name, arguments, asked.diagnostic("E0107", callee.span)?)),
            _ => None,
        },
        _ => None,
    })?;
    let parameters = arguments.iter().enumerate().map(|(index, argument)| parameter(asked, argument, index));
    let parameters: Vec<(String, String)> = parameters.collect();
    let holes: String = parameters.iter().map(|(name, _)| format!("    {{{{ {name} }}}}\n")).collect();
    let text = declaration(name, &parameters, &format!("\"\"\"\n{holes}  \"\"\""));
    let at = asked.start_with_comments(asked.around.item?.span);
    let offered = Offered::new(format!("create the prompt `{name}`"), CodeActionKind::QUICKFIX, vec![(asked.span(at, at), text)]);
    Some(Offered { mends: Some(diagnostic), ..offered })
}

/// A prompt to start from; parameters with their types, and the text for the user's message as it is written.
pub fn declaration(name: &str, parameters: &[(String, String)], user: &str) -> String {
    let declared: Vec<String> = parameters.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
    format!(
        "prompt {name}({}) -> text {{\n  model:      \"openai/gpt-6-luna\"\n  max_input:  1500 tokens\n  \
         max_output: 300 tokens\n  user:       {user}\n}}\n\n",
        declared.join(", ")
    )
}

/// Named as the argument is, typed as it is.
fn parameter(asked: &Asked<'_>, argument: &Argument, index: usize) -> (String, String) {
    let name = match (&argument.name, &argument.value.kind) {
        (Some(name), _) | (None, ExprKind::Field { name: Some(name), .. }) => name.text.to_string(),
        (None, ExprKind::Name(name)) => name.to_string(),
        _ => format!("input{}", index + 1),
    };
    let ty = asked.view.type_of(argument.value.span).filter(|ty| !matches!(ty, Ty::None));
    (name, ty.map_or_else(|| "text".to_owned(), ToString::to_string))
}
