//! The office's profile: one row, with a version that rises with every change.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::PgPool;

use crate::store::StoreError;

/// The stored profile; its shape belongs to `http::dashboard::office`.
#[derive(Clone, Debug)]
pub struct Stored {
    pub profile: Value,
    pub version: i64,
    pub updated_at: Timestamp,
}

/// The profile, if the office has been set up.
pub async fn read(pool: &PgPool) -> Result<Option<Stored>, StoreError> {
    let row = sqlx::query!("SELECT profile, version, updated_at FROM gc_dashboard.office_settings")
        .fetch_optional(pool)
        .await?;
    Ok(row.map(|row| Stored {
        profile: row.profile,
        version: row.version,
        updated_at: row.updated_at.to_jiff(),
    }))
}

/// Stores the first profile; one that is already there stays.
pub async fn create_if_missing(pool: &PgPool, profile: &Value, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO gc_dashboard.office_settings (profile, updated_at) VALUES ($1, $2)
         ON CONFLICT (only_row) DO NOTHING",
        profile,
        now.to_sqlx() as _,
    )
    .execute(pool)
    .await?;
    Ok(())
}
