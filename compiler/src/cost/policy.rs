//! What a team refuses: `--fail-on 'ceiling > $5 per run'`, `'expected > $100 per month'`, `'increase > 10%'`, `'crosses budget'`.

use super::diff::CostChange;
use super::domain::{Cost, Figure};
use super::estimate::Estimate;
use super::verdict::Standing;
use pmflow_plan::Money;

/// A rule that a cost may break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    Above {
        what: Measure,
        limit: Money,
        per: Period,
    },
    /// In thousandths of what it was.
    Increase {
        milli: i128,
    },
    CrossesBudget,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Expected,
    Ceiling,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    Run,
    Day,
    Month,
}

const FORMS: &str = "write `ceiling > $5 per run`, `expected > $100 per month`, `increase > 10%` or `crosses budget`";

impl Policy {
    /// # Errors
    /// The text is no policy; the message shows the forms.
    pub fn parse(text: &str) -> Result<Policy, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let refused = || format!("`{text}` is no policy; {FORMS}");
        match words.as_slice() {
            ["crosses", "budget"] => Ok(Policy::CrossesBudget),
            ["increase", ">", percent] => {
                let number = percent.strip_suffix('%').and_then(Money::parse).filter(|number| *number >= Money::ZERO);
                // Per cent in pico-units to thousandths.
                number.map(|number| Policy::Increase { milli: number.pico() / 100_000_000_000 }).ok_or_else(refused)
            }
            [what, ">", limit, "per", per] => {
                let what = match *what {
                    "ceiling" => Measure::Ceiling,
                    "expected" => Measure::Expected,
                    _ => return Err(refused()),
                };
                let per = match *per {
                    "run" => Period::Run,
                    "day" => Period::Day,
                    "month" => Period::Month,
                    _ => return Err(refused()),
                };
                let limit = limit.strip_prefix('$').and_then(Money::parse).ok_or_else(refused)?;
                Ok(Policy::Above { what, limit, per })
            }
            _ => Err(refused()),
        }
    }

    /// Why the policy is broken; nothing when it is kept. What has no number is above every limit.
    pub fn broken(&self, estimate: &Estimate, change: Option<&CostChange>) -> Option<String> {
        match self {
            Policy::Above { what, limit, per } => above(estimate, *what, *limit, *per),
            Policy::Increase { milli } => {
                let change = change?;
                let worse =
                    matches!(change.before.ceiling, Figure::Known(_)) && !matches!(change.after.ceiling, Figure::Known(_));
                match change.increase_milli() {
                    Some(increase) if increase > *milli => {
                        Some(format!("the cost rises by {}.{}%, above {}%", increase / 10, increase % 10, tenths(*milli)))
                    }
                    _ if worse => Some("the flow had a ceiling and has none any more".to_owned()),
                    _ => None,
                }
            }
            Policy::CrossesBudget => {
                let over = estimate
                    .verdicts
                    .iter()
                    .find(|verdict| matches!(verdict.finding, Standing::Over | Standing::CappedAtRunTime))?;
                let cost = match over.scope.rsplit(", ").next() {
                    Some("day") => estimate.day.as_ref(),
                    Some("month") => estimate.month.as_ref(),
                    _ => Some(&estimate.run),
                };
                let ceiling = match cost.map(|cost| &cost.ceiling) {
                    Some(ceiling @ Figure::Known(_)) => format!("the ceiling is {ceiling}"),
                    _ => "there is no ceiling".to_owned(),
                };
                Some(format!("the budget of {} per {} is not proven to hold: {ceiling}", over.limit, over.scope))
            }
        }
    }
}

fn above(estimate: &Estimate, what: Measure, limit: Money, per: Period) -> Option<String> {
    let (cost, period): (Option<&Cost>, &str) = match per {
        Period::Run => (Some(&estimate.run), "run"),
        Period::Day => (estimate.day.as_ref(), "day"),
        Period::Month => (estimate.month.as_ref(), "month"),
    };
    // A flow that only runs when somebody starts it has no cost per day.
    let cost = cost?;
    let (figure, name) = match what {
        Measure::Expected => (&cost.expected, "expected cost"),
        Measure::Ceiling => (&cost.ceiling, "ceiling"),
    };
    let kept = figure.known().is_some_and(|money| money <= limit);
    (!kept).then(|| format!("the {name} per {period} is {figure}, above {limit}"))
}

fn tenths(milli: i128) -> String {
    if milli % 10 == 0 { (milli / 10).to_string() } else { format!("{}.{}", milli / 10, milli % 10) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::fixtures::leads;
    use crate::cost::{diff, price};

    #[test]
    fn policies_are_read_or_refused() {
        let five = Money::parse("5").unwrap();
        assert_eq!(
            Policy::parse("ceiling > $5 per run"),
            Ok(Policy::Above { what: Measure::Ceiling, limit: five, per: Period::Run })
        );
        assert_eq!(Policy::parse("increase > 12.5%"), Ok(Policy::Increase { milli: 125 }));
        assert_eq!(Policy::parse("crosses budget"), Ok(Policy::CrossesBudget));
        for text in ["", "ceiling > 5 per run", "ceiling < $5 per run", "floor > $5 per run", "increase > ten%", "increase > -1%"]
        {
            assert!(Policy::parse(text).is_err_and(|message| message.contains("crosses budget")), "{text}");
        }
    }

    #[test]
    fn a_policy_is_kept_or_says_why_not() {
        let (mut plan, _) = leads();
        let older = plan.clone();
        plan.prompts.get_mut("write_mail").unwrap().output_tokens_max = 900;
        let estimate = price(&mut plan);
        let change = diff(&older, &plan);
        let said = |text: &str| Policy::parse(text).unwrap().broken(&estimate, Some(&change));
        assert_eq!(said("ceiling > $1000 per run"), None);
        assert!(said("ceiling > $5 per run").is_some_and(|why| why.contains("above $5.00")));
        assert!(said("expected > $0.01 per month").is_some());
        assert!(said("crosses budget").is_some());
        assert_eq!(said("increase > 99999%"), None);
    }
}
