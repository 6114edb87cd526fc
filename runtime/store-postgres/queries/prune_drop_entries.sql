-- Of accounts whose runs are all gone but for their sums.
DELETE FROM budget_entries
WHERE line IN (
  SELECT entry.line FROM budget_entries AS entry
  WHERE entry.budget_id IN (
    SELECT account.budget_id FROM usage_budgets AS account
    WHERE account.period_start < $2 AND account.held_pico = 0
      AND NOT EXISTS (SELECT 1 FROM budget_entries AS newer WHERE newer.budget_id = account.budget_id AND newer.at >= $3)
      AND NOT EXISTS (
        SELECT 1 FROM budget_shares AS share JOIN workflow_executions AS run ON run.execution_id = share.execution_id
        WHERE share.budget_id = account.budget_id AND run.kept < 3
      )
  )
  LIMIT $1
)
