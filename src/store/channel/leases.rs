//! Who owns which partition: leases with an epoch, by the database's clock. The epoch only grows, and whoever loads a
//! conversation stamps it, so an older owner can neither commit nor claim (I4).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::PgPool;

use super::nodes;
use crate::ids::{Epoch, NodeId, PartitionId};
use crate::store::StoreError;

/// How long a lease lasts without renewal (DESIGN §5).
pub const TTL: Duration = Duration::from_secs(10);
/// How often it is renewed.
pub const HEARTBEAT: Duration = Duration::from_secs(2);

/// A partition's lease as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    pub partition: PartitionId,
    /// `None` when nobody holds it: it was given back, or has run out.
    pub owner: Option<NodeId>,
    pub epoch: Epoch,
    /// Of the last lease.
    pub expires_at: Timestamp,
    /// How long it lasts without renewal; zero when nobody holds it.
    pub lasts: Duration,
}

/// All of them, by partition.
pub async fn all(pool: &PgPool) -> Result<Vec<Held>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT partition, CASE WHEN expires_at > now() THEN owner END AS owner, epoch, expires_at,
                  greatest(extract(epoch FROM expires_at - now()), 0)::float8 AS "lasts!"
           FROM gc_channel.partition_leases ORDER BY partition"#
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Held {
            partition: PartitionId(row.partition as u16),
            owner: row.owner.map(NodeId),
            epoch: Epoch(row.epoch),
            expires_at: row.expires_at.into(),
            lasts: row.owner.map_or(Duration::ZERO, |_| Duration::from_secs_f64(row.lasts)),
        })
        .collect())
}

/// Takes those of `wanted` that nobody holds; with `steal`, those too that somebody still seems to hold (only for an
/// owner who knows that the other is dead, such as the one who holds the embedded database's lock).
pub async fn acquire(
    pool: &PgPool,
    node: NodeId,
    wanted: &[PartitionId],
    steal: bool,
) -> Result<BTreeMap<PartitionId, Epoch>, StoreError> {
    let wanted: Vec<i16> = wanted.iter().map(|partition| partition.as_i16()).collect();
    let rows = sqlx::query!(
        "UPDATE gc_channel.partition_leases l
         SET owner = $1, epoch = l.epoch + 1, expires_at = now() + $2 * interval '1 second'
         FROM (SELECT partition FROM gc_channel.partition_leases WHERE partition = ANY($4)
               ORDER BY partition FOR UPDATE) AS locked
         WHERE l.partition = locked.partition AND (l.owner IS NULL OR l.expires_at < now() OR $3)
         RETURNING l.partition, l.epoch",
        node.0,
        TTL.as_secs_f64(),
        steal,
        &wanted
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (PartitionId(row.partition as u16), Epoch(row.epoch))).collect())
}

/// Renews what this node still holds, and tells what that is: also what it holds without knowing, because the answer of
/// an earlier statement was lost.
pub async fn renew(pool: &PgPool, node: NodeId) -> Result<BTreeMap<PartitionId, Epoch>, StoreError> {
    let rows = sqlx::query!(
        "UPDATE gc_channel.partition_leases l SET expires_at = now() + $2 * interval '1 second'
         FROM (SELECT partition FROM gc_channel.partition_leases WHERE owner = $1 ORDER BY partition FOR UPDATE) AS mine
         WHERE l.partition = mine.partition AND l.owner = $1
         RETURNING l.partition, l.epoch",
        node.0,
        TTL.as_secs_f64()
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (PartitionId(row.partition as u16), Epoch(row.epoch))).collect())
}

/// Gives those of `partitions` back that this node holds, so that the next owner need not wait, and tells the others.
pub async fn release(pool: &PgPool, node: NodeId, partitions: &[PartitionId]) -> Result<(), StoreError> {
    let partitions: Vec<i16> = partitions.iter().map(|partition| partition.as_i16()).collect();
    sqlx::query!(
        "UPDATE gc_channel.partition_leases l SET owner = NULL, expires_at = 'epoch'
         FROM (SELECT partition FROM gc_channel.partition_leases WHERE owner = $1 AND partition = ANY($2)
               ORDER BY partition FOR UPDATE) AS mine
         WHERE l.partition = mine.partition",
        node.0,
        &partitions
    )
    .execute(pool)
    .await?;
    nodes::tell(pool).await
}

/// Into how many partitions this database's conversations are divided.
pub async fn count(pool: &PgPool) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM gc_channel.partition_leases"#);
    Ok(count.fetch_one(pool).await?)
}
