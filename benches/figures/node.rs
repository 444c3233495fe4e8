//! A whole node, all roles, as a process of its own: what it takes when idle, and how fast it answers.
//!
//! Meta is played by a listener here that takes every message at once; the model is the built-in one, which is instant.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context as _, bail};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::{Instant as Deadline, interval, sleep};

use govconnect::clock::Clock;
use govconnect::whatsapp::signature::Verifier;

use crate::database::{self, Server, phone_of};
use crate::load::{self, APP_SECRET};
use crate::report::{Goal, Report};
use crate::{Extent, say};

/// Built by cargo together with this measurement.
const PROGRAM: &str = env!("CARGO_BIN_EXE_govconnect");
/// How long a node may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// After this time without work a node counts as idle.
const AT_REST: Duration = Duration::from_secs(5);
/// Conversations that write at once when turns are counted; below what the partitions hold in memory.
const CONNECTIONS: usize = 64;

/// A node in a process of its own.
struct Node {
    process: Child,
    channel: SocketAddr,
    _data: tempfile::TempDir,
}

impl Node {
    async fn start(
        server: &Server,
        database: &str,
        graph: SocketAddr,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let mut command = Command::new(PROGRAM);
        command
            .args(["serve", "--data-dir"])
            .arg(data.path())
            .env("GOVCONNECT_DATABASE__URL", server.url(database)?)
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
        let deadline = Deadline::now() + PATIENCE;
        while !addresses.exists() {
            if let Some(status) = process.try_wait()? {
                bail!("the node ended while it started: {status}");
            }
            anyhow::ensure!(Deadline::now() < deadline, "the node was not ready in time");
            sleep(Duration::from_millis(20)).await;
        }
        let addresses: HashMap<String, SocketAddr> = serde_json::from_slice(&std::fs::read(addresses)?)?;
        let channel = *addresses.get("channel").context("the node has no channel service")?;
        Ok(Node { process, channel, _data: data })
    }

    /// Resident memory in MiB, as the kernel counts it.
    fn resident_mib(&self) -> anyhow::Result<f64> {
        let id = self.process.id().context("the node has ended")?;
        let status = std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib / 1024.0)
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        // Nothing of it is needed again; its database is dropped.
        self.process.kill().await.context("the node could not be ended")
    }
}

/// Plays Meta: takes every message at once, and remembers when the first reply to each phone number came.
#[derive(Clone, Default)]
struct Graph {
    replies: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Graph {
    fn start(&self) -> anyhow::Result<SocketAddr> {
        let state = web::Data::new(self.clone());
        let server =
            HttpServer::new(move || App::new().app_data(state.clone()).default_service(web::to(take)))
                .workers(1)
                .disable_signals()
                .bind("127.0.0.1:0")?;
        let address = *server.addrs().first().context("no address")?;
        actix_rt::spawn(server.run());
        Ok(address)
    }

    fn replies(&self) -> HashMap<String, Instant> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replied(&self) -> usize {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits until `count` citizens have their reply.
    async fn wait_for(&self, count: usize) -> anyhow::Result<()> {
        let deadline = Deadline::now() + PATIENCE;
        while self.replied() < count {
            let replied = self.replied();
            anyhow::ensure!(
                Deadline::now() < deadline,
                "only {replied} of {count} citizens got a reply in time"
            );
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

async fn take(body: web::Json<Value>, graph: web::Data<Graph>) -> HttpResponse {
    let now = Instant::now();
    // A read receipt names no recipient.
    let Some(to) = body.get("to").and_then(Value::as_str) else {
        return HttpResponse::Ok().json(json!({"success": true}));
    };
    graph.replies.lock().unwrap_or_else(PoisonError::into_inner).entry(to.to_owned()).or_insert(now);
    let wamid = format!("wamid.reply.{}", uuid::Uuid::now_v7());
    HttpResponse::Ok().json(json!({"messaging_product": "whatsapp",
        "contacts": [{"input": to, "wa_id": to}], "messages": [{"id": wamid}]}))
}

/// Measures what an idle node takes.
pub async fn idle(server: &Server, extent: &Extent, report: &mut Report) -> anyhow::Result<()> {
    let graph = Graph::default().start()?;
    let mut rounds = Vec::new();
    for round in 1..=extent.rounds {
        server.create("bench_node").await?;
        let node = Node::start(server, "bench_node", graph, &[]).await?;
        sleep(AT_REST.min(extent.round * 2)).await;
        let mib = node.resident_mib()?;
        say(&format!("node: round {round}/{}, idle with {mib:.1} MiB", extent.rounds));
        rounds.push(mib);
        node.stop().await?;
    }
    report.add("node.idle_mib", &rounds, "MiB", Goal::AtMost(60.0), None)
}

/// No pause is waited for, and the number may send as fast as it can.
const AT_ONCE: [(&str, &str); 3] = [
    ("GOVCONNECT_CONVERSATION__QUIET_MS", "0"),
    ("GOVCONNECT_CONVERSATION__GREETING_QUIET_MS", "0"),
    ("GOVCONNECT_WHATSAPP__SEND_PER_S", "100000"),
];

/// Measures turns: how many at once, and how long a single one takes.
pub async fn turns(server: &Server, extent: &Extent, report: &mut Report) -> anyhow::Result<()> {
    let graph = Graph::default();
    let address = graph.start()?;
    server.create("bench_node").await?;
    let pool = server.pool("bench_node", 1).await?;
    let citizens = extent.turns * (extent.rounds + 1) * 2;
    database::fill(&pool, u32::try_from(citizens)?, |_| {}).await?;
    let node = Node::start(server, "bench_node", address, &AT_ONCE).await?;
    let (mut per_s, mut p99_ms) = (Vec::new(), Vec::new());
    let mut citizens = 1..;
    for round in 0..=extent.rounds {
        database::settle(&pool).await?;
        let many: Vec<u32> = citizens.by_ref().take(extent.turns).collect();
        let fast = flood(&node, &graph, &many).await?;
        let few: Vec<u32> = citizens.by_ref().take(extent.turns / 10).collect();
        let wait = trickle(&node, &graph, &few).await?;
        let kind = if round == 0 { "warm-up".to_owned() } else { format!("round {round}/{}", extent.rounds) };
        say(&format!("turns: {kind}, {fast:>7.0} /s; a single one waits {wait:.1} ms (p99)"));
        if round > 0 {
            per_s.push(fast);
            p99_ms.push(wait);
        }
    }
    node.stop().await?;
    pool.close().await;
    report.add("turns.per_s", &per_s, "turns/s", Goal::AtLeast(1500.0), None)?;
    report.add("turns.wait_p99_ms", &p99_ms, "ms", Goal::AtMost(50.0), None)
}

/// A greeting: the built-in model answers it at once, without a search in the documents.
fn greeting(citizen: u32) -> Vec<u8> {
    load::text_message(
        citizen,
        "Selamat pagi",
        &Verifier::new(&SecretString::from(APP_SECRET)),
        &Clock::system(),
    )
}

/// Everybody writes as fast as webhooks are taken; from the first webhook to the last reply.
async fn flood(node: &Node, graph: &Graph, citizens: &[u32]) -> anyhow::Result<f64> {
    let requests = citizens.iter().map(|citizen| greeting(*citizen)).collect();
    let before = graph.replied();
    let started = Instant::now();
    load::post(node.channel, requests, CONNECTIONS, PATIENCE).await?;
    graph.wait_for(before + citizens.len()).await?;
    Ok(citizens.len() as f64 / started.elapsed().as_secs_f64())
}

/// One writes every 20 ms; from each webhook to its reply.
async fn trickle(node: &Node, graph: &Graph, citizens: &[u32]) -> anyhow::Result<f64> {
    let before = graph.replied();
    let mut pace = interval(Duration::from_millis(20));
    let mut posted = Vec::new();
    for citizen in citizens {
        pace.tick().await;
        let outcome = load::post(node.channel, vec![greeting(*citizen)], 1, PATIENCE).await?;
        let at = outcome.posted.first().copied().flatten().context("a webhook was not posted")?;
        posted.push((phone_of(*citizen), at));
    }
    graph.wait_for(before + citizens.len()).await?;
    let replies = graph.replies();
    let mut waits: Vec<Duration> =
        posted.iter().filter_map(|(phone, at)| Some(replies.get(phone)?.duration_since(*at))).collect();
    Ok(load::p99_ms(&mut waits))
}
