//! Named documents and their revisions.

use async_trait::async_trait;
use model::{clock::Timestamp, id::TenantId};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use store::{
    Error, Page, Result,
    definitions::{Definition, Definitions, Kind, Revision, Save},
};

use crate::{SqliteStore, error::OrRefused, transaction::Tx, workers::count_change};

/// Documents of a tenant (`?1`) and kind (`?2`) with their newest revisions.
macro_rules! newest_with {
    ($more:literal) => {
        concat!(
            "SELECT d.id, d.name, d.friendly_name, d.folder, v.id, v.number, v.origin,
               v.edited_by, d.created_at, v.edited_at, v.document
             FROM definition d JOIN revision v ON v.id = d.revision_id
             WHERE d.tenant_id = ?1 AND d.kind = ?2 AND d.deleted = 0 AND ",
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
impl Definitions for SqliteStore {
    async fn save(&self, save: Save) -> Result<Definition> {
        self.writer.call(move |tx| store_revision(tx, &save)).await
    }

    async fn definition(
        &self,
        tenant: TenantId,
        kind: Kind,
        name: &str,
    ) -> Result<Option<Definition>> {
        let name = name.to_owned();
        self.readers
            .call(move |c| {
                c.prepare_cached(newest_with!("d.name = ?3"))
                    .and_then(|mut statement| {
                        statement
                            .query_row(params![tenant.0, kind as u8, name], definition)
                            .optional()
                    })
                    .or_refused()
            })
            .await
    }

    async fn revision(&self, id: i64) -> Result<Option<Revision>> {
        self.readers
            .call(move |c| revision(c, revision_with!("v.id = ?1"), params![id]))
            .await
    }

    async fn revision_numbered(&self, definition: i64, number: i64) -> Result<Option<Revision>> {
        let sql = revision_with!("v.definition_id = ?1 AND v.number = ?2");
        self.readers
            .call(move |c| revision(c, sql, params![definition, number]))
            .await
    }

    async fn revisions_with(&self, definition: i64, text: &str) -> Result<Vec<String>> {
        let text = text.to_owned();
        self.readers
            .call(move |c| {
                c.prepare_cached(
                    "SELECT document FROM revision
                     WHERE definition_id = ?1 AND instr(document, ?2) > 0
                     ORDER BY number DESC LIMIT 20",
                )
                .and_then(|mut statement| {
                    let rows = statement.query_map(params![definition, text], |row| row.get(0))?;
                    rows.collect()
                })
                .or_refused()
            })
            .await
    }

    async fn definitions(
        &self,
        tenant: TenantId,
        kind: Kind,
        search: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Definition>> {
        let search = search.to_lowercase();
        let after = after.map(str::to_owned);
        self.readers
            .call(move |c| list(c, tenant, kind, &search, after.as_deref(), limit))
            .await
    }

    async fn delete_definition(
        &self,
        tenant: TenantId,
        kind: Kind,
        name: &str,
        expected: Option<i64>,
    ) -> Result<bool> {
        let name = name.to_owned();
        self.writer
            .call(move |tx| delete(tx, tenant, kind, &name, expected))
            .await
    }
}

fn definition(row: &Row<'_>) -> rusqlite::Result<Definition> {
    Ok(Definition {
        id: row.get(0)?,
        name: row.get(1)?,
        friendly_name: row.get(2)?,
        folder: row.get(3)?,
        revision: row.get(4)?,
        number: row.get(5)?,
        origin: row.get(6)?,
        edited_by: row.get(7)?,
        created_at: Timestamp(row.get(8)?),
        edited_at: Timestamp(row.get(9)?),
        document: row.get(10)?,
    })
}

fn revision(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
) -> Result<Option<Revision>> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            statement
                .query_row(parameters, |row| {
                    Ok(Revision {
                        id: row.get(0)?,
                        definition: row.get(1)?,
                        name: row.get(2)?,
                        number: row.get(3)?,
                        by: row.get(4)?,
                        at: Timestamp(row.get(5)?),
                        origin: row.get(6)?,
                        document: row.get(7)?,
                    })
                })
                .optional()
        })
        .or_refused()
}

/// Searched here and not by SQLite, which folds the case of ASCII only.
fn list(
    connection: &Connection,
    tenant: TenantId,
    kind: Kind,
    search: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Definition>> {
    let mut statement = connection
        .prepare_cached(newest_with!("d.name > ?3 ORDER BY d.name"))
        .or_refused()?;
    let mut rows = statement
        .query(params![tenant.0, kind as u8, after.unwrap_or_default()])
        .or_refused()?;
    let mut items: Vec<Definition> = Vec::new();
    while let Some(row) = rows.next().or_refused()? {
        let matches = |column| {
            let text = row.get_ref(column)?.as_str()?;
            Ok(search.is_empty() || text.to_lowercase().contains(search))
        };
        if !(matches(1).or_refused()? || matches(2).or_refused()?) {
            continue;
        }
        if items.len() == limit {
            let next = items.last().map(|item| item.name.clone());
            return Ok(Page { items, next });
        }
        items.push(definition(row).or_refused()?);
    }
    Ok(Page { items, next: None })
}

/// The newest revision of a name.
pub(crate) fn newest(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    kind: Kind,
    name: &str,
) -> Result<Option<Definition>> {
    tx.first(
        newest_with!("d.name = ?3"),
        params![tenant.0, kind as u8, name],
        definition,
    )
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
pub(crate) fn store_revision(tx: &mut Tx<'_>, save: &Save) -> Result<Definition> {
    let found = newest(tx, save.tenant, save.kind, &save.name)?;
    refuse_conflict(&save.name, save.expected, found.as_ref())?;
    for (name, revision) in &save.relies {
        let relied = newest(tx, save.tenant, Kind::Application, name)?;
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
        None => insert(tx, save)?,
        Some(found) => update(tx, save, &found)?,
    }
    newest(tx, save.tenant, save.kind, &save.name)?
        .ok_or_else(|| Error::Corrupt(format!("`{}` has no revision", save.name)))
}

fn insert(tx: &mut Tx<'_>, save: &Save) -> Result<()> {
    tx.execute(
        "INSERT INTO definition
           (tenant_id, kind, name, friendly_name, folder, created_at, revision_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
        params![
            save.tenant.0,
            save.kind as u8,
            save.name,
            save.friendly_name,
            save.folder,
            save.at.0
        ],
    )?;
    let id = tx.inserted();
    insert_revision(tx, save, id, 1)
}

fn update(tx: &mut Tx<'_>, save: &Save, found: &Definition) -> Result<()> {
    if found.friendly_name != save.friendly_name || found.folder != save.folder {
        tx.execute(
            "UPDATE definition SET friendly_name = ?2, folder = ?3 WHERE id = ?1",
            params![found.id, save.friendly_name, save.folder],
        )?;
    }
    if found.document == save.document {
        return Ok(());
    }
    insert_revision(tx, save, found.id, found.number + 1)
}

fn insert_revision(tx: &mut Tx<'_>, save: &Save, definition: i64, number: i64) -> Result<()> {
    tx.execute(
        "INSERT INTO revision (definition_id, number, edited_by, edited_at, origin, document)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            definition,
            number,
            save.by,
            save.at.0,
            save.origin,
            save.document
        ],
    )?;
    let revision = tx.inserted();
    tx.execute(
        "UPDATE definition SET revision_id = ?2 WHERE id = ?1",
        [definition, revision],
    )?;
    count_change(tx)
}

fn delete(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    kind: Kind,
    name: &str,
    expected: Option<i64>,
) -> Result<bool> {
    let found = newest(tx, tenant, kind, name)?;
    refuse_conflict(name, expected, found.as_ref())?;
    let Some(found) = found else {
        return Ok(false);
    };
    tx.execute(
        "UPDATE definition SET deleted = 1 WHERE id = ?1",
        [found.id],
    )?;
    count_change(tx)?;
    Ok(true)
}
