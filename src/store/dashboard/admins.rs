//! Accounts of officers. Password hashes come in and go out as PHC strings; nobody here looks inside.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::StoreError;

/// What an officer may do, in one word; `http::dashboard::access` says what it means.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
    clap::ValueEnum,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Everything, other administrators included.
    Superadmin,
    /// Everything of the office's daily work.
    Admin,
    /// Complaints and conversations.
    Petugas,
    /// Sees, changes nothing.
    Viewer,
}

/// An account.
#[derive(Clone, Debug)]
pub struct Admin {
    pub admin_id: Uuid,
    pub username: String,
    pub display_name: String,
    pub role: Role,
    pub unit: Option<String>,
    pub password_hash: String,
    pub must_change_password: bool,
    pub disabled_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// An account to be made. `username` is already lower case (see [`normalized_username`]).
#[derive(Clone, Debug)]
pub struct NewAdmin<'a> {
    pub username: &'a str,
    pub display_name: &'a str,
    pub role: Role,
    pub unit: Option<&'a str>,
    pub password_hash: &'a str,
}

/// The form in which a name is stored and looked up.
pub fn normalized_username(given: &str) -> String {
    given.trim().to_lowercase()
}

/// Whether a normalized name may be given to an account: 2 to 63 of `a-z 0-9 . _ -`, a letter or digit first.
pub fn is_valid_username(name: &str) -> bool {
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit());
    let rest = |character: char| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || "._-".contains(character)
    };
    first && (2..=63).contains(&name.len()) && characters.all(rest)
}

struct Row {
    admin_id: Uuid,
    username: String,
    display_name: String,
    role: String,
    unit: Option<String>,
    password_hash: String,
    must_change_password: bool,
    disabled_at: Option<crate::store::Timestamptz>,
    created_at: crate::store::Timestamptz,
}

impl TryFrom<Row> for Admin {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Admin {
            admin_id: row.admin_id,
            username: row.username,
            display_name: row.display_name,
            role: row.role.parse().map_err(|_| StoreError::Corrupt(format!("role {:?}", row.role)))?,
            unit: row.unit,
            password_hash: row.password_hash,
            must_change_password: row.must_change_password,
            disabled_at: row.disabled_at.map(|at| at.to_jiff()),
            created_at: row.created_at.to_jiff(),
        })
    }
}

/// The account of that (normalized) name, disabled or not.
pub async fn by_username(pool: &PgPool, username: &str) -> Result<Option<Admin>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT admin_id, username, display_name, role, unit, password_hash, must_change_password, disabled_at,
                created_at
         FROM gc_dashboard.admin_users WHERE username = $1",
        username
    )
    .fetch_optional(pool)
    .await?
    .map(Admin::try_from)
    .transpose()
}

/// The account of that id, disabled or not.
pub async fn by_id(pool: &PgPool, admin_id: Uuid) -> Result<Option<Admin>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT admin_id, username, display_name, role, unit, password_hash, must_change_password, disabled_at,
                created_at
         FROM gc_dashboard.admin_users WHERE admin_id = $1",
        admin_id
    )
    .fetch_optional(pool)
    .await?
    .map(Admin::try_from)
    .transpose()
}

/// All accounts by name.
pub async fn list(pool: &PgPool) -> Result<Vec<Admin>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT admin_id, username, display_name, role, unit, password_hash, must_change_password, disabled_at,
                created_at
         FROM gc_dashboard.admin_users ORDER BY username"
    )
    .fetch_all(pool)
    .await?
    .into_iter()
    .map(Admin::try_from)
    .collect()
}

/// Makes an account that must change its password; `None` when the name is taken.
pub async fn create(
    connection: &mut PgConnection,
    new: &NewAdmin<'_>,
    now: Timestamp,
) -> Result<Option<Uuid>, StoreError> {
    let admin_id = sqlx::query_scalar!(
        "INSERT INTO gc_dashboard.admin_users
             (admin_id, username, display_name, role, unit, password_hash, must_change_password, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, true, $7, $7)
         ON CONFLICT (username) DO NOTHING
         RETURNING admin_id",
        Uuid::now_v7(),
        new.username,
        new.display_name,
        new.role.to_string(),
        new.unit,
        new.password_hash,
        now.to_sqlx() as _,
    )
    .fetch_optional(connection)
    .await?;
    Ok(admin_id)
}

/// Makes the very first account; false when there is any already. Several nodes may try at once.
pub async fn create_first(
    connection: &mut PgConnection,
    new: &NewAdmin<'_>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    // Without the lock two starting nodes with different first names would both find the table empty.
    sqlx::query!("LOCK TABLE gc_dashboard.admin_users IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *connection)
        .await?;
    let any = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM gc_dashboard.admin_users) AS "any!""#)
        .fetch_one(&mut *connection)
        .await?;
    if any {
        return Ok(false);
    }
    Ok(create(connection, new, now).await?.is_some())
}

/// Sets a password. `must_change` is for passwords that somebody else chose.
pub async fn set_password(
    connection: &mut PgConnection,
    admin_id: Uuid,
    password_hash: &str,
    must_change: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gc_dashboard.admin_users
         SET password_hash = $2, must_change_password = $3, password_changed_at = $4, updated_at = $4
         WHERE admin_id = $1",
        admin_id,
        password_hash,
        must_change,
        now.to_sqlx() as _,
    )
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_are_lower_case_words() {
        for (given, valid) in [
            ("admin", true),
            ("siti.rahayu-2", true),
            ("a", false),
            (".admin", false),
            ("siti rahayu", false),
            ("sitì", false),
            ("", false),
        ] {
            assert_eq!(is_valid_username(given), valid, "{given:?}");
        }
        assert_eq!(normalized_username("  Siti "), "siti");
        assert!(!is_valid_username(&"a".repeat(64)));
    }
}
