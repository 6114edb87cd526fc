DELETE FROM run_triggers
WHERE trigger_id IN (
  SELECT trigger_id FROM run_triggers
  WHERE state IN ('ended', 'passed_over') AND recorded_at < $2 AND at < $2 AND ($3::text IS NULL OR flow = $3)
  LIMIT $1
)
