//! Text with holes.

use super::Checker;
use super::coerce::Typed;
use super::scope::{Scope, VariableKind};
use super::trust::Trust;
use super::ty::Ty;
use crate::Problem;
use crate::syntax::ast::{Expr, Template, TemplatePiece};
use pmflow_plan::{Expr as Plan, Piece, Value};

impl Checker<'_> {
    pub(super) fn infer_template(&mut self, scope: &mut Scope, template: &Template) -> Typed {
        if let Some(text) = template.as_constant() {
            return Typed::literal(Value::text(text.as_str()), Ty::text(), template.span);
        }
        let (pieces, trust) = self.template_pieces(scope, &template.pieces);
        Typed::new(Plan::Template(pieces), Ty::text(), trust, template.span)
    }

    pub(super) fn template_pieces(&mut self, scope: &mut Scope, pieces: &[TemplatePiece]) -> (Vec<Piece>, Trust) {
        let mut made = Vec::new();
        let mut trust = Trust::trusted();
        for piece in pieces {
            match piece {
                TemplatePiece::Text { text, .. } => made.push(Piece::Text(text.to_string())),
                TemplatePiece::Hole { value, .. } => made.push(self.hole(scope, value, &mut trust)),
                TemplatePiece::If { condition, then, otherwise, .. } => {
                    made.push(self.template_if(scope, condition, then, otherwise, &mut trust));
                }
                TemplatePiece::For { variable, list, body, .. } => {
                    let list = self.infer(scope, list);
                    let of = self.element_of(&list);
                    let level = scope.enter();
                    self.note_type(variable.span, &of);
                    let unique = scope.declare(&variable.text, of, list.trust.clone(), variable.span, VariableKind::Loop);
                    let (body, body_trust) = self.nested_pieces(scope, body);
                    scope.leave(level);
                    trust.add(&body_trust);
                    made.push(Piece::For { variable: unique.to_string(), list: list.expr, body });
                }
            }
        }
        (made, trust)
    }

    fn nested_pieces(&mut self, scope: &mut Scope, pieces: &[TemplatePiece]) -> (Vec<Piece>, Trust) {
        let Some(span) = pieces.first().map(piece_span) else { return (Vec::new(), Trust::trusted()) };
        if !self.deeper(span) {
            return (Vec::new(), Trust::trusted());
        }
        let made = self.template_pieces(scope, pieces);
        self.depth -= 1;
        made
    }

    fn template_if(
        &mut self,
        scope: &mut Scope,
        condition: &Expr,
        then: &[TemplatePiece],
        otherwise: &[TemplatePiece],
        trust: &mut Trust,
    ) -> Piece {
        let condition = self.condition(scope, condition);
        let level = scope.enter();
        scope.learn(&condition.when_true);
        let (then, then_trust) = self.nested_pieces(scope, then);
        scope.leave(level);
        scope.learn(&condition.when_false);
        let (otherwise, otherwise_trust) = self.nested_pieces(scope, otherwise);
        scope.leave(level);
        trust.add(&then_trust);
        trust.add(&otherwise_trust);
        Piece::If { condition: condition.expr, then, otherwise }
    }

    fn hole(&mut self, scope: &mut Scope, value: &Expr, trust: &mut Trust) -> Piece {
        let value = self.infer(scope, value);
        match &value.ty {
            Ty::Optional(_) | Ty::None => {
                let problem = Problem::new("E0204", value.span, "this may be missing, and a text has no way to say so")
                    .label(format!("{}", value.ty));
                self.report(
                    problem.help(
                        "say what stands there then, `{{ x ?? \"unknown\" }}`, or leave it out: `{{ if x }}{{ x }}{{ end }}`",
                    ),
                );
            }
            Ty::Secret => self.report_secret(value.span, "a text"),
            Ty::Function { .. } | Ty::Regex => {
                self.report(Problem::new("E0201", value.span, format!("{} cannot be put into a text", value.ty)));
            }
            _ => {}
        }
        trust.add(&value.trust);
        Piece::Hole { untrusted: !value.trust.is_trusted(), value: value.expr }
    }

    /// The type of the elements of what a loop goes over.
    pub(super) fn element_of(&mut self, list: &Typed) -> Ty {
        match &list.ty {
            Ty::List { of, .. } => (**of).clone(),
            Ty::Error => Ty::Error,
            Ty::Optional(_) | Ty::None => {
                self.open_optional(list.clone(), false, list.span);
                Ty::Error
            }
            Ty::Json => {
                let end = crate::Span { start: list.span.end, ..list.span };
                let problem =
                    Problem::new("E0209", list.span, "a loop goes over a list, but the shape of this value is not known")
                        .label("json");
                self.report(problem.help("say what it holds, as in `as [json]`").fix("write `as [json]`", end, " as [json]"));
                Ty::Error
            }
            other => {
                self.report(Problem::new("E0201", list.span, format!("a loop goes over a list, but this is {other}")));
                Ty::Error
            }
        }
    }
}

fn piece_span(piece: &TemplatePiece) -> crate::Span {
    match piece {
        TemplatePiece::Text { span, .. }
        | TemplatePiece::Hole { span, .. }
        | TemplatePiece::If { span, .. }
        | TemplatePiece::For { span, .. } => *span,
    }
}
