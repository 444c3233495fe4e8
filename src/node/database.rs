//! The node's database: the one of the settings, or the embedded one that lives and dies with this process.

use anyhow::Context as _;
use secrecy::ExposeSecret;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use crate::config::{Config, is_unset};
use crate::store;
use crate::store::embedded::{self, Durability, EmbeddedOptions, EmbeddedPostgres, find_binaries};

/// The embedded server's database.
const DATABASE: &str = "govconnect";
/// Connections of the embedded server beyond the node's own: for psql and for `govconnect admin`.
const SPARE_CONNECTIONS: u32 = 20;

/// Who works with a reserved connection: the intake, the ledger's five lanes, the leases and the sweeper take turns on these.
const RESERVED: u32 = 6;

/// An open, migrated database.
pub struct Database {
    pub pool: PgPool,
    /// Connections that only the intake, the ledger, the leases and the sweeper use: however many requests wait for one
    /// of the others, webhooks are taken and conversations go on.
    pub reserved: PgPool,
    embedded: Option<EmbeddedPostgres>,
}

impl Database {
    /// Starts the embedded server where `database.url` is empty, connects, and migrates.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let (options, embedded) = if is_unset(&config.database.url) {
            let setting =
                Some(config.database.embedded_binaries.as_path()).filter(|path| !path.as_os_str().is_empty());
            let options = EmbeddedOptions {
                binaries: find_binaries(setting)?,
                data_dir: config.data_dir.clone(),
                database: DATABASE.into(),
                durability: Durability::Full,
                max_connections: config.database.max_connections + SPARE_CONNECTIONS,
            };
            let server =
                EmbeddedPostgres::start(options, |step| tracing::info!(step, "embedded postgres")).await?;
            (server.connect_options(), Some(server))
        } else {
            let url = config.database.url.expose_secret();
            // The parser's error may quote the URL with its password.
            let options: PgConnectOptions =
                url.parse().map_err(|_| anyhow::anyhow!("database.url: not a postgres:// URL"))?;
            (options, None)
        };
        let unopened = || PgPool::connect_lazy_with(options.clone());
        let mut database = Database { pool: unopened(), reserved: unopened(), embedded };
        match database.connect_and_migrate(options, config.database.max_connections).await {
            Ok(()) => Ok(database),
            Err(error) => {
                database.close().await;
                Err(error)
            }
        }
    }

    /// Opens the database for a moment, also while a node is running on it.
    pub async fn open_beside(config: &Config) -> anyhow::Result<Self> {
        if is_unset(&config.database.url)
            && let Some(options) = embedded::running_elsewhere(&config.data_dir, DATABASE)
            && let Ok(pool) = store::connect(options, 1).await
        {
            store::migrate(&pool).await.context("the database could not be brought up to date")?;
            return Ok(Database { reserved: pool.clone(), pool, embedded: None });
        }
        Self::open(config).await
    }

    async fn connect_and_migrate(
        &mut self,
        options: PgConnectOptions,
        connections: u32,
    ) -> anyhow::Result<()> {
        let refused = "database.url: the database cannot be reached, or did not let us in";
        let reserved = (connections / 2).clamp(1, RESERVED);
        self.reserved = store::connect(options.clone(), reserved).await.context(refused)?;
        self.pool = store::connect(options, connections - reserved).await.context(refused)?;
        store::migrate(&self.pool).await.context("the database could not be brought up to date")
    }

    /// Whether nobody but this process can be using it: then a lease left by a dead process may be taken at once.
    pub fn is_ours_alone(&self) -> bool {
        self.embedded.is_some()
    }

    /// Resolves when the embedded server has ended by itself.
    pub async fn failed(&mut self) -> anyhow::Error {
        match &mut self.embedded {
            Some(server) => {
                let status = server.exited().await;
                anyhow::anyhow!("the embedded database server ended by itself ({status:?}); its log says why")
            }
            None => std::future::pending().await,
        }
    }

    /// Closes the connections and stops the embedded server.
    pub async fn close(self) {
        self.pool.close().await;
        self.reserved.close().await;
        if let Some(server) = self.embedded
            && let Err(error) = server.stop().await
        {
            tracing::error!(
                error = &error as &(dyn std::error::Error + 'static),
                "the embedded database did not stop"
            );
        }
    }
}
