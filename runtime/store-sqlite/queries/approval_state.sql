SELECT instance AS "instance!", closed_at, approved AS "approved: bool", decided_by FROM approvals WHERE execution_id = ? AND step = ?
