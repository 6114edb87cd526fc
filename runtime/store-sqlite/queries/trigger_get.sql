SELECT flow, kind, key, at, local, start_at, batch, budget_pico, state, reason, run_id, recorded_at
FROM run_triggers WHERE team_id = 1 AND flow = ? AND kind = ? AND key = ?
