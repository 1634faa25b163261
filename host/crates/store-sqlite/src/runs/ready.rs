//! Steps that wait for a worker.

use model::{
    id::{StepKey, TenantId},
    state::StepState,
};
use rusqlite::{Connection, params};
use store::{Result, runs::ReadyStep};

use super::{priority, sql_limit, text};
use crate::{
    error::OrRefused,
    transaction::{pack, unpack},
};

/// The pluses keep SQLite to the one good way: for each run, a search for its steps. Without
/// them it begins each search at `?2`, or makes an index of all steps for this one query.
///
/// ?5 to ?7: tenant, application and queue that are wanted, 0 and '' for any.
const READY: &str = "
  SELECT s.id, r.queue, r.priority, r.tenant_id
  FROM run r INDEXED BY run_unfinished
  CROSS JOIN step s ON s.id BETWEEN (r.id << 24) + 1 AND (r.id << 24) + 16777215
  WHERE r.finished_at IS NULL AND r.id >= ?1 AND +s.id > ?2 AND +s.state = ?3
    AND ?5 IN (0, r.tenant_id) AND ?6 IN (0, r.application_id) AND ?7 IN ('', r.queue)
    AND NOT EXISTS (
      SELECT 1 FROM pause p WHERE p.tenant_id = r.tenant_id
        AND p.application_id IN (0, r.application_id) AND p.queue IN ('', r.queue))
  ORDER BY r.id, s.id LIMIT ?4";

/// Of the runs of a tenant, an application (0: any) and a queue ('': any), or of all.
pub(crate) fn ready(
    connection: &Connection,
    after: Option<StepKey>,
    limit: usize,
    scope: Option<(TenantId, i64, &str)>,
) -> Result<Vec<ReadyStep>> {
    let (tenant, application, queue) = scope.unwrap_or((TenantId(0), 0, ""));
    let (run, step) = match after {
        Some(key) => (key.run.0, pack(key)?),
        None => (0, 0),
    };
    connection
        .prepare_cached(READY)
        .and_then(|mut statement| {
            statement
                .query_map(
                    params![
                        run,
                        step,
                        StepState::Ready.code(),
                        sql_limit(limit),
                        tenant.0,
                        application,
                        queue
                    ],
                    |row| {
                        Ok(ReadyStep {
                            key: unpack(row.get(0)?),
                            queue: text(row, 1)?,
                            priority: priority(row, 2)?,
                            tenant: TenantId(row.get(3)?),
                        })
                    },
                )?
                .collect()
        })
        .or_refused()
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    /// What a page costs must not grow with the runs before it, nor with their square.
    #[test]
    fn a_page_costs_what_its_rows_cost() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::migrate::apply(&mut connection).unwrap();
        connection
            .execute_batch(
                "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 2000)
                 INSERT INTO run (id, state, seq, remaining, expires_at, input, tenant_id, uuid,
                   application_id, application_revision, pins, queue, priority, log_level,
                   created_at, steps, started_by)
                 SELECT id, 0, 1, 3, 0, 0, 1, randomblob(16), 1, 1, 1, 'default', 0, 20, 0, 3, ''
                 FROM n;
                 INSERT INTO step (id, state, token, seq)
                 SELECT (id << 24) + 1, 1, 0, 1 FROM run;",
            )
            .unwrap();
        for (run, expected) in [(0_i64, 2000), (1000, 1000)] {
            let mut statement = connection.prepare(READY).unwrap();
            let after = params![
                run,
                (run << 24) + 1,
                StepState::Ready.code(),
                4096,
                0,
                0,
                ""
            ];
            let rows = statement.query_map(after, |_| Ok(())).unwrap().count();
            assert_eq!(rows, expected);
            let steps = statement.get_status(StatementStatus::VmStep);
            assert!(steps < 100 * expected as i32, "{steps} for {rows} rows");
        }
    }
}
