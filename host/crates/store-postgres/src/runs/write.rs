//! What a batch has changed is written by one statement.

use sqlx::{PgConnection, Row};

use super::{
    rows::{Rows, RunRow, StepRow},
    wait,
};
use model::{flow::Tally, id::StepKey};

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

/// Each part changes other rows, so that their order does not matter.
///
/// A worker that claims gets a row, with an ended lease, if it has none: see
/// [`super::reclaim`].
const WRITE: &str = "
  WITH runs AS (
    UPDATE run SET seq = new.seq, state = new.state, remaining = new.remaining,
      failed = new.failed, warned = new.warned, cancelled = new.cancelled,
      started_at = new.started_at, finished_at = new.finished_at
    FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::integer[], $5::integer[],
        $6::integer[], $7::integer[], $8::bigint[], $9::bigint[])
      AS new (id, seq, state, remaining, failed, warned, cancelled, started_at, finished_at)
    WHERE run.id = new.id
  ), steps AS (
    UPDATE step SET state = new.state, token = new.token, seq = new.seq, worker = new.worker,
      ready_at = new.ready_at, started_at = new.started_at, finished_at = new.finished_at,
      pending = new.pending, live = new.live, failed = new.failed
    FROM unnest($10::bigint[], $11::integer[], $12::smallint[], $13::bigint[], $14::bigint[],
        $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::integer[],
        $20::integer[], $21::integer[])
      AS new (run_id, step, state, token, seq, worker, ready_at, started_at, finished_at,
        pending, live, failed)
    WHERE step.run_id = new.run_id AND step.step = new.step
  ), new_steps AS (
    INSERT INTO step (run_id, step, state, token, seq, worker, ready_at, started_at,
      finished_at, pending, live, failed)
    SELECT * FROM unnest($22::bigint[], $23::integer[], $24::smallint[], $25::bigint[],
      $26::bigint[], $27::bigint[], $28::bigint[], $29::bigint[], $30::bigint[],
      $31::integer[], $32::integer[], $33::integer[])
  ), payloads AS (
    INSERT INTO payload (run_id, step, day, data, error)
    SELECT * FROM unnest($34::bigint[], $35::integer[], $36::integer[], $37::bytea[],
      $38::bytea[])
  ), logs AS (
    INSERT INTO log (run_id, step, day, token, lines)
    SELECT * FROM unnest($39::bigint[], $40::integer[], $41::integer[], $42::bigint[],
      $43::bytea[])
  ), workers AS (
    INSERT INTO worker (id, host, pid, version, queues, slots, started_at, lease_until)
    SELECT id, '', 0, '', '[]', 0, 0, 0 FROM unnest($44::bigint[]) AS new (id)
    ON CONFLICT (id) DO NOTHING
  )
  SELECT pg_current_xact_id()::text::bigint";

impl Rows {
    /// Writes what was changed. Answers the transaction's number, by which the server
    /// says later whether it was committed; `None` when there was nothing to write.
    pub(crate) async fn write(&self, connection: &mut PgConnection) -> sqlx::Result<Option<i64>> {
        let changed = self.runs.values().any(|row| row.changed);
        if !changed && self.payloads.is_empty() && self.logs.is_empty() {
            return Ok(None);
        }
        if !self.child_ends.is_empty() {
            wait::children_ended(&mut *connection, &self.child_ends).await?;
        }
        let query = self.bind_runs(sqlx::query(WRITE));
        let query = bind_steps(query, &self.steps_where(|row| row.changed && row.stored));
        let query = bind_steps(query, &self.steps_where(|row| row.changed && !row.stored));
        let query = self.bind_logs(self.bind_payloads(query));
        query
            .bind(column(&self.workers, |worker| worker.0))
            .fetch_one(connection)
            .await?
            .try_get(0)
            .map(Some)
    }

    fn bind_runs<'q>(&self, query: Query<'q>) -> Query<'q> {
        let runs: Vec<_> = self.runs.iter().filter(|(_, row)| row.changed).collect();
        let number = |read: fn(&RunRow) -> i64| column(&runs, |(_, row)| read(row));
        let count = |read: fn(&Tally) -> u32| column(&runs, |(_, row)| read(&row.tally) as i32);
        query
            .bind(column(&runs, |(run, _)| run.0))
            .bind(number(|row| row.seq))
            .bind(column(&runs, |(_, row)| i16::from(row.state.code())))
            .bind(count(|tally| tally.remaining))
            .bind(count(|tally| tally.failed))
            .bind(count(|tally| tally.warned))
            .bind(count(|tally| tally.cancelled))
            .bind(column(&runs, |(_, row)| row.started_at))
            .bind(column(&runs, |(_, row)| row.finished_at))
    }

    fn bind_payloads<'q>(&'q self, query: Query<'q>) -> Query<'q> {
        let payloads = &self.payloads;
        query
            .bind(column(payloads, |one| one.key.run.0))
            .bind(column(payloads, |one| one.key.step.0 as i32))
            .bind(column(payloads, |one| one.day as i32))
            .bind(
                payloads
                    .iter()
                    .map(|one| one.data.as_deref())
                    .collect::<Vec<_>>(),
            )
            .bind(
                payloads
                    .iter()
                    .map(|one| one.error.as_deref())
                    .collect::<Vec<_>>(),
            )
    }

    fn bind_logs<'q>(&'q self, query: Query<'q>) -> Query<'q> {
        let logs = &self.logs;
        query
            .bind(column(logs, |one| one.key.run.0))
            .bind(column(logs, |one| one.key.step.0 as i32))
            .bind(column(logs, |one| one.day as i32))
            .bind(column(logs, |one| one.token.0))
            .bind(logs.iter().map(|one| &one.lines[..]).collect::<Vec<_>>())
    }

    fn steps_where(&self, wanted: impl Fn(&StepRow) -> bool) -> Vec<(&StepKey, &StepRow)> {
        self.steps.iter().filter(|(_, row)| wanted(row)).collect()
    }
}

fn bind_steps<'q>(query: Query<'q>, steps: &[(&StepKey, &StepRow)]) -> Query<'q> {
    let number = |read: fn(&StepRow) -> i64| column(steps, |(_, row)| read(row));
    let maybe = |read: fn(&StepRow) -> Option<i64>| column(steps, |(_, row)| read(row));
    let count = |read: fn(&StepRow) -> u32| column(steps, |(_, row)| read(row) as i32);
    query
        .bind(column(steps, |(key, _)| key.run.0))
        .bind(column(steps, |(key, _)| key.step.0 as i32))
        .bind(column(steps, |(_, row)| i16::from(row.state.code())))
        .bind(number(|row| row.token))
        .bind(number(|row| row.seq))
        .bind(maybe(|row| row.worker))
        .bind(maybe(|row| row.ready_at))
        .bind(maybe(|row| row.started_at))
        .bind(maybe(|row| row.finished_at))
        .bind(count(|row| row.pending))
        .bind(count(|row| row.live))
        .bind(count(|row| row.failed))
}

fn column<'r, R: 'r, T>(
    rows: impl IntoIterator<Item = &'r R>,
    read: impl Fn(&'r R) -> T,
) -> Vec<T> {
    rows.into_iter().map(read).collect()
}
