//! A fresh, migrated database for one test, dropped with it. `TEST_DATABASE_URL` names a server and a user who may
//! create databases.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

pub struct TestDatabase {
    pub pool: PgPool,
    name: String,
    admin: PgConnectOptions,
}

pub async fn fresh_database() -> TestDatabase {
    let url = std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL names the test server");
    let admin: PgConnectOptions = url.parse().expect("TEST_DATABASE_URL is a PostgreSQL URL");
    let name = format!("gc_test_{}", uuid::Uuid::now_v7().simple());
    let mut connection = PgConnection::connect_with(&admin).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .connect_with(admin.clone().database(&name).options([("timezone", "UTC")]))
        .await
        .unwrap();
    govconnect::store::migrate(&pool).await.unwrap();
    TestDatabase { pool, name, admin }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (name, admin) = (self.name.clone(), self.admin.clone());
        // A runtime of its own: the test's may be on its way out.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect_with(&admin).await?;
                let statement = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
                sqlx::query(statement).execute(&mut connection).await
            })
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("the test database stays behind: {error}");
        }
    }
}
