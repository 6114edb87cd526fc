DELETE FROM budget_shares WHERE budget_id = ?1
