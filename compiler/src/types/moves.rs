//! Where places are that an edit moved.

use super::ty::{EnumTy, FieldTy, RecordTy, Ty};
use crate::Span;
use ecow::EcoString;
use std::sync::Arc;

/// An item that another one leads to.
#[derive(Debug)]
pub(super) struct Other {
    /// By which its file knows it.
    pub name: EcoString,
    /// Where the name is written, in bytes behind the item's start.
    pub name_at: u32,
    pub span: Span,
}

/// Stretches that may stand at another place now, each with the way, in bytes (wrapping).
#[derive(Debug, Default)]
pub(super) struct Moves {
    moved: Vec<(Span, u32)>,
}

impl Moves {
    pub fn add(&mut self, item: Span, start: u32) {
        if item.start != start {
            self.moved.push((item, start.wrapping_sub(item.start)));
        }
    }

    pub fn are_none(&self) -> bool {
        self.moved.is_empty()
    }

    pub fn span(&self, span: Span) -> Span {
        let is_in = |item: &Span| item.file == span.file && item.start <= span.start && span.start <= item.end;
        let by = self.moved.iter().find(|(item, _)| is_in(item)).map_or(0, |(_, by)| *by);
        Span { start: span.start.wrapping_add(by), end: span.end.wrapping_add(by), ..span }
    }

    pub fn ty(&self, ty: &Ty) -> Ty {
        let mut stays = true;
        if !self.are_none() {
            ty.each_span(&mut |span| stays &= self.span(span) == span);
        }
        if stays { ty.clone() } else { self.moved_type(ty) }
    }

    fn moved_type(&self, ty: &Ty) -> Ty {
        match ty {
            Ty::List { of, max } => Ty::List { of: Arc::new(self.moved_type(of)), max: *max },
            Ty::Map(of) => Ty::Map(Arc::new(self.moved_type(of))),
            Ty::Optional(of) => Ty::Optional(Arc::new(self.moved_type(of))),
            Ty::Record(record) => {
                let field = |field: &FieldTy| FieldTy {
                    ty: self.moved_type(&field.ty),
                    span: field.span.map(|span| self.span(span)),
                    ..field.clone()
                };
                let fields = record.fields.iter().map(field).collect();
                Ty::Record(Arc::new(RecordTy { name: record.name.clone(), fields, harmless: record.harmless }))
            }
            Ty::Enum(known) => {
                let values = known.values.iter().map(|(name, span)| (name.clone(), self.span(*span))).collect();
                Ty::Enum(Arc::new(EnumTy { name: known.name.clone(), values }))
            }
            Ty::Function { parameters, result } => Ty::Function {
                parameters: parameters.iter().map(|parameter| self.moved_type(parameter)).collect(),
                result: Arc::new(self.moved_type(result)),
            },
            other => other.clone(),
        }
    }
}

impl Ty {
    /// The places of its fields and values.
    pub(super) fn each_span(&self, take: &mut dyn FnMut(Span)) {
        match self {
            Ty::List { of, .. } | Ty::Map(of) | Ty::Optional(of) => of.each_span(take),
            Ty::Record(record) => {
                for field in &record.fields {
                    field.span.into_iter().for_each(&mut *take);
                    field.ty.each_span(take);
                }
            }
            Ty::Enum(known) => known.values.iter().for_each(|(_, span)| take(*span)),
            Ty::Function { parameters, result } => {
                parameters.iter().for_each(|parameter| parameter.each_span(take));
                result.each_span(take);
            }
            Ty::Error
            | Ty::None
            | Ty::Text(_)
            | Ty::Int { .. }
            | Ty::Float
            | Ty::Bool
            | Ty::Money
            | Ty::Date
            | Ty::Datetime
            | Ty::Duration
            | Ty::Json
            | Ty::Secret
            | Ty::Regex
            | Ty::Generic(_) => {}
        }
    }
}
