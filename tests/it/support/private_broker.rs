//! A RabbitMQ of one test's own, to be killed and started again on the same data and ports. Nothing of it outlives the
//! test, also when that is killed: `scripts/broker-node` looks after it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::RngExt;
use reqwest::Url;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::office::eventually_within;

/// Usually within 10 s; a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(120);
/// Ports of AMQP, the management, epmd and Erlang's distribution: below those that the machine gives to whoever connects
/// somewhere, so that they are still free when the broker comes back.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

pub struct PrivateBroker {
    folder: TempDir,
    ports: [u16; 4],
    /// `scripts/broker-node`; gone while the broker is.
    keeper: Option<Child>,
}

impl PrivateBroker {
    /// A fresh broker that answers.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut broker = PrivateBroker { folder, ports: free_ports(), keeper: None };
        broker.spawn();
        broker.up().await;
        broker
    }

    /// Without a virtual host.
    pub fn amqp(&self) -> Url {
        format!("amqp://guest:guest@127.0.0.1:{}", self.ports[0]).parse().expect("a URL")
    }

    pub fn management(&self) -> Url {
        format!("http://guest:guest@127.0.0.1:{}", self.ports[1]).parse().expect("a URL")
    }

    /// SIGKILL; returns when it is gone.
    pub async fn kill(&mut self) {
        self.kill_now();
        let mut keeper = self.keeper.take().expect("a running broker");
        eventually_within(PATIENCE, "the broker's helpers are gone", async || {
            keeper.try_wait().expect("the keeper can be waited for")
        })
        .await;
    }

    fn kill_now(&self) {
        let id = std::fs::read_to_string(self.folder.path().join("broker.pid")).expect("the broker runs");
        // One that ended by itself meanwhile is gone just as well.
        let _ = kill(Pid::from_raw(id.trim().parse().expect("a process id")), Signal::SIGKILL);
    }

    /// Starts it again on what it had; it is not yet up.
    pub fn spawn(&mut self) {
        assert!(self.keeper.is_none(), "the broker runs already");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/broker-node");
        let output = std::fs::File::create(self.folder.path().join("node.log")).expect("a log file");
        let keeper = Command::new("setsid")
            .arg(script)
            .arg(self.folder.path())
            .args(self.ports.map(|port| port.to_string()))
            // Ends with this process, and the broker with it.
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn()
            .expect("the script starts");
        self.keeper = Some(keeper);
    }

    /// Waits until it answers.
    pub async fn up(&mut self) {
        let (folder, ports) = (self.folder.path(), self.ports);
        let keeper = self.keeper.as_mut().expect("a started broker");
        eventually_within(PATIENCE, "the broker answers", async || {
            if let Some(status) = keeper.try_wait().expect("the keeper can be asked") {
                let log = std::fs::read_to_string(folder.join("node.log")).unwrap_or_default();
                panic!("the broker ended while it started ({status})\n{log}");
            }
            for port in &ports[..2] {
                TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await.ok()?;
            }
            Some(())
        })
        .await;
    }

    /// `rabbitmqctl` with a command such as `stop_app`.
    pub async fn control(&self, command: &str) {
        let output = tokio::process::Command::new(self.folder.path().join("rabbitmqctl"))
            .arg(command)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("rabbitmqctl runs");
        assert!(output.status.success(), "{command}: {output:?}");
    }
}

impl Drop for PrivateBroker {
    fn drop(&mut self) {
        let Some(mut keeper) = self.keeper.take() else { return };
        drop(keeper.stdin.take());
        // It gives the broker 20 s, and deletes the folder when nobody writes there any more.
        let ended = keeper.wait();
        if !std::thread::panicking() {
            ended.expect("the keeper ends");
        }
    }
}

fn free_ports() -> [u16; 4] {
    let mut random = rand::rng();
    let mut listeners: Vec<TcpListener> = Vec::new();
    while listeners.len() < 4 {
        listeners.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, random.random_range(PORTS))));
    }
    let port = |number: usize| listeners[number].local_addr().expect("an address").port();
    [port(0), port(1), port(2), port(3)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::support::broker::TestBroker;

    /// Processes that name the folder.
    fn processes_of(folder: &Path) -> Vec<String> {
        let folder = folder.to_str().unwrap();
        let processes = std::fs::read_dir("/proc").unwrap();
        let lines =
            processes.filter_map(|each| std::fs::read_to_string(each.unwrap().path().join("cmdline")).ok());
        lines.filter(|line| line.contains(folder)).collect()
    }

    #[tokio::test]
    async fn it_is_stopped_and_killed_comes_back_with_what_it_had_and_leaves_nothing_behind() {
        let mut server = PrivateBroker::start().await;
        let folder = server.folder.path().to_owned();
        let broker = TestBroker::on(&server).await;
        broker.declare("kept", json!({})).await;
        server.control("stop_app").await;
        assert!(TcpStream::connect(server.amqp().socket_addrs(|| None).unwrap()[0]).await.is_err());
        server.control("start_app").await;
        server.up().await;
        server.kill().await;
        assert_eq!(processes_of(&folder), Vec::<String>::new());
        server.spawn();
        server.up().await;
        assert_eq!(broker.queue("kept").await["name"], "kept");
        drop(server);
        assert_eq!(processes_of(&folder), Vec::<String>::new());
        assert!(!folder.exists());
    }
}
