//! Takeovers whose officer has been away go back to the bot, with a notice to the citizen.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use super::conversation::NewOutbound;
use super::takeover::{self, TakeoverError};
use crate::ids::{ConversationId, PartitionId};
use crate::store::StoreError;

/// Held conversations whose officer has done nothing for `idle`; the longest first.
pub async fn idle_takeovers(
    pool: &PgPool,
    idle: Duration,
    limit: i64,
) -> Result<Vec<ConversationId>, StoreError> {
    let rows = sqlx::query_scalar!(
        "SELECT conversation_id FROM gc_channel.takeover_sessions
         WHERE ended_at IS NULL AND active_at < now() - $1 * interval '1 second' ORDER BY active_at LIMIT $2",
        idle.as_secs_f64(),
        limit
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(ConversationId).collect())
}

/// What tells the citizen that the bot answers again.
pub struct Notice {
    pub message: NewOutbound,
    /// The dialogue's memory once that is said, of the return at that time.
    pub remember: fn(&Value, Timestamp) -> Value,
}

/// Ends one, if its officer is still away. What came after the officer's last act stays for the bot to answer. The
/// notice is queued first, when the 24 h window is open; otherwise the citizen learns it with the bot's next reply: it is
/// said once. False when there was nothing to end any more.
pub async fn release_idle(
    pool: &PgPool,
    id: ConversationId,
    idle: Duration,
    notice: &Notice,
) -> Result<bool, TakeoverError> {
    let mut transaction = pool.begin().await?;
    let Some(holder) = takeover::lock(&mut transaction, id).await? else { return Ok(false) };
    let active_at = sqlx::query_scalar!(
        "SELECT active_at FROM gc_channel.takeover_sessions
         WHERE conversation_id = $1 AND ended_at IS NULL AND active_at < now() - $2 * interval '1 second'",
        id.0,
        idle.as_secs_f64()
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(active_at) = active_at else { return Ok(false) };
    let partition = PartitionId::of(id).as_i16();
    sqlx::query!(
        "UPDATE gc_channel.messages SET processed_at = now()
         WHERE partition = $2 AND conversation_id = $1 AND direction = 'in' AND processed_at IS NULL
           AND received_at <= $3",
        id.0,
        partition,
        active_at as crate::store::Timestamptz
    )
    .execute(&mut *transaction)
    .await?;
    let told = sqlx::query!(
        "INSERT INTO gc_channel.messages
             (message_id, conversation_id, partition, direction, kind, text, content, sent_at, origin, status)
         SELECT $3, conversation_id, $2, 'out', $4, $5, $6, now(), 'bot', 'queued'
         FROM gc_channel.conversations WHERE conversation_id = $1 AND window_expires_at > now()",
        id.0,
        partition,
        notice.message.message_id.0,
        notice.message.kind,
        notice.message.text,
        notice.message.content
    )
    .execute(&mut *transaction)
    .await?;
    takeover::give_back(&mut transaction, id, &holder, "the officer was away").await?;
    if told.rows_affected() == 1 {
        remember(&mut transaction, id, notice.remember).await?;
    }
    transaction.commit().await?;
    Ok(true)
}

/// Under the conversation's lock, after it was given back.
async fn remember(
    connection: &mut PgConnection,
    id: ConversationId,
    remember: fn(&Value, Timestamp) -> Value,
) -> Result<(), StoreError> {
    let row = sqlx::query!(
        r#"SELECT state, returned_at AS "returned_at!" FROM gc_channel.conversations WHERE conversation_id = $1"#,
        id.0
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE gc_channel.conversations SET state = $2 WHERE conversation_id = $1",
        id.0,
        remember(&row.state, row.returned_at.into())
    )
    .execute(connection)
    .await?;
    Ok(())
}
