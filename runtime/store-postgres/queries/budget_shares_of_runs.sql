SELECT execution_id, budget_id, held_pico, settled_pico, unknown_pico, before_settled_pico, before_unknown_pico
FROM budget_shares WHERE execution_id = ANY($1::bigint[])
