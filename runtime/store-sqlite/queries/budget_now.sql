SELECT CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) AS "now!: i64"
