//! `govconnect admin`: accounts from the command line, for the first one and for the day nobody can sign in.
//!
//! Passwords are generated here and shown once; none is ever taken from the command line, where others could read it.

use std::io::Write;

use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sqlx::PgPool;

use crate::clock::Clock;
use crate::passwords::{self, PasswordError};
use crate::store::StoreError;
use crate::store::dashboard::activity::{self, Entry};
use crate::store::dashboard::admins::{self, NewAdmin, Role, is_valid_username, normalized_username};
use crate::store::dashboard::sessions;

/// The account that a new installation begins with.
pub const FIRST_USERNAME: &str = "admin";
/// Who the activity log names for what is done here.
const COMMAND_LINE: &str = "(command line)";

/// `govconnect admin …`
#[derive(Clone, Debug, Args)]
pub struct AdminArgs {
    #[command(subcommand)]
    pub command: AdminCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum AdminCommand {
    /// Makes an account and prints its first password
    Create {
        /// 2 to 63 letters, digits, dots, dashes or underscores
        username: String,
        /// The name that colleagues see; the user name when left out
        #[arg(long)]
        display_name: Option<String>,
        #[arg(long, value_enum, default_value_t = Role::Petugas)]
        role: Role,
        /// The part of the office the person works for
        #[arg(long)]
        unit: Option<String>,
    },
    /// Gives an account a new first password, prints it, and ends the account's sessions
    ResetPassword { username: String },
    /// Lists the accounts
    List,
}

/// Why an account command failed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error(
        "{0:?} cannot be a user name: 2 to 63 of a-z, 0-9, dot, dash and underscore, a letter or digit first"
    )]
    InvalidUsername(String),
    #[error(
        "there is an account {0:?} already; `govconnect admin reset-password {0}` gives it a new password"
    )]
    Taken(String),
    #[error("there is no account {0:?}; `govconnect admin list` shows all")]
    Unknown(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("the output is closed")]
    Output(#[from] std::io::Error),
}

impl From<sqlx::Error> for AdminError {
    fn from(error: sqlx::Error) -> Self {
        AdminError::Store(error.into())
    }
}

/// Does what the arguments say, on a database that is migrated.
///
/// # Errors
/// See [`AdminError`]; each is fit to be shown.
pub async fn run(
    args: &AdminArgs,
    pool: &PgPool,
    clock: &Clock,
    output: &mut impl Write,
) -> Result<(), AdminError> {
    match &args.command {
        AdminCommand::Create { username, display_name, role, unit } => {
            let password =
                create(pool, clock, username, display_name.as_deref(), *role, unit.as_deref()).await?;
            writeln!(output, "account:  {}", normalized_username(username))?;
            writeln!(output, "role:     {role}")?;
            writeln!(output, "password: {} (to be changed at the first sign-in)", password.expose_secret())?;
        }
        AdminCommand::ResetPassword { username } => {
            let password = reset_password(pool, clock, username).await?;
            writeln!(output, "password: {} (to be changed at the next sign-in)", password.expose_secret())?;
        }
        AdminCommand::List => {
            for admin in admins::list(pool).await? {
                let state = match (admin.disabled_at, admin.must_change_password) {
                    (Some(_), _) => "disabled",
                    (None, true) => "must change password",
                    (None, false) => "active",
                };
                let unit = admin.unit.as_deref().unwrap_or("-");
                writeln!(
                    output,
                    "{}\t{}\t{unit}\t{state}\t{}",
                    admin.username, admin.role, admin.display_name
                )?;
            }
        }
    }
    Ok(())
}

/// Makes an account and returns its first password.
pub async fn create(
    pool: &PgPool,
    clock: &Clock,
    username: &str,
    display_name: Option<&str>,
    role: Role,
    unit: Option<&str>,
) -> Result<SecretString, AdminError> {
    let username = normalized_username(username);
    if !is_valid_username(&username) {
        return Err(AdminError::InvalidUsername(username));
    }
    let password = passwords::generate();
    let password_hash = passwords::hash(&password).await?;
    let display_name = display_name.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(&username);
    let new = NewAdmin { username: &username, display_name, role, unit, password_hash: &password_hash };
    let now = clock.now();
    let mut transaction = pool.begin().await?;
    let Some(admin_id) = admins::create(&mut transaction, &new, now).await? else {
        return Err(AdminError::Taken(username));
    };
    let entry = by_command_line("admin.created", admin_id.to_string(), json!({ "role": role }));
    activity::record(&mut transaction, &entry, now).await?;
    transaction.commit().await?;
    Ok(password)
}

/// Gives an account a new first password and ends its sessions.
pub async fn reset_password(
    pool: &PgPool,
    clock: &Clock,
    username: &str,
) -> Result<SecretString, AdminError> {
    let username = normalized_username(username);
    let admin = admins::by_username(pool, &username).await?.ok_or(AdminError::Unknown(username))?;
    let password = passwords::generate();
    let password_hash = passwords::hash(&password).await?;
    let now = clock.now();
    let mut transaction = pool.begin().await?;
    admins::set_password(&mut transaction, admin.admin_id, &password_hash, true, now).await?;
    sessions::revoke_all(&mut transaction, admin.admin_id, now).await?;
    let entry = by_command_line("password.reset", admin.admin_id.to_string(), json!({}));
    activity::record(&mut transaction, &entry, now).await?;
    transaction.commit().await?;
    Ok(password)
}

/// Makes the superadmin [`FIRST_USERNAME`] with that password, to be changed at the first sign-in, when there is no
/// account at all. True when it was made, so that the password is worth showing.
///
/// # Errors
/// When the database does not take it.
pub async fn ensure_first_admin(
    pool: &PgPool,
    clock: &Clock,
    password: &SecretString,
) -> Result<bool, AdminError> {
    if !admins::list(pool).await?.is_empty() {
        return Ok(false);
    }
    let password_hash = passwords::hash(password).await?;
    let new = NewAdmin {
        username: FIRST_USERNAME,
        display_name: "Administrator",
        role: Role::Superadmin,
        unit: None,
        password_hash: &password_hash,
    };
    let now = clock.now();
    let mut transaction = pool.begin().await?;
    let made = admins::create_first(&mut transaction, &new, now).await?;
    if made {
        let entry =
            by_command_line("admin.created", FIRST_USERNAME.into(), json!({ "role": Role::Superadmin }));
        activity::record(&mut transaction, &entry, now).await?;
    }
    transaction.commit().await?;
    Ok(made)
}

fn by_command_line(action: &'static str, admin_id: String, details: serde_json::Value) -> Entry<'static> {
    Entry {
        admin_id: None,
        username: COMMAND_LINE,
        action,
        subject: Some(("admin", admin_id)),
        details,
        request_id: None,
    }
}
