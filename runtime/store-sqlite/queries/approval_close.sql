UPDATE approvals SET closed_at = ?, approved = ?, decided_by = ? WHERE execution_id = ? AND step = ? AND closed_at IS NULL
