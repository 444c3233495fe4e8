//! Membership, leases and placement on a real database, with hosts that only note what they are told: who owns what as nodes
//! come, go, die and stand still.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use govconnect::cluster::keeper::{JoinError, Member, MustStop};
use govconnect::cluster::{Company, Keeper, Lease, PartitionHost, placement};
use govconnect::ids::{Epoch, NodeId, PARTITIONS, PartitionId};
use govconnect::metrics::Metrics;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::database::TestDatabase;
use crate::support::office::eventually;

/// Who acts for what, over all nodes of a test; and every time two did at once.
#[derive(Default)]
struct Acting {
    by: Mutex<BTreeMap<PartitionId, (NodeId, Epoch)>>,
    twice: Mutex<Vec<PartitionId>>,
}

impl Acting {
    fn spread(&self) -> BTreeMap<NodeId, usize> {
        let mut spread = BTreeMap::new();
        for (node, _) in self.by.lock().unwrap().values() {
            *spread.entry(*node).or_default() += 1;
        }
        spread
    }

    /// As a process that is no more.
    fn forget(&self, node: NodeId) {
        self.by.lock().unwrap().retain(|_, (owner, _)| *owner != node);
    }
}

struct Host {
    node: NodeId,
    acting: Arc<Acting>,
}

impl PartitionHost for Host {
    fn adopt(&self, owned: BTreeMap<PartitionId, Epoch>) -> BoxFuture<'_, ()> {
        let mut by = self.acting.by.lock().unwrap();
        for (partition, epoch) in owned {
            if let Some((before, earlier)) = by.insert(partition, (self.node, epoch))
                && (before != self.node || earlier >= epoch)
            {
                self.acting.twice.lock().unwrap().push(partition);
            }
        }
        Box::pin(std::future::ready(()))
    }

    fn hand_over(&self, partition: PartitionId) -> BoxFuture<'static, ()> {
        let acting = self.acting.clone();
        // Ends only when it is polled, as a partition ends only when its conversations have.
        Box::pin(async move {
            tokio::task::yield_now().await;
            acting.by.lock().unwrap().remove(&partition);
        })
    }

    fn abandon(&self, lost: &BTreeSet<PartitionId>) {
        let mut by = self.acting.by.lock().unwrap();
        by.retain(|partition, (owner, _)| *owner != self.node || !lost.contains(partition));
    }
}

struct Running {
    node: NodeId,
    lease: Lease,
    stop: watch::Sender<bool>,
    must_stop: watch::Receiver<Option<MustStop>>,
    task: JoinHandle<()>,
}

impl Running {
    async fn join(pool: &PgPool, acting: &Arc<Acting>, company: Company) -> Self {
        let (node, lease) = (NodeId::new(), Lease::default());
        let host = Arc::new(Host { node, acting: acting.clone() });
        let member = Member { node, roles: vec!["channel".into()], company };
        let metrics = Metrics::new().unwrap();
        let (mut keeper, _) = Keeper::new(pool.clone(), pool.clone(), member, host, lease.clone(), metrics);
        keeper.join().await.unwrap();
        let (stop, stopping) = watch::channel(false);
        let (tell, must_stop) = watch::channel(None);
        let task = tokio::spawn(keeper.run(stopping, tell));
        Running { node, lease, stop, must_stop, task }
    }

    async fn leave(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }

    /// Without a word, as by `kill -9`.
    async fn die(self, acting: &Acting) -> NodeId {
        self.task.abort();
        drop(self.task.await);
        acting.forget(self.node);
        self.node
    }
}

async fn shares_are_exact(acting: &Acting, nodes: &[&Running]) {
    let nodes: BTreeSet<NodeId> = nodes.iter().map(|running| running.node).collect();
    let exact = placement::shares(&nodes);
    eventually("every node has its exact share", async || (acting.spread() == exact).then_some(())).await;
}

/// As if ten seconds had passed since `node` was last heard of.
async fn let_time_pass_since(pool: &PgPool, node: NodeId) {
    for sql in [
        "UPDATE gc_channel.nodes SET expires_at = now() - interval '1 second' WHERE node = $1",
        "UPDATE gc_channel.partition_leases SET expires_at = now() - interval '1 second' WHERE owner = $1",
    ] {
        sqlx::query(sql).bind(node.0).execute(pool).await.unwrap();
    }
}

#[tokio::test]
async fn partitions_spread_exactly_as_nodes_come_leave_and_die_and_never_have_two_owners() {
    let database = TestDatabase::with_connections(20).await;
    let (pool, acting) = (&database.pool, Arc::new(Acting::default()));
    let first = Running::join(pool, &acting, Company::Cluster).await;
    shares_are_exact(&acting, &[&first]).await;
    let second = Running::join(pool, &acting, Company::Cluster).await;
    shares_are_exact(&acting, &[&first, &second]).await;
    let third = Running::join(pool, &acting, Company::Cluster).await;
    shares_are_exact(&acting, &[&first, &second, &third]).await;

    second.leave().await;
    shares_are_exact(&acting, &[&first, &third]).await;
    let fourth = Running::join(pool, &acting, Company::Cluster).await;
    shares_are_exact(&acting, &[&first, &third, &fourth]).await;

    let dead = first.die(&acting).await;
    let_time_pass_since(pool, dead).await;
    shares_are_exact(&acting, &[&third, &fourth]).await;

    assert_eq!(*acting.twice.lock().unwrap(), vec![]);
    third.leave().await;
    shares_are_exact(&acting, &[&fourth]).await;
    fourth.leave().await;
    let owned: i64 =
        sqlx::query_scalar("SELECT count(*) FROM gc_channel.partition_leases WHERE owner IS NOT NULL")
            .fetch_one(pool)
            .await
            .unwrap();
    assert_eq!((owned, acting.spread().len()), (0, 0));
}

#[tokio::test]
async fn a_node_that_stood_still_abandons_what_others_have_taken_and_gets_its_share_again() {
    let database = TestDatabase::with_connections(20).await;
    let (pool, acting) = (&database.pool, Arc::new(Acting::default()));
    let (slow, other) = (
        Running::join(pool, &acting, Company::Cluster).await,
        Running::join(pool, &acting, Company::Cluster).await,
    );
    shares_are_exact(&acting, &[&slow, &other]).await;
    // What another took while it stood still has a newer epoch and another owner.
    sqlx::query(
        "UPDATE gc_channel.partition_leases
         SET owner = gen_random_uuid(), epoch = epoch + 1, expires_at = now() + interval '3 seconds' WHERE owner = $1",
    )
    .bind(slow.node.0)
    .execute(pool)
    .await
    .unwrap();
    eventually("it acts for them no more", async || {
        (!acting.spread().contains_key(&slow.node)).then_some(())
    })
    .await;
    assert!(slow.lease.is_valid(), "it is still a member");
    // Whoever it was is not heard of again.
    shares_are_exact(&acting, &[&slow, &other]).await;
    assert_eq!(*acting.twice.lock().unwrap(), vec![]);
}

#[tokio::test]
async fn a_node_that_is_alone_takes_everything_and_says_so_when_another_does() {
    let database = TestDatabase::with_connections(4).await;
    let (pool, acting) = (&database.pool, Arc::new(Acting::default()));
    let mut alone = Running::join(pool, &acting, Company::Alone { steal: false }).await;
    assert_eq!(acting.spread()[&alone.node], usize::from(PARTITIONS));
    sqlx::query("UPDATE gc_channel.partition_leases SET owner = gen_random_uuid(), epoch = epoch + 1 WHERE partition = 7")
        .execute(pool)
        .await
        .unwrap();
    let told = tokio::time::timeout(Duration::from_secs(20), alone.must_stop.wait_for(Option::is_some)).await;
    assert_eq!(told.unwrap().unwrap().unwrap(), MustStop::TakenOver);
    assert!(!alone.lease.is_valid());
}

#[tokio::test]
async fn a_database_with_another_number_of_partitions_is_refused() {
    let database = TestDatabase::create().await;
    sqlx::query("DELETE FROM gc_channel.partition_leases WHERE partition = 63")
        .execute(&database.pool)
        .await
        .unwrap();
    let host = Arc::new(Host { node: NodeId::new(), acting: Arc::default() });
    let member = Member { node: host.node, roles: vec!["channel".into()], company: Company::Cluster };
    let (mut keeper, _) = Keeper::new(
        database.pool.clone(),
        database.pool.clone(),
        member,
        host,
        Lease::default(),
        Metrics::new().unwrap(),
    );
    let refused = keeper.join().await.unwrap_err();
    assert!(matches!(refused, JoinError::OtherPartitions { found: 63 }), "{refused}");
    assert!(refused.to_string().contains("63 partitions, this version knows 64"), "{refused}");
}
