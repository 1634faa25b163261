//! Sets of pack versions that runs are pinned to.

use sha2::{Digest, Sha256};
use sqlx::postgres::PgPool;
use store::{Error, Result};

use crate::error::OrRefused;

const NUMBER: &str = "SELECT id FROM pin_set WHERE digest = $1";

pub(super) async fn settle(pool: &PgPool, pins: &str) -> Result<i64> {
    let digest = Sha256::digest(pins.as_bytes()).to_vec();
    let number = || {
        sqlx::query_scalar(NUMBER)
            .bind(&digest)
            .fetch_optional(pool)
    };
    // Nearly every set is there; looking first draws no number in vain.
    if let Some(number) = number().await.or_refused()? {
        return Ok(number);
    }
    sqlx::query(
        "INSERT INTO pin_set (digest, pins) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
    )
    .bind(&digest)
    .bind(pins)
    .execute(pool)
    .await
    .or_refused()?;
    number()
        .await
        .or_refused()?
        .ok_or_else(|| Error::Corrupt("a set of pins was not stored".to_owned()))
}

pub(super) async fn text(pool: &PgPool, set: i64) -> Result<Option<String>> {
    sqlx::query_scalar("SELECT pins FROM pin_set WHERE id = $1")
        .bind(set)
        .fetch_optional(pool)
        .await
        .or_refused()
}
