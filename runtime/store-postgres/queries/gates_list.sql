SELECT name, state, clock_us() AS "now!" FROM rate_gates WHERE name = ANY ($1)
