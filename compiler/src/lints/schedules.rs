//! Flows that are started more often than they are allowed to take.

use super::{Report, only_expr, setting};
use crate::problems::Problem;
use crate::syntax::ast::*;

const MINUTE: i64 = 60_000_000;

pub(super) fn check(item: &Item, report: &mut Report<'_>) {
    if let ItemKind::Flow(flow) = &item.kind {
        report.problems.extend(problem(flow));
    }
}

fn problem(flow: &FlowItem) -> Option<Problem> {
    let schedule = setting(&flow.settings, "schedule")?;
    let timeout = setting(&flow.settings, "timeout")?;
    let ExprKind::Duration(Some(allowed)) = only_expr(timeout)?.kind else { return None };
    let gap = shortest_gap(schedule)?;
    (gap > 0 && gap < allowed).then(|| {
        Problem::new("W0108", schedule.span, format!("`{}` starts again before a run has to be finished", flow.name.text))
            .label(format!("again after {}", shown(gap)))
            .related(timeout.span, format!("a run may take {}", shown(allowed)))
            .help("start it less often, shorten `timeout`, or say with `overlap` that this is meant and silence the warning")
    })
}

/// Microseconds between two starts that lie closest together.
fn shortest_gap(schedule: &Setting) -> Option<i64> {
    let terms = &schedule.phrases.first()?.terms;
    match (terms.first()?, terms.get(1)) {
        (Term::Expr(Expr { kind: ExprKind::Name(every), .. }), Some(Term::Expr(Expr { kind: ExprKind::Duration(gap), .. }))) => {
            (every == "every").then_some((*gap)?)
        }
        (Term::Expr(Expr { kind: ExprKind::Text(cron), .. }), _) => cron_gap(&cron.as_constant()?),
        _ => None,
    }
}

/// The shortest gap within a day, and over midnight when every day is meant. Nothing for forms that are not understood.
fn cron_gap(cron: &str) -> Option<i64> {
    let fields: Vec<&str> = cron.split_whitespace().collect();
    let [minutes, hours, days @ ..] = fields.as_slice() else { return None };
    if days.len() != 3 {
        return None;
    }
    let (minutes, hours) = (cron_field(minutes, 0, 59)?, cron_field(hours, 0, 23)?);
    let mut times: Vec<i64> = hours.iter().flat_map(|hour| minutes.iter().map(move |minute| hour * 60 + minute)).collect();
    if days.iter().all(|field| *field == "*" || *field == "?") {
        times.extend(times.first().map(|first| first + 24 * 60));
    }
    times.iter().zip(times.iter().skip(1)).map(|(before, after)| (after - before) * MINUTE).min()
}

/// The numbers that a field such as `*/15`, `9-17` or `0,30` names, ascending.
fn cron_field(field: &str, least: i64, most: i64) -> Option<Vec<i64>> {
    let mut named = std::collections::BTreeSet::new();
    for part in field.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let step_by: i64 = step.map_or(Some(1), |step| step.parse().ok())?;
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
            None if range == "*" => (least, most),
            None if step.is_some() => (range.parse().ok()?, most),
            None => (range.parse().ok()?, range.parse().ok()?),
        };
        let within = least <= from && to <= most && step_by > 0;
        named.extend(within.then(|| (from..=to).step_by(usize::try_from(step_by).unwrap_or(1)))?);
    }
    Some(named.into_iter().collect())
}

/// "90s", "5m", "2h": in the largest unit that is exact.
fn shown(microseconds: i64) -> String {
    let units = [(86_400_000_000, "d"), (3_600_000_000, "h"), (MINUTE, "m"), (1_000_000, "s"), (1_000, "ms")];
    match units.iter().find(|(unit, _)| microseconds % unit == 0) {
        Some((unit, name)) => format!("{}{name}", microseconds / unit),
        None => format!("{microseconds}us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_of_cron_lines() {
        let cases = [
            ("*/5 * * * *", Some(5)),
            ("0 7 * * 1", None),
            ("0 7 * * *", Some(24 * 60)),
            ("0,10 9-17 * * 1-5", Some(10)),
            ("0 */6 * * *", Some(6 * 60)),
            ("50 23 * * *", Some(24 * 60)),
            ("0,50 0,23 * * *", Some(10)),
            ("61 * * * *", None),
            ("*/0 * * * *", None),
            ("nonsense", None),
        ];
        for (cron, minutes) in cases {
            assert_eq!(cron_gap(cron), minutes.map(|minutes| minutes * MINUTE), "{cron}");
        }
    }
}
