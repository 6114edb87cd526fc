//! The functions and methods that `stdlib/prelude.pmflow` declares.

use super::Checker;
use super::resolve::TypeScope;
use super::ty::Ty;
use crate::syntax::ast::{ExprKind, File, FunctionItem, ItemKind};
use crate::{FileId, Span};
use ecow::EcoString;
use pmflow_plan::{Op, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// By name; several of one name differ in what they are called on.
#[derive(Debug, Default)]
pub(crate) struct Builtins {
    pub methods: BTreeMap<EcoString, Vec<Arc<Builtin>>>,
    pub functions: BTreeMap<EcoString, Arc<Builtin>>,
}

#[derive(Debug)]
pub(crate) struct Builtin {
    pub name: EcoString,
    pub span: Span,
    /// What a method is called on.
    pub receiver: Option<Ty>,
    pub parameters: Vec<BuiltinParameter>,
    pub result: Ty,
}

#[derive(Debug)]
pub(crate) struct BuiltinParameter {
    pub name: EcoString,
    pub ty: Ty,
    pub default: Option<Value>,
}

impl Builtins {
    pub fn has_method(&self, name: &str) -> bool {
        self.methods.contains_key(name)
    }

    pub fn has_function(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }
}

/// Belongs to no file of the project.
pub(super) const PRELUDE_FILE: usize = usize::MAX;

impl Checker<'_> {
    pub(super) fn load_builtins(&mut self) {
        let prelude = prelude();
        for item in &prelude.items {
            let ItemKind::Function(function) = &item.kind else { continue };
            let builtin = Arc::new(self.builtin(function));
            match builtin.receiver {
                Some(_) => self.builtins.methods.entry(builtin.name.clone()).or_default().push(builtin),
                None => {
                    self.builtins.functions.insert(builtin.name.clone(), builtin);
                }
            }
        }
    }

    fn builtin(&mut self, function: &FunctionItem) -> Builtin {
        let generics: Vec<EcoString> = function.generics.iter().map(|generic| generic.text.clone()).collect();
        let scope = TypeScope { file: PRELUDE_FILE, connector: None, generics: &generics };
        let mut receiver = None;
        let mut parameters = Vec::new();
        for parameter in &function.parameters {
            let ty = parameter.ty.as_ref().map_or(Ty::Error, |ty| self.resolve_type(scope, ty));
            if parameter.name.text == "self" {
                receiver = Some(ty);
                continue;
            }
            let default = parameter.default.as_ref().and_then(|default| match &default.kind {
                ExprKind::Text(template) => template.as_constant().map(|text| Value::text(text.as_str())),
                ExprKind::Int(Some(number)) => Some(Value::Int(*number)),
                _ => None,
            });
            parameters.push(BuiltinParameter { name: parameter.name.text.clone(), ty, default });
        }
        let result = function.result.as_ref().map_or(Ty::Error, |ty| self.resolve_type(scope, ty));
        Builtin { name: function.name.text.clone(), span: function.name.span, receiver, parameters, result }
    }
}

/// What every file can call, with its documentation. Parsed once per process.
pub fn prelude() -> &'static File {
    static PRELUDE: OnceLock<Arc<File>> = OnceLock::new();
    PRELUDE.get_or_init(|| crate::syntax::parse(FileId::PRELUDE, crate::stdlib::file("prelude.pmflow").unwrap_or_default()).file)
}

/// The plan's operation for a builtin on a receiver; none for `to_text` of what has no text form of its own: a template
/// with one hole says the same.
pub(super) fn operation(receiver: Option<&Ty>, name: &str) -> Option<Op> {
    let kind = receiver.map_or("", kind_name);
    let element = match receiver {
        Some(Ty::List { of, .. }) => kind_name(of),
        _ => "",
    };
    let direct = match (kind, name) {
        ("", "date") => "date.parse".to_string(),
        ("", "datetime") => "datetime.parse".to_string(),
        ("", name) => name.to_string(),
        ("list", "len") => "list.count".to_string(),
        ("list", "sum") => format!("list.sum_{element}"),
        (kind, name) => format!("{kind}.{name}"),
    };
    serde_json::from_value(serde_json::Value::String(direct)).ok()
}

fn kind_name(ty: &Ty) -> &'static str {
    match ty {
        Ty::Text(_) => "text",
        Ty::Int { .. } => "int",
        Ty::Float => "float",
        Ty::Bool => "bool",
        Ty::Money => "money",
        Ty::Date => "date",
        Ty::Datetime => "datetime",
        Ty::Duration => "duration",
        Ty::List { .. } => "list",
        Ty::Map(_) => "map",
        Ty::Json => "json",
        Ty::Enum(_) => "enum",
        _ => "value",
    }
}
