//! How connections are set up, and what is refused before anything is stored.

use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, Connection, Executor, PgConnection, Row,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions},
};
use store::{Error, Result};

use crate::{Options, error::OrRefused, runs::rows::PREPARE};

/// The oldest PostgreSQL whose planner sorts what is sorted already by its first
/// column ([`crate::runs`]' lists of steps need that).
const OLDEST: u32 = 130_000;
/// How long a connection may have been idle before it is asked whether it still lives.
const TRUSTED: Duration = Duration::from_secs(1);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Reads, and writes that are no part of the hot path.
    Pool,
    /// The hot path: few statements, over arrays.
    Lane,
    /// Migrations: no limit of time.
    Migration,
}

/// Where and as whom to connect; TLS as the URL's `sslmode` says.
pub(crate) fn target(options: &Options) -> Result<PgConnectOptions> {
    let target = PgConnectOptions::from_str(&options.url).map_err(|error| {
        // The URL holds a password: only the reason is shown.
        Error::Unsuitable(format!("the database's URL cannot be read: {error}"))
    })?;
    let name = match target.get_application_name() {
        Some(name) => name.to_owned(),
        None => "powerflow".to_owned(),
    };
    Ok(target
        .application_name(&name)
        .statement_cache_capacity(256)
        .disable_statement_logging())
}

/// The pool of everything that is not on the hot path.
pub(crate) fn pool(options: &Options, target: PgConnectOptions) -> PgPool {
    let set_up = settings(options, Use::Pool);
    PgPoolOptions::new()
        .max_connections(options.connections.max(2))
        .acquire_timeout(options.acquire_timeout)
        .idle_timeout(Duration::from_mins(5))
        .max_lifetime(Duration::from_hours(1))
        .test_before_acquire(false)
        .before_acquire(|connection, idle| {
            Box::pin(async move { Ok(idle.idle_for < TRUSTED || connection.ping().await.is_ok()) })
        })
        .after_connect(move |connection, _| {
            let set_up = set_up.clone();
            Box::pin(async move {
                connection.execute(&*set_up).await?;
                refuse_unsafe(connection)
                    .await
                    .map_err(|error| sqlx::Error::Configuration(error.into()))
            })
        })
        .connect_lazy_with(target)
}

/// A connection outside the pool, set up for its use.
pub(crate) async fn connect(
    options: &Options,
    target: &PgConnectOptions,
    purpose: Use,
) -> Result<PgConnection> {
    let connecting = async {
        let mut connection = target.connect().await.or_refused()?;
        connection
            .execute(&*settings(options, purpose))
            .await
            .or_refused()?;
        refuse_unsafe(&mut connection).await?;
        Ok(connection)
    };
    match tokio::time::timeout(options.acquire_timeout, connecting).await {
        Ok(connection) => connection,
        Err(_) => Err(Error::Unavailable(format!(
            "PostgreSQL: no connection within {:?}",
            options.acquire_timeout
        ))),
    }
}

/// Whether the server still answers on a connection.
pub(crate) async fn is_alive(options: &Options, connection: &mut PgConnection) -> bool {
    matches!(
        tokio::time::timeout(options.acquire_timeout, connection.ping()).await,
        Ok(Ok(()))
    )
}

/// Sent after the connection is made and not with it: proxies refuse unknown
/// parameters of a start.
fn settings(options: &Options, purpose: Use) -> String {
    let limit = match purpose {
        Use::Migration => 0,
        Use::Pool | Use::Lane => options.statement_timeout.as_millis(),
    };
    // The server notices a client that is gone, and lets go of its locks. The isolation
    // is set because the transactions count on it: each statement sees what was
    // committed before the locks that the one before it waited for.
    let mut sql = format!(
        "SET statement_timeout = {limit};
         SET idle_in_transaction_session_timeout = {limit};
         SET tcp_keepalives_idle = 30;
         SET tcp_keepalives_interval = 10;
         SET tcp_keepalives_count = 3;
         SET default_transaction_isolation = 'read committed';
         SET jit = off;"
    );
    if purpose == Use::Lane {
        // The statements take arrays and find rows by their keys: planning them each time
        // costs more than executing them, and a plan that was made while a table was
        // empty must not read all of it later.
        sql.push_str(
            "SET plan_cache_mode = force_generic_plan;
             SET enable_seqscan = off;
             SET enable_hashjoin = off;
             SET enable_mergejoin = off;",
        );
        sql.push_str(PREPARE);
    }
    sql
}

/// Accepted is durable: a server that answers a commit before it is on disk is refused.
async fn refuse_unsafe(connection: &mut PgConnection) -> Result<()> {
    let row = sqlx::query(
        "SELECT current_setting('synchronous_commit'),
           current_setting('server_version_num')::integer, current_setting('fsync')",
    )
    .fetch_one(&mut *connection)
    .await
    .or_refused()?;
    let commit: String = row.try_get(0).or_refused()?;
    if commit == "off" {
        return Err(Error::Unsuitable(
            "synchronous_commit is off: PostgreSQL would answer before a run is on disk; \
             set it to on for this database or role"
                .to_owned(),
        ));
    }
    let version: i32 = row.try_get(1).or_refused()?;
    if (version as u32) < OLDEST {
        return Err(Error::Unsuitable(format!(
            "PostgreSQL {} is too old: version {} or newer is needed",
            version / 10_000,
            OLDEST / 10_000
        )));
    }
    if row.try_get::<String, _>(2).or_refused()? == "off" {
        tracing::warn!("fsync is off: a crash of the database server can lose or break everything");
    }
    Ok(())
}

/// The server's version, as it calls itself: `15.4`.
pub(crate) async fn version(connection: &mut PgConnection) -> Result<String> {
    let text: String = sqlx::query_scalar("SELECT current_setting('server_version')")
        .fetch_one(connection)
        .await
        .or_refused()?;
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}
