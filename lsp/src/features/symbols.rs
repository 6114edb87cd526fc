//! What a file and the workspace declare.

use crate::protocol::Answer;
use crate::syntax::{Declaration, Kind, declarations, module_name};
use crate::workspace::Workspace;
use pmflow_compiler::FileId;
use pmflow_compiler::syntax::ast::{Item, ItemKind};
use tower_lsp_server::ls_types::*;

pub fn document_symbols(workspace: &mut Workspace, params: DocumentSymbolParams) -> Answer<Option<DocumentSymbolResponse>> {
    let file = workspace.document(&params.text_document)?;
    let (Ok(text), lines) = (workspace.files.text(file), workspace.lines(file)) else { return Ok(None) };
    let parsed = workspace.files.parsed(file, &text);
    let all: Vec<DocumentSymbol> = parsed.file.items().filter_map(|item| symbol_of(item, &lines, &text)).collect();
    if workspace.client.nested_symbols {
        return Ok(Some(DocumentSymbolResponse::Nested(all)));
    }
    let uri = params.text_document.uri;
    let mut flat = Vec::new();
    all.into_iter().for_each(|symbol| flatten(symbol, None, &uri, &mut flat));
    Ok(Some(DocumentSymbolResponse::Flat(flat)))
}

#[expect(deprecated, reason = "the protocol's type has a deprecated field")]
fn flatten(symbol: DocumentSymbol, container: Option<&str>, uri: &Uri, flat: &mut Vec<SymbolInformation>) {
    flat.push(SymbolInformation {
        name: symbol.name.clone(),
        kind: symbol.kind,
        tags: None,
        deprecated: None,
        location: Location { uri: uri.clone(), range: symbol.range },
        container_name: container.map(str::to_owned),
    });
    for child in symbol.children.into_iter().flatten() {
        flatten(child, Some(&symbol.name), uri, flat);
    }
}

fn symbol_of(item: &Item, lines: &crate::positions::Lines, text: &str) -> Option<DocumentSymbol> {
    let range = lines.span(item.span);
    match &item.kind {
        ItemKind::Import(import) => {
            let (name, span) = module_name(import)?;
            Some(symbol(name.to_owned(), SymbolKind::MODULE, "import", range, lines.span(span), Vec::new()))
        }
        ItemKind::Test(test) => {
            let selection = lines.span(test.title_span);
            Some(symbol(test.title.to_string(), SymbolKind::METHOD, "test", range, selection, Vec::new()))
        }
        ItemKind::Broken => None,
        _ => {
            let mut all = declarations(item).into_iter();
            let own = all.next()?;
            let inner = all.filter(|inner| shown_inside(own.kind, inner));
            let children = inner.map(|inner| child(&inner, lines, text)).collect();
            let selection = lines.span(own.name.span);
            Some(symbol(own.name.text.to_string(), symbol_kind(own.kind), detail(own.kind), range, selection, children))
        }
    }
}

/// Fields of a type, values of an enum, operations of a connector, steps of a flow.
fn shown_inside(own: Kind, inner: &Declaration<'_>) -> bool {
    match own {
        Kind::Type => inner.kind == Kind::Field,
        Kind::Enum => inner.kind == Kind::EnumValue,
        Kind::Connector => matches!(inner.kind, Kind::Operation | Kind::Type | Kind::Enum),
        Kind::Flow => matches!(inner.kind, Kind::Source | Kind::Variable),
        _ => false,
    }
}

fn child(inner: &Declaration<'_>, lines: &crate::positions::Lines, text: &str) -> DocumentSymbol {
    let detail = match inner.kind {
        Kind::Field => text.get(inner.name.span.end as usize..inner.span.end as usize).unwrap_or_default(),
        other => detail(other),
    };
    let detail = detail.trim_start_matches(':').trim();
    let range = lines.span(inner.span.to(inner.name.span));
    symbol(inner.name.text.to_string(), symbol_kind(inner.kind), detail, range, lines.span(inner.name.span), Vec::new())
}

#[expect(deprecated, reason = "the protocol's type has a deprecated field")]
fn symbol(
    name: String,
    kind: SymbolKind,
    detail: &str,
    range: Range,
    selection_range: Range,
    children: Vec<DocumentSymbol>,
) -> DocumentSymbol {
    let name = if name.trim().is_empty() { "(no name)".to_owned() } else { name };
    let detail = Some(detail.to_owned()).filter(|detail| !detail.is_empty());
    let children = Some(children).filter(|children| !children.is_empty());
    DocumentSymbol { name, detail, kind, tags: None, deprecated: None, range, selection_range, children }
}

pub fn symbol_kind(kind: Kind) -> SymbolKind {
    match kind {
        Kind::Type => SymbolKind::STRUCT,
        Kind::Enum => SymbolKind::ENUM,
        Kind::EnumValue => SymbolKind::ENUM_MEMBER,
        Kind::Model | Kind::Budget => SymbolKind::CONSTANT,
        Kind::Prompt | Kind::Function | Kind::Flow => SymbolKind::FUNCTION,
        Kind::Connector | Kind::Module => SymbolKind::MODULE,
        Kind::Operation => SymbolKind::METHOD,
        Kind::Field => SymbolKind::FIELD,
        Kind::Parameter | Kind::Source | Kind::Variable => SymbolKind::VARIABLE,
    }
}

fn detail(kind: Kind) -> &'static str {
    match kind {
        Kind::Type => "type",
        Kind::Enum => "enum",
        Kind::Model => "model",
        Kind::Prompt => "prompt",
        Kind::Function => "fn",
        Kind::Connector => "connector",
        Kind::Operation => "operation",
        Kind::Budget => "budget",
        Kind::Flow => "flow",
        Kind::Source => "source",
        _ => "",
    }
}

const SYMBOLS_MAX: usize = 512;

pub fn workspace_symbols(workspace: &mut Workspace, params: WorkspaceSymbolParams) -> Answer<Option<WorkspaceSymbolResponse>> {
    let mut found = Vec::new();
    for file in workspace.files.all() {
        symbols_of(workspace, file, &params.query, &mut found);
        if found.len() >= SYMBOLS_MAX {
            break;
        }
    }
    Ok(Some(WorkspaceSymbolResponse::Nested(found)))
}

fn symbols_of(workspace: &mut Workspace, file: FileId, query: &str, found: &mut Vec<WorkspaceSymbol>) {
    let (Ok(text), Some(uri)) = (workspace.files.text(file), workspace.files.uri(file)) else { return };
    let parsed = workspace.files.parsed(file, &text);
    let lines = workspace.lines(file);
    let named = |kind: Kind| !matches!(kind, Kind::Field | Kind::EnumValue | Kind::Parameter | Kind::Source | Kind::Variable);
    for item in &parsed.file.items {
        for declared in declarations(item).into_iter().filter(|declared| named(declared.kind)) {
            if matches_query(&declared.name.text, query) && found.len() < SYMBOLS_MAX {
                let location = Location { uri: uri.clone(), range: lines.span(declared.name.span) };
                found.push(WorkspaceSymbol {
                    name: declared.name.text.to_string(),
                    kind: symbol_kind(declared.kind),
                    tags: None,
                    container_name: Some(detail(declared.kind).to_owned()),
                    location: OneOf::Left(location),
                    data: None,
                });
            }
        }
    }
}

/// The letters of the query occur in the name, in their order, in either case.
fn matches_query(name: &str, query: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    query.chars().flat_map(char::to_lowercase).all(|wanted| letters.any(|letter| letter == wanted))
}
