//! A whole node, all roles: what it takes when idle, and how fast it answers. The model is the built-in one, which is
//! instant.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::database;
use crate::load;
use crate::meta::Graph;
use crate::process::{AT_ONCE, Node, PATIENCE};
use crate::report::{Goal, Report};
use crate::server::Server;
use crate::{Extent, say};

/// After this time without work a node counts as idle.
const AT_REST: Duration = Duration::from_secs(5);
/// Conversations that write at once when turns are counted; below what the partitions hold in memory.
const CONNECTIONS: usize = 64;

/// Measures what an idle node takes.
pub async fn idle(server: &Server, extent: &Extent, report: &mut Report) -> anyhow::Result<()> {
    let graph = Graph::default().start()?;
    let mut rounds = Vec::new();
    for round in 1..=extent.rounds {
        server.create("bench_node").await?;
        let node = Node::start("bench_node", graph, &[]).await?;
        sleep(AT_REST.min(extent.round * 2)).await;
        let mib = node.resident_mib()?;
        say(&format!("node: round {round}/{}, idle with {mib:.1} MiB", extent.rounds));
        rounds.push(mib);
        node.kill().await?;
    }
    report.add("node.idle_mib", &rounds, "MiB", Goal::AtMost(60.0), None)
}

/// Measures turns: how many at once, and how long a single one takes.
pub async fn turns(server: &Server, extent: &Extent, report: &mut Report) -> anyhow::Result<()> {
    let graph = Graph::default();
    let address = graph.start()?;
    server.create("bench_node").await?;
    let pool = server.pool("bench_node", 1).await?;
    let citizens = extent.turns * (extent.rounds + 1) * 2;
    database::fill(&pool, u32::try_from(citizens)?, |_| {}).await?;
    let node = Node::start("bench_node", address, &AT_ONCE).await?;
    let (mut per_s, mut p99_ms) = (Vec::new(), Vec::new());
    let mut citizens = 1..;
    for round in 0..=extent.rounds {
        database::settle(&pool).await?;
        let many: Vec<u32> = citizens.by_ref().take(extent.turns).collect();
        let fast = flood(&[node.channel], &graph, &many).await?;
        let few: Vec<u32> = citizens.by_ref().take(extent.turns / 10).collect();
        let wait = trickle(&node, &graph, &few).await?;
        let kind = if round == 0 { "warm-up".to_owned() } else { format!("round {round}/{}", extent.rounds) };
        say(&format!("turns: {kind}, {fast:>7.0} /s; a single one waits {wait:.1} ms (p99)"));
        if round > 0 {
            per_s.push(fast);
            p99_ms.push(wait);
        }
    }
    node.kill().await?;
    pool.close().await;
    report.add("turns.per_s", &per_s, "turns/s", Goal::AtLeast(1500.0), None)?;
    report.add("turns.wait_p99_ms", &p99_ms, "ms", Goal::AtMost(50.0), None)
}

/// Everybody writes as fast as webhooks are taken; from the first webhook to the last reply.
pub async fn flood(addresses: &[SocketAddr], graph: &Graph, citizens: &[u32]) -> anyhow::Result<f64> {
    let requests = citizens.iter().map(|citizen| load::greeting(*citizen)).collect();
    let before = graph.replied();
    let started = Instant::now();
    load::post(addresses, requests, CONNECTIONS, PATIENCE).await?;
    graph.wait_for(before + citizens.len()).await?;
    Ok(citizens.len() as f64 / started.elapsed().as_secs_f64())
}

/// One writes every 20 ms; from each webhook to its reply.
async fn trickle(node: &Node, graph: &Graph, citizens: &[u32]) -> anyhow::Result<f64> {
    let posted = load::trickle(&[node.channel], citizens, Duration::from_millis(20)).await?;
    let replies = graph.replies_to(citizens).await?;
    let mut waits: Vec<Duration> =
        posted.iter().zip(&replies).map(|(posted, replied)| replied.duration_since(*posted)).collect();
    Ok(load::p99_ms(&mut waits))
}
