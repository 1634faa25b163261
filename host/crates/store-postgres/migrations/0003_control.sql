-- When an attempt was marked as late. A later attempt has started after it.
ALTER TABLE step ADD COLUMN late_at bigint;

-- Steps that were revoked while a process executed them: told and deleted when it renews
-- its lease.
CREATE TABLE revoked_claim (
  worker bigint NOT NULL,
  run_id bigint NOT NULL,
  step integer NOT NULL,
  PRIMARY KEY (worker, run_id, step)
);
