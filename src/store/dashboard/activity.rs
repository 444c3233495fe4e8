//! The append-only log of what officers did; written in the same transaction as the act.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::StoreError;

/// One act of a person. Carries ids and names of settings, never message text, phone numbers or secrets.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// `None`: the system itself, or someone at the command line.
    pub admin_id: Option<Uuid>,
    pub username: &'a str,
    /// What was done, as `subject.verb` in the past: `session.started`.
    pub action: &'a str,
    /// What it was done to: kind and id.
    pub subject: Option<(&'a str, String)>,
    pub details: Value,
    pub request_id: Option<&'a str>,
}

/// Adds an entry.
pub async fn record(
    connection: &mut PgConnection,
    entry: &Entry<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (subject_kind, subject_id) = match &entry.subject {
        Some((kind, id)) => (Some(*kind), Some(id.as_str())),
        None => (None, None),
    };
    sqlx::query!(
        "INSERT INTO gc_dashboard.activity_logs
             (admin_id, username, action, subject_kind, subject_id, details, request_id, occurred_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        entry.admin_id,
        entry.username,
        entry.action,
        subject_kind,
        subject_id,
        entry.details,
        entry.request_id,
        now.to_sqlx() as _,
    )
    .execute(connection)
    .await?;
    Ok(())
}
