//! Databases of the measurement's own on the server that `DATABASE_URL` names.

use anyhow::Context as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use govconnect::store;

/// A server to measure on.
pub struct Server {
    options: PgConnectOptions,
}

impl Server {
    /// The server of `DATABASE_URL`.
    pub fn from_environment() -> anyhow::Result<Self> {
        let url = std::env::var("DATABASE_URL")
            .context("DATABASE_URL is not set; scripts/bench starts a server and sets it")?;
        let options = url.parse().map_err(|_| anyhow::anyhow!("DATABASE_URL is not a postgres:// URL"))?;
        Ok(Server { options })
    }

    /// A fresh, migrated database.
    pub async fn create(&self, name: &str) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect_with(&self.options).await?;
        for statement in
            [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")]
        {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
        }
        connection.close().await?;
        let pool = self.pool(name, 1).await?;
        store::migrate(&pool).await?;
        pool.close().await;
        Ok(())
    }

    /// A pool as a node opens it.
    pub async fn pool(&self, name: &str, connections: u32) -> anyhow::Result<PgPool> {
        Ok(store::connect(self.options.clone().database(name), connections).await?)
    }
}
