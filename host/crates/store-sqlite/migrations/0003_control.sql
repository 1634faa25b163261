-- When an attempt was marked as late. A later attempt has started after it.
ALTER TABLE step ADD COLUMN late_at INTEGER;

-- Steps that were revoked while a process executed them: told and deleted when it renews
-- its lease.
CREATE TABLE revoked_claim (
  worker INTEGER NOT NULL,
  step_id INTEGER NOT NULL,
  PRIMARY KEY (worker, step_id)
) STRICT, WITHOUT ROWID;
