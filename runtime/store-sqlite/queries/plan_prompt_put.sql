INSERT INTO plan_prompts (plan_id, prompt, hash) VALUES (?, ?, ?)
ON CONFLICT (plan_id, prompt) DO UPDATE SET hash = excluded.hash
