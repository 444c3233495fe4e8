//! PostgreSQL: the truth. One module a schema ([`outboxes`] are in all of them), and nowhere else is there SQL.
//!
//! Knows nothing of actors or HTTP. Times cross as `jiff` types (see `sqlx.toml`).

pub mod ai;
pub mod case;
pub mod channel;
pub mod embedded;
pub mod notification;
pub mod outboxes;
pub mod page;
pub mod text;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool, Postgres, Transaction};

pub mod dashboard;

pub use jiff_sqlx::{Date, Timestamp as Timestamptz};

/// The key of the advisory lock under which a node sets up what all share.
const SET_UP: i64 = 0x676f_7663_6f6e_6e01;

/// All schemas' migrations, compiled in.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// Why a statement did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is away, out of connections, or gave up; trying again later helps.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// The data was refused (SQLSTATE class 22, 23 or 54); trying the same again does not help.
    #[error("the database refused the data")]
    Refused(#[source] sqlx::Error),
    /// A stored value could not be read back as its type.
    #[error("stored data could not be read: {0}")]
    Corrupt(String),
    /// Anything else: a mistake of ours.
    #[error("the statement failed")]
    Statement(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => {
                match database.code().as_deref().map(|code| &code[..2.min(code.len())]) {
                    // 54: larger than the database can hold, such as a value too long for its index.
                    Some("22" | "23" | "54") => StoreError::Refused(error),
                    // 08 connection, 40 rollback (deadlock, serialization), 53 resources, 55 locks (also our lock_timeout),
                    // 57 operator intervention, 58 system
                    Some("08" | "40" | "53" | "55" | "57" | "58") => StoreError::Unavailable(error),
                    _ => StoreError::Statement(error),
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => StoreError::Unavailable(error),
            _ => StoreError::Statement(error),
        }
    }
}

/// Opens the pool; connections set `application_name` and give up on a lock after 10 s rather than hang.
///
/// # Errors
/// [`StoreError::Unavailable`] when the server cannot be reached.
pub async fn connect(options: PgConnectOptions, max_connections: u32) -> Result<PgPool, StoreError> {
    let options = options.application_name("govconnect").options([
        ("lock_timeout", "10s"),
        ("timezone", "UTC"),
        // Compiling a statement takes longer than any of ours may run.
        ("jit", "off"),
    ]);
    Ok(PgPoolOptions::new()
        .max_connections(max_connections)
        // All of them now, and kept: a connection belongs to the runtime that opened it, and one that a worker thread
        // of an HTTP server had opened would die with that thread while actors still drain.
        .min_connections(max_connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(Duration::from_secs(5))
        .connect_with(options)
        .await?)
}

/// Brings all schemas up to date. Safe to run by several nodes at once (an advisory lock makes them take turns).
///
/// # Errors
/// When a migration fails, or the database has one this binary does not know (a newer version ran here).
pub async fn migrate(pool: &PgPool) -> Result<(), sqlx::migrate::MigrateError> {
    MIGRATIONS.run(pool).await
}

/// A node's turn to make what a first start leaves behind; the next gets it when this one is committed or dropped.
pub async fn take_turn_to_set_up(pool: &PgPool) -> Result<Transaction<'static, Postgres>, StoreError> {
    let mut turn = pool.begin().await?;
    // Documents may take a while to be read in.
    sqlx::query("SET LOCAL lock_timeout = '60s'").execute(&mut *turn).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(SET_UP).execute(&mut *turn).await?;
    Ok(turn)
}

/// How long a new connection may take to open.
const CONNECTING: Duration = Duration::from_secs(5);

/// Whether a new connection, beside those of the pool, gets an answer.
pub async fn answers_anew(pool: &PgPool) -> bool {
    let asking = async {
        let mut connection = PgConnection::connect_with(&pool.connect_options()).await?;
        connection.ping().await?;
        connection.close().await
    };
    matches!(tokio::time::timeout(CONNECTING, asking).await, Ok(Ok(())))
}

/// Asks for nothing, to see whether anybody answers.
pub async fn ping(pool: &PgPool) -> Result<(), StoreError> {
    sqlx::query("SELECT 1").execute(pool).await?;
    Ok(())
}

/// Versions of the server and of what it needs, in one line.
pub async fn describe(pool: &PgPool) -> Result<String, StoreError> {
    let row = sqlx::query!(
        r#"SELECT current_setting('server_version') AS "server!",
                  (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector,
                  (SELECT extversion FROM pg_extension WHERE extname = 'pg_trgm') AS trigrams"#
    )
    .fetch_one(pool)
    .await?;
    let or_missing = |version: Option<String>| version.unwrap_or_else(|| "missing".into());
    Ok(format!(
        "PostgreSQL {}, vector {}, pg_trgm {}",
        row.server,
        or_missing(row.vector),
        or_missing(row.trigrams)
    ))
}
