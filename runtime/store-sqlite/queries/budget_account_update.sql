UPDATE usage_budgets
SET limit_pico = ?, limit_version = ?, held_pico = ?, settled_pico = ?, unknown_pico = ?, breaches = ?, raised_pico = ?, alerts = ?
WHERE budget_id = ?
