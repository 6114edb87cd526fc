-- Rows as statements are given them, their columns in the order of `tables/rows.rs`. An array of rows is taken apart at a sixth
-- of what an array for each column costs.
CREATE TYPE run_change AS (
  execution_id bigint, run text, epoch bigint, base bigint, status text, sequence bigint, changed_at bigint,
  ended_at bigint, failure text, state text, limit_pico bigint, held_pico bigint, settled_pico bigint,
  unknown_pico bigint, breaches bigint, items_started bigint, items_done bigint, items_failed bigint,
  rows_read bigint, outputs bigint, model_calls bigint, cache_hits bigint, input_tokens bigint, output_tokens bigint,
  root_status text, root_state text
);
CREATE TYPE run_insertion AS (
  execution_id bigint, run text, epoch bigint, base bigint, status text, sequence bigint, changed_at bigint,
  ended_at bigint, failure text, state text, limit_pico bigint, held_pico bigint, settled_pico bigint,
  unknown_pico bigint, breaches bigint, items_started bigint, items_done bigint, items_failed bigint,
  rows_read bigint, outputs bigint, model_calls bigint, cache_hits bigint, input_tokens bigint, output_tokens bigint,
  root_status text, root_state text, plan_id text, flow text, root_path text, simulated boolean, started_by text,
  setup text, origin text, input text, created_at bigint, lease_process text, lease_host text, lease_number bigint
);
CREATE TYPE step_record AS (
  execution_id bigint, instance text, step text, place text, attempt bigint, kind text, target text, status text,
  started_at bigint, ended_at bigint, result text, failure text, model text, input_tokens bigint,
  cache_read_tokens bigint, cache_write_tokens bigint, output_tokens bigint, reasoning_tokens bigint,
  has_usage boolean, cost_pico bigint, from_cache boolean, input_key text
);
CREATE TYPE usage_line AS (
  execution_id bigint, kind text, held_pico bigint, charged_pico bigint, breach boolean, instance text, step text,
  attempt bigint, prompt text, model text, input_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint,
  output_tokens bigint, reasoning_tokens bigint, has_usage boolean, idempotency_key text, at bigint
);
CREATE TYPE output_record AS (
  execution_id bigint, owner text, "position" text, instance text, step text, value text, tags text, at bigint
);
CREATE TYPE instance_record AS (
  execution_id bigint, path text, parent text, parent_step text, "position" bigint, status text, state text,
  started_at bigint, ended_at bigint, failure text, yielded text, input text
);
CREATE TYPE instance_ending AS (
  execution_id bigint, path text, status text, ended_at bigint, failure text, yielded text, input text
);
CREATE TYPE history_addition AS (
  flow text, place text, prompt text, plan_id text, model text, calls bigint, cache_hits bigint, failures bigint,
  input_tokens bigint, output_tokens bigint, latency_us bigint, cost_pico bigint
);

-- A team is never deleted, and looking at it for each run that began was a twentieth of the server's time.
ALTER TABLE workflow_executions DROP CONSTRAINT IF EXISTS workflow_executions_team_id_fkey;
