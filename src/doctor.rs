//! `govconnect doctor`: looks at everything a node depends on and says what is wrong and what to do.

use std::io::Write;
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use lapin::{Connection, ConnectionProperties};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::ai::providers;
use crate::config::{Config, is_unset};
use crate::http_client;
use crate::media::storage::MediaStorage;
use crate::node::database::Database;
use crate::store;

/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints one line a look; fails when any look failed.
///
/// # Errors
/// Only when the output is closed.
pub async fn run(config: &Config, output: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut healthy = true;
    for (name, result) in [
        ("data directory", data_dir(config)),
        ("database", database(config).await),
        ("message broker", broker(config).await),
        ("media store", media_store(config).await),
        ("graph api", graph(config).await),
        ("ai provider", ai_provider(config).await),
        ("ports", ports(config)),
    ] {
        match result {
            Ok(note) => writeln!(output, "ok    {name}: {note}")?,
            Err(error) => {
                healthy = false;
                writeln!(output, "FAIL  {name}: {error:#}")?;
            }
        }
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn data_dir(config: &Config) -> anyhow::Result<String> {
    std::fs::create_dir_all(&config.data_dir)?;
    let probe = config.data_dir.join(".doctor");
    std::fs::write(&probe, b"x")?;
    std::fs::remove_file(&probe)?;
    Ok(format!("{} is writable", config.data_dir.display()))
}

async fn database(config: &Config) -> anyhow::Result<String> {
    let database = Database::open_beside(config).await?;
    let described = store::describe(&database.pool).await;
    database.close().await;
    Ok(described?)
}

async fn broker(config: &Config) -> anyhow::Result<String> {
    if is_unset(&config.broker.url) {
        return Ok("none configured: this is a single node".into());
    }
    let connecting = Connection::connect(config.broker.url.expose_secret(), ConnectionProperties::default());
    let connection = timeout(PATIENCE, connecting).await??;
    connection.close(200, "bye".into()).await?;
    Ok("answers".into())
}

async fn media_store(config: &Config) -> anyhow::Result<String> {
    let storage = MediaStorage::open(&config.media, &config.data_dir)?;
    timeout(PATIENCE, storage.probe()).await.map_err(|_| anyhow::anyhow!("no answer in time"))??;
    Ok(format!("{} can be written, read and emptied", storage.description()))
}

async fn graph(config: &Config) -> anyhow::Result<String> {
    if config.whatsapp.graph_url.is_empty() {
        return Ok("the simulator of this node (serve --simulator)".into());
    }
    let client = http_client::builder(PATIENCE).build()?;
    let status =
        client.get(&config.whatsapp.graph_url).send().await.map_err(reqwest::Error::without_url)?.status();
    Ok(format!("answers (HTTP {})", status.as_u16()))
}

/// Lists the provider's models, which costs nothing and shows whether it takes the key.
async fn ai_provider(config: &Config) -> anyhow::Result<String> {
    let probe = timeout(PATIENCE, providers::probe(&config.ai));
    Ok(match probe.await.map_err(|_| anyhow::anyhow!("no answer in time"))?? {
        Some(models) => format!("{} answers (for {models})", config.ai.provider),
        None => "none configured: the builtin needs no network".into(),
    })
}

fn ports(config: &Config) -> anyhow::Result<String> {
    let mut busy = Vec::new();
    for (key, bind) in [
        ("channel.bind", config.channel.bind),
        ("ai.bind", config.ai.bind),
        ("case.bind", config.case.bind),
        ("notification.bind", config.notification.bind),
        ("dashboard.bind", config.dashboard.bind),
    ] {
        if TcpListener::bind(bind).is_err() {
            busy.push(format!("{key} {bind}"));
        }
    }
    anyhow::ensure!(busy.is_empty(), "in use (is a node running already?): {}", busy.join(", "));
    Ok("free".into())
}
