INSERT INTO budget_entries (budget_id, kind, held_pico, charged_pico, breach, execution_id, changed_by, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, clock_us())
