//! What a run may spend of the budgets that it shares with others.

use crate::Setup;
use pmflow_engine::{BudgetAnswer, Shortage};
use pmflow_ledger::Period;
use pmflow_plan::failure::Failure;
use pmflow_plan::{FailureClass, Money, OnExceed, Plan, WhenShort};
use pmflow_store::{BudgetKey, BudgetLimit, Drawn, Refusal, Scope, Spender};

/// There is one team so far.
pub const TEAM: &str = "default";

/// So many times what a run wishes for is free where no limit applies: each draw holds up the calls that wait for it, and a
/// limit that is set meanwhile is met so much later.
const FREE_WISHES: i128 = 8;

/// When what others hold may have come back.
const HELD_UP_MS: u64 = 500;

/// Who the run spends for.
pub fn spender(plan: &Plan, setup: &Setup) -> Spender {
    Spender { user: setup.user.clone(), team: TEAM.to_owned(), flow: plan.flow.clone() }
}

/// The limits that a plan declares: those of its flow per day and month, and the shared ones that it names.
pub fn declared(plan: &Plan, spender: &Spender) -> Vec<BudgetLimit> {
    let Some(budget) = plan.flows.get(&plan.flow).map(|flow| &flow.settings.budget) else { return Vec::new() };
    let mut limits = Vec::new();
    let mut add = |name: &str, scope: Scope, amounts: [Option<Money>; 2], alerts: &[(u32, String)], on_exceed: OnExceed| {
        for (period, limit) in [Period::Day, Period::Month].into_iter().zip(amounts) {
            let key = BudgetKey { name: name.to_owned(), scope, subject: spender.subject(scope).to_owned(), period };
            let limit = limit.map(|limit| BudgetLimit { key, limit, zone: "UTC".to_owned(), alerts: alerts.to_vec(), on_exceed });
            limits.extend(limit);
        }
    };
    add(&plan.flow, Scope::Flow, [budget.day, budget.month], &[], budget.on_exceed);
    for shared in &budget.shared {
        add(&shared.name, shared.scope.into(), [shared.day, shared.month], &shared.alerts, shared.on_exceed);
    }
    limits
}

/// The store's answer as the engine hears it; none when the run belongs to another process.
pub(crate) fn answer(plan: &Plan, drawn: Drawn, committed: Money, need: Money, wish: Money) -> Option<BudgetAnswer> {
    Some(match drawn {
        // No limit applies now; one that is set later is met at the next draw.
        Drawn::Free => {
            let free = wish.checked_mul(FREE_WISHES).and_then(|free| committed.checked_add(free));
            BudgetAnswer::Granted { up_to: free.unwrap_or(committed) }
        }
        Drawn::Granted { up_to } => BudgetAnswer::Granted { up_to },
        Drawn::Waiting { budget } => {
            let failure = Failure::not_sent(FailureClass::Budget, held_up(&budget, need)).retry_after_ms(Some(HELD_UP_MS));
            BudgetAnswer::Waiting(Shortage { need, when_short: when_short(plan, &budget), failure })
        }
        Drawn::Refused(refusal) => {
            let text = refused(&refusal, need);
            let failure = Failure::not_sent(FailureClass::Budget, text).retry_after_ms(Some(wait_ms(&refusal)));
            BudgetAnswer::Refused {
                suspends: refusal.on_exceed == OnExceed::Suspend,
                shortage: Shortage { need, when_short: when_short(plan, &refusal.budget), failure },
            }
        }
        Drawn::TakenOver => return None,
    })
}

/// What a budget says to calls that it has no room for: its own word, or else the flow's. That also holds for limits that
/// were set from outside.
fn when_short(plan: &Plan, key: &BudgetKey) -> WhenShort {
    let Some(budget) = plan.flows.get(&plan.flow).map(|flow| &flow.settings.budget) else { return WhenShort::Wait };
    let named = budget.shared.iter().find(|shared| shared.name == key.name && Scope::from(shared.scope) == key.scope);
    named.and_then(|shared| shared.when_short).unwrap_or(budget.when_short)
}

/// Whether a run stopped for want of money in a budget that it shares, rather than for its own limit: that one has no period
/// that ends.
pub fn is_shared(failure: &Failure) -> bool {
    failure.class == FailureClass::Budget && failure.retry_after_ms.is_some()
}

/// Until the next period begins.
fn wait_ms(refusal: &Refusal) -> u64 {
    u64::try_from(refusal.until.saturating_sub(crate::clock::now()) / 1000).unwrap_or(0)
}

fn held_up(budget: &BudgetKey, need: Money) -> String {
    format!(
        "the next call may cost {need}, and calls that are under way hold too much of {budget}; try again when they have ended"
    )
}

fn refused(refusal: &Refusal, need: Money) -> String {
    let until = chrono::DateTime::from_timestamp_micros(refusal.until).unwrap_or_default().format("%Y-%m-%d %H:%M UTC");
    format!(
        "the next call may cost {need} and {} is left of {}, which is {}, until {until}; raise it (pmflow budget raise) or wait, \
         and resume the run",
        refusal.left, refusal.budget, refusal.limit
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_budget_what_is_left_and_until_when() {
        let budget = BudgetKey { name: "sales".to_owned(), scope: Scope::Team, subject: TEAM.to_owned(), period: Period::Month };
        let limit = Money::parse("500").expect("an amount");
        let left = Money::parse("0.12").expect("an amount");
        let refusal = Refusal { budget, limit, left, until: 1_796_083_200_000_000, on_exceed: OnExceed::Stop };
        assert_eq!(
            refused(&refusal, Money::parse("0.2").expect("an amount")),
            "the next call may cost $0.20 and $0.12 is left of the monthly budget `sales` of team default, which is $500.00, \
             until 2026-12-01 00:00 UTC; raise it (pmflow budget raise) or wait, and resume the run"
        );
    }
}
