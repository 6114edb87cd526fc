UPDATE deployments
SET paused = ?2, decided_until = CASE WHEN paused AND NOT ?2 THEN CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) ELSE decided_until END
WHERE team_id = 1 AND flow = ?1
