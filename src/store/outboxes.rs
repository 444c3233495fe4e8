//! The event outboxes, one a schema and all alike: what waits to be published, in order, and what has been.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::{PgPool, PgTransaction};
use uuid::Uuid;

use super::{StoreError, Timestamptz};

/// Namespace of the relays' advisory locks.
const LOCKS: i32 = 0x6763_6576;

/// One service's outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::EnumIter, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Outbox {
    Channel,
    Ai,
    Case,
    Notification,
    Dashboard,
}

impl Outbox {
    /// The service that writes it.
    pub fn service(self) -> &'static str {
        self.into()
    }
}

/// An event as it was written.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    pub event_id: Uuid,
    pub routing_key: String,
    pub body: Value,
    pub occurred_at: Timestamp,
}

struct EventRow {
    event_id: Uuid,
    routing_key: String,
    body: Value,
    occurred_at: Timestamptz,
}

/// A checked statement on the outbox of whichever schema; the table's name goes between the pieces.
macro_rules! on_outbox {
    ($outbox:expr,
     $query:ident!($($row:ident,)? [$first:literal $(, $more:literal)+] $(, $argument:expr)*).$finish:ident($executor:expr)
    ) => {
        match $outbox {
            Outbox::Channel => sqlx::$query!(
                $($row,)? $first $(+ "gc_channel.event_outbox" + $more)+ $(, $argument)*
            ).$finish($executor).await,
            Outbox::Ai => sqlx::$query!(
                $($row,)? $first $(+ "gc_ai.event_outbox" + $more)+ $(, $argument)*
            ).$finish($executor).await,
            Outbox::Case => sqlx::$query!(
                $($row,)? $first $(+ "gc_case.event_outbox" + $more)+ $(, $argument)*
            ).$finish($executor).await,
            Outbox::Notification => sqlx::$query!(
                $($row,)? $first $(+ "gc_notification.event_outbox" + $more)+ $(, $argument)*
            ).$finish($executor).await,
            Outbox::Dashboard => sqlx::$query!(
                $($row,)? $first $(+ "gc_dashboard.event_outbox" + $more)+ $(, $argument)*
            ).$finish($executor).await,
        }
    };
}

/// Seconds that the first event has waited to be published; none when none waits.
pub async fn oldest_waiting(pool: &PgPool, outbox: Outbox) -> Result<Option<f64>, StoreError> {
    let waiting = on_outbox!(
        outbox,
        query_scalar!([
            r#"SELECT greatest(extract(epoch FROM now() - occurred_at), 0)::float8 AS "age!" FROM "#,
            " WHERE published_at IS NULL ORDER BY seq LIMIT 1"
        ])
        .fetch_optional(pool)
    )?;
    Ok(waiting)
}

/// The outbox, held: nobody else publishes from it until this value is gone.
pub struct Held {
    transaction: PgTransaction<'static>,
    outbox: Outbox,
}

/// Holds the outbox; `None` when somebody else does.
pub async fn hold(pool: &PgPool, outbox: Outbox) -> Result<Option<Held>, StoreError> {
    let mut transaction = pool.begin().await?;
    let granted = sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock($1, $2) AS "granted!""#,
        LOCKS,
        outbox as i32
    )
    .fetch_one(&mut *transaction)
    .await?;
    Ok(granted.then_some(Held { transaction, outbox }))
}

impl Held {
    /// The first events that wait, in the order in which they were written.
    pub async fn first(&mut self, limit: i64) -> Result<Vec<StoredEvent>, StoreError> {
        let rows = on_outbox!(
            self.outbox,
            query_as!(
                EventRow,
                [
                    r#"SELECT event_id, routing_key, body, occurred_at AS "occurred_at: Timestamptz" FROM "#,
                    " WHERE published_at IS NULL ORDER BY seq LIMIT $1"
                ],
                limit
            )
            .fetch_all(&mut *self.transaction)
        )?;
        let stored = |row: EventRow| StoredEvent {
            event_id: row.event_id,
            routing_key: row.routing_key,
            body: row.body,
            occurred_at: row.occurred_at.to_jiff(),
        };
        Ok(rows.into_iter().map(stored).collect())
    }

    /// Marks events as published and lets the outbox go. Without this they are published again.
    pub async fn published(mut self, ids: &[Uuid]) -> Result<(), StoreError> {
        on_outbox!(
            self.outbox,
            query!(
                [
                    "UPDATE ",
                    " SET published_at = clock_timestamp() WHERE event_id = ANY($1) AND published_at IS NULL"
                ],
                ids
            )
            .execute(&mut *self.transaction)
        )?;
        self.transaction.commit().await?;
        Ok(())
    }
}

/// Deletes up to `limit` events that were published more than `days` ago; tells how many.
pub async fn delete_published(
    pool: &PgPool,
    outbox: Outbox,
    days: i32,
    limit: i64,
) -> Result<u64, StoreError> {
    let deleted = on_outbox!(
        outbox,
        query!(
            [
                "DELETE FROM ",
                " WHERE event_id = ANY (ARRAY(SELECT event_id FROM ",
                " WHERE published_at < now() - make_interval(days => $1) ORDER BY published_at LIMIT $2))"
            ],
            days,
            limit
        )
        .execute(pool)
    )?;
    Ok(deleted.rows_affected())
}
