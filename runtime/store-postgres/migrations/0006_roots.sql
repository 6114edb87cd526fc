-- A run's root instance changes with nearly every transition: it stands in the run's row. NULL or empty: it has ended.
ALTER TABLE workflow_executions ADD COLUMN root_status text COLLATE "C";
ALTER TABLE workflow_executions ADD COLUMN root_state text;
UPDATE workflow_executions AS run SET root_status = root.status, root_state = CASE WHEN run.kept = 0 THEN root.state END
FROM instances AS root
WHERE root.execution_id = run.execution_id AND root.path = run.root_path;
DELETE FROM instances AS root
USING workflow_executions AS run
WHERE root.execution_id = run.execution_id AND root.path = run.root_path;
-- A worker of before that is still at work would go on with a row of its own: it is refused instead.
ALTER TABLE instances ALTER COLUMN parent SET NOT NULL;

-- Lines are appended in the order of their times, so the least index does.
DROP INDEX token_usage_logs_by_time;
CREATE INDEX token_usage_logs_by_time ON token_usage_logs USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
