//! Many nodes as one system (DESIGN §5): who is up, and which node owns which partition. Knows nothing of actors: whoever
//! acts for a partition implements [`PartitionHost`].
//!
//! - [`placement`]: which node should own which partition
//! - [`keeper`]: says that this node is up, takes what it should own, hands over what it should not
//! - [`lease`]: how long this node may act by its own clock
//! - [`status`]: what operators see of all this
//!
//! PostgreSQL decides ([`crate::store::channel::leases`]); the broker is not asked, so that partitions move also while it
//! is away. A node that is alone takes everything and never hands over.

pub mod keeper;
pub mod lease;
pub mod placement;
pub mod status;

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;

pub use keeper::{Company, Keeper};
pub use lease::Lease;

use crate::config::Role;
use crate::ids::{Epoch, NodeId, PartitionId};
use crate::store::channel::leases::Held;
use crate::store::channel::nodes::Node;

/// Acts for the partitions that this node owns.
pub trait PartitionHost: Send + Sync {
    /// Acts for these from now on, until they are handed over or abandoned. Their leases are held.
    fn adopt(&self, owned: BTreeMap<PartitionId, Epoch>) -> BoxFuture<'_, ()>;

    /// Takes nothing new for the partition, ends what is under way within bounds, and acts no more for it.
    fn hand_over(&self, partition: PartitionId) -> BoxFuture<'static, ()>;

    /// Another owns them already: drops everything of theirs at once.
    fn abandon(&self, lost: &BTreeSet<PartitionId>);
}

/// Of a node that owns nothing, because it does not run the channel service.
pub struct NoPartitions;

impl PartitionHost for NoPartitions {
    fn adopt(&self, _: BTreeMap<PartitionId, Epoch>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
    fn hand_over(&self, _: PartitionId) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
    fn abandon(&self, _: &BTreeSet<PartitionId>) {}
}

/// Nodes and leases as this node saw them last.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub nodes: Vec<Node>,
    pub leases: Vec<Held>,
}

impl View {
    /// Those who can own partitions.
    pub fn owners(&self) -> BTreeSet<NodeId> {
        let channel = Role::Channel.to_string();
        let can = |node: &&Node| node.alive && !node.draining && node.roles.contains(&channel);
        self.nodes.iter().filter(can).map(|node| node.node).collect()
    }
}
