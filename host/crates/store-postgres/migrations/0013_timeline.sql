-- Lists and timelines are of runs of whole applications: those for the elements of a list are in neither.
DROP INDEX run_list;
CREATE INDEX run_list ON run (tenant_id, application_id, id) WHERE part IS NULL;
-- What ran in a span of time.
CREATE INDEX run_time ON run (tenant_id, application_id, created_at) WHERE part IS NULL;
