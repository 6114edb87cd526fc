SELECT flow, kind, key, at, local, start_at, batch, budget_pico, state, reason, run_id, recorded_at
FROM run_triggers WHERE flow = $1 AND kind = $2 AND key = $3
