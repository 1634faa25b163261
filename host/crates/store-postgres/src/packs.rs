//! Stored packs and which of their versions is active.

use async_trait::async_trait;
use bytes::Bytes;
use model::{clock::Timestamp, id::TenantId};
use sqlx::{PgConnection, Row, postgres::PgRow};
use store::{
    Error, Result,
    packs::{Activation, Artefact, Import, PackState, PackVersion, Packs},
};

use crate::{
    PostgresStore, definitions,
    error::OrRefused,
    runs::unknown,
    schedules,
    transaction::{Work, transact},
    uuid::Name,
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
impl Packs for PostgresStore {
    async fn import(&self, import: Import) -> Result<PackVersion> {
        transact!(self.pool, connection => store_version(connection, &import).await)
    }

    async fn packs(&self, tenant: TenantId) -> Result<Vec<PackVersion>> {
        sqlx::query(version_with!(
            "tenant_id = $1 ORDER BY name, imported_at, id"
        ))
        .bind(tenant.0)
        .try_map(|row: PgRow| version(&row))
        .fetch_all(&self.pool)
        .await
        .or_refused()
    }

    async fn pack(
        &self,
        tenant: TenantId,
        name: &str,
        pack_version: &str,
    ) -> Result<Option<PackVersion>> {
        sqlx::query(version_with!(
            "tenant_id = $1 AND name = $2 AND version = $3"
        ))
        .bind(tenant.0)
        .bind(name)
        .bind(pack_version)
        .try_map(|row: PgRow| version(&row))
        .fetch_optional(&self.pool)
        .await
        .or_refused()
    }

    async fn set_pack_state(
        &self,
        id: i64,
        state: PackState,
        error: Option<&str>,
        at: Timestamp,
    ) -> Result<()> {
        let installed_at = (state == PackState::Installed).then_some(at.0);
        let changed = sqlx::query(
            "UPDATE pack_version
             SET state = $2, error = $3, installed_at = coalesce($4, installed_at) WHERE id = $1",
        )
        .bind(id)
        .bind(state as i16)
        .bind(error)
        .bind(installed_at)
        .execute(&self.pool)
        .await
        .or_refused()?;
        if changed.rows_affected() == 0 {
            return Err(Error::Missing(format!("pack version {id}")));
        }
        Ok(())
    }

    async fn activate(&self, activation: Activation) -> Result<Vec<String>> {
        transact!(self.pool, connection => activate(connection, &activation).await)
    }

    async fn deactivate(&self, tenant: TenantId, name: &str) -> Result<bool> {
        sqlx::query(DEACTIVATE)
            .bind(tenant.0)
            .bind(name)
            .execute(&self.pool)
            .await
            .map(|done| done.rows_affected() > 0)
            .or_refused()
    }

    async fn delete_pack(&self, tenant: TenantId, name: &str, version: &str) -> Result<bool> {
        transact!(self.pool, connection => delete(connection, tenant, name, version).await)
    }

    async fn component(&self, digest: &str) -> Result<Option<Bytes>> {
        let file: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT file FROM component WHERE digest = $1")
                .bind(digest)
                .fetch_optional(&self.pool)
                .await
                .or_refused()?;
        Ok(file.map(Bytes::from))
    }

    async fn artefact(&self, digest: &str, fingerprint: &str) -> Result<Option<Artefact>> {
        let found: Option<(Vec<u8>, Vec<u8>)> =
            sqlx::query_as("SELECT mac, code FROM artefact WHERE digest = $1 AND fingerprint = $2")
                .bind(digest)
                .bind(fingerprint)
                .fetch_optional(&self.pool)
                .await
                .or_refused()?;
        Ok(found.map(|(mac, code)| Artefact {
            fingerprint: fingerprint.to_owned(),
            mac: mac.into(),
            code: code.into(),
        }))
    }

    async fn put_artefact(&self, digest: &str, artefact: Artefact) -> Result<()> {
        sqlx::query(
            "INSERT INTO artefact (digest, fingerprint, mac, code)
             SELECT digest, $2, $3, $4 FROM component WHERE digest = $1
             ON CONFLICT (digest, fingerprint) DO UPDATE SET mac = $3, code = $4",
        )
        .bind(digest)
        .bind(&artefact.fingerprint)
        .bind(&artefact.mac[..])
        .bind(&artefact.code[..])
        .execute(&self.pool)
        .await
        .map(drop)
        .or_refused()
    }
}

const DEACTIVATE: &str =
    "UPDATE pack_version SET active = false WHERE tenant_id = $1 AND name = $2 AND active";

fn version(row: &PgRow) -> sqlx::Result<PackVersion> {
    let state = match row.try_get::<i16, _>(5)? {
        0 => PackState::Imported,
        1 => PackState::Installing,
        2 => PackState::Installed,
        3 => PackState::Failed,
        code => return Err(unknown(5, &format!("pack state {code}"))),
    };
    let time = |column| {
        row.try_get::<Option<i64>, _>(column)
            .map(|at| at.map(Timestamp))
    };
    Ok(PackVersion {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        version: row.try_get(2)?,
        digest: row.try_get(3)?,
        manifest: row.try_get(4)?,
        state,
        error: row.try_get(6)?,
        active: row.try_get(7)?,
        grants: row.try_get(8)?,
        imported_by: row.try_get(9)?,
        imported_at: Timestamp(row.try_get(10)?),
        installed_at: time(11)?,
        activated_at: time(12)?,
    })
}

/// A version, which nobody else changes until the commit.
async fn find(
    connection: &mut PgConnection,
    tenant: TenantId,
    name: &str,
    pack_version: &str,
) -> sqlx::Result<Option<PackVersion>> {
    sqlx::query(version_with!(
        "tenant_id = $1 AND name = $2 AND version = $3 FOR UPDATE"
    ))
    .bind(tenant.0)
    .bind(name)
    .bind(pack_version)
    .try_map(|row: PgRow| version(&row))
    .fetch_optional(connection)
    .await
}

fn title(name: &str, version: &str) -> String {
    format!("{name} {version}")
}

/// A version that takes another's place gets a new number, so that a compilation of
/// the old file which is still under way cannot speak for the new one.
async fn store_version(connection: &mut PgConnection, import: &Import) -> Work<PackVersion> {
    let found = find(
        &mut *connection,
        import.tenant,
        &import.name,
        &import.version,
    )
    .await?;
    if let Some(found) = found {
        if found.digest == import.digest {
            return Ok(found);
        }
        if found.active || found.state == PackState::Installed {
            let standing = if found.active { "active" } else { "installed" };
            return Err(Error::InUse {
                name: title(&import.name, &import.version),
                by: format!("it is {standing} with another file"),
            }
            .into());
        }
        remove(&mut *connection, &found).await?;
    }
    sqlx::query("INSERT INTO component (digest, file) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(&import.digest)
        .bind(&import.file[..])
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO pack_version
           (tenant_id, name, version, digest, manifest, state, imported_by, imported_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(import.tenant.0)
    .bind(&import.name)
    .bind(&import.version)
    .bind(&import.digest)
    .bind(&import.manifest)
    .bind(PackState::Imported as i16)
    .bind(&import.by)
    .bind(import.at.0)
    .execute(&mut *connection)
    .await?;
    let stored = find(connection, import.tenant, &import.name, &import.version).await?;
    Ok(stored.ok_or_else(|| Error::Corrupt(format!("{} was not stored", import.name)))?)
}

async fn activate(connection: &mut PgConnection, activation: &Activation) -> Work<Vec<String>> {
    let found = sqlx::query(version_with!("id = $1 AND tenant_id = $2 FOR UPDATE"))
        .bind(activation.id)
        .bind(activation.tenant.0)
        .try_map(|row: PgRow| version(&row))
        .fetch_optional(&mut *connection)
        .await?
        .ok_or_else(|| Error::Missing(format!("pack version {}", activation.id)))?;
    if found.state != PackState::Installed {
        return Err(Error::Missing(format!(
            "an installed version of {}",
            title(&found.name, &found.version)
        ))
        .into());
    }
    sqlx::query(DEACTIVATE)
        .bind(activation.tenant.0)
        .bind(&found.name)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "UPDATE pack_version SET active = true, grants = $2, activated_at = $3 WHERE id = $1",
    )
    .bind(found.id)
    .bind(&activation.grants)
    .bind(activation.at.0)
    .execute(&mut *connection)
    .await?;
    let mut kept = Vec::new();
    for save in &activation.definitions {
        let newest =
            definitions::newest(&mut *connection, save.tenant, save.kind, &save.name).await?;
        match newest {
            Some(newest) if newest.origin.is_none() => {
                if newest.document != save.document {
                    kept.push(newest.name);
                }
            }
            _ => {
                definitions::store_revision(&mut *connection, save).await?;
            }
        }
    }
    for save in &activation.schedules {
        let found = schedules::find(&mut *connection, save.tenant, &save.name).await?;
        match found {
            Some(found) if found.origin.is_none() => {
                if found.document != save.document {
                    kept.push(found.name);
                }
            }
            // As it was brought before: it goes on counting.
            Some(found) if found.document == save.document => {}
            _ => {
                schedules::store(&mut *connection, save).await?;
            }
        }
    }
    Ok(kept)
}

async fn delete(
    connection: &mut PgConnection,
    tenant: TenantId,
    name: &str,
    version: &str,
) -> Work<bool> {
    let Some(found) = find(&mut *connection, tenant, name, version).await? else {
        return Ok(false);
    };
    let in_use = |by: &str| Error::InUse {
        name: title(name, version),
        by: by.to_owned(),
    };
    if found.active {
        return Err(in_use("it is active").into());
    }
    // A set of pins names each component by its digest, whatever else it holds.
    let run: Option<Name> = sqlx::query_scalar(
        "SELECT r.uuid FROM run r
         WHERE r.finished_at IS NULL AND r.tenant_id = $1
           AND r.pins IN (SELECT id FROM pin_set WHERE strpos(pins, $2) > 0)
         LIMIT 1",
    )
    .bind(tenant.0)
    .bind(&found.digest)
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(Name(run)) = run {
        return Err(in_use(&format!("the run {run} is pinned to it")).into());
    }
    remove(connection, &found).await?;
    Ok(true)
}

/// Deletes a version, and its file if no other version has the same.
async fn remove(connection: &mut PgConnection, found: &PackVersion) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM pack_version WHERE id = $1")
        .bind(found.id)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "DELETE FROM component WHERE digest = $1
           AND NOT EXISTS (SELECT 1 FROM pack_version WHERE pack_version.digest = $1)",
    )
    .bind(&found.digest)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM artefact WHERE digest = $1
           AND NOT EXISTS (SELECT 1 FROM pack_version WHERE pack_version.digest = $1)",
    )
    .bind(&found.digest)
    .execute(connection)
    .await
    .map(drop)
}
