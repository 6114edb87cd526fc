-- A run's root instance changes with nearly every transition: it stands in the run's row. NULL or empty: it has ended.
ALTER TABLE workflow_executions ADD COLUMN root_status TEXT;
ALTER TABLE workflow_executions ADD COLUMN root_state TEXT;
UPDATE workflow_executions SET root_status = root.status, root_state = iif(workflow_executions.kept = 0, root.state, NULL)
FROM instances AS root
WHERE root.execution_id = workflow_executions.execution_id AND root.path = workflow_executions.root_path;
DELETE FROM instances
WHERE (execution_id, path) IN (SELECT execution_id, root_path FROM workflow_executions);
-- A process of before that is still at work would go on with a row of its own: it is refused instead.
CREATE TRIGGER instances_have_parents BEFORE INSERT ON instances WHEN NEW.parent IS NULL
BEGIN SELECT RAISE(ABORT, 'a newer pmflow keeps the roots of runs elsewhere'); END;
