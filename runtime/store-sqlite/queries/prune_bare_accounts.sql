-- Accounts whose ledger is gone.
SELECT account.budget_id AS "budget_id!" FROM usage_budgets AS account
  WHERE account.period_start < ?1 AND account.held_pico = 0
    AND NOT EXISTS (SELECT 1 FROM budget_entries AS entry WHERE entry.budget_id = account.budget_id)
    AND NOT EXISTS (
      SELECT 1 FROM budget_shares AS share JOIN workflow_executions AS run ON run.execution_id = share.execution_id
      WHERE share.budget_id = account.budget_id AND run.kept < 3
    )
LIMIT 100
