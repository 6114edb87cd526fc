INSERT INTO workflows (flow, plan_id, created_at, changed_at)
VALUES ($1, $2, clock_us(), clock_us())
ON CONFLICT (team_id, flow) DO UPDATE SET plan_id = excluded.plan_id, changed_at = excluded.changed_at
WHERE workflows.plan_id <> excluded.plan_id
