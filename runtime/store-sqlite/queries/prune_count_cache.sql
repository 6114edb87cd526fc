SELECT count(*) AS "counted!: i64", coalesce(sum(length(value)), 0) AS "size!: i64"
FROM prompt_cache WHERE at < ?1 AND (?2 IS NULL OR flow = ?2)
