//! Starting, killing and looking at embedded databases.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use govconnect::store::embedded::{
    Durability, EmbeddedError, EmbeddedOptions, EmbeddedPostgres, find_binaries,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A GovConnect process that owns a database, to be killed.
pub struct Owner {
    process: Child,
    pub url: String,
}

impl Owner {
    pub async fn spawn(data_dir: &Path) -> anyhow::Result<Self> {
        Self::spawn_with(data_dir, Durability::None).await
    }

    pub async fn spawn_with(data_dir: &Path, durability: Durability) -> anyhow::Result<Self> {
        let mut process = postgres_command_with(data_dir, durability, &[])
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(process.stderr.take().context("a pipe")?).lines();
        let url = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await? {
                if let Some((_, url)) = line.split_once("ready at ") {
                    return Ok(url.to_owned());
                }
            }
            bail!("it ended before it was ready");
        })
        .await??;
        Ok(Self { process, url })
    }

    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    pub async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.process.kill().await?)
    }

    /// Waits until it ends by itself, as it does when its server is killed.
    pub async fn ended(mut self) -> anyhow::Result<std::process::ExitStatus> {
        Ok(tokio::time::timeout(PATIENCE, self.process.wait()).await??)
    }

    pub async fn terminate(mut self) -> anyhow::Result<()> {
        let id = self.id().context("a running owner")?;
        kill(Pid::from_raw(id.cast_signed()), Signal::SIGTERM)?;
        let status = tokio::time::timeout(PATIENCE, self.process.wait()).await??;
        ensure!(status.success(), "{status}");
        Ok(())
    }
}

pub fn postgres_command(data_dir: &Path, command: &[&str]) -> Command {
    postgres_command_with(data_dir, Durability::None, command)
}

fn postgres_command_with(data_dir: &Path, durability: Durability, command: &[&str]) -> Command {
    let durability = if durability == Durability::None { "none" } else { "full" };
    let mut govconnect = Command::new(env!("CARGO_BIN_EXE_govconnect"));
    govconnect.args(["postgres", "--durability", durability, "--data-dir"]).arg(data_dir);
    if !command.is_empty() {
        govconnect.arg("--").args(command);
    }
    govconnect
}

/// A temporary folder that the server's account may enter.
pub fn open_folder() -> anyhow::Result<TempDir> {
    Ok(tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir()?)
}

pub async fn start(data_dir: &Path) -> Result<EmbeddedPostgres, EmbeddedError> {
    start_with(data_dir, Durability::None).await
}

pub async fn start_with(data_dir: &Path, durability: Durability) -> Result<EmbeddedPostgres, EmbeddedError> {
    let options = EmbeddedOptions {
        binaries: find_binaries(None)?,
        data_dir: data_dir.to_owned(),
        database: "govconnect".to_owned(),
        durability,
        max_connections: 20,
    };
    EmbeddedPostgres::start(options, |_step| {}).await
}

pub async fn write_note(url: &str, text: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS notes (text text NOT NULL)").execute(&mut connection).await?;
    sqlx::query("INSERT INTO notes VALUES ($1)").bind(text).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

pub async fn read_notes(url: &str) -> anyhow::Result<Vec<String>> {
    let mut connection = PgConnection::connect(url).await?;
    let notes = sqlx::query_scalar("SELECT text FROM notes").fetch_all(&mut connection).await?;
    connection.close().await?;
    Ok(notes)
}

/// The server's processes, found by the name of the cluster that their command lines carry.
pub fn server_processes(data_dir: &Path) -> anyhow::Result<Vec<Pid>> {
    processes(data_dir, |program| program.ends_with("/postgres") || program.starts_with("postgres: "))
}

pub fn watchers(data_dir: &Path) -> anyhow::Result<Vec<Pid>> {
    processes(data_dir, |program| program == "/bin/sh")
}

fn processes(data_dir: &Path, is_wanted: impl Fn(&str) -> bool) -> anyhow::Result<Vec<Pid>> {
    let cluster = data_dir.join("postgres/cluster").metadata()?;
    let name = format!("govconnect-{:x}-{:x}", cluster.dev(), cluster.ino());
    let mut found = Vec::new();
    for folder in process_folders()? {
        // A process may end while we look.
        let Ok(bytes) = std::fs::read(folder.join("cmdline")) else { continue };
        let command_line = String::from_utf8_lossy(&bytes);
        let program = command_line.split('\0').next().unwrap_or_default();
        let id = folder.file_name().and_then(OsStr::to_str).and_then(|id| id.parse().ok());
        if let Some(id) = id
            && is_wanted(program)
            && command_line.contains(&name)
        {
            found.push(Pid::from_raw(id));
        }
    }
    Ok(found)
}

fn process_folders() -> anyhow::Result<Vec<PathBuf>> {
    std::fs::read_dir("/proc")?.map(|entry| Ok(entry?.path())).collect()
}

pub async fn eventually(what: &str, mut holds: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds()? {
        ensure!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}
