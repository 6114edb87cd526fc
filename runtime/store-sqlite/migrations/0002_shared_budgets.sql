-- Budgets that runs share: standing limits, what each run has drawn, and the ledger that replays to every account.

ALTER TABLE workflow_executions ADD COLUMN started_by TEXT NOT NULL DEFAULT '';

-- Standing limits, set by a person.
CREATE TABLE budget_limits (
  team_id         INTEGER NOT NULL DEFAULT 1 REFERENCES teams,
  name            TEXT    NOT NULL,
  scope           TEXT    NOT NULL CHECK (scope IN ('user', 'team', 'flow')),
  subject         TEXT    NOT NULL,
  period          TEXT    NOT NULL CHECK (period IN ('day', 'month')),
  -- The whole limit, JSON.
  body            TEXT    NOT NULL,
  set_by          TEXT    NOT NULL,
  at              INTEGER NOT NULL,
  PRIMARY KEY (team_id, name, scope, subject, period)
) STRICT, WITHOUT ROWID;

-- A limit for the period of the account alone.
ALTER TABLE usage_budgets ADD COLUMN raised_pico INTEGER;
-- Per cent and level, JSON.
ALTER TABLE usage_budgets ADD COLUMN alerts TEXT NOT NULL DEFAULT '[]';

ALTER TABLE usage_alerts ADD COLUMN spent_pico INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_alerts ADD COLUMN limit_pico INTEGER NOT NULL DEFAULT 0;
CREATE INDEX usage_budgets_by_start ON usage_budgets (period_start, budget_id);

CREATE INDEX usage_alerts_open ON usage_alerts (alert_id) WHERE delivered_at IS NULL;

-- A run's part in an account; `before`: what it had spent when the budget began to apply to it.
CREATE TABLE budget_shares (
  execution_id         INTEGER NOT NULL REFERENCES workflow_executions,
  budget_id            INTEGER NOT NULL REFERENCES usage_budgets,
  team_id              INTEGER NOT NULL DEFAULT 1,
  held_pico            INTEGER NOT NULL,
  settled_pico         INTEGER NOT NULL,
  unknown_pico         INTEGER NOT NULL,
  before_settled_pico  INTEGER NOT NULL,
  before_unknown_pico  INTEGER NOT NULL,
  PRIMARY KEY (execution_id, budget_id)
) STRICT, WITHOUT ROWID;

-- Append-only; replaying an account's lines gives its sums.
CREATE TABLE budget_entries (
  line            INTEGER PRIMARY KEY,
  team_id         INTEGER NOT NULL DEFAULT 1,
  budget_id       INTEGER NOT NULL REFERENCES usage_budgets,
  kind            TEXT    NOT NULL CHECK (kind IN ('hold', 'settle', 'release', 'unknown', 'reconcile', 'raise_limit')),
  held_pico       INTEGER NOT NULL,
  charged_pico    INTEGER NOT NULL,
  breach          INTEGER NOT NULL,
  execution_id    INTEGER REFERENCES workflow_executions,
  changed_by      TEXT,
  at              INTEGER NOT NULL
) STRICT;

CREATE INDEX budget_entries_by_budget ON budget_entries (budget_id, line);
CREATE INDEX token_usage_logs_by_time ON token_usage_logs (at) WHERE model IS NOT NULL;
