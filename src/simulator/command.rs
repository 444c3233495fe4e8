//! `govconnect simulator`: the stand-in as a process of its own, until Ctrl-C or SIGTERM.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

use super::{Behaviour, Clock, Settings, SimulatorError, start};

/// Stands in for Meta: Graph API, signed webhooks, and citizens' phones in the browser.
#[derive(Debug, Args)]
pub struct SimulatorArgs {
    /// Where to listen. Keep it on loopback: whoever reaches it can speak as any citizen.
    #[arg(long, env = "GOVCONNECT_SIMULATOR__BIND", default_value = "127.0.0.1:3010")]
    pub bind: String,
    /// How others reach it, for media links; by default the address it listens on.
    #[arg(long, env = "GOVCONNECT_SIMULATOR__PUBLIC_URL")]
    pub public_url: Option<String>,
    /// The webhook of the channel service.
    #[arg(long, default_value = "http://127.0.0.1:3001/webhook/whatsapp")]
    pub webhook_url: String,
    #[arg(long, env = "GOVCONNECT_WHATSAPP__APP_SECRET", hide_env_values = true)]
    pub app_secret: SecretString,
    #[arg(long, env = "GOVCONNECT_WHATSAPP__VERIFY_TOKEN", hide_env_values = true)]
    pub verify_token: SecretString,
    #[arg(long, env = "GOVCONNECT_WHATSAPP__ACCESS_TOKEN", hide_env_values = true)]
    pub access_token: SecretString,
    /// The office's numbers, separated by commas.
    #[arg(long, env = "GOVCONNECT_WHATSAPP__PHONE_NUMBER_ID", value_delimiter = ',', required = true)]
    pub phone_number_id: Vec<String>,
    /// Write the actual address to this file once it listens; for tests that bind to port 0.
    #[arg(long)]
    pub address_file: Option<PathBuf>,
    /// No delays and no rates, for tests.
    #[arg(long)]
    pub immediate: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Start(#[from] SimulatorError),
    #[error("cannot write {path}")]
    AddressFile {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot wait for signals")]
    Signals(#[source] std::io::Error),
}

/// Runs until Ctrl-C or SIGTERM.
pub async fn run(arguments: SimulatorArgs, now: Clock) -> Result<(), CommandError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::Signals)?;
    let simulator = start(Settings {
        bind: arguments.bind,
        public_url: arguments.public_url,
        app_secret: arguments.app_secret,
        verify_token: arguments.verify_token,
        access_token: arguments.access_token,
        phone_number_ids: arguments.phone_number_id,
        webhook_url: Some(arguments.webhook_url),
        behaviour: if arguments.immediate { Behaviour::immediate() } else { Behaviour::default() },
        now,
    })
    .await?;
    if let Some(path) = arguments.address_file {
        // Renamed into place, so that a reader never sees half an address.
        let temporary = path.with_extension("tmp");
        let write = std::fs::write(&temporary, simulator.address.to_string())
            .and_then(|()| std::fs::rename(&temporary, &path));
        write.map_err(|source| CommandError::AddressFile { path, source })?;
    }
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(CommandError::Signals)?,
        _ = terminate.recv() => {}
    }
    simulator.stop().await;
    Ok(())
}
