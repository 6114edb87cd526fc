SELECT run.execution_id AS "execution_id!", run.run_id AS "run_id!", run.plan_id AS "plan_id!", run.flow AS "flow!", run.status AS "status!",
       run.sequence AS "sequence!", run.created_at AS "created_at!", run.changed_at AS "changed_at!", run.ended_at, run.failure,
       run.limit_pico, run.held_pico AS "held_pico!", run.settled_pico AS "settled_pico!", run.unknown_pico AS "unknown_pico!",
       run.breaches AS "breaches!", run.items_started AS "items_started!", run.items_done AS "items_done!",
       run.items_failed AS "items_failed!", run.rows_read AS "rows_read!", run.outputs AS "outputs!",
       run.model_calls AS "model_calls!", run.cache_hits AS "cache_hits!", run.input_tokens AS "input_tokens!",
       run.output_tokens AS "output_tokens!", run.simulated AS "simulated!", run.setup AS "setup!",
       run.input AS "input!", run.state AS "state!", run.root_status, run.root_state
FROM workflow_executions AS run
WHERE run.run_id = ANY($1::text[])
