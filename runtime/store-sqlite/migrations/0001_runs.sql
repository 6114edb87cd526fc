-- Money is an INTEGER number of pico-dollars, time an INTEGER number of microseconds since 1970 (UTC), a value its exact
-- JSON text. Every table carries its team.

PRAGMA application_id = 1886217836; -- "pmfl"

CREATE TABLE teams (
  team_id     INTEGER PRIMARY KEY,
  name        TEXT    NOT NULL UNIQUE,
  created_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch() * 1000000 AS INTEGER))
) STRICT;

INSERT INTO teams (team_id, name) VALUES (1, 'default');

CREATE TABLE team_members (
  team_id     INTEGER NOT NULL REFERENCES teams,
  member      TEXT    NOT NULL,
  role        TEXT    NOT NULL CHECK (role IN ('viewer', 'editor', 'admin', 'owner')),
  created_at  INTEGER NOT NULL,
  PRIMARY KEY (team_id, member)
) STRICT, WITHOUT ROWID;

-- Immutable; addressed by the hash of its bytes.
CREATE TABLE plans (
  plan_id     TEXT    PRIMARY KEY,
  team_id     INTEGER NOT NULL DEFAULT 1 REFERENCES teams,
  flow        TEXT    NOT NULL,
  bytes       BLOB    NOT NULL,
  source_map  TEXT    NOT NULL,
  created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE plan_prompts (
  plan_id     TEXT    NOT NULL REFERENCES plans,
  team_id     INTEGER NOT NULL DEFAULT 1 REFERENCES teams,
  prompt      TEXT    NOT NULL,
  hash        TEXT    NOT NULL,
  PRIMARY KEY (plan_id, prompt)
) STRICT, WITHOUT ROWID;

-- The flows known here, each with the plan that a new run of it gets.
CREATE TABLE workflows (
  team_id     INTEGER NOT NULL DEFAULT 1 REFERENCES teams,
  flow        TEXT    NOT NULL,
  plan_id     TEXT    NOT NULL REFERENCES plans,
  created_at  INTEGER NOT NULL,
  changed_at  INTEGER NOT NULL,
  PRIMARY KEY (team_id, flow)
) STRICT, WITHOUT ROWID;

-- A run. Everything that belongs to one refers to it by its short number.
CREATE TABLE workflow_executions (
  execution_id    INTEGER PRIMARY KEY,
  team_id         INTEGER NOT NULL DEFAULT 1 REFERENCES teams,
  run_id          TEXT    NOT NULL UNIQUE,
  plan_id         TEXT    NOT NULL REFERENCES plans,
  flow            TEXT    NOT NULL,
  -- The root instance: outputs that it owns are the run's own.
  root_path       TEXT    NOT NULL,
  simulated       INTEGER NOT NULL,
  -- The host's own, JSON.
  setup           TEXT    NOT NULL,
  input           TEXT    NOT NULL,
  status          TEXT    NOT NULL CHECK (status IN ('running', 'suspended', 'succeeded', 'failed', 'cancelled')),
  sequence        INTEGER NOT NULL,
  created_at      INTEGER NOT NULL,
  changed_at      INTEGER NOT NULL,
  ended_at        INTEGER,
  failure         TEXT,
  -- The engine's own, JSON.
  state           TEXT    NOT NULL,
  -- limit NULL: none.
  limit_pico      INTEGER,
  held_pico       INTEGER NOT NULL,
  settled_pico    INTEGER NOT NULL,
  unknown_pico    INTEGER NOT NULL,
  breaches        INTEGER NOT NULL,
  items_started   INTEGER NOT NULL,
  items_done      INTEGER NOT NULL,
  items_failed    INTEGER NOT NULL,
  rows_read       INTEGER NOT NULL,
  outputs         INTEGER NOT NULL,
  model_calls     INTEGER NOT NULL,
  cache_hits      INTEGER NOT NULL,
  input_tokens    INTEGER NOT NULL,
  output_tokens   INTEGER NOT NULL,
  -- The fence: a write with another epoch is refused. The other lease columns are NULL when nobody holds the run.
  lease_epoch     INTEGER NOT NULL,
  lease_process   TEXT,
  lease_host      TEXT,
  lease_number    INTEGER,
  lease_since     INTEGER,
  lease_until     INTEGER
) STRICT;

CREATE INDEX workflow_executions_by_flow ON workflow_executions (flow, execution_id);
CREATE INDEX workflow_executions_live ON workflow_executions (execution_id) WHERE status IN ('running', 'suspended');

-- The root flow, each item of a loop, each called flow. What has ended keeps its row, so that a key is never taken twice.
CREATE TABLE instances (
  execution_id    INTEGER NOT NULL REFERENCES workflow_executions,
  path            TEXT    NOT NULL,
  team_id         INTEGER NOT NULL DEFAULT 1,
  parent          TEXT,
  parent_step     TEXT,
  position        INTEGER NOT NULL,
  status          TEXT    NOT NULL CHECK (status IN ('waiting', 'running', 'done', 'failed', 'quarantined')),
  -- The engine's own, JSON; NULL once ended.
  state           TEXT,
  started_at      INTEGER NOT NULL,
  ended_at        INTEGER,
  failure         TEXT,
  yielded         TEXT,
  input           TEXT,
  PRIMARY KEY (execution_id, path)
) STRICT, WITHOUT ROWID;

CREATE INDEX instances_live ON instances (execution_id) WHERE ended_at IS NULL;
CREATE INDEX instances_yielded ON instances (execution_id, parent_step, position) WHERE yielded IS NOT NULL;
CREATE INDEX instances_failed ON instances (execution_id, path) WHERE status IN ('failed', 'quarantined');

-- Large values of live instances.
CREATE TABLE bindings (
  binding_id      INTEGER PRIMARY KEY,
  execution_id    INTEGER NOT NULL REFERENCES workflow_executions,
  instance        TEXT    NOT NULL,
  name            TEXT    NOT NULL,
  team_id         INTEGER NOT NULL DEFAULT 1,
  value           TEXT    NOT NULL,
  UNIQUE (execution_id, instance, name)
) STRICT;

-- Attempts of steps that ended.
CREATE TABLE node_executions (
  node_execution_id  INTEGER PRIMARY KEY,
  execution_id       INTEGER NOT NULL REFERENCES workflow_executions,
  team_id            INTEGER NOT NULL DEFAULT 1,
  instance           TEXT    NOT NULL,
  step               TEXT    NOT NULL,
  place              TEXT    NOT NULL,
  attempt            INTEGER NOT NULL,
  kind               TEXT    NOT NULL,
  target             TEXT,
  status             TEXT    NOT NULL CHECK (status IN ('done', 'retried', 'failed')),
  started_at         INTEGER NOT NULL,
  ended_at           INTEGER NOT NULL,
  result             TEXT,
  failure            TEXT,
  model              TEXT,
  input_tokens       INTEGER,
  cache_read_tokens  INTEGER,
  cache_write_tokens INTEGER,
  output_tokens      INTEGER,
  reasoning_tokens   INTEGER,
  -- Whether the provider reported usage at all; each count may be missing on its own.
  has_usage          INTEGER NOT NULL,
  cost_pico          INTEGER,
  from_cache         INTEGER NOT NULL,
  UNIQUE (execution_id, step, attempt)
) STRICT;

CREATE INDEX node_executions_failed ON node_executions (execution_id, step, attempt) WHERE status <> 'done';

CREATE TABLE outputs (
  output_id       INTEGER PRIMARY KEY,
  execution_id    INTEGER NOT NULL REFERENCES workflow_executions,
  team_id         INTEGER NOT NULL DEFAULT 1,
  owner           TEXT    NOT NULL,
  -- Sorts as text in the order of the rows and of the steps.
  position        TEXT    NOT NULL,
  instance        TEXT    NOT NULL,
  step            TEXT    NOT NULL,
  value           TEXT    NOT NULL,
  tags            TEXT    NOT NULL,
  at              INTEGER NOT NULL,
  UNIQUE (execution_id, owner, position)
) STRICT;

-- One row per tag of a run's own outputs.
CREATE TABLE output_tags (
  tag             TEXT    NOT NULL,
  execution_id    INTEGER NOT NULL REFERENCES workflow_executions,
  position        TEXT    NOT NULL,
  team_id         INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (tag, execution_id, position)
) STRICT, WITHOUT ROWID;

-- The ledger, append-only: each movement of money with what it was for. Replaying a run's lines gives its sums.
CREATE TABLE token_usage_logs (
  usage_id           INTEGER PRIMARY KEY,
  execution_id       INTEGER NOT NULL REFERENCES workflow_executions,
  team_id            INTEGER NOT NULL DEFAULT 1,
  kind               TEXT    NOT NULL CHECK (kind IN ('hold', 'settle', 'release', 'unknown', 'reconcile', 'raise_limit')),
  held_pico          INTEGER NOT NULL,
  charged_pico       INTEGER NOT NULL,
  breach             INTEGER NOT NULL,
  instance           TEXT,
  step               TEXT,
  attempt            INTEGER,
  prompt             TEXT,
  model              TEXT,
  input_tokens       INTEGER,
  cache_read_tokens  INTEGER,
  cache_write_tokens INTEGER,
  output_tokens      INTEGER,
  reasoning_tokens   INTEGER,
  has_usage          INTEGER NOT NULL,
  idempotency_key    TEXT,
  at                 INTEGER NOT NULL
) STRICT;

CREATE INDEX token_usage_logs_by_run ON token_usage_logs (execution_id, usage_id);

CREATE TABLE prompt_cache (
  key             TEXT    PRIMARY KEY,
  team_id         INTEGER NOT NULL DEFAULT 1 REFERENCES teams,
  value           TEXT    NOT NULL,
  flow            TEXT    NOT NULL,
  prompt          TEXT    NOT NULL,
  at              INTEGER NOT NULL
) STRICT;

CREATE TABLE approvals (
  execution_id    INTEGER NOT NULL REFERENCES workflow_executions,
  step            TEXT    NOT NULL,
  team_id         INTEGER NOT NULL DEFAULT 1,
  instance        TEXT    NOT NULL,
  text            TEXT    NOT NULL,
  role            TEXT,
  until           INTEGER,
  at              INTEGER NOT NULL,
  closed_at       INTEGER,
  -- NULL when it was closed by a timeout or with its run.
  approved        INTEGER,
  decided_by      TEXT,
  PRIMARY KEY (execution_id, step)
) STRICT;

CREATE INDEX approvals_open ON approvals (at) WHERE closed_at IS NULL;

-- What people ask of a run; taken up by the process that executes it, in the transaction of the transition it leads to.
CREATE TABLE run_requests (
  request_id      INTEGER PRIMARY KEY AUTOINCREMENT,
  execution_id    INTEGER NOT NULL REFERENCES workflow_executions,
  team_id         INTEGER NOT NULL DEFAULT 1,
  kind            TEXT    NOT NULL CHECK (kind IN ('cancel', 'pause', 'raise_limit', 'decide')),
  -- The step of a decision, else empty.
  step            TEXT    NOT NULL,
  body            TEXT    NOT NULL,
  at              INTEGER NOT NULL,
  taken_at        INTEGER
) STRICT;

CREATE INDEX run_requests_waiting ON run_requests (execution_id) WHERE taken_at IS NULL;

-- Sums over finished calls; what single calls came to stands in node_executions.
CREATE TABLE step_history (
  team_id         INTEGER NOT NULL DEFAULT 1,
  flow            TEXT    NOT NULL,
  place           TEXT    NOT NULL,
  prompt          TEXT    NOT NULL,
  plan_id         TEXT    NOT NULL REFERENCES plans,
  model           TEXT    NOT NULL,
  calls           INTEGER NOT NULL,
  cache_hits      INTEGER NOT NULL,
  failures        INTEGER NOT NULL,
  input_tokens    INTEGER NOT NULL,
  output_tokens   INTEGER NOT NULL,
  latency_us      INTEGER NOT NULL,
  cost_pico       INTEGER NOT NULL,
  PRIMARY KEY (team_id, flow, place, prompt, plan_id, model)
) STRICT, WITHOUT ROWID;

-- One row per scope and period; there is no job that resets one.
CREATE TABLE usage_budgets (
  budget_id       INTEGER PRIMARY KEY,
  team_id         INTEGER NOT NULL DEFAULT 1 REFERENCES teams,
  name            TEXT    NOT NULL,
  scope           TEXT    NOT NULL CHECK (scope IN ('user', 'team', 'flow', 'run')),
  subject         TEXT    NOT NULL,
  period          TEXT    NOT NULL CHECK (period IN ('day', 'month')),
  -- The period's first day in the budget's time zone, `2026-11-22`.
  period_start    TEXT    NOT NULL,
  time_zone       TEXT    NOT NULL,
  limit_pico      INTEGER,
  limit_version   INTEGER NOT NULL,
  held_pico       INTEGER NOT NULL,
  settled_pico    INTEGER NOT NULL,
  unknown_pico    INTEGER NOT NULL,
  breaches        INTEGER NOT NULL,
  UNIQUE (team_id, name, scope, subject, period, period_start)
) STRICT;

CREATE TABLE usage_alerts (
  alert_id        INTEGER PRIMARY KEY,
  team_id         INTEGER NOT NULL DEFAULT 1 REFERENCES teams,
  budget_id       INTEGER NOT NULL REFERENCES usage_budgets,
  limit_version   INTEGER NOT NULL,
  threshold       INTEGER NOT NULL,
  level           TEXT    NOT NULL,
  at              INTEGER NOT NULL,
  delivered_at    INTEGER,
  UNIQUE (budget_id, limit_version, threshold)
) STRICT;

CREATE TABLE data_sources (
  data_source_id  INTEGER PRIMARY KEY,
  team_id         INTEGER NOT NULL DEFAULT 1 REFERENCES teams,
  name            TEXT    NOT NULL,
  connector       TEXT    NOT NULL,
  configuration   TEXT    NOT NULL,
  schema_hash     TEXT,
  created_at      INTEGER NOT NULL,
  UNIQUE (team_id, name)
) STRICT;

CREATE TABLE data_source_syncs (
  data_source_sync_id INTEGER PRIMARY KEY,
  team_id         INTEGER NOT NULL DEFAULT 1 REFERENCES teams,
  data_source_id  INTEGER NOT NULL REFERENCES data_sources,
  execution_id    INTEGER REFERENCES workflow_executions,
  status          TEXT    NOT NULL,
  rows_read       INTEGER NOT NULL,
  cursor          TEXT,
  started_at      INTEGER NOT NULL,
  ended_at        INTEGER,
  failure         TEXT
) STRICT;

CREATE INDEX data_source_syncs_by_source ON data_source_syncs (data_source_id, data_source_sync_id);
