SELECT instance AS "instance!", closed_at, approved, decided_by FROM approvals WHERE execution_id = $1 AND step = $2
