-- Work on many runs together, from the newest to the oldest.
CREATE TABLE bulk (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL REFERENCES tenant (id),
  -- What is done, and to which runs.
  request text NOT NULL,
  state smallint NOT NULL,
  -- Runs below this number are left.
  cursor_run bigint NOT NULL,
  total bigint NOT NULL,
  done bigint NOT NULL DEFAULT 0,
  skipped bigint NOT NULL DEFAULT 0,
  problems text NOT NULL DEFAULT '[]',
  created_by text NOT NULL,
  created_at bigint NOT NULL,
  changed_at bigint NOT NULL
);
CREATE INDEX bulk_running ON bulk (id) WHERE state = 1;

-- A step that failed because its workers were lost. Recorded before it fails, it counts once the
-- step has failed in that attempt (`deliveries`).
ALTER TABLE dead_letter ADD COLUMN code text NOT NULL DEFAULT '';
CREATE UNIQUE INDEX dead_letter_step ON dead_letter (run_id, step);
