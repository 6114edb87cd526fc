SELECT count(*)::bigint AS "counted!", coalesce(sum(octet_length(value)), 0)::bigint AS "size!"
FROM prompt_cache WHERE at < $1 AND ($2::text IS NULL OR flow = $2)
