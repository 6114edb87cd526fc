UPDATE approvals SET closed_at = $1, approved = $2, decided_by = $3 WHERE execution_id = $4 AND step = $5 AND closed_at IS NULL
