SELECT current_setting('server_version_num')::integer AS "version!", current_setting('server_version') AS "version_name!",
       current_setting('server_encoding') AS "encoding!", pg_is_in_recovery() AS "is_standby!",
       current_setting('transaction_read_only')::boolean AS "is_read_only!",
       current_setting('synchronous_commit') AS "synchronous_commit!"
