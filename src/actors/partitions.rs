//! The way to the partitions: those of this node by their actors' addresses, those of other nodes by the bus. And the host
//! that makes and ends their actors as leases come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use actix::Addr;
use actix_rt::ArbiterHandle;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::channel::ChannelContext;
use super::partition::{Abandon, Drain, Observe, Partition, Seen, Wake};
use super::supervision::{self, Vital};
use crate::bus::{Bus, WakeListener};
use crate::cluster::PartitionHost;
use crate::ids::{ConversationId, Epoch, PARTITIONS, PartitionId};

/// The actors of the partitions that this node owns, by partition. Cheap to clone.
#[derive(Clone)]
pub struct PartitionTable(Arc<RwLock<Vec<Option<Addr<Partition>>>>>);

impl Default for PartitionTable {
    /// Owning nothing.
    fn default() -> Self {
        PartitionTable(Arc::new(RwLock::new(vec![None; usize::from(PARTITIONS)])))
    }
}

impl PartitionTable {
    /// The partitions that this node acts for.
    pub fn owned(&self) -> Vec<PartitionId> {
        let owned = self.read();
        PartitionId::all().filter(|partition| at(&owned, *partition).is_some()).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Option<Addr<Partition>>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, partition: PartitionId) -> Option<Addr<Partition>> {
        at(&self.read(), partition).cloned()
    }

    /// Gives the actor of before.
    fn set(&self, partition: PartitionId, actor: Option<Addr<Partition>>) -> Option<Addr<Partition>> {
        let mut owned = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let place = owned.get_mut(usize::from(partition.0))?;
        std::mem::replace(place, actor)
    }

    /// Wakes those of this node; gives the others.
    fn wake(
        &self,
        conversations: impl IntoIterator<Item = ConversationId>,
        source: &'static str,
    ) -> Vec<ConversationId> {
        let owned = self.read();
        let elsewhere = |conversation: &ConversationId| {
            let Some(partition) = at(&owned, PartitionId::of(*conversation)) else { return true };
            if !supervision::deliver(partition, Wake { conversation: *conversation, source }) {
                tracing::debug!(conversation.id = %conversation, "a wake-up waits for the next sweep");
            }
            false
        };
        conversations.into_iter().filter(elsewhere).collect()
    }
}

fn at(owned: &[Option<Addr<Partition>>], partition: PartitionId) -> Option<&Addr<Partition>> {
    owned.get(usize::from(partition.0)).and_then(Option::as_ref)
}

impl WakeListener for PartitionTable {
    fn woken(&self, conversations: Vec<ConversationId>) {
        // What is not here any more is swept by whoever has it now.
        self.wake(conversations, "remote");
    }
}

/// The way to all partitions, wherever they are. Cheap to clone.
#[derive(Clone)]
pub struct Partitions {
    table: PartitionTable,
    bus: Arc<dyn Bus>,
}

impl Partitions {
    /// By the actors of this node, and by the bus to the others.
    pub fn new(table: PartitionTable, bus: Arc<dyn Bus>) -> Self {
        Partitions { table, bus }
    }

    /// The partitions that this node acts for.
    pub fn owned(&self) -> Vec<PartitionId> {
        self.table.owned()
    }

    /// Wakes a conversation. A hint: it may be lost, and the sweeper repairs.
    pub fn wake(&self, conversation: ConversationId, source: &'static str) {
        self.wake_each([conversation], source);
    }

    /// Wakes several.
    pub fn wake_all(&self, conversations: &BTreeSet<(PartitionId, ConversationId)>, source: &'static str) {
        self.wake_each(conversations.iter().map(|(_, conversation)| *conversation), source);
    }

    fn wake_each(&self, conversations: impl IntoIterator<Item = ConversationId>, source: &'static str) {
        let elsewhere = self.table.wake(conversations, source);
        if !elsewhere.is_empty() {
            self.bus.wake(&elsewhere);
        }
    }

    /// How a conversation's actor is; as if there were none when this node does not own its partition.
    pub async fn observe(&self, conversation: ConversationId) -> Seen {
        match self.table.get(PartitionId::of(conversation)) {
            Some(partition) => partition.send(Observe { conversation }).await.unwrap_or_default(),
            None => Seen::default(),
        }
    }
}

/// Makes and ends the actors of partitions.
pub struct Host {
    table: PartitionTable,
    bus: Arc<dyn Bus>,
    context: Arc<ChannelContext>,
    arbiters: Vec<ArbiterHandle>,
    vital: Vital,
    /// How long a partition that is handed over may take to end what is under way.
    patience: Duration,
    /// Told when partitions were adopted: what waits in them is to be looked for.
    adopted: Arc<Notify>,
}

impl Host {
    /// Over `arbiters`, of which there is at least one.
    pub fn new(
        table: PartitionTable,
        bus: Arc<dyn Bus>,
        context: Arc<ChannelContext>,
        arbiters: Vec<ArbiterHandle>,
        vital: Vital,
        patience: Duration,
    ) -> Self {
        Host { table, bus, context, arbiters, vital, patience, adopted: Arc::new(Notify::new()) }
    }

    /// Notified whenever partitions were adopted.
    pub fn adopted(&self) -> Arc<Notify> {
        self.adopted.clone()
    }

    async fn begin(&self, owned: BTreeMap<PartitionId, Epoch>) {
        for (partition, epoch) in owned {
            let index = usize::from(partition.0) % self.arbiters.len().max(1);
            let Some(arbiter) = self.arbiters.get(index) else { return };
            let context = self.context.clone();
            let make = move || Partition::new(partition, epoch, context);
            let metrics = &self.context.metrics;
            match supervision::spawn_on(arbiter, "partition", metrics, &self.vital, make).await {
                Some(address) => {
                    if let Some(before) = self.table.set(partition, Some(address)) {
                        supervision::deliver(&before, Abandon);
                    }
                }
                None => tracing::error!(%partition, "an arbiter has ended; the partition has no actor"),
            }
        }
        self.tell_bus();
        self.adopted.notify_one();
    }

    fn tell_bus(&self) {
        self.bus.own(self.table.owned().into_iter().collect());
    }
}

impl PartitionHost for Host {
    fn adopt(&self, owned: BTreeMap<PartitionId, Epoch>) -> BoxFuture<'_, ()> {
        Box::pin(self.begin(owned))
    }

    fn hand_over(&self, partition: PartitionId) -> BoxFuture<'static, ()> {
        let leaving = self.table.set(partition, None);
        self.tell_bus();
        let patience = self.patience;
        Box::pin(async move {
            let Some(actor) = leaving else { return };
            if timeout(patience, actor.send(Drain)).await.is_err() {
                tracing::warn!(%partition, "conversations did not end in time; their next owner fences them");
            }
            supervision::deliver(&actor, Abandon);
        })
    }

    fn abandon(&self, lost: &BTreeSet<PartitionId>) {
        for partition in lost {
            if let Some(actor) = self.table.set(*partition, None) {
                supervision::deliver(&actor, Abandon);
            }
        }
        self.tell_bus();
    }
}
