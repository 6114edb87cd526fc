INSERT INTO plans (plan_id, flow, bytes, source_map, created_at)
VALUES (?, ?, ?, ?, CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER))
ON CONFLICT (plan_id) DO UPDATE SET source_map = excluded.source_map
