SELECT body FROM budget_limits ORDER BY team_id, name, scope, subject, period
