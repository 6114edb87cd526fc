SELECT state FROM rate_gates WHERE name = $1 FOR NO KEY UPDATE
