-- What a schedule runs, how often it was saved, where the phase of its frequency begins,
-- and what it has counted.
ALTER TABLE schedule ADD COLUMN application TEXT NOT NULL DEFAULT '';
ALTER TABLE schedule ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
ALTER TABLE schedule ADD COLUMN origin TEXT;
ALTER TABLE schedule ADD COLUMN anchor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE schedule ADD COLUMN total_runs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE schedule ADD COLUMN last_run BLOB;
ALTER TABLE schedule ADD COLUMN last_run_at INTEGER;
ALTER TABLE schedule ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;

-- The run's name stays when the run is forgotten.
ALTER TABLE occurrence ADD COLUMN run_uuid BLOB;
ALTER TABLE occurrence ADD COLUMN reason TEXT;
ALTER TABLE occurrence ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX occurrence_run ON occurrence (schedule_id, run_id) WHERE run_id IS NOT NULL;
CREATE INDEX occurrence_waiting ON occurrence (schedule_id, due_at) WHERE outcome = 5;
CREATE INDEX occurrence_at ON occurrence (at);
