//! Models that their provider ends, or has ended.

use super::only_expr;
use crate::Span;
use crate::cost::{Catalog, Day};
use crate::problems::Problem;
use crate::syntax::ast::*;
use crate::syntax::walk::{self, Visitor};

/// How far ahead a shutdown is spoken of.
const DAYS_AHEAD_MAX: i32 = 365;

/// The models that an item names by their ids.
pub(super) fn models(item: &Item) -> Vec<(String, Span)> {
    let mut ids = Ids::default();
    walk::item(&mut ids, item);
    if let ItemKind::Model(model) = &item.kind {
        ids.found.extend(model.chain.iter().filter_map(|link| match &link.target {
            ModelTarget::Id { text, span } => Some((text.to_string(), *span)),
            _ => None,
        }));
    }
    ids.found
}

/// `model: "provider/id"` in a prompt.
#[derive(Default)]
struct Ids {
    found: Vec<(String, Span)>,
}

impl Visitor<'_> for Ids {
    fn setting(&mut self, setting: &Setting) {
        if setting.name.text != "model" {
            return;
        }
        if let Some(Expr { kind: ExprKind::Text(template), span }) = only_expr(setting) {
            self.found.extend(template.as_constant().map(|id| (id.to_string(), *span)));
        }
    }
}

pub(super) fn problem(catalog: &Catalog, id: &str, span: Span, today: i32) -> Option<Problem> {
    let day = catalog.shutdown(id)?;
    let days = day.checked_sub(today)?;
    let date = Day(day);
    let (message, label) = match days {
        ..0 => (format!("the provider ended `{id}` on {date}"), "calls to it fail".to_owned()),
        0 => (format!("the provider ends `{id}` today"), "calls to it fail from now on".to_owned()),
        1..=DAYS_AHEAD_MAX => (format!("the provider ends `{id}` on {date}"), in_days(days)),
        _ => return None,
    };
    Some(
        Problem::new("W0107", span, message)
            .label(label)
            .help("choose a newer model: `pmflow models` lists them with their prices"),
    )
}

fn in_days(days: i32) -> String {
    if days == 1 { "tomorrow".to_owned() } else { format!("in {days} days") }
}
