//! A node as a process of its own: the release that is shipped, started with settings from the environment.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::load::APP_SECRET;

/// Built by cargo together with this measurement.
const PROGRAM: &str = env!("CARGO_BIN_EXE_govconnect");
/// How long a node may take to start, and to end.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// In which Linux tells what a process used (`USER_HZ`, the same on every machine that Rust's Linux targets run on).
const TICKS_PER_S: f64 = 100.0;

/// No pause is waited for, and the number may send as fast as it can.
pub const AT_ONCE: [(&str, &str); 3] = [
    ("GOVCONNECT_CONVERSATION__QUIET_MS", "0"),
    ("GOVCONNECT_CONVERSATION__GREETING_QUIET_MS", "0"),
    ("GOVCONNECT_WHATSAPP__SEND_PER_S", "100000"),
];

/// The URL of one of the databases on the server that is measured on.
fn url_of(database: &str) -> anyhow::Result<String> {
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL")?;
    let mut url = reqwest::Url::parse(&url).context("DATABASE_URL")?;
    url.set_path(&format!("/{database}"));
    Ok(url.into())
}

/// A node in a process of its own.
pub struct Node {
    process: Child,
    pub channel: SocketAddr,
    _data: tempfile::TempDir,
}

impl Node {
    /// Returns when it is ready. `graph` plays Meta.
    pub async fn start(database: &str, graph: SocketAddr, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let mut command = Command::new(PROGRAM);
        command
            .args(["serve", "--data-dir"])
            .arg(data.path())
            .env("GOVCONNECT_DATABASE__URL", url_of(database)?)
            .env("GOVCONNECT_WHATSAPP__APP_SECRET", APP_SECRET)
            .env("GOVCONNECT_WHATSAPP__GRAPH_URL", format!("http://{graph}"))
            .env("GOVCONNECT_LOG__LEVEL", "warn")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        for service in ["CHANNEL", "AI", "CASE", "NOTIFICATION", "DASHBOARD"] {
            command.env(format!("GOVCONNECT_{service}__BIND"), "127.0.0.1:0");
        }
        let mut process = command.spawn().with_context(|| format!("could not run {PROGRAM}"))?;
        let addresses = data.path().join(govconnect::node::ADDRESSES_FILE);
        let deadline = Instant::now() + PATIENCE;
        while !addresses.exists() {
            if let Some(status) = process.try_wait()? {
                bail!("the node ended while it started: {status}");
            }
            anyhow::ensure!(Instant::now() < deadline, "the node was not ready in time");
            sleep(Duration::from_millis(20)).await;
        }
        let addresses: HashMap<String, SocketAddr> = serde_json::from_slice(&std::fs::read(addresses)?)?;
        let channel = *addresses.get("channel").context("the node has no channel service")?;
        Ok(Node { process, channel, _data: data })
    }

    /// Resident memory in MiB, as the kernel counts it.
    pub fn resident_mib(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(self.proc("status")?)?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib / 1024.0)
    }

    /// Seconds of a processor that it has used since it started, in itself and in the kernel (`utime` and `stime` of proc(5)).
    pub fn cpu_s(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(self.proc("stat")?)?;
        // The name in parentheses may hold anything; what is counted comes after it, from field 3.
        let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
        let ticks: Vec<f64> =
            fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        Ok(ticks.iter().sum::<f64>() / TICKS_PER_S)
    }

    fn proc(&self, file: &str) -> anyhow::Result<PathBuf> {
        let id = self.process.id().context("the node has ended")?;
        Ok(Path::new("/proc").join(id.to_string()).join(file))
    }

    /// SIGKILL, as a power cut.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill().await.context("the node could not be ended")
    }

    /// SIGTERM; returns when it has ended in good order.
    pub async fn terminate(mut self) -> anyhow::Result<()> {
        let id = self.process.id().context("the node has ended")?;
        kill(Pid::from_raw(id.cast_signed()), Signal::SIGTERM)?;
        let status = timeout(PATIENCE, self.process.wait()).await.context("the node does not end")??;
        anyhow::ensure!(status.success(), "the node did not end in good order: {status}");
        Ok(())
    }
}
