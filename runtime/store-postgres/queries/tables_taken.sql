SELECT name AS "name!" FROM unnest($1::text[]) AS given (name) WHERE to_regclass(quote_ident(name)) IS NOT NULL ORDER BY name
