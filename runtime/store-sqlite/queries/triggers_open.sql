SELECT flow, kind, key, at, local, start_at, batch, budget_pico, state, reason, run_id, recorded_at
FROM run_triggers WHERE state IN ('queued', 'due', 'started') AND (?1 IS NULL OR flow = ?1)
ORDER BY trigger_id LIMIT ?2
