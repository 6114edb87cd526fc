SELECT value AS "value!", at AS "at!" FROM prompt_cache
WHERE key = ? AND at >= CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) - ?
