DELETE FROM output_tags
WHERE (tag, execution_id, position) IN (
  SELECT one.tag, one.execution_id, one.position FROM workflow_executions AS run INDEXED BY workflow_executions_kept
  CROSS JOIN output_tags AS one ON one.execution_id = run.execution_id
  WHERE run.kept = 3 AND run.ended_at IS NOT NULL
  LIMIT ?1
)
