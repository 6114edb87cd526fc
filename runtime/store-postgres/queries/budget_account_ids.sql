-- The accounts of these limits, as far as they were opened, and those that the run has a share in.
SELECT b.budget_id AS "budget_id!"
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) AS given (name, scope, subject, period, period_start)
JOIN usage_budgets AS b USING (name, scope, subject, period, period_start)
UNION
SELECT s.budget_id FROM budget_shares AS s WHERE s.execution_id = $1
