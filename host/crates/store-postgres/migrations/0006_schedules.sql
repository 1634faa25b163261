-- What a schedule runs, how often it was saved, where the phase of its frequency begins,
-- and what it has counted.
ALTER TABLE schedule ADD COLUMN application text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE schedule ADD COLUMN revision bigint NOT NULL DEFAULT 1;
ALTER TABLE schedule ADD COLUMN origin text;
ALTER TABLE schedule ADD COLUMN anchor bigint NOT NULL DEFAULT 0;
ALTER TABLE schedule ADD COLUMN total_runs bigint NOT NULL DEFAULT 0;
ALTER TABLE schedule ADD COLUMN last_run uuid;
ALTER TABLE schedule ADD COLUMN last_run_at bigint;
ALTER TABLE schedule ADD COLUMN created_at bigint NOT NULL DEFAULT 0;

-- The run's name stays when the run is forgotten.
ALTER TABLE occurrence ADD COLUMN run_uuid uuid;
ALTER TABLE occurrence ADD COLUMN reason text;
ALTER TABLE occurrence ADD COLUMN at bigint NOT NULL DEFAULT 0;
CREATE INDEX occurrence_run ON occurrence (schedule_id, run_id) WHERE run_id IS NOT NULL;
CREATE INDEX occurrence_waiting ON occurrence (schedule_id, due_at) WHERE outcome = 5;
CREATE INDEX occurrence_at ON occurrence (at);
