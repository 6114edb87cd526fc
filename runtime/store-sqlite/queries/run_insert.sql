-- A new run, held by the process that made it. Its columns stand in the order of `RunInsertion`, those of `RunChange` first.
INSERT INTO workflow_executions (
  execution_id, run_id, status, sequence, changed_at, ended_at, failure, state, limit_pico, held_pico, settled_pico,
  unknown_pico, breaches, items_started, items_done, items_failed, rows_read, outputs, model_calls, cache_hits,
  input_tokens, output_tokens, root_status, root_state, plan_id, flow, root_path, simulated, started_by, setup, origin,
  input, created_at, lease_process, lease_host, lease_number, lease_epoch, lease_since, lease_until
)
VALUES (
  ?1, ?2, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27,
  ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, 1,
  CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER),
  CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) + ?39
)
