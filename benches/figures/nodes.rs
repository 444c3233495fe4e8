//! Many nodes as one system: processes that share a PostgreSQL and a RabbitMQ, whole nodes each, with "Meta" in this process.
//!
//! - [`throughput`]: three nodes against one, and the hints between them
//! - [`routing`]: what a webhook costs whose conversation is on another node
//! - [`moves`]: nodes join, stop and are killed: spread, and how long what was theirs stands still

mod moves;
mod routing;
mod throughput;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::future::{try_join, try_join_all};
use sqlx::PgPool;
use tokio::time::sleep;

use govconnect::cluster::{View, placement};
use govconnect::http_client;
use govconnect::ids::{NodeId, PartitionId};
use govconnect::store::channel::{leases, nodes};

use crate::broker::VirtualHost;
use crate::database;
use crate::meta::Graph;
use crate::process::{Node, PATIENCE};
use crate::report::Report;
use crate::server::Server;
use crate::{Extent, say};

const DATABASE: &str = "bench_nodes";
/// Citizens of each round, of all parts together, as multiples of a round's turns.
const CITIZENS: usize = 8;
/// What several nodes must be told alike.
const SHARED: [(&str, &str); 6] = [
    ("GOVCONNECT_MEDIA__SHARED", "true"),
    ("GOVCONNECT_INTERNAL__API_KEYS", "an internal key for measuring"),
    ("GOVCONNECT_WHATSAPP__VERIFY_TOKEN", "a token for measuring"),
    ("GOVCONNECT_WHATSAPP__ACCESS_TOKEN", "a token for measuring"),
    ("GOVCONNECT_DASHBOARD__SESSION_KEY", "a session key for measuring, long enough"),
    ("GOVCONNECT_DASHBOARD__FIRST_PASSWORD", "a password for measuring"),
];

/// Measures all parts, on one database; every group of nodes begins on a virtual host of its own.
pub async fn measure(server: &Server, extent: &Extent, report: &mut Report) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut site = Site::open(server, extent).await?;
    throughput::measure(&mut site, extent, report).await?;
    moves::measure(&mut site, extent, report).await?;
    routing::measure(&mut site, extent, report).await?;
    site.pool.close().await;
    say(&format!("nodes: took {:.0} s", started.elapsed().as_secs_f64()));
    Ok(())
}

/// What is around the nodes.
struct Site {
    pool: PgPool,
    graph: Graph,
    graph_address: SocketAddr,
    /// Those who have not written yet, with the partitions of their conversations.
    citizens: Vec<(u32, PartitionId)>,
}

impl Site {
    async fn open(server: &Server, extent: &Extent) -> anyhow::Result<Self> {
        server.create(DATABASE).await?;
        let pool = server.pool(DATABASE, 2).await?;
        let count = u32::try_from(extent.turns * extent.rounds * CITIZENS)?.max(2_000);
        database::fill(&pool, count, |_| {}).await?;
        let citizens = database::partitions_of_citizens(&pool).await?;
        let graph = Graph::default();
        let graph_address = graph.start()?;
        Ok(Site { pool, graph, graph_address, citizens })
    }

    /// Citizens who have not written yet, of `partitions`.
    fn take(&mut self, count: usize, partitions: &BTreeSet<PartitionId>) -> anyhow::Result<Vec<u32>> {
        let taken: Vec<u32> = self
            .citizens
            .extract_if(.., |(_, partition)| partitions.contains(partition))
            .take(count)
            .map(|(citizen, _)| citizen)
            .collect();
        anyhow::ensure!(taken.len() == count, "not enough citizens were filled in");
        Ok(taken)
    }

    async fn view(&self) -> anyhow::Result<View> {
        Ok(View { nodes: nodes::all(&self.pool).await?, leases: leases::all(&self.pool).await? })
    }

    /// The partitions of a node.
    async fn owned_by(&self, node: NodeId) -> anyhow::Result<BTreeSet<PartitionId>> {
        let leases = self.view().await?.leases.into_iter();
        Ok(leases.filter(|held| held.owner == Some(node)).map(|held| held.partition).collect())
    }

    /// Waits until so many nodes are up and each has its exact share; after a while, tells what is missing.
    async fn spread(&self, nodes: usize) -> anyhow::Result<Spread> {
        let deadline = Instant::now() + PATIENCE;
        let mut known = None;
        loop {
            let view = self.view().await?;
            let (now, up) = (Instant::now(), view.owners().len());
            let off = off_shares(&view);
            if up == nodes {
                let known = *known.get_or_insert(now);
                if off == 0 || now > deadline {
                    return Ok(Spread { off, known, at: now });
                }
            }
            anyhow::ensure!(now < deadline, "{up} nodes are up, not {nodes}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// How the partitions are spread after a change.
struct Spread {
    /// How many partitions the node that is furthest from its share has too many or too few.
    off: usize,
    /// When the change was first seen in the database.
    known: Instant,
    /// When the shares were exact.
    at: Instant,
}

fn off_shares(view: &View) -> usize {
    let owners = view.owners();
    let assigned = placement::assign(&owners);
    let off = |node: &NodeId| {
        let share = assigned.values().filter(|owner| *owner == node).count();
        let has = view.leases.iter().filter(|held| held.owner == Some(*node)).count();
        share.abs_diff(has)
    };
    owners.iter().map(off).max().unwrap_or_default()
}

/// A node of several.
struct Member {
    id: NodeId,
    node: Node,
}

/// Nodes that know each other by their database and their virtual host.
struct Cluster {
    settings: Vec<(&'static str, String)>,
    members: Vec<Member>,
    host: Option<VirtualHost>,
}

impl Cluster {
    /// A fresh virtual host, and no node yet.
    async fn over_a_broker(settings: &[(&'static str, &str)]) -> anyhow::Result<Self> {
        let host = VirtualHost::create().await?;
        let mut cluster = Cluster::without_a_broker(&[settings, &SHARED].concat());
        cluster.settings.push(("GOVCONNECT_BROKER__URL", host.url().to_owned()));
        Ok(Cluster { host: Some(host), ..cluster })
    }

    /// For one node only.
    fn without_a_broker(settings: &[(&'static str, &str)]) -> Self {
        let settings = settings.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        Cluster { settings, members: Vec::new(), host: None }
    }

    /// One more node; returns when it is ready and all have their shares.
    async fn join(&mut self, site: &Site) -> anyhow::Result<Spread> {
        let settings: Vec<(&str, &str)> =
            self.settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let starting = Node::start(DATABASE, site.graph_address, &settings);
        let (node, spread) = try_join(starting, site.spread(self.members.len() + 1)).await?;
        let ids = site.view().await?.owners();
        let is_new = |id: &NodeId| self.members.iter().all(|member| member.id != *id);
        let id = ids.into_iter().find(is_new).context("the new node is not a member")?;
        self.members.push(Member { id, node });
        Ok(spread)
    }

    /// Where webhooks go.
    fn channels(&self) -> Vec<SocketAddr> {
        self.members.iter().map(|member| member.node.channel).collect()
    }

    /// Hints that all of them have sent since they started.
    async fn hints_sent(&self) -> anyhow::Result<f64> {
        let client = http_client::builder(PATIENCE).build()?;
        let mut sum = 0.0;
        for address in self.channels() {
            let text = client.get(format!("http://{address}/metrics")).send().await?.text().await?;
            let line = text.lines().find_map(|line| line.strip_prefix(HINTS_SENT));
            // Not there before the first.
            sum += line.map_or(Ok(0.0), |count| count.trim().parse::<f64>())?;
        }
        Ok(sum)
    }

    /// SIGTERM to all, so that nothing of theirs is left in the database.
    async fn stop(self) -> anyhow::Result<()> {
        try_join_all(self.members.into_iter().map(|member| member.node.terminate())).await?;
        match self.host {
            Some(host) => host.delete().await,
            None => Ok(()),
        }
    }
}

const HINTS_SENT: &str = "govconnect_bus_hints_total{outcome=\"sent\"}";
