//! What events make of notifications, all of a batch or nothing: new ones, and how far those that were sent have come.

use std::collections::HashSet;

use jiff::Timestamp;
use sqlx::PgPool;
use uuid::Uuid;

use super::{NewNotification, NotificationError, advance, insert, request_hash};
use crate::notification::NotificationStatus;
use crate::store::StoreError;

/// What one event says.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// The citizen is to be told something.
    New(NewNotification),
    /// A message of ours got so far; it may be a notification's.
    Status { message_id: Uuid, status: NotificationStatus, error: Option<String> },
}

/// Takes what events say that were not seen before, in their order. What can never be recorded (no template is in
/// use, or it asks for other values) is given back, with its event, and counts as seen.
///
/// # Errors
/// The store's; then nothing is recorded, and the events are to come again.
pub async fn take(
    pool: &PgPool,
    told: &[(Uuid, Told)],
    now: Timestamp,
) -> Result<Vec<(Uuid, NotificationError)>, StoreError> {
    let events: Vec<Uuid> = told.iter().map(|(event, _)| *event).collect();
    let mut transaction = pool.begin().await?;
    let mut fresh: HashSet<Uuid> = sqlx::query_scalar!(
        "INSERT INTO gc_notification.seen_events (message_id)
         SELECT DISTINCT id FROM unnest($1::uuid[]) AS new (id) ORDER BY id
         ON CONFLICT DO NOTHING RETURNING message_id",
        &events
    )
    .fetch_all(&mut *transaction)
    .await?
    .into_iter()
    .collect();
    let mut refused = Vec::new();
    for (event, told) in told {
        if !fresh.remove(event) {
            continue;
        }
        let taken = match told {
            Told::New(new) => {
                let new = new.storable();
                let hash = request_hash(&new)?;
                insert(&mut transaction, None, &new, &hash, now).await.map(drop)
            }
            Told::Status { message_id, status, error } => {
                let sent_as = sqlx::query_scalar!(
                    "SELECT notification_id FROM gc_notification.notifications WHERE message_id = $1",
                    message_id
                )
                .fetch_optional(&mut *transaction)
                .await?;
                match sent_as {
                    None => Ok(()),
                    Some(id) => {
                        match advance(&mut transaction, id, *status, error.as_deref(), now).await {
                            // Statuses overtake each other; it only goes forwards.
                            Err(NotificationError::IllegalMove { .. }) => Ok(()),
                            other => other.map(drop),
                        }
                    }
                }
            }
        };
        match taken {
            Ok(()) => {}
            Err(NotificationError::Store(error)) => return Err(error),
            Err(error) => refused.push((*event, error)),
        }
    }
    transaction.commit().await?;
    Ok(refused)
}

/// Forgets up to `limit` events that were seen more than `days` ago; tells how many.
pub async fn forget(pool: &PgPool, days: i32, limit: i64) -> Result<u64, StoreError> {
    let events = sqlx::query!(
        "DELETE FROM gc_notification.seen_events WHERE message_id = ANY (ARRAY(
             SELECT message_id FROM gc_notification.seen_events WHERE seen_at < now() - make_interval(days => $1)
             ORDER BY seen_at LIMIT $2))",
        days,
        limit
    )
    .execute(pool)
    .await?;
    Ok(events.rows_affected())
}
