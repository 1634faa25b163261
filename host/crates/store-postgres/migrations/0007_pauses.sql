-- What starts no steps for now. 0 and '' stand for every application and every queue: columns
-- that the key can hold.
CREATE TABLE pause (
  tenant_id bigint NOT NULL,
  application_id bigint NOT NULL,
  queue text COLLATE "C" NOT NULL,
  paused_by text NOT NULL,
  paused_at bigint NOT NULL,
  reason text NOT NULL,
  PRIMARY KEY (tenant_id, application_id, queue)
);
