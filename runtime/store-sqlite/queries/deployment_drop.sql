DELETE FROM deployments WHERE team_id = 1 AND flow = ?
