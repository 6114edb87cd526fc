-- A run's root instance changes with nearly every transition: it stands in the run's row. NULL or empty: it has ended.
ALTER TABLE workflow_executions ADD COLUMN root_status TEXT;
ALTER TABLE workflow_executions ADD COLUMN root_state TEXT;
UPDATE workflow_executions SET root_status = root.status, root_state = root.state
FROM instances AS root
WHERE root.execution_id = workflow_executions.execution_id AND root.path = workflow_executions.root_path;
DELETE FROM instances
WHERE (execution_id, path) IN (SELECT execution_id, root_path FROM workflow_executions);
