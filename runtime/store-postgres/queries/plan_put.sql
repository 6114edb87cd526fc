INSERT INTO plans (plan_id, flow, bytes, source_map, created_at)
VALUES ($1, $2, $3, $4, clock_us())
ON CONFLICT (plan_id) DO UPDATE SET source_map = excluded.source_map WHERE plans.source_map <> excluded.source_map
