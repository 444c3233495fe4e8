//! Nodes, partitions and what waits in them, as operators see them. Nothing in it is personal.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::ids::{NodeId, PartitionId};
use crate::store::StoreError;
use crate::store::channel::{leases, nodes, standing};

/// A process of GovConnect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NodeItem {
    pub node: NodeId,
    /// The services it runs.
    pub roles: Vec<String>,
    pub version: String,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// up, draining, or dead: it has not said that it is up for a while, and is forgotten soon.
    pub state: &'static str,
    /// How many partitions it owns.
    pub partitions: usize,
}

/// A share of all conversations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartitionItem {
    pub partition: PartitionId,
    /// The node that owns it; absent while nobody does.
    pub owner: Option<NodeId>,
    /// Counts its owners; only the latest can change anything.
    pub epoch: i64,
    /// When the lease runs out unless it is renewed.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Messages that the bot has not dealt with, and may.
    pub inbox: i64,
    /// Messages of ours that may still be sent.
    pub outbox: i64,
    /// Calls to other services without an answer.
    pub calls: i64,
}

/// The whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClusterStatus {
    pub nodes: Vec<NodeItem>,
    pub partitions: Vec<PartitionItem>,
}

impl ClusterStatus {
    /// As the database has it now.
    ///
    /// # Errors
    /// The database is away.
    pub async fn read(pool: &PgPool) -> Result<Self, StoreError> {
        let (nodes, leases) = (nodes::all(pool).await?, leases::all(pool).await?);
        let pending = standing::pending(pool).await?;
        let partitions: Vec<PartitionItem> = leases
            .into_iter()
            .map(|lease| {
                let waits = pending.iter().find(|pending| pending.partition == lease.partition);
                PartitionItem {
                    partition: lease.partition,
                    owner: lease.owner,
                    epoch: lease.epoch.0,
                    expires_at: lease.expires_at,
                    inbox: waits.map_or(0, |waits| waits.inbox),
                    outbox: waits.map_or(0, |waits| waits.outbox),
                    calls: waits.map_or(0, |waits| waits.calls),
                }
            })
            .collect();
        let owned =
            |node: NodeId| partitions.iter().filter(|partition| partition.owner == Some(node)).count();
        let nodes = nodes
            .into_iter()
            .map(|node| NodeItem {
                partitions: owned(node.node),
                state: match (node.alive, node.draining) {
                    (false, _) => "dead",
                    (true, true) => "draining",
                    (true, false) => "up",
                },
                node: node.node,
                roles: node.roles,
                version: node.version,
                started_at: node.started_at,
            })
            .collect();
        Ok(ClusterStatus { nodes, partitions })
    }
}

impl fmt::Display for ClusterStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:36}  {:8}  {:>10}  {:20}  ROLES", "NODE", "STATE", "PARTITIONS", "STARTED")?;
        for node in &self.nodes {
            let NodeItem { node, roles, started_at, state, partitions, .. } = node;
            let started = started_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            writeln!(f, "{node:36}  {state:8}  {partitions:>10}  {started:20}  {}", roles.join(","))?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "{:9}  {:36}  {:>8}  {:>6}  {:>6}  {:>6}",
            "PARTITION", "OWNER", "EPOCH", "INBOX", "OUTBOX", "CALLS"
        )?;
        for item in &self.partitions {
            let PartitionItem { partition, owner, epoch, inbox, outbox, calls, .. } = item;
            let owner = owner.map_or_else(|| "nobody".to_owned(), |owner| owner.to_string());
            let partition = partition.to_string();
            writeln!(f, "{partition:9}  {owner:36}  {epoch:>8}  {inbox:>6}  {outbox:>6}  {calls:>6}")?;
        }
        let unowned = self.partitions.iter().filter(|partition| partition.owner.is_none()).count();
        if unowned > 0 {
            writeln!(f, "\n{unowned} partitions have no owner: what comes for them waits.")?;
        }
        Ok(())
    }
}
