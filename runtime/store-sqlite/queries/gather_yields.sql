SELECT instance.yielded AS "value!"
FROM instances AS instance INDEXED BY instances_yielded
WHERE instance.execution_id = (SELECT execution_id FROM workflow_executions WHERE run_id = ?)
  AND instance.parent_step = ? AND instance.parent = ? AND instance.status = 'done' AND instance.yielded IS NOT NULL
ORDER BY instance.position
