INSERT INTO budget_entries (budget_id, kind, held_pico, charged_pico, breach, execution_id, changed_by, at)
VALUES (?, ?, ?, ?, ?, ?, ?, CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER))
