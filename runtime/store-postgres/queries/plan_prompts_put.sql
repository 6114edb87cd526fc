INSERT INTO plan_prompts (plan_id, prompt, hash)
SELECT $1, given.* FROM unnest($2::text[], $3::text[]) AS given (prompt, hash)
ON CONFLICT (plan_id, prompt) DO UPDATE SET hash = excluded.hash WHERE plan_prompts.hash <> excluded.hash
