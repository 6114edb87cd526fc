SELECT execution_id AS "execution_id!", lease_epoch, limit_pico, held_pico, settled_pico, unknown_pico, breaches,
       EXISTS (SELECT 1 FROM budget_shares AS share WHERE share.execution_id = run.execution_id) AS "has_shares!: bool",
       EXISTS (SELECT 1 FROM budget_limits) AS "has_standing!: bool"
FROM workflow_executions AS run WHERE run_id = ?
