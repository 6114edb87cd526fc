SELECT pg_xact_status($1::bigint::text::xid8)
