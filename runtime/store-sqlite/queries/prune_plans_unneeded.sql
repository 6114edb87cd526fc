-- Old plans that no run has, that are not in force, and that are not the present one of their flow.
SELECT plan.plan_id AS "plan_id!" FROM plans AS plan
WHERE plan.created_at < ?1 AND (?2 IS NULL OR plan.flow = ?2)
  AND NOT EXISTS (SELECT 1 FROM workflow_executions AS run WHERE run.plan_id = plan.plan_id)
  AND NOT EXISTS (SELECT 1 FROM deployments AS deployed WHERE deployed.plan_id = plan.plan_id)
  AND NOT EXISTS (SELECT 1 FROM workflows AS present WHERE present.plan_id = plan.plan_id)
LIMIT 20
