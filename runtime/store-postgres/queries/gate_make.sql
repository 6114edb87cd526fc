INSERT INTO rate_gates (name, state) VALUES ($1, '{}') ON CONFLICT DO NOTHING
