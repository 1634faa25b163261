-- What the processes of a cluster tell each other through the store.
ALTER TABLE worker ADD COLUMN role text NOT NULL DEFAULT 'all';

-- Runs that were cancelled while a process had claimed steps of theirs: told and deleted
-- when it renews its lease.
CREATE TABLE cancelled_claim (
  worker bigint NOT NULL,
  run_id bigint NOT NULL,
  PRIMARY KEY (worker, run_id)
);

-- One row: who leads, and until when.
CREATE TABLE leader (
  id smallint PRIMARY KEY CHECK (id = 1),
  worker bigint NOT NULL,
  lease_until bigint NOT NULL
) WITH (fillfactor = 50);

-- Compiled components, for processes that did not compile them.
CREATE TABLE artefact (
  digest text NOT NULL,
  fingerprint text NOT NULL,
  mac bytea NOT NULL,
  code bytea NOT NULL,
  PRIMARY KEY (digest, fingerprint)
);

-- Counts changes of documents and of active packs, so that processes learn that what they
-- have read may be old. It is counted at the commit: whoever reads the new number reads
-- what was changed as well, and its lock is the last that a transaction takes.
CREATE TABLE generation (
  id smallint PRIMARY KEY CHECK (id = 1),
  value bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO generation (id, value) VALUES (1, 0);

CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE generation SET value = value + 1 WHERE id = 1;
  RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER revision_counts AFTER INSERT ON revision
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION count_change();
CREATE CONSTRAINT TRIGGER definition_counts AFTER UPDATE OF deleted ON definition
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION count_change();
CREATE CONSTRAINT TRIGGER pack_counts AFTER UPDATE OF active, grants ON pack_version
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION count_change();
CREATE CONSTRAINT TRIGGER pack_deletion_counts AFTER DELETE ON pack_version
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION count_change();
