//! What events make of notifications, all of a batch or nothing: new ones, and how far those that were sent have come.

use std::collections::{HashMap, HashSet};

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
    // Most messages are no notifications: of these nothing is remembered, and one look tells for all of them.
    let sent_as = sent_as(pool, told).await?;
    let told: Vec<&(Uuid, Told)> = told
        .iter()
        .filter(|(_, told)| match told {
            Told::New(_) => true,
            Told::Status { message_id, .. } => sent_as.contains_key(message_id),
        })
        .collect();
    if told.is_empty() {
        return Ok(Vec::new());
    }
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
                let Some(id) = sent_as.get(message_id) else { continue };
                match advance(&mut transaction, *id, *status, error.as_deref(), now).await {
                    // Statuses overtake each other; it only goes forwards.
                    Err(NotificationError::IllegalMove { .. }) => Ok(()),
                    other => other.map(drop),
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

/// Which of the messages that are told of are notifications, and which.
async fn sent_as(pool: &PgPool, told: &[(Uuid, Told)]) -> Result<HashMap<Uuid, Uuid>, StoreError> {
    let messages: Vec<Uuid> = told
        .iter()
        .filter_map(|(_, told)| match told {
            Told::Status { message_id, .. } => Some(*message_id),
            Told::New(_) => None,
        })
        .collect();
    if messages.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        r#"SELECT message_id AS "message_id!", notification_id FROM gc_notification.notifications
           WHERE message_id = ANY($1)"#,
        &messages
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.message_id, row.notification_id)).collect())
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
