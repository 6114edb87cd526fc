-- Which of these runs have drawn from shared budgets; once for each budget.
SELECT share.execution_id AS "execution_id!"
FROM jsonb_each(?) AS given CROSS JOIN budget_shares AS share ON share.execution_id = given.value
