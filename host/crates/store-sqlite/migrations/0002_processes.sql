-- What the processes of a cluster tell each other through the store. A database of one
-- process has it too, so that every backend keeps the same contract.
ALTER TABLE worker ADD COLUMN role TEXT NOT NULL DEFAULT 'all';

-- Runs that were cancelled while a process had claimed steps of theirs: told and deleted
-- when it renews its lease.
CREATE TABLE cancelled_claim (
  worker INTEGER NOT NULL,
  run_id INTEGER NOT NULL,
  PRIMARY KEY (worker, run_id)
) STRICT, WITHOUT ROWID;

-- One row: who leads, and until when.
CREATE TABLE leader (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  worker INTEGER NOT NULL,
  lease_until INTEGER NOT NULL
) STRICT;

-- Compiled components, for processes that did not compile them.
CREATE TABLE artefact (
  digest TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  mac BLOB NOT NULL,
  code BLOB NOT NULL,
  PRIMARY KEY (digest, fingerprint)
) STRICT;
