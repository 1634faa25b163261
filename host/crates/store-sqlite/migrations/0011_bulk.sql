-- Work on many runs together, from the newest to the oldest.
CREATE TABLE bulk (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id INTEGER NOT NULL REFERENCES tenant (id),
  -- What is done, and to which runs.
  request TEXT NOT NULL,
  state INTEGER NOT NULL,
  -- Runs below this number are left.
  cursor_run INTEGER NOT NULL,
  total INTEGER NOT NULL,
  done INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0,
  problems TEXT NOT NULL DEFAULT '[]',
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX bulk_running ON bulk (id) WHERE state = 1;

-- A step that failed because its workers were lost. Recorded before it fails, it counts once the
-- step has failed in that attempt (`deliveries`).
ALTER TABLE dead_letter ADD COLUMN code TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX dead_letter_step ON dead_letter (run_id, step);
