-- Whether no other process prunes; until the end of the transaction none does.
SELECT pg_try_advisory_xact_lock(hashtextextended('pmflow prune ' || current_schema(), 0)) AS "alone!"
