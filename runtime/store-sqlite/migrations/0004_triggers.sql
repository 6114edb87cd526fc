-- Times in a row that a run was lost by the process that executed it, and how many steps were recorded at the last of them.
ALTER TABLE workflow_executions ADD COLUMN lost_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE workflow_executions ADD COLUMN lost_steps INTEGER NOT NULL DEFAULT 0;

-- Flows in force: their schedules fire and their webhooks take deliveries.
CREATE TABLE deployments (
  team_id         INTEGER NOT NULL DEFAULT 1 REFERENCES teams,
  flow            TEXT    NOT NULL,
  plan_id         TEXT    NOT NULL REFERENCES plans,
  -- The host's own, JSON.
  body            TEXT    NOT NULL,
  deployed_by     TEXT    NOT NULL,
  at              INTEGER NOT NULL,
  paused          INTEGER NOT NULL,
  -- Times of the schedule up to this one are decided on.
  decided_until   INTEGER NOT NULL,
  PRIMARY KEY (team_id, flow)
) STRICT, WITHOUT ROWID;

-- Each reason to start a run, once. The run's id is made from flow, kind and key.
CREATE TABLE run_triggers (
  trigger_id      INTEGER PRIMARY KEY,
  team_id         INTEGER NOT NULL DEFAULT 1,
  flow            TEXT    NOT NULL,
  kind            TEXT    NOT NULL CHECK (kind IN ('schedule', 'backfill', 'webhook')),
  key             TEXT    NOT NULL,
  -- The nominal time, and the same in the schedule's zone.
  at              INTEGER NOT NULL,
  local           TEXT    NOT NULL,
  start_at        INTEGER NOT NULL,
  -- Of a backfill.
  batch           TEXT,
  budget_pico     INTEGER,
  state           TEXT    NOT NULL CHECK (state IN ('queued', 'due', 'started', 'ended', 'passed_over')),
  reason          TEXT,
  run_id          TEXT,
  recorded_at     INTEGER NOT NULL,
  UNIQUE (team_id, flow, kind, key)
) STRICT;

CREATE INDEX run_triggers_open ON run_triggers (trigger_id) WHERE state IN ('queued', 'due', 'started');
CREATE INDEX run_triggers_by_time ON run_triggers (flow, kind, recorded_at);

-- Which alert has reached which destination.
CREATE TABLE alert_deliveries (
  alert_id        INTEGER NOT NULL REFERENCES usage_alerts,
  destination     TEXT    NOT NULL,
  team_id         INTEGER NOT NULL DEFAULT 1,
  tries           INTEGER NOT NULL,
  next_at         INTEGER NOT NULL,
  delivered_at    INTEGER,
  failure         TEXT,
  PRIMARY KEY (alert_id, destination)
) STRICT, WITHOUT ROWID;
