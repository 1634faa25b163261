//! Stored packs and which of their versions is active.

use async_trait::async_trait;
use bytes::Bytes;
use model::{clock::Timestamp, id::TenantId};
use rusqlite::{OptionalExtension, Row, params};
use store::{
    Error, Result,
    packs::{Activation, Artefact, Import, PackState, PackVersion, Packs},
};

use crate::{
    SqliteStore, definitions, error::OrRefused, partition, schedules, transaction::Tx,
    workers::count_change,
};

macro_rules! version_with {
    ($where:literal) => {
        concat!(
            "SELECT id, name, version, digest, manifest, state, error, active, grants,
               imported_by, imported_at, installed_at, activated_at
             FROM pack_version WHERE ",
            $where
        )
    };
}

#[async_trait]
impl Packs for SqliteStore {
    async fn import(&self, import: Import) -> Result<PackVersion> {
        self.writer.call(move |tx| store_version(tx, &import)).await
    }

    async fn packs(&self, tenant: TenantId) -> Result<Vec<PackVersion>> {
        self.readers
            .call(move |c| {
                c.prepare_cached(version_with!(
                    "tenant_id = ?1 ORDER BY name, imported_at, id"
                ))
                .and_then(|mut statement| statement.query_map([tenant.0], version)?.collect())
                .or_refused()
            })
            .await
    }

    async fn pack(
        &self,
        tenant: TenantId,
        name: &str,
        pack_version: &str,
    ) -> Result<Option<PackVersion>> {
        let (name, pack_version) = (name.to_owned(), pack_version.to_owned());
        self.readers
            .call(move |c| {
                c.prepare_cached(BY_VERSION)
                    .and_then(|mut statement| {
                        statement
                            .query_row(params![tenant.0, name, pack_version], version)
                            .optional()
                    })
                    .or_refused()
            })
            .await
    }

    async fn set_pack_state(
        &self,
        id: i64,
        state: PackState,
        error: Option<&str>,
        at: Timestamp,
    ) -> Result<()> {
        let error = error.map(str::to_owned);
        self.writer
            .call(move |tx| set_state(tx, id, state, error.as_deref(), at))
            .await
    }

    async fn activate(&self, activation: Activation) -> Result<Vec<String>> {
        self.writer.call(move |tx| activate(tx, &activation)).await
    }

    async fn deactivate(&self, tenant: TenantId, name: &str) -> Result<bool> {
        let name = name.to_owned();
        self.writer
            .call(move |tx| {
                let deactivated = tx.execute(DEACTIVATE, params![tenant.0, name])? > 0;
                if deactivated {
                    count_change(tx)?;
                }
                Ok(deactivated)
            })
            .await
    }

    async fn delete_pack(&self, tenant: TenantId, name: &str, version: &str) -> Result<bool> {
        let (name, version) = (name.to_owned(), version.to_owned());
        self.writer
            .call(move |tx| delete(tx, tenant, &name, &version))
            .await
    }

    async fn component(&self, digest: &str) -> Result<Option<Bytes>> {
        let digest = digest.to_owned();
        self.readers
            .call(move |c| {
                c.prepare_cached("SELECT file FROM component WHERE digest = ?1")
                    .and_then(|mut statement| {
                        statement
                            .query_row([digest], |row| partition::bytes(row, 0))
                            .optional()
                    })
                    .map(Option::flatten)
                    .or_refused()
            })
            .await
    }

    async fn artefact(&self, digest: &str, fingerprint: &str) -> Result<Option<Artefact>> {
        let (digest, fingerprint) = (digest.to_owned(), fingerprint.to_owned());
        self.readers
            .call(move |c| {
                c.prepare_cached(
                    "SELECT mac, code FROM artefact WHERE digest = ?1 AND fingerprint = ?2",
                )
                .and_then(|mut statement| {
                    statement
                        .query_row([&digest, &fingerprint], |row| {
                            Ok(Artefact {
                                fingerprint: fingerprint.clone(),
                                mac: partition::bytes(row, 0)?.unwrap_or_default(),
                                code: partition::bytes(row, 1)?.unwrap_or_default(),
                            })
                        })
                        .optional()
                })
                .or_refused()
            })
            .await
    }

    async fn put_artefact(&self, digest: &str, artefact: Artefact) -> Result<()> {
        let digest = digest.to_owned();
        self.writer
            .call(move |tx| {
                tx.execute(
                    "INSERT OR REPLACE INTO artefact (digest, fingerprint, mac, code)
                     SELECT ?1, ?2, ?3, ?4
                     WHERE EXISTS (SELECT 1 FROM component WHERE digest = ?1)",
                    params![
                        digest,
                        artefact.fingerprint,
                        &*artefact.mac,
                        &*artefact.code
                    ],
                )
                .map(drop)
            })
            .await
    }
}

const BY_VERSION: &str = version_with!("tenant_id = ?1 AND name = ?2 AND version = ?3");
const DEACTIVATE: &str =
    "UPDATE pack_version SET active = 0 WHERE tenant_id = ?1 AND name = ?2 AND active = 1";

fn version(row: &Row<'_>) -> rusqlite::Result<PackVersion> {
    let state = match row.get(5)? {
        0 => PackState::Imported,
        1 => PackState::Installing,
        2 => PackState::Installed,
        3 => PackState::Failed,
        code => return Err(rusqlite::Error::IntegralValueOutOfRange(5, code)),
    };
    let time = |column| {
        row.get::<_, Option<i64>>(column)
            .map(|at| at.map(Timestamp))
    };
    Ok(PackVersion {
        id: row.get(0)?,
        name: row.get(1)?,
        version: row.get(2)?,
        digest: row.get(3)?,
        manifest: row.get(4)?,
        state,
        error: row.get(6)?,
        active: row.get(7)?,
        grants: row.get(8)?,
        imported_by: row.get(9)?,
        imported_at: Timestamp(row.get(10)?),
        installed_at: time(11)?,
        activated_at: time(12)?,
    })
}

fn find(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    name: &str,
    pack_version: &str,
) -> Result<Option<PackVersion>> {
    tx.first(BY_VERSION, params![tenant.0, name, pack_version], version)
}

fn title(name: &str, version: &str) -> String {
    format!("{name} {version}")
}

/// A version that takes another's place gets a new number, so that a compilation of
/// the old file which is still under way cannot speak for the new one.
fn store_version(tx: &mut Tx<'_>, import: &Import) -> Result<PackVersion> {
    if let Some(found) = find(tx, import.tenant, &import.name, &import.version)? {
        if found.digest == import.digest {
            return Ok(found);
        }
        if found.active || found.state == PackState::Installed {
            let standing = if found.active { "active" } else { "installed" };
            return Err(Error::InUse {
                name: title(&import.name, &import.version),
                by: format!("it is {standing} with another file"),
            });
        }
        remove(tx, &found)?;
    }
    tx.execute(
        "INSERT OR IGNORE INTO component (digest, file) VALUES (?1, ?2)",
        params![import.digest, &import.file[..]],
    )?;
    tx.execute(
        "INSERT INTO pack_version
           (tenant_id, name, version, digest, manifest, state, imported_by, imported_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            import.tenant.0,
            import.name,
            import.version,
            import.digest,
            import.manifest,
            PackState::Imported as u8,
            import.by,
            import.at.0
        ],
    )?;
    find(tx, import.tenant, &import.name, &import.version)?
        .ok_or_else(|| Error::Corrupt(format!("{} was not stored", import.name)))
}

fn set_state(
    tx: &mut Tx<'_>,
    id: i64,
    state: PackState,
    error: Option<&str>,
    at: Timestamp,
) -> Result<()> {
    let installed_at = (state == PackState::Installed).then_some(at.0);
    let changed = tx.execute(
        "UPDATE pack_version
         SET state = ?2, error = ?3, installed_at = coalesce(?4, installed_at) WHERE id = ?1",
        params![id, state as u8, error, installed_at],
    )?;
    if changed == 0 {
        return Err(Error::Missing(format!("pack version {id}")));
    }
    Ok(())
}

fn activate(tx: &mut Tx<'_>, activation: &Activation) -> Result<Vec<String>> {
    let found = tx
        .first(
            version_with!("id = ?1 AND tenant_id = ?2"),
            [activation.id, activation.tenant.0],
            version,
        )?
        .ok_or_else(|| Error::Missing(format!("pack version {}", activation.id)))?;
    if found.state != PackState::Installed {
        return Err(Error::Missing(format!(
            "an installed version of {}",
            title(&found.name, &found.version)
        )));
    }
    tx.execute(DEACTIVATE, params![activation.tenant.0, found.name])?;
    tx.execute(
        "UPDATE pack_version SET active = 1, grants = ?2, activated_at = ?3 WHERE id = ?1",
        params![found.id, activation.grants, activation.at.0],
    )?;
    count_change(tx)?;
    let mut kept = Vec::new();
    for save in &activation.definitions {
        let newest = definitions::newest(tx, save.tenant, save.kind, &save.name)?;
        match newest {
            Some(newest) if newest.origin.is_none() => {
                if newest.document != save.document {
                    kept.push(newest.name);
                }
            }
            _ => {
                definitions::store_revision(tx, save)?;
            }
        }
    }
    for save in &activation.schedules {
        let found = schedules::find(tx, save.tenant, &save.name)?;
        match found {
            Some(found) if found.origin.is_none() => {
                if found.document != save.document {
                    kept.push(found.name);
                }
            }
            // As it was brought before: it goes on counting.
            Some(found) if found.document == save.document => {}
            _ => {
                schedules::store(tx, save)?;
            }
        }
    }
    Ok(kept)
}

fn delete(tx: &mut Tx<'_>, tenant: TenantId, name: &str, version: &str) -> Result<bool> {
    let Some(found) = find(tx, tenant, name, version)? else {
        return Ok(false);
    };
    let in_use = |by: &str| Error::InUse {
        name: title(name, version),
        by: by.to_owned(),
    };
    if found.active {
        return Err(in_use("it is active"));
    }
    // A set of pins names each component by its digest, whatever else it holds.
    let run = tx.first(
        "SELECT r.uuid FROM run r INDEXED BY run_unfinished
         WHERE r.finished_at IS NULL AND r.tenant_id = ?1
           AND r.pins IN (SELECT id FROM pin_set WHERE instr(pins, ?2) > 0)
         LIMIT 1",
        params![tenant.0, found.digest],
        |row| row.get::<_, [u8; 16]>(0),
    )?;
    if let Some(uuid) = run {
        let run = model::id::RunRef::from_uuid(uuid::Uuid::from_bytes(uuid));
        return Err(in_use(&format!("the run {run} is pinned to it")));
    }
    remove(tx, &found)?;
    Ok(true)
}

/// Deletes a version, and its file if no other version has the same.
fn remove(tx: &mut Tx<'_>, found: &PackVersion) -> Result<()> {
    tx.execute("DELETE FROM pack_version WHERE id = ?1", [found.id])?;
    for sql in [
        "DELETE FROM component WHERE digest = ?1
           AND NOT EXISTS (SELECT 1 FROM pack_version WHERE pack_version.digest = ?1)",
        "DELETE FROM artefact WHERE digest = ?1
           AND NOT EXISTS (SELECT 1 FROM pack_version WHERE pack_version.digest = ?1)",
    ] {
        tx.execute(sql, [&found.digest])?;
    }
    count_change(tx)
}
