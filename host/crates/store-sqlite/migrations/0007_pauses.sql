-- What starts no steps for now. 0 and '' stand for every application and every queue: columns
-- that the key can hold.
CREATE TABLE pause (
  tenant_id INTEGER NOT NULL,
  application_id INTEGER NOT NULL,
  queue TEXT NOT NULL,
  paused_by TEXT NOT NULL,
  paused_at INTEGER NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (tenant_id, application_id, queue)
) STRICT, WITHOUT ROWID;
