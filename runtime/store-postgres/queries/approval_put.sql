INSERT INTO approvals (execution_id, step, instance, text, role, until, at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (execution_id, step) DO UPDATE
SET instance = excluded.instance, text = excluded.text, role = excluded.role, until = excluded.until, at = excluded.at,
    closed_at = NULL, approved = NULL, decided_by = NULL
