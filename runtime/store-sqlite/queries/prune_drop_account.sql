DELETE FROM usage_budgets WHERE budget_id = ?1
