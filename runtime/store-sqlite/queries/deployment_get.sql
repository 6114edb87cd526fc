SELECT decided_until FROM deployments WHERE team_id = 1 AND flow = ?
