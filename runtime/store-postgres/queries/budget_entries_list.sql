SELECT e.line AS "line!", b.name, b.scope, b.subject, b.period, b.period_start, e.kind, e.held_pico, e.charged_pico, e.breach,
       w.run_id AS "run_id?", e.changed_by, e.at
FROM budget_entries AS e
JOIN usage_budgets AS b ON b.budget_id = e.budget_id
LEFT JOIN workflow_executions AS w ON w.execution_id = e.execution_id
WHERE e.line > $1 AND ($2::bigint IS NULL OR e.budget_id = $2)
ORDER BY e.line LIMIT $3
