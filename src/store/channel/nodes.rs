//! Which processes are up: each says so again and again, and counts until it has not for a while, by the database's clock.
//! A wrong opinion about it costs balance, never safety: that is what epochs are for (I4).

use std::time::Duration;

use jiff::Timestamp;
use sqlx::PgPool;
use sqlx::postgres::PgListener;

use super::leases::TTL;
use crate::ids::NodeId;
use crate::store::StoreError;

/// Notified when a node or a lease changed, so that others need not wait for their next look.
const CHANGES: &str = "govconnect_cluster";
/// Nodes that died are forgotten after this while; until then operators see them.
const REMEMBERED: Duration = Duration::from_secs(60);

/// A process as it told of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub node: NodeId,
    /// Names of the services it runs.
    pub roles: Vec<String>,
    pub version: String,
    pub started_at: Timestamp,
    pub draining: bool,
    /// It said so a short while ago.
    pub alive: bool,
}

/// Says that this node is up for another [`TTL`]; `true` when others did not know that, or not like that.
pub async fn heartbeat(
    pool: &PgPool,
    node: NodeId,
    roles: &[String],
    draining: bool,
) -> Result<bool, StoreError> {
    let news = sqlx::query_scalar!(
        r#"WITH before AS (SELECT draining FROM gc_channel.nodes WHERE node = $1),
                now_up AS (
                    INSERT INTO gc_channel.nodes (node, roles, version, expires_at, draining)
                    VALUES ($1, $2, $3, now() + $4 * interval '1 second', $5)
                    ON CONFLICT (node) DO UPDATE SET expires_at = excluded.expires_at, draining = excluded.draining
                    RETURNING 1)
           SELECT (SELECT draining FROM before) IS DISTINCT FROM $5 AS "news!" FROM now_up"#,
        node.0,
        roles,
        env!("CARGO_PKG_VERSION"),
        TTL.as_secs_f64(),
        draining
    )
    .fetch_one(pool)
    .await?;
    if news {
        tell(pool).await?;
    }
    Ok(news)
}

/// Everybody who is up, and who died a short while ago, by id.
pub async fn all(pool: &PgPool) -> Result<Vec<Node>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT node, roles, version, started_at, draining, expires_at > now() AS "alive!"
           FROM gc_channel.nodes ORDER BY node"#
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Node {
            node: NodeId(row.node),
            roles: row.roles,
            version: row.version,
            started_at: row.started_at.into(),
            draining: row.draining,
            alive: row.alive,
        })
        .collect())
}

/// Forgets those who died some time ago.
pub async fn forget_dead(pool: &PgPool) -> Result<u64, StoreError> {
    let deleted = sqlx::query!(
        "DELETE FROM gc_channel.nodes WHERE expires_at < now() - $1 * interval '1 second'",
        REMEMBERED.as_secs_f64()
    )
    .execute(pool)
    .await?;
    Ok(deleted.rows_affected())
}

/// This node is gone.
pub async fn leave(pool: &PgPool, node: NodeId) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM gc_channel.nodes WHERE node = $1", node.0).execute(pool).await?;
    tell(pool).await
}

/// Tells all nodes that something changed.
pub(super) async fn tell(pool: &PgPool) -> Result<(), StoreError> {
    sqlx::query!("SELECT pg_notify($1, '')", CHANGES).execute(pool).await?;
    Ok(())
}

/// Hears of changes. It takes a connection of the pool for good and restores it by itself.
pub struct Changes(PgListener);

impl Changes {
    /// Listens from now on.
    pub async fn listen(pool: &PgPool) -> Result<Self, StoreError> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANGES).await?;
        Ok(Changes(listener))
    }

    /// Resolves at the next change, or when some may have been missed.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        self.0.try_recv().await?;
        Ok(())
    }
}
