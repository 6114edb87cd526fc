//! The parameters of what is being called.

use crate::protocol::Answer;
use crate::syntax::{Around, Declaration, declared, headline};
use crate::workspace::Workspace;
use pmflow_compiler::syntax::ast::{Argument, ExprKind};
use pmflow_compiler::types::Ty;
use tower_lsp_server::ls_types::*;

pub fn signature_help(workspace: &mut Workspace, params: SignatureHelpParams) -> Answer<Option<SignatureHelp>> {
    let place = workspace.place(&params.text_document_position_params)?;
    let Some(tree) = place.view.tree(place.file) else { return Ok(None) };
    let around = Around::place(tree, place.offset);
    let Some((call, callee, arguments)) = around.call() else { return Ok(None) };
    let text = place.view.text(call.span);
    let closed = text.ends_with(')') && place.offset >= call.span.end;
    let reference = place.view.reference_at(place.file, callee.span.end);
    let Some(reference) = reference.filter(|_| !closed) else { return Ok(None) };
    let Some(found) = declared(&place.view, reference.definition) else { return Ok(None) };
    let method = matches!(&callee.kind, ExprKind::Field { of, .. } if place.view.type_of(of.span).is_some_and(|ty| !matches!(ty, Ty::Error)));
    let own: Vec<_> = found.parameters.iter().filter(|parameter| !(method && parameter.name.text == "self")).collect();
    let label = headline(&place.view, &found).replace("(self: ", "(").to_string();
    let label = if method { without_receiver(&label, &found, &own, &place.view) } else { label };
    let parameters: Vec<ParameterInformation> = own
        .iter()
        .map(|parameter| ParameterInformation {
            label: ParameterLabel::Simple(place.view.text(parameter.span).to_owned()),
            documentation: None,
        })
        .collect();
    let names: Vec<&str> = own.iter().map(|parameter| parameter.name.text.as_str()).collect();
    let active = active(arguments, &names, place.offset, place.view.text(call.span), call.span.start);
    let documentation =
        found.doc.map(|doc| Documentation::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value: doc.to_owned() }));
    Ok(Some(SignatureHelp {
        signatures: vec![SignatureInformation { label, documentation, parameters: Some(parameters), active_parameter: active }],
        active_signature: Some(0),
        active_parameter: active,
    }))
}

fn without_receiver(
    label: &str,
    found: &Declaration<'_>,
    own: &[&pmflow_compiler::syntax::ast::Parameter],
    view: &crate::workspace::View,
) -> String {
    let result = label.rsplit_once(") -> ").map(|(_, result)| format!(" -> {result}")).unwrap_or_default();
    let parameters: Vec<&str> = own.iter().map(|parameter| view.text(parameter.span)).collect();
    format!("{}({}){result}", found.name.text, parameters.join(", "))
}

/// The parameter that the argument under the place is for: by its name, else by its position.
fn active(arguments: &[Argument], names: &[&str], offset: u32, call: &str, start: u32) -> Option<u32> {
    let before = arguments.iter().filter(|argument| argument.value.span.end < offset).count();
    let at = arguments.iter().position(|argument| {
        let begin = argument.name.as_ref().map_or(argument.value.span.start, |name| name.span.start);
        begin <= offset && offset <= argument.value.span.end
    });
    let position = at.unwrap_or_else(|| {
        // Behind a comma the next argument begins, although nothing of it is written yet.
        let written = call.get(..(offset - start) as usize).unwrap_or_default().trim_end();
        if written.ends_with(',') || written.ends_with('(') { before } else { before.saturating_sub(1) }
    });
    let named = arguments.get(position).and_then(|argument| argument.name.as_ref());
    let index = match named {
        Some(name) => names.iter().position(|known| *known == name.text)?,
        None => position,
    };
    u32::try_from(index).ok().filter(|index| (*index as usize) < names.len())
}
