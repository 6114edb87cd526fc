SELECT value AS "value!", at AS "at!" FROM prompt_cache
WHERE key = $1 AND at >= clock_us() - $2
