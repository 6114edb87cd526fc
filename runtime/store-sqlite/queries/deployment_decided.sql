UPDATE deployments SET decided_until = ?2 WHERE team_id = 1 AND flow = ?1
