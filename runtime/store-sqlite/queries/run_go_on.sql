-- A run that still stands as it was found, and goes on: what indexes are about stays as it is, so they are not touched.
UPDATE workflow_executions
SET sequence = ?6,
    changed_at = ?7,
    failure = ?9,
    state = ?10,
    limit_pico = ?11,
    held_pico = ?12,
    settled_pico = ?13,
    unknown_pico = ?14,
    breaches = ?15,
    items_started = ?16,
    items_done = ?17,
    items_failed = ?18,
    rows_read = ?19,
    outputs = ?20,
    model_calls = ?21,
    cache_hits = ?22,
    input_tokens = ?23,
    output_tokens = ?24,
    root_status = coalesce(?25, root_status),
    root_state = coalesce(?26, root_state)
WHERE execution_id = ?1 AND run_id = ?2 AND lease_epoch = ?3 AND sequence = ?4
  AND status = 'running' AND ended_at IS NULL AND ?5 = 'running' AND ?8 IS NULL
