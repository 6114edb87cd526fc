-- About what would go: runs, rows and bytes.
WITH gone AS (
  SELECT run.execution_id, run.input FROM workflow_executions AS run
  WHERE run.kept = 0 AND run.ended_at < ?1 AND (?2 IS NULL OR run.flow = ?2)
    AND run.status IN ('succeeded', 'failed', 'cancelled') AND run.held_pico = 0
    AND (run.lease_until IS NULL OR run.lease_until <= CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER))
    AND NOT EXISTS (
      SELECT 1 FROM workflow_executions AS later
      WHERE later.origin = run.run_id AND later.kept = 0 AND (later.ended_at IS NULL OR later.ended_at >= ?1)
    )
), sizes AS (
  SELECT 1 AS runs, 0 AS counted, length(input) AS size FROM gone
  UNION ALL SELECT 0, 1, coalesce(length(one.result), 0) + 0 FROM gone JOIN node_executions AS one USING (execution_id) WHERE one.result IS NOT NULL
  UNION ALL SELECT 0, 1, length(one.value) + 0 FROM gone JOIN outputs AS one USING (execution_id) WHERE one.value <> ''
  UNION ALL SELECT 0, 1, coalesce(length(one.state), 0) + coalesce(length(one.yielded), 0) + coalesce(length(one.input), 0) + 0
    FROM gone JOIN instances AS one USING (execution_id) WHERE one.state IS NOT NULL OR one.yielded IS NOT NULL OR one.input IS NOT NULL
  UNION ALL SELECT 0, 1, length(one.value) FROM gone JOIN bindings AS one USING (execution_id)
)
SELECT coalesce(sum(runs), 0) AS "runs!: i64", coalesce(sum(counted), 0) AS "counted!: i64", coalesce(sum(size), 0) AS "size!: i64"
FROM sizes
