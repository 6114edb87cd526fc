use crate::event::BudgetAnswer;
use crate::state::Refused;
use crate::turn::Turn;

impl Turn<'_> {
    /// The prompts that wait for money are looked at again when the turn settles.
    pub fn on_budget_drawn(&mut self, answer: BudgetAnswer) {
        let committed = self.state.account.committed();
        let Some(shared) = self.state.shared.as_mut().filter(|shared| shared.asking) else { return };
        shared.asking = matches!(answer, BudgetAnswer::Waiting);
        shared.waiting = shared.asking;
        match answer {
            BudgetAnswer::Granted { up_to } => shared.up_to = up_to,
            BudgetAnswer::Waiting => shared.up_to = committed,
            BudgetAnswer::AskAgain => {}
            BudgetAnswer::Refused { need, failure, suspends } => {
                shared.up_to = committed;
                shared.refused = Some(Refused { need, failure, suspends });
            }
        }
    }
}
