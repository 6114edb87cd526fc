INSERT INTO run_triggers (flow, kind, key, at, local, start_at, batch, budget_pico, state, reason, run_id, recorded_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER))
ON CONFLICT (team_id, flow, kind, key) DO NOTHING
