//! Messages that failed and are not tried again by themselves: the list for operators, and trying one again.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::PgPool;

use super::takeover;
use crate::ids::{ConversationId, MessageId, PartitionId};
use crate::store::StoreError;

/// A failed message in the list.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    pub message_id: MessageId,
    pub seq: i64,
    pub conversation_id: ConversationId,
    pub phone_number_id: String,
    pub kind: String,
    pub origin: String,
    pub author: Option<String>,
    pub attempts: i32,
    pub error: Value,
    pub queued_at: Timestamp,
    pub failed_at: Option<Timestamp>,
}

/// Which of them.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub class: Option<String>,
    pub phone_number_id: Option<String>,
    /// Those before this place, from an earlier page.
    pub before_seq: Option<i64>,
}

/// The latest first.
pub async fn list(pool: &PgPool, filter: &Filter, limit: i64) -> Result<Vec<DeadLetter>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT m.message_id, m.seq, m.conversation_id, c.phone_number_id, m.kind, m.origin AS "origin!", m.author,
                  m.attempts, coalesce(m.error, '{}') AS "error!", m.sent_at, m.status_at
           FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
           WHERE m.direction = 'out' AND m.status = 'failed' AND m.aftermath IS NULL
             AND ($1::text IS NULL OR m.error ->> 'class' = $1)
             AND ($2::text IS NULL OR c.phone_number_id = $2)
             AND ($3::bigint IS NULL OR m.seq < $3)
           ORDER BY m.seq DESC LIMIT $4"#,
        filter.class,
        filter.phone_number_id,
        filter.before_seq,
        limit
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| DeadLetter {
            message_id: MessageId(row.message_id),
            seq: row.seq,
            conversation_id: ConversationId(row.conversation_id),
            phone_number_id: row.phone_number_id,
            kind: row.kind,
            origin: row.origin,
            author: row.author,
            attempts: row.attempts,
            error: row.error,
            queued_at: row.sent_at.into(),
            failed_at: row.status_at.map(Timestamp::from),
        })
        .collect())
}

/// Why a message is not tried again.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error("there is no such message")]
    NoMessage,
    /// Only a failed message of ours can be.
    #[error("the message has not failed")]
    NotFailed { status: Option<String> },
    /// The bot does not speak after a person took over.
    #[error("a person took the conversation over since")]
    TakenOver,
    /// Outside the 24 h window only a template may be sent.
    #[error("the 24 h window is closed")]
    WindowClosed { closed_at: Option<Timestamp> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for RetryError {
    fn from(error: sqlx::Error) -> Self {
        RetryError::Store(error.into())
    }
}

/// Queues a failed message once more, behind everything that is queued; gives the conversation that sends it. Its attempts count
/// from nothing, and what is told of earlier ones means nothing any more.
pub async fn retry(pool: &PgPool, id: MessageId) -> Result<ConversationId, RetryError> {
    let mut transaction = pool.begin().await?;
    let conversation =
        sqlx::query_scalar!("SELECT conversation_id FROM gc_channel.messages WHERE message_id = $1", id.0)
            .fetch_optional(&mut *transaction)
            .await?
            .ok_or(RetryError::NoMessage)?;
    // Ordered against takeovers and merges by the conversation's row. What has failed in a conversation that was merged
    // goes out by the one that is left.
    let sender = takeover::lock_survivor(&mut transaction, ConversationId(conversation))
        .await?
        .ok_or(RetryError::NoMessage)?;
    let held = sqlx::query!(
        r#"SELECT mode, window_expires_at, coalesce(window_expires_at > now(), false) AS "window_open!"
           FROM gc_channel.conversations WHERE conversation_id = $1"#,
        sender.0
    )
    .fetch_one(&mut *transaction)
    .await?;
    let message = sqlx::query!(
        r#"SELECT m.status, m.origin, m.kind, m.aftermath IS NOT NULL AS "owed!",
                  gc_channel.taken_over_since(m.conversation_id, m.sent_at)
                  OR gc_channel.taken_over_since($2, m.sent_at) AS "taken_over!"
           FROM gc_channel.messages m WHERE m.message_id = $1 FOR NO KEY UPDATE"#,
        id.0,
        sender.0
    )
    .fetch_one(&mut *transaction)
    .await?;
    if message.status.as_deref() != Some("failed") || message.owed {
        return Err(RetryError::NotFailed { status: message.status });
    }
    if message.origin.as_deref() == Some("bot") && (held.mode == "human" || message.taken_over) {
        return Err(RetryError::TakenOver);
    }
    if message.kind != "template" && !held.window_open {
        return Err(RetryError::WindowClosed { closed_at: held.window_expires_at.map(Timestamp::from) });
    }
    sqlx::query!(
        "UPDATE gc_channel.messages
         SET status = 'queued', attempts = 0, next_attempt_at = NULL, error = NULL, status_at = now(),
             past_wamids = CASE WHEN wamid IS NULL THEN past_wamids ELSE array_append(past_wamids, wamid) END,
             wamid = NULL, seq = nextval('gc_channel.message_seq'), conversation_id = $2, partition = $3
         WHERE message_id = $1",
        id.0,
        sender.0,
        PartitionId::of(sender).as_i16()
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(sender)
}

/// How many messages wait to be sent from each number.
pub async fn queued_by_number(pool: &PgPool) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT c.phone_number_id, count(*) AS "queued!"
           FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
           WHERE m.direction = 'out' AND m.status IN ('queued', 'sending', 'unknown')
             AND m.next_attempt_at IS DISTINCT FROM 'infinity' AND (c.mode = 'bot' OR m.origin <> 'bot')
           GROUP BY c.phone_number_id"#
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.phone_number_id, row.queued)).collect())
}
