-- Times are microseconds since the Unix epoch, UTC. States are the codes of
-- `model::state`.
--
-- The tables of the hot path (run, step and the partitions) carry no foreign keys:
-- each would cost a look-up per row, and rows leave only through `expire`.

CREATE TABLE tenant (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO tenant (id, name) VALUES (1, 'default');

-- Named documents. A deleted one keeps its row and revisions for the runs that
-- are pinned to them.
CREATE TABLE definition (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id INTEGER NOT NULL REFERENCES tenant (id),
  kind INTEGER NOT NULL,
  name TEXT NOT NULL,
  friendly_name TEXT NOT NULL,
  folder TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  -- The newest revision.
  revision_id INTEGER NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX definition_name ON definition (tenant_id, kind, name) WHERE deleted = 0;

CREATE TABLE revision (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  definition_id INTEGER NOT NULL REFERENCES definition (id),
  number INTEGER NOT NULL,
  edited_by TEXT NOT NULL,
  edited_at INTEGER NOT NULL,
  -- The pack version that brought it; NULL for a person's save.
  origin TEXT,
  document TEXT NOT NULL,
  UNIQUE (definition_id, number)
) STRICT;

CREATE TABLE component (
  digest TEXT PRIMARY KEY,
  file BLOB NOT NULL
) STRICT;

CREATE TABLE pack_version (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id INTEGER NOT NULL REFERENCES tenant (id),
  name TEXT NOT NULL,
  version TEXT NOT NULL,
  digest TEXT NOT NULL REFERENCES component (digest),
  manifest TEXT NOT NULL,
  state INTEGER NOT NULL,
  error TEXT,
  active INTEGER NOT NULL DEFAULT 0,
  grants TEXT NOT NULL DEFAULT '[]',
  imported_by TEXT NOT NULL,
  imported_at INTEGER NOT NULL,
  installed_at INTEGER,
  activated_at INTEGER,
  UNIQUE (tenant_id, name, version)
) STRICT;
CREATE UNIQUE INDEX pack_active ON pack_version (tenant_id, name) WHERE active = 1;
CREATE INDEX pack_digest ON pack_version (digest);

-- Sets of pack versions and component digests that runs are pinned to.
CREATE TABLE pin_set (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pins TEXT NOT NULL UNIQUE
) STRICT;

-- What a claim and a completion read and write stands first: SQLite decodes a row
-- from its beginning.
CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  state INTEGER NOT NULL,
  -- The number of its last event.
  seq INTEGER NOT NULL,
  -- Steps that have not ended; of those that have, how many in which way.
  remaining INTEGER NOT NULL,
  failed INTEGER NOT NULL DEFAULT 0,
  warned INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0,
  started_at INTEGER,
  finished_at INTEGER,
  expires_at INTEGER NOT NULL,
  -- The row of its parameters in its payload partition.
  input INTEGER NOT NULL,
  tenant_id INTEGER NOT NULL,
  uuid BLOB NOT NULL,
  application_id INTEGER NOT NULL,
  application_revision INTEGER NOT NULL,
  configuration_revision INTEGER,
  pins INTEGER NOT NULL,
  queue TEXT NOT NULL,
  priority INTEGER NOT NULL,
  log_level INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  steps INTEGER NOT NULL,
  started_by TEXT NOT NULL,
  parent_run INTEGER,
  parent_step INTEGER,
  idempotency_key TEXT,
  idempotency_digest BLOB
) STRICT;
CREATE UNIQUE INDEX run_uuid ON run (uuid);
CREATE INDEX run_list ON run (tenant_id, application_id, id);
CREATE INDEX run_expiry ON run (expires_at);
CREATE INDEX run_unfinished ON run (id, tenant_id) WHERE finished_at IS NULL;
CREATE UNIQUE INDEX run_idempotency ON run (tenant_id, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX run_parent ON run (parent_run, parent_step) WHERE parent_run IS NOT NULL;

-- A row exists from the moment that a step is ready, or that a join's first signal
-- came. Its id is the run's, shifted left by 24 bits, plus the ordinal plus one: a
-- single integer is compared faster than a key of two columns, and takes less room.
CREATE TABLE step (
  id INTEGER PRIMARY KEY,
  state INTEGER NOT NULL,
  -- How often it was claimed: what fences an attempt.
  token INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  worker INTEGER,
  ready_at INTEGER,
  started_at INTEGER,
  finished_at INTEGER,
  -- The row of its output and error in the run's payload partition.
  result INTEGER,
  -- Of a join: signals to come, live and failed ones that came.
  pending INTEGER NOT NULL DEFAULT 0,
  live INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The days for which there are tables `payload_<day>` and `log_<day>`.
CREATE TABLE partition (
  day INTEGER PRIMARY KEY
) STRICT;

-- Numbers that must not be given twice although their rows may be gone.
CREATE TABLE high_water (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE timer (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  due_at INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  run_id INTEGER,
  step INTEGER,
  data TEXT
) STRICT;
CREATE INDEX timer_due ON timer (due_at);
CREATE INDEX timer_run ON timer (run_id) WHERE run_id IS NOT NULL;

CREATE TABLE schedule (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id INTEGER NOT NULL REFERENCES tenant (id),
  name TEXT NOT NULL,
  folder TEXT NOT NULL,
  document TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  next_due INTEGER,
  edited_by TEXT NOT NULL,
  edited_at INTEGER NOT NULL,
  UNIQUE (tenant_id, name)
) STRICT;
CREATE INDEX schedule_due ON schedule (next_due) WHERE next_due IS NOT NULL;

-- Inserted with its run: a second scheduler cannot start the same occurrence.
CREATE TABLE occurrence (
  schedule_id INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  run_id INTEGER,
  outcome INTEGER NOT NULL,
  PRIMARY KEY (schedule_id, due_at)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letter (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL,
  step INTEGER NOT NULL,
  queue TEXT NOT NULL,
  deliveries INTEGER NOT NULL,
  reason TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;

CREATE TABLE worker (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  version TEXT NOT NULL,
  -- A JSON array.
  queues TEXT NOT NULL,
  slots INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  lease_until INTEGER NOT NULL
) STRICT;

CREATE TABLE cache (
  id INTEGER PRIMARY KEY,
  tenant_id INTEGER NOT NULL,
  key TEXT NOT NULL,
  saved_at INTEGER NOT NULL,
  expires_at INTEGER,
  value TEXT NOT NULL,
  UNIQUE (tenant_id, key)
) STRICT;
CREATE INDEX cache_expiry ON cache (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE account (
  name TEXT PRIMARY KEY,
  password_hash TEXT NOT NULL,
  role TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE fact (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;
