//! Who owns which partition: leases with an epoch, by the database's clock. The epoch only grows, and whoever loads a
//! conversation stamps it, so an older owner can neither commit nor claim (I4).

use std::collections::HashMap;
use std::time::Duration;

use sqlx::PgPool;

use crate::ids::{Epoch, NodeId, PartitionId};
use crate::store::StoreError;

/// How long a lease lasts without renewal (DESIGN §5).
pub const TTL: Duration = Duration::from_secs(10);
/// How often it is renewed.
pub const HEARTBEAT: Duration = Duration::from_secs(2);

/// Takes every partition that nobody holds; with `steal`, those too that somebody still seems to hold (only for an
/// owner who knows that the other is dead, such as the one who holds the embedded database's lock).
pub async fn acquire(
    pool: &PgPool,
    node: NodeId,
    steal: bool,
) -> Result<HashMap<PartitionId, Epoch>, StoreError> {
    let rows = sqlx::query!(
        "UPDATE gc_channel.partition_leases l
         SET owner = $1, epoch = l.epoch + 1, expires_at = now() + $2 * interval '1 second'
         FROM (SELECT partition FROM gc_channel.partition_leases ORDER BY partition FOR UPDATE) AS locked
         WHERE l.partition = locked.partition AND (l.owner IS NULL OR l.expires_at < now() OR $3)
         RETURNING l.partition, l.epoch",
        node.0,
        TTL.as_secs_f64(),
        steal
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (PartitionId(row.partition as u16), Epoch(row.epoch))).collect())
}

/// Renews what this node still holds; gives how many partitions those are.
pub async fn renew(pool: &PgPool, node: NodeId) -> Result<u64, StoreError> {
    let result = sqlx::query!(
        "UPDATE gc_channel.partition_leases l SET expires_at = now() + $2 * interval '1 second'
         FROM (SELECT partition FROM gc_channel.partition_leases WHERE owner = $1 ORDER BY partition FOR UPDATE) AS mine
         WHERE l.partition = mine.partition AND l.owner = $1",
        node.0,
        TTL.as_secs_f64()
    )
    .execute(pool)
    .await?;
    Ok(result.rows_affected())
}

/// Gives everything back, so that the next owner need not wait.
pub async fn release(pool: &PgPool, node: NodeId) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gc_channel.partition_leases l SET owner = NULL, expires_at = 'epoch'
         FROM (SELECT partition FROM gc_channel.partition_leases WHERE owner = $1 ORDER BY partition FOR UPDATE) AS mine
         WHERE l.partition = mine.partition",
        node.0
    )
    .execute(pool)
    .await?;
    Ok(())
}
