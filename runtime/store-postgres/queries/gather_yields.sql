SELECT instance.yielded AS "value!"
FROM instances AS instance
WHERE instance.execution_id = (SELECT execution_id FROM workflow_executions WHERE run_id = $1)
  AND instance.parent_step = $2 AND instance.parent = $3 AND instance.status = 'done' AND instance.yielded IS NOT NULL
ORDER BY instance.position
