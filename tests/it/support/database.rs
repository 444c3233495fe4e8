//! A fresh, migrated database for every test, cloned from a template and dropped at the end.
//!
//! The template is migrated once for all tests and processes: its name carries a hash of the migrations, an advisory lock
//! makes processes take turns, and it gets that name only when it is complete.

use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use govconnect::store;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::sync::OnceCell;
use uuid::Uuid;

const VARIABLE: &str = "TEST_DATABASE_URL";
/// Guards the making of templates.
const LOCK: i64 = 0x676f_7663_6f6e;

static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// A database of one test.
pub struct TestDatabase {
    pub pool: PgPool,
    url: String,
    /// To be dropped at the end; empty on a server of the test's own.
    name: String,
}

impl TestDatabase {
    /// With a few connections.
    pub async fn create() -> Self {
        Self::with_connections(8).await
    }

    /// With at most that many connections.
    pub async fn with_connections(connections: u32) -> Self {
        let template = TEMPLATE.get_or_init(template).await;
        let name = format!("govconnect_test_{}", Uuid::now_v7().simple());
        let mut admin = PgConnection::connect_with(&admin()).await.expect("the test server answers");
        execute(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        let pool = store::connect(admin_to(&name), connections).await.expect("the fresh database answers");
        let mut url = reqwest::Url::parse(&admin_url()).expect("an admin URL");
        url.set_path(&name);
        TestDatabase { pool, url: url.into(), name }
    }

    /// The database of a server of the test's own; it goes with the server.
    pub async fn on(url: &str) -> Self {
        let options = url.parse().expect("a database URL");
        let pool = store::connect(options, 4).await.expect("the server answers");
        store::migrate(&pool).await.expect("the migrations run");
        TestDatabase { pool, url: url.to_owned(), name: String::new() }
    }

    /// For another process that works on it.
    pub fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        if name.is_empty() {
            return;
        }
        // The test's own runtime may be gone or busy: a small one of its own, waited for.
        let dropped = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut admin = PgConnection::connect_with(&admin()).await.expect("the test server answers");
                execute(&mut admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
            });
        })
        .join();
        if !std::thread::panicking() {
            dropped.expect("the test's database is dropped");
        }
    }
}

fn admin_url() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!(
            "{VARIABLE} is not set: give the URL of a PostgreSQL with pgvector where databases may be created, \
             such as postgres://postgres@127.0.0.1:5432/postgres"
        )
    })
}

fn admin() -> PgConnectOptions {
    PgConnectOptions::from_str(&admin_url())
        .unwrap_or_else(|error| panic!("{VARIABLE} is not a database URL: {error}"))
}

fn admin_to(name: &str) -> PgConnectOptions {
    admin().database(name)
}

async fn execute(connection: &mut PgConnection, statement: String) {
    sqlx::raw_sql(AssertSqlSafe(statement.clone()))
        .execute(connection)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
}

/// The name of the migrated template, made if it is not there.
async fn template() -> String {
    let checksums: Vec<u8> =
        store::MIGRATIONS.iter().flat_map(|migration| migration.checksum.to_vec()).collect();
    let hash = hex::encode(&digest(&SHA256, &checksums).as_ref()[..8]);
    let name = format!("govconnect_template_{hash}");
    let mut admin = PgConnection::connect_with(&admin()).await.expect("the test server answers");
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(LOCK)
        .execute(&mut admin)
        .await
        .expect("the lock is free");
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut admin)
        .await
        .expect("databases can be listed");
    if !exists {
        let unfinished = format!("{name}_unfinished");
        execute(&mut admin, format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")).await;
        execute(&mut admin, format!("CREATE DATABASE {unfinished}")).await;
        let pool = store::connect(admin_to(&unfinished), 2).await.expect("the template answers");
        store::migrate(&pool).await.expect("the migrations run");
        pool.close().await;
        execute(&mut admin, format!("ALTER DATABASE {unfinished} RENAME TO {name}")).await;
    }
    // Ends the session and with it the lock.
    admin.close().await.expect("the session ends");
    name
}
