UPDATE rate_gates SET state = $2 WHERE name = $1
