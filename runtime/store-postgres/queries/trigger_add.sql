INSERT INTO run_triggers (flow, kind, key, at, local, start_at, batch, budget_pico, state, reason, run_id, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, clock_us())
ON CONFLICT (team_id, flow, kind, key) DO NOTHING
