UPDATE usage_budgets
SET limit_pico = $1, limit_version = $2, held_pico = $3, settled_pico = $4, unknown_pico = $5, breaches = $6, raised_pico = $7,
    alerts = $8
WHERE budget_id = $9
