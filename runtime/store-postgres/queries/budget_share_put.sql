INSERT INTO budget_shares (
  execution_id, budget_id, held_pico, settled_pico, unknown_pico, before_settled_pico, before_unknown_pico
)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (execution_id, budget_id) DO UPDATE
SET held_pico = excluded.held_pico, settled_pico = excluded.settled_pico, unknown_pico = excluded.unknown_pico
