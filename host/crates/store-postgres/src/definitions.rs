//! Named documents and their revisions.

use async_trait::async_trait;
use futures::TryStreamExt;
use model::{clock::Timestamp, id::TenantId};
use sqlx::{
    PgConnection, Row,
    postgres::{PgPool, PgRow},
};
use store::{
    Error, Page, Result,
    definitions::{Definition, Definitions, Kind, Revision, Save},
};

use crate::{
    PostgresStore,
    error::OrRefused,
    transaction::{Work, transact},
};

/// `pf_calls` in ASCII: the advisory lock under which documents are saved that rely on others.
const RELYING: i64 = 0x7066_5f63_616c_6c73;

/// Documents of a tenant (`$1`) and kind (`$2`) with their newest revisions.
macro_rules! newest_with {
    ($more:literal) => {
        concat!(
            "SELECT d.id, d.name, d.friendly_name, d.folder, v.id, v.number, v.origin,
               v.edited_by, d.created_at, v.edited_at, v.document
             FROM definition d JOIN revision v ON v.id = d.revision_id
             WHERE d.tenant_id = $1 AND d.kind = $2 AND NOT d.deleted AND ",
            $more
        )
    };
}

/// Revisions for which something holds.
macro_rules! revision_with {
    ($which:literal) => {
        concat!(
            "SELECT v.id, v.definition_id, d.name, v.number, v.edited_by, v.edited_at, v.origin,
               v.document
             FROM revision v JOIN definition d ON d.id = v.definition_id WHERE ",
            $which
        )
    };
}

#[async_trait]
impl Definitions for PostgresStore {
    async fn save(&self, save: Save) -> Result<Definition> {
        transact!(self.pool, connection => store_revision(connection, &save).await)
    }

    async fn definition(
        &self,
        tenant: TenantId,
        kind: Kind,
        name: &str,
    ) -> Result<Option<Definition>> {
        // No text of PostgreSQL holds one, so that none has such a name.
        if name.contains('\0') {
            return Ok(None);
        }
        sqlx::query(newest_with!("d.name = $3"))
            .bind(tenant.0)
            .bind(kind as i16)
            .bind(name)
            .try_map(|row: PgRow| definition(&row))
            .fetch_optional(&self.pool)
            .await
            .or_refused()
    }

    async fn revision(&self, id: i64) -> Result<Option<Revision>> {
        sqlx::query(revision_with!("v.id = $1"))
            .bind(id)
            .try_map(|row: PgRow| revision(&row))
            .fetch_optional(&self.pool)
            .await
            .or_refused()
    }

    async fn revision_numbered(&self, definition: i64, number: i64) -> Result<Option<Revision>> {
        sqlx::query(revision_with!("v.definition_id = $1 AND v.number = $2"))
            .bind(definition)
            .bind(number)
            .try_map(|row: PgRow| revision(&row))
            .fetch_optional(&self.pool)
            .await
            .or_refused()
    }

    async fn revisions_with(&self, definition: i64, text: &str) -> Result<Vec<String>> {
        sqlx::query_scalar(
            "SELECT document FROM revision
             WHERE definition_id = $1 AND position($2 IN document) > 0
             ORDER BY number DESC LIMIT 20",
        )
        .bind(definition)
        .bind(text)
        .fetch_all(&self.pool)
        .await
        .or_refused()
    }

    async fn definitions(
        &self,
        tenant: TenantId,
        kind: Kind,
        search: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Definition>> {
        list(&self.pool, tenant, kind, search, after, limit).await
    }

    async fn delete_definition(
        &self,
        tenant: TenantId,
        kind: Kind,
        name: &str,
        expected: Option<i64>,
    ) -> Result<bool> {
        transact!(self.pool, connection => delete(connection, tenant, kind, name, expected).await)
    }
}

fn definition(row: &PgRow) -> sqlx::Result<Definition> {
    Ok(Definition {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        friendly_name: row.try_get(2)?,
        folder: row.try_get(3)?,
        revision: row.try_get(4)?,
        number: row.try_get(5)?,
        origin: row.try_get(6)?,
        edited_by: row.try_get(7)?,
        created_at: Timestamp(row.try_get(8)?),
        edited_at: Timestamp(row.try_get(9)?),
        document: row.try_get(10)?,
    })
}

fn revision(row: &PgRow) -> sqlx::Result<Revision> {
    Ok(Revision {
        id: row.try_get(0)?,
        definition: row.try_get(1)?,
        name: row.try_get(2)?,
        number: row.try_get(3)?,
        by: row.try_get(4)?,
        at: Timestamp(row.try_get(5)?),
        origin: row.try_get(6)?,
        document: row.try_get(7)?,
    })
}

/// Searched here and not by PostgreSQL, whose folding of case is the collation's: all
/// backends find the same. Rows come as they are read, not all at once.
async fn list(
    pool: &PgPool,
    tenant: TenantId,
    kind: Kind,
    search: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Definition>> {
    let search = search.to_lowercase();
    let mut rows = sqlx::query(newest_with!("d.name > $3 ORDER BY d.name"))
        .bind(tenant.0)
        .bind(kind as i16)
        .bind(after.unwrap_or_default())
        .fetch(pool);
    let mut items: Vec<Definition> = Vec::new();
    while let Some(row) = rows.try_next().await.or_refused()? {
        let matches = |column| {
            let text: &str = row.try_get(column)?;
            sqlx::Result::Ok(search.is_empty() || text.to_lowercase().contains(&search))
        };
        if !(matches(1).or_refused()? || matches(2).or_refused()?) {
            continue;
        }
        if items.len() == limit {
            let next = items.last().map(|item| item.name.clone());
            return Ok(Page { items, next });
        }
        items.push(definition(&row).or_refused()?);
    }
    Ok(Page { items, next: None })
}

/// The newest revision of a name, which nobody else changes until the commit.
pub(crate) async fn newest(
    connection: &mut PgConnection,
    tenant: TenantId,
    kind: Kind,
    name: &str,
) -> sqlx::Result<Option<Definition>> {
    // The lock first: the statement after it sees what its last holder committed.
    sqlx::query(
        "SELECT 1 FROM definition
         WHERE tenant_id = $1 AND kind = $2 AND name = $3 AND NOT deleted FOR UPDATE",
    )
    .bind(tenant.0)
    .bind(kind as i16)
    .bind(name)
    .execute(&mut *connection)
    .await?;
    peek(connection, tenant, kind, name).await
}

/// The newest revision of a name, which others may be changing.
async fn peek(
    connection: &mut PgConnection,
    tenant: TenantId,
    kind: Kind,
    name: &str,
) -> sqlx::Result<Option<Definition>> {
    // No text of PostgreSQL holds one, so that none has such a name.
    if name.contains('\0') {
        return Ok(None);
    }
    sqlx::query(newest_with!("d.name = $3"))
        .bind(tenant.0)
        .bind(kind as i16)
        .bind(name)
        .try_map(|row: PgRow| definition(&row))
        .fetch_optional(connection)
        .await
}

fn refuse_conflict(name: &str, expected: Option<i64>, found: Option<&Definition>) -> Result<()> {
    let found = found.map_or(0, |definition| definition.number);
    match expected {
        Some(expected) if expected != found => Err(Error::Conflict {
            name: name.to_owned(),
            expected,
            found,
        }),
        _ => Ok(()),
    }
}

/// Saves a document in the transaction of somebody else.
pub(crate) async fn store_revision(connection: &mut PgConnection, save: &Save) -> Work<Definition> {
    if !save.relies.is_empty() {
        // Before any row: who waits for it holds nothing.
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(RELYING)
            .execute(&mut *connection)
            .await?;
    }
    let found = newest(&mut *connection, save.tenant, save.kind, &save.name).await?;
    refuse_conflict(&save.name, save.expected, found.as_ref())?;
    for (name, revision) in &save.relies {
        let relied = peek(connection, save.tenant, Kind::Application, name).await?;
        let found = relied.map_or(0, |relied| relied.revision);
        if found != *revision {
            Err(Error::Conflict {
                name: name.clone(),
                expected: *revision,
                found,
            })?;
        }
    }
    match found {
        None => insert(&mut *connection, save).await?,
        Some(found) => update(&mut *connection, save, &found).await?,
    }
    let saved = newest(connection, save.tenant, save.kind, &save.name).await?;
    Ok(saved.ok_or_else(|| Error::Corrupt(format!("`{}` has no revision", save.name)))?)
}

async fn insert(connection: &mut PgConnection, save: &Save) -> sqlx::Result<()> {
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO definition
           (tenant_id, kind, name, friendly_name, folder, created_at, revision_id)
         VALUES ($1, $2, $3, $4, $5, $6, 0) RETURNING id",
    )
    .bind(save.tenant.0)
    .bind(save.kind as i16)
    .bind(&save.name)
    .bind(&save.friendly_name)
    .bind(&save.folder)
    .bind(save.at.0)
    .fetch_one(&mut *connection)
    .await?;
    insert_revision(connection, save, id, 1).await
}

async fn update(
    connection: &mut PgConnection,
    save: &Save,
    found: &Definition,
) -> sqlx::Result<()> {
    if found.friendly_name != save.friendly_name || found.folder != save.folder {
        sqlx::query("UPDATE definition SET friendly_name = $2, folder = $3 WHERE id = $1")
            .bind(found.id)
            .bind(&save.friendly_name)
            .bind(&save.folder)
            .execute(&mut *connection)
            .await?;
    }
    if found.document == save.document {
        return Ok(());
    }
    insert_revision(connection, save, found.id, found.number + 1).await
}

async fn insert_revision(
    connection: &mut PgConnection,
    save: &Save,
    definition: i64,
    number: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "WITH saved AS (
           INSERT INTO revision (definition_id, number, edited_by, edited_at, origin, document)
           VALUES ($1, $2, $3, $4, $5, $6) RETURNING id
         )
         UPDATE definition SET revision_id = saved.id FROM saved WHERE definition.id = $1",
    )
    .bind(definition)
    .bind(number)
    .bind(&save.by)
    .bind(save.at.0)
    .bind(&save.origin)
    .bind(&save.document)
    .execute(connection)
    .await
    .map(drop)
}

async fn delete(
    connection: &mut PgConnection,
    tenant: TenantId,
    kind: Kind,
    name: &str,
    expected: Option<i64>,
) -> Work<bool> {
    let found = newest(&mut *connection, tenant, kind, name).await?;
    refuse_conflict(name, expected, found.as_ref())?;
    let Some(found) = found else {
        return Ok(false);
    };
    sqlx::query("UPDATE definition SET deleted = true WHERE id = $1")
        .bind(found.id)
        .execute(connection)
        .await?;
    Ok(true)
}
