INSERT INTO prompt_cache (key, value, flow, prompt, at)
VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, flow = excluded.flow, prompt = excluded.prompt, at = excluded.at
