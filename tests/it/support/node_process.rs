//! A node as its own process, the binary that is shipped: started with settings from the environment only, killed,
//! stopped, and its log shown when the test fails.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use govconnect::node::ADDRESSES_FILE;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use super::office::eventually;

/// How long a node may take to come up or go down.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of the log a failing test shows.
const SHOWN_LINES: usize = 120;

pub struct NodeProcess {
    child: Child,
    data_dir: PathBuf,
    log: PathBuf,
}

impl NodeProcess {
    /// Starts the binary; it is not yet up.
    pub fn spawn(data_dir: &Path, log: &Path, settings: &[(String, String)]) -> Self {
        // A node that is not up must not be found at the addresses of one that was.
        drop(std::fs::remove_file(data_dir.join(ADDRESSES_FILE)));
        let output = OpenOptions::new().create(true).append(true).open(log).expect("a log file");
        let child = Command::new(env!("CARGO_BIN_EXE_govconnect"))
            .arg("serve")
            .env_clear()
            .envs(settings.iter().map(|(key, value)| (key.as_str(), value.as_str())))
            // Away from the repository's config.toml.
            .current_dir(data_dir)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        NodeProcess { child, data_dir: data_dir.to_owned(), log: log.to_owned() }
    }

    /// Waits until it listens; tells where.
    pub async fn up(&mut self) -> BTreeMap<String, SocketAddr> {
        let path = self.data_dir.join(ADDRESSES_FILE);
        eventually("the node is up", async || {
            if let Some(status) = self.child.try_wait().expect("the child can be asked") {
                panic!("the node ended while it started ({status})\n{}", self.log_tail());
            }
            let text = std::fs::read(&path).ok()?;
            Some(serde_json::from_slice(&text).expect("addresses"))
        })
        .await
    }

    /// SIGKILL: as a power cut.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the node can be killed");
    }

    /// SIGTERM; tells how it ended and how long it took.
    pub async fn terminate(self) -> (ExitStatus, Duration) {
        self.signal(Signal::SIGTERM);
        let asked = Instant::now();
        (self.ended().await, asked.elapsed())
    }

    pub fn signal(&self, signal: Signal) {
        let id = self.child.id().expect("the node runs").cast_signed();
        kill(Pid::from_raw(id), signal).expect("the node can be signalled");
    }

    /// Waits until it ends by itself.
    pub async fn ended(mut self) -> ExitStatus {
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status.expect("the node can be waited for"),
            Err(_) => panic!("the node does not end"),
        }
    }

    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn log_tail(&self) -> String {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the node's log ----\n{}", self.log_tail());
        }
    }
}
