use crate::Time;
use crate::event::{BudgetAnswer, Shortage};
use crate::state::{KnownShortage, SharedBudgets};
use crate::turn::Turn;
use pmflow_plan::Money;

/// What others hold is asked about again before that.
const HELD_UP_FOR: Time = 1_000_000;
/// What is spent comes back when a person raises the limit, or when the period ends.
const REFUSED_FOR: Time = 10_000_000;

impl Turn<'_> {
    /// The prompts that wait for money are looked at again when the turn settles.
    pub fn on_budget_drawn(&mut self, answer: BudgetAnswer) {
        let (committed, now) = (self.state.account.committed(), self.now);
        let Some(shared) = self.state.shared.as_mut() else { return };
        if answer == BudgetAnswer::AskAgain {
            return ask_again(shared);
        }
        if !shared.asking {
            return;
        }
        shared.waiting = matches!(answer, BudgetAnswer::Waiting(_));
        shared.asking = shared.waiting;
        match answer {
            BudgetAnswer::Granted { up_to } => {
                shared.up_to = up_to;
                // However long the answer took: who asked for less because of them does not ask for all of it again.
                let known = [&mut shared.held_up, &mut shared.refused];
                for known in known.into_iter().flatten().filter(|_| shared.for_less) {
                    known.until = known.until.max(now);
                }
            }
            BudgetAnswer::Waiting(shortage) => {
                shared.up_to = committed;
                shared.held_up = Some(known(shortage, false, committed, now.saturating_add(HELD_UP_FOR)));
            }
            BudgetAnswer::Refused { shortage, suspends } => {
                shared.up_to = committed;
                // Nothing that the run gives back makes room in what is spent.
                shared.refused = Some(known(shortage, suspends, Money::ZERO, now.saturating_add(REFUSED_FOR)));
            }
            BudgetAnswer::AskAgain => {}
        }
    }
}

fn known(shortage: Shortage, suspends: bool, committed: Money, until: Time) -> KnownShortage {
    KnownShortage { shortage, suspends, committed, until }
}

/// A draw that was made since has an answer of its own.
fn ask_again(shared: &mut SharedBudgets) {
    shared.held_up = None;
    if shared.waiting {
        (shared.asking, shared.waiting) = (false, false);
    }
}
