//! Keeps this node a member and its partitions its own: says that it is up, renews its leases, takes what should be its
//! and is free, and hands over what should be another's, a bounded number at a time.
//!
//! Hand-over: the bus is told, turns end or are cancelled, and only then is the lease given back; the next owner takes the lease
//! first, then hears of wake-ups, then sweeps. A node whose leases ran out acts no more by its own clock, and finds out at its
//! next renewal which of them others have taken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, future::BoxFuture};
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{Lease, PartitionHost, View, placement};
use crate::ids::{Epoch, NodeId, PARTITIONS, PartitionId};
use crate::metrics::Metrics;
use crate::store::channel::leases::{self, HEARTBEAT};
use crate::store::channel::nodes::{self, Changes};
use crate::store::{self, StoreError};

/// Partitions that are being handed over at once while the node stays: others keep working meanwhile.
const MOVES: usize = 8;
/// Between two looks, however many changes are told.
const SHORTEST: Duration = Duration::from_millis(50);
/// A look that takes longer hangs: its connection has lost its other end without being told, or the database stands still.
const LOOK_PATIENCE: Duration = Duration::from_secs(30);
/// After a foreign lease runs out, so that the clock of whoever looks is surely past it.
const PAST: Duration = Duration::from_millis(20);

/// Whether there may be other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// None: this node takes everything, and a loss is the end of it. With `steal` it takes leases of the dead at once,
    /// because nobody else can be using the database.
    Alone { steal: bool },
    /// Any number.
    Cluster,
}

/// Why a node cannot join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error(
        "this database's conversations are divided into {found} partitions, this version knows {PARTITIONS}: \
         run the version that made it"
    )]
    OtherPartitions { found: i64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a node must stop: whatever restarts the process goes on from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MustStop {
    #[error("another process took over this database")]
    TakenOver,
    #[error("the connections to the database hang, while a new one works")]
    ConnectionsHang,
}

/// What is to be moved now.
#[derive(Debug, Default, PartialEq, Eq)]
struct Moves {
    take: Vec<PartitionId>,
    hand_over: Vec<PartitionId>,
    /// How long until a lease of another runs out that is to be this node's then, unless it is renewed.
    next_free: Option<Duration>,
}

/// See the module.
pub struct Keeper {
    pool: PgPool,
    /// Gives the connection on which changes are heard of, for good.
    listening: PgPool,
    node: NodeId,
    roles: Vec<String>,
    company: Company,
    host: Arc<dyn PartitionHost>,
    lease: Lease,
    metrics: Metrics,
    view: watch::Sender<View>,
    holding: BTreeMap<PartitionId, Epoch>,
    /// Being handed over; their leases are still renewed.
    leaving: BTreeSet<PartitionId>,
    /// Handed over, and the lease not given back yet.
    left: BTreeSet<PartitionId>,
    hand_overs: FuturesUnordered<BoxFuture<'static, PartitionId>>,
    changes: Option<Changes>,
    draining: bool,
}

/// Who this node is.
pub struct Member {
    pub node: NodeId,
    /// Names of the services it runs.
    pub roles: Vec<String>,
    pub company: Company,
}

impl Keeper {
    /// With what the others' state is told to. Leases are kept on connections of `pool`, in which nobody waits for long; in
    /// company one of `listening` is taken for good.
    pub fn new(
        pool: PgPool,
        listening: PgPool,
        member: Member,
        host: Arc<dyn PartitionHost>,
        lease: Lease,
        metrics: Metrics,
    ) -> (Self, watch::Receiver<View>) {
        let (view, seen) = watch::channel(View::default());
        let Member { node, roles, company } = member;
        let keeper = Keeper {
            pool,
            listening,
            node,
            roles,
            company,
            host,
            lease,
            metrics,
            view,
            holding: BTreeMap::new(),
            leaving: BTreeSet::new(),
            left: BTreeSet::new(),
            hand_overs: FuturesUnordered::new(),
            changes: None,
            draining: false,
        };
        (keeper, seen)
    }

    /// Becomes a member. In company that is the first look; alone, it lasts until everything is this node's.
    ///
    /// # Errors
    /// The database is away, or divided into other partitions than this version knows.
    pub async fn join(&mut self) -> Result<(), JoinError> {
        let found = leases::count(&self.pool).await?;
        if found != i64::from(PARTITIONS) {
            return Err(JoinError::OtherPartitions { found });
        }
        let mut told = false;
        loop {
            self.look().await?;
            if self.company == Company::Cluster || self.holding.len() == usize::from(PARTITIONS) {
                return Ok(());
            }
            if !told {
                told = true;
                tracing::warn!(
                    held = self.holding.len(),
                    "another node holds partitions of this database; waiting until it stops or its lease runs out"
                );
            }
            sleep(HEARTBEAT / 4).await;
        }
    }

    /// Keeps on until `stop`, then hands everything over and leaves. Ends early, after telling `must_stop` why, when the node
    /// cannot go on.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>, must_stop: watch::Sender<Option<MustStop>>) {
        let mut looked = Instant::now();
        let mut due = looked + HEARTBEAT;
        loop {
            self.listen().await;
            tokio::select! {
                () = told_to(&mut stop), if !self.draining => {
                    self.draining = true;
                    due = Instant::now();
                }
                () = changed(&mut self.changes) => due = due.min(looked + SHORTEST),
                Some(partition) = self.hand_overs.next() => {
                    self.left.insert(partition);
                    while let Some(Some(more)) = self.hand_overs.next().now_or_never() {
                        self.left.insert(more);
                    }
                    self.give_back().await;
                }
                () = sleep_until(due) => {
                    looked = Instant::now();
                    due = looked + match timeout(LOOK_PATIENCE, self.look()).await {
                        Ok(Ok(wait)) => wait,
                        Ok(Err(error)) => {
                            // The lease runs out by itself if this goes on.
                            tracing::warn!(%error, "the leases could not be renewed");
                            HEARTBEAT / 2
                        }
                        Err(_) if store::answers_anew(&self.pool).await => {
                            return self.give_up(MustStop::ConnectionsHang, &must_stop);
                        }
                        Err(_) => {
                            tracing::warn!("the leases could not be renewed: the database stands still");
                            HEARTBEAT / 2
                        }
                    };
                }
            }
            if self.draining && self.holding.is_empty() && self.leaving.is_empty() {
                return self.leave().await;
            }
            if matches!(self.company, Company::Alone { .. }) && !self.draining && !self.is_whole() {
                return self.give_up(MustStop::TakenOver, &must_stop);
            }
        }
    }

    fn give_up(&self, why: MustStop, must_stop: &watch::Sender<Option<MustStop>>) {
        tracing::error!(held = self.holding.len(), %why, "this node cannot keep its partitions");
        self.lease.lose();
        must_stop.send_replace(Some(why));
    }

    fn is_whole(&self) -> bool {
        self.holding.len() == usize::from(PARTITIONS)
    }

    async fn listen(&mut self) {
        if self.company == Company::Cluster && self.changes.is_none() {
            match timeout(HEARTBEAT, Changes::listen(&self.listening)).await {
                Ok(Ok(changes)) => self.changes = Some(changes),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "changes are not heard of; the next look comes in time");
                }
                Err(_) => tracing::debug!("changes are not heard of; the next look comes in time"),
            }
        }
    }

    /// One round: tells that it is up, renews, sees what is, and moves what must be. Gives the time until the next.
    async fn look(&mut self) -> Result<Duration, StoreError> {
        let asked = std::time::Instant::now();
        nodes::heartbeat(&self.pool, self.node, &self.roles, self.draining).await?;
        let renewed = leases::renew(&self.pool, self.node).await?;
        let lost: BTreeSet<PartitionId> =
            self.holding.keys().filter(|partition| !renewed.contains_key(partition)).copied().collect();
        // Before the lease counts as renewed: what was lost must not go on by it.
        if !lost.is_empty() {
            tracing::warn!(partitions = lost.len(), "partitions were taken by another node");
            self.holding.retain(|partition, _| !lost.contains(partition));
            self.host.abandon(&lost);
            self.count_moves("lost", lost.len());
        }
        self.lease.renew(asked);
        self.give_back().await;
        let known = |partition: &PartitionId| {
            self.holding.contains_key(partition)
                || self.leaving.contains(partition)
                || self.left.contains(partition)
        };
        let unknown: BTreeMap<PartitionId, Epoch> =
            renewed.into_iter().filter(|(partition, _)| !known(partition)).collect();
        self.adopt(unknown).await;

        let view = View { nodes: nodes::all(&self.pool).await?, leases: leases::all(&self.pool).await? };
        if view.nodes.iter().any(|node| !node.alive) {
            nodes::forget_dead(&self.pool).await?;
        }
        let moves = self.moves(&view);
        let up = view.nodes.iter().filter(|node| node.alive).count();
        self.metrics.cluster_nodes.set(up as i64);
        self.view.send_replace(view);
        if !moves.take.is_empty() {
            let steal = self.company == Company::Alone { steal: true };
            let taken = leases::acquire(&self.pool, self.node, &moves.take, steal).await?;
            self.adopt(taken).await;
        }
        self.begin_hand_overs(&moves.hand_over);
        self.metrics.partitions_owned.set(self.holding.len() as i64);
        Ok(moves.next_free.map_or(HEARTBEAT, |free| (free + PAST).min(HEARTBEAT)))
    }

    fn moves(&self, view: &View) -> Moves {
        match self.company {
            _ if self.draining => {
                Moves { hand_over: self.holding.keys().copied().collect(), ..Moves::default() }
            }
            Company::Alone { .. } => {
                let take = PartitionId::all().filter(|partition| !self.holding.contains_key(partition));
                Moves { take: take.collect(), ..Moves::default() }
            }
            Company::Cluster => {
                let room = MOVES.saturating_sub(self.leaving.len() + self.left.len());
                let mut moves = moves(view, self.node, &self.holding);
                moves.hand_over.truncate(room);
                moves.take.retain(|partition| !self.leaving.contains(partition));
                moves
            }
        }
    }

    async fn adopt(&mut self, owned: BTreeMap<PartitionId, Epoch>) {
        if owned.is_empty() {
            return;
        }
        tracing::info!(partitions = owned.len(), "partitions taken");
        self.count_moves("taken", owned.len());
        self.holding.extend(owned.iter().map(|(partition, epoch)| (*partition, *epoch)));
        self.host.adopt(owned).await;
    }

    fn begin_hand_overs(&mut self, partitions: &[PartitionId]) {
        for partition in partitions {
            if self.holding.remove(partition).is_some() {
                self.leaving.insert(*partition);
                let (ending, partition) = (self.host.hand_over(*partition), *partition);
                self.hand_overs.push(Box::pin(ending.map(move |()| partition)));
            }
        }
    }

    /// Gives leases back whose partitions were handed over; what fails is tried at the next look.
    async fn give_back(&mut self) {
        if self.left.is_empty() {
            return;
        }
        let partitions: Vec<PartitionId> = self.left.iter().copied().collect();
        crate::crash_point!("cluster::before_release");
        match timeout(HEARTBEAT, leases::release(&self.pool, self.node, &partitions)).await {
            Ok(Ok(())) => {
                tracing::info!(partitions = partitions.len(), "partitions handed over");
                self.count_moves("handed_over", partitions.len());
                self.leaving.retain(|partition| !self.left.contains(partition));
                self.left.clear();
            }
            Ok(Err(error)) => tracing::warn!(%error, "leases were not given back; they are once more"),
            Err(_) => tracing::warn!("leases were not given back in time; they are once more"),
        }
    }

    async fn leave(self) {
        if let Err(error) = nodes::leave(&self.pool, self.node).await {
            tracing::warn!(%error, "this node could not say that it leaves; it is forgotten by itself");
        }
    }

    fn count_moves(&self, direction: &str, partitions: usize) {
        self.metrics.partition_moves.with_label_values(&[direction]).inc_by(partitions as u64);
    }
}

/// Whoever could say stop being gone means the same.
async fn told_to(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn changed(changes: &mut Option<Changes>) {
    let Some(listening) = changes else { return std::future::pending().await };
    if let Err(error) = listening.next().await {
        tracing::debug!(%error, "changes are not heard of; the next look comes in time");
        *changes = None;
    }
}

/// What a node in company should take and hand over, by what it sees.
fn moves(view: &View, node: NodeId, holding: &BTreeMap<PartitionId, Epoch>) -> Moves {
    let owners = view.owners();
    let assigned = placement::assign(&owners);
    let mine = |partition: &PartitionId| assigned.get(partition) == Some(&node);
    // With nobody else to take them, and this node not seen yet, everything stays.
    let hand_over = holding.keys().filter(|partition| assigned.contains_key(partition) && !mine(partition));
    let wanted = || view.leases.iter().filter(|held| mine(&held.partition));
    Moves {
        hand_over: hand_over.copied().collect(),
        take: wanted().filter(|held| held.owner.is_none()).map(|held| held.partition).collect(),
        next_free: wanted()
            .filter(|held| held.owner.is_some_and(|owner| owner != node))
            .map(|held| held.lasts)
            .min(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::store::channel::leases::Held;
    use crate::store::channel::nodes::Node;

    fn node(id: NodeId, roles: &[&str], alive: bool, draining: bool) -> Node {
        Node {
            node: id,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            version: String::new(),
            started_at: Timestamp::UNIX_EPOCH,
            draining,
            alive,
        }
    }

    fn view(nodes: Vec<Node>, owner: impl Fn(PartitionId) -> Option<NodeId>) -> View {
        let held = |partition| Held {
            partition,
            owner: owner(partition),
            epoch: Epoch(1),
            expires_at: Timestamp::UNIX_EPOCH,
            lasts: Duration::from_millis(700),
        };
        View { nodes, leases: PartitionId::all().map(held).collect() }
    }

    fn held(view: &View, by: NodeId) -> BTreeMap<PartitionId, Epoch> {
        let theirs = view.leases.iter().filter(|held| held.owner == Some(by));
        theirs.map(|held| (held.partition, held.epoch)).collect()
    }

    #[test]
    fn a_newcomer_gets_its_share_from_who_had_everything_and_the_dead_are_inherited() {
        let (old, new) = (NodeId::new(), NodeId::new());
        let both = || vec![node(old, &["channel"], true, false), node(new, &["channel"], true, false)];
        let before = view(both(), |_| Some(old));
        let gives = moves(&before, old, &held(&before, old)).hand_over;
        assert_eq!(gives.len(), 32);
        let waits = moves(&before, new, &BTreeMap::new());
        assert_eq!((waits.take, waits.next_free), (vec![], Some(Duration::from_millis(700))));
        let given: BTreeSet<PartitionId> = gives.iter().copied().collect();
        let after = view(both(), |partition| (!given.contains(&partition)).then_some(old));
        assert_eq!(moves(&after, new, &BTreeMap::new()).take, gives);
        // The old one dies.
        let nodes = vec![node(old, &["channel"], false, false), node(new, &["channel"], true, false)];
        let alone = view(nodes, |partition| given.contains(&partition).then_some(new));
        let inherits = moves(&alone, new, &held(&alone, new));
        assert_eq!((inherits.take.len(), inherits.hand_over.len()), (32, 0));
    }

    #[test]
    fn who_drains_or_does_not_run_the_channel_gets_nothing_and_nobody_gives_to_nobody() {
        let (me, other, third) = (NodeId::new(), NodeId::new(), NodeId::new());
        let nodes = vec![
            node(me, &["channel", "ai"], true, false),
            node(other, &["channel"], true, true),
            node(third, &["ai", "case"], true, false),
        ];
        let seen = view(nodes, |_| None);
        assert_eq!(moves(&seen, me, &BTreeMap::new()).take.len(), 64);
        assert_eq!(moves(&seen, other, &BTreeMap::new()).take, vec![]);
        assert_eq!(moves(&seen, third, &BTreeMap::new()).take, vec![]);
        let empty = view(Vec::new(), |_| Some(me));
        assert_eq!(moves(&empty, me, &held(&empty, me)).hand_over, vec![]);
    }
}
