//! Who is signed in. A session ends by time, by signing out, by revocation, or with its account.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::admins::Role;
use crate::store::StoreError;

/// A session that is about to begin.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    pub session_id: Uuid,
    pub admin_id: Uuid,
    /// SHA-256 of the token's random part.
    pub token_hash: &'a [u8; 32],
    pub device: &'a str,
    pub address: Option<&'a str>,
    pub expires_at: Timestamp,
}

/// A session that is in force, with the account it belongs to as that is now.
#[derive(Clone, Debug)]
pub struct LiveSession {
    pub session_id: Uuid,
    pub admin_id: Uuid,
    pub username: String,
    pub display_name: String,
    pub role: Role,
    pub unit: Option<String>,
    pub must_change_password: bool,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A session as its owner sees it in a list.
#[derive(Clone, Debug)]
pub struct Listed {
    pub session_id: Uuid,
    pub device: String,
    pub address: Option<String>,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
}

/// Begins a session.
pub async fn start(
    connection: &mut PgConnection,
    new: &NewSession<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO gc_dashboard.admin_sessions
             (session_id, admin_id, token_hash, device, address, created_at, last_used_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7)",
        new.session_id,
        new.admin_id,
        new.token_hash.as_slice(),
        new.device,
        new.address,
        now.to_sqlx() as _,
        new.expires_at.to_sqlx() as _,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The session of that id and token, if it is in force at `now` and its account is not disabled.
pub async fn find_live(
    pool: &PgPool,
    session_id: Uuid,
    token_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<LiveSession>, StoreError> {
    let row = sqlx::query!(
        "SELECT s.session_id, s.admin_id, a.username, a.display_name, a.role, a.unit, a.must_change_password,
                s.created_at, s.last_used_at, s.expires_at
         FROM gc_dashboard.admin_sessions s
         JOIN gc_dashboard.admin_users a USING (admin_id)
         WHERE s.session_id = $1 AND s.token_hash = $2 AND s.revoked_at IS NULL AND s.expires_at > $3
           AND a.disabled_at IS NULL",
        session_id,
        token_hash.as_slice(),
        now.to_sqlx() as _,
    )
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        Ok(LiveSession {
            session_id: row.session_id,
            admin_id: row.admin_id,
            username: row.username,
            display_name: row.display_name,
            role: row.role.parse().map_err(|_| StoreError::Corrupt(format!("role {:?}", row.role)))?,
            unit: row.unit,
            must_change_password: row.must_change_password,
            created_at: row.created_at.to_jiff(),
            last_used_at: row.last_used_at.to_jiff(),
            expires_at: row.expires_at.to_jiff(),
        })
    })
    .transpose()
}

/// Whether the session is in force at `now`, and its account not disabled.
pub async fn is_live(pool: &PgPool, session_id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
    let live = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM gc_dashboard.admin_sessions s JOIN gc_dashboard.admin_users a USING (admin_id)
               WHERE s.session_id = $1 AND s.revoked_at IS NULL AND s.expires_at > $2
                 AND a.disabled_at IS NULL) AS "live!""#,
        session_id,
        now.to_sqlx() as _,
    )
    .fetch_one(pool)
    .await?;
    Ok(live)
}

/// Notes that the session was used and moves its end.
pub async fn renew(
    pool: &PgPool,
    session_id: Uuid,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gc_dashboard.admin_sessions SET last_used_at = $2, expires_at = $3
         WHERE session_id = $1 AND revoked_at IS NULL",
        session_id,
        now.to_sqlx() as _,
        expires_at.to_sqlx() as _,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The sessions of an account that are in force, last used first.
pub async fn list(pool: &PgPool, admin_id: Uuid, now: Timestamp) -> Result<Vec<Listed>, StoreError> {
    let rows = sqlx::query!(
        "SELECT session_id, device, address, created_at, last_used_at FROM gc_dashboard.admin_sessions
         WHERE admin_id = $1 AND revoked_at IS NULL AND expires_at > $2
         ORDER BY last_used_at DESC, session_id LIMIT 100",
        admin_id,
        now.to_sqlx() as _,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Listed {
            session_id: row.session_id,
            device: row.device,
            address: row.address,
            created_at: row.created_at.to_jiff(),
            last_used_at: row.last_used_at.to_jiff(),
        })
        .collect())
}

/// Ends one session of an account; false when it has no such session in force.
pub async fn revoke(
    connection: &mut PgConnection,
    admin_id: Uuid,
    session_id: Uuid,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE gc_dashboard.admin_sessions SET revoked_at = $3
         WHERE session_id = $2 AND admin_id = $1 AND revoked_at IS NULL",
        admin_id,
        session_id,
        now.to_sqlx() as _,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends all sessions of an account.
pub async fn revoke_all(
    connection: &mut PgConnection,
    admin_id: Uuid,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "UPDATE gc_dashboard.admin_sessions SET revoked_at = $2 WHERE admin_id = $1 AND revoked_at IS NULL",
        admin_id,
        now.to_sqlx() as _,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
