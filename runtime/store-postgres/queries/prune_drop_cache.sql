DELETE FROM prompt_cache
WHERE key IN (SELECT key FROM prompt_cache WHERE at < $2 AND ($3::text IS NULL OR flow = $3) LIMIT $1)
