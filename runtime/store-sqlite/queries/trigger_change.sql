UPDATE run_triggers SET state = ?5, reason = coalesce(?6, reason), run_id = coalesce(?7, run_id)
WHERE team_id = 1 AND flow = ?1 AND kind = ?2 AND key = ?3 AND state = ?4
