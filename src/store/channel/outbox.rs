//! Messages of ours: queued, put back, given up (I6, I7). They are claimed and recorded as sent in
//! [`claims`](super::claims), those of many conversations at once.
//!
//! Whoever puts a claimed row back shares the conversation's row lock first: a takeover that is being committed is
//! waited for, so that a bot's row cannot slip back into the queue behind it. Nor does it when the takeover has come and
//! gone meanwhile.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::aftermath::{self, Aftermath};
use crate::ids::{ConversationId, Epoch, MessageId, PartitionId};
use crate::store::StoreError;

/// For an actor that has just started: rows that are still claimed were claimed by one that is gone (an earlier owner,
/// or this node's actor before a panic). Their outcome is unknown; their wait counts from the claim.
pub async fn abandon_claims(
    connection: &mut PgConnection,
    id: ConversationId,
    epoch: Epoch,
) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH c AS (SELECT mode FROM gc_channel.conversations WHERE conversation_id = $1 FOR SHARE)
         UPDATE gc_channel.messages m
         SET status = 'unknown',
             next_attempt_at = CASE WHEN m.origin = 'bot' AND (c.mode = 'human'
                                        OR gc_channel.taken_over_since(m.conversation_id, m.sent_at))
                                    THEN 'infinity'::timestamptz END
         FROM c
         WHERE m.partition = $3 AND m.conversation_id = $1 AND m.direction = 'out' AND m.status = 'sending'
           AND m.claim_epoch <= $2",
        id.0,
        epoch.0,
        PartitionId::of(id).as_i16()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The call is known to have failed and may be made again after `delay`. A takeover in between cancels a bot's row.
pub async fn mark_retry(
    pool: &PgPool,
    id: MessageId,
    delay: Duration,
    error: &Value,
) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH c AS (
             SELECT c.mode FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
             WHERE m.message_id = $1 FOR SHARE OF c)
         UPDATE gc_channel.messages m
         SET status = CASE WHEN m.origin = 'bot' AND (c.mode = 'human'
                               OR gc_channel.taken_over_since(m.conversation_id, m.sent_at))
                           THEN 'cancelled' ELSE 'queued' END,
             next_attempt_at = now() + $2 * interval '1 second', error = $3
         FROM c WHERE m.message_id = $1 AND m.status = 'sending'",
        id.0,
        delay.as_secs_f64(),
        error
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The claim that was the row's `attempt`th was not used; as if it had not been made. A later claim is left alone.
pub async fn give_back(pool: &PgPool, id: MessageId, attempt: i32) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH c AS (
             SELECT c.mode FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
             WHERE m.message_id = $1 FOR SHARE OF c)
         UPDATE gc_channel.messages m
         SET status = CASE WHEN m.origin = 'bot' AND (c.mode = 'human'
                               OR gc_channel.taken_over_since(m.conversation_id, m.sent_at))
                           THEN 'cancelled' ELSE 'queued' END,
             attempts = m.attempts - 1
         FROM c WHERE m.message_id = $1 AND m.status = 'sending' AND m.attempts = $2",
        id.0,
        attempt
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The message is not sent again by itself; the reason is kept for officers, and what is still owed for the owner.
pub async fn mark_failed(
    pool: &PgPool,
    id: MessageId,
    error: &Value,
    owed: Option<Aftermath>,
) -> Result<(), StoreError> {
    let mut transaction = pool.begin().await?;
    let failed = sqlx::query!(
        "UPDATE gc_channel.messages SET status = 'failed', error = $2, aftermath = $3, status_at = now()
         WHERE message_id = $1 AND status IN ('queued', 'sending', 'unknown')",
        id.0,
        error,
        owed.map(|owed| owed.to_string())
    )
    .execute(&mut *transaction)
    .await?;
    if failed.rows_affected() == 1 && !owed.is_some_and(Aftermath::may_send) {
        aftermath::tell_failed(&mut transaction, id.0).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The answer was lost: the message may have been taken. A status will tell; a takeover in between makes it final.
pub async fn mark_unknown(pool: &PgPool, id: MessageId, error: &Value) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH c AS (
             SELECT c.mode FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
             WHERE m.message_id = $1 FOR SHARE OF c)
         UPDATE gc_channel.messages m
         SET status = 'unknown', error = $2,
             next_attempt_at = CASE WHEN m.origin = 'bot' AND (c.mode = 'human'
                                        OR gc_channel.taken_over_since(m.conversation_id, m.sent_at))
                                    THEN 'infinity'::timestamptz END
         FROM c WHERE m.message_id = $1 AND m.status = 'sending'",
        id.0,
        error
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Why a message could not be queued.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error("there is no such conversation")]
    NoConversation,
    /// An officer may only write in a conversation that they hold.
    #[error("the conversation is not held by this officer")]
    NotHolder { holder: Option<String> },
    /// Outside the 24 h window only a template may be sent.
    #[error("the 24 h window is closed")]
    WindowClosed { closed_at: Option<Timestamp> },
    /// What is quoted or reacted to is no message of this conversation that Meta knows.
    #[error("the message that is referred to is not in this conversation")]
    UnknownReference,
    /// There is no such file, or a message has it already.
    #[error("there is no such file to be sent")]
    UnknownMedia,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A message from an officer or a notification, in parts that each fit.
#[derive(Clone, Debug)]
pub struct QueuedByOthers {
    pub conversation_id: ConversationId,
    pub origin: &'static str,
    /// The officer; must hold the conversation.
    pub author: Option<String>,
    /// The message that the first part quotes: our id, or Meta's.
    pub reply_to: Option<String>,
    pub needs_window: bool,
    pub parts: Vec<super::conversation::NewOutbound>,
}

/// Queues it at once, ordered after everything queued before. The conversation's row lock orders it against takeovers.
pub async fn queue(pool: &PgPool, message: &QueuedByOthers) -> Result<(), QueueError> {
    let mut transaction = pool.begin().await.map_err(StoreError::from)?;
    let held = sqlx::query!(
        r#"SELECT mode, holder, window_expires_at, coalesce(window_expires_at > now(), false) AS "window_open!"
           FROM gc_channel.conversations WHERE conversation_id = $1 AND merged_into IS NULL FOR NO KEY UPDATE"#,
        message.conversation_id.0
    )
    .fetch_optional(&mut *transaction)
    .await
    .map_err(StoreError::from)?
    .ok_or(QueueError::NoConversation)?;
    if message.origin == "officer" && (held.mode != "human" || held.holder != message.author) {
        return Err(QueueError::NotHolder { holder: held.holder });
    }
    if message.needs_window && !held.window_open {
        return Err(QueueError::WindowClosed { closed_at: held.window_expires_at.map(Timestamp::from) });
    }
    let mut quoted = match &message.reply_to {
        Some(reply_to) => Some(
            reference(&mut *transaction, message.conversation_id, reply_to)
                .await?
                .ok_or(QueueError::UnknownReference)?,
        ),
        None => None,
    };
    if message.origin == "officer" {
        super::takeover::touch(&mut transaction, message.conversation_id).await?;
    }
    for part in &message.parts {
        sqlx::query!(
            "INSERT INTO gc_channel.messages
                 (message_id, conversation_id, partition, direction, kind, text, content, sent_at, origin, status, author,
                  reply_to)
             VALUES ($1, $2, $3, 'out', $4, $5, $6, now(), $7, 'queued', $8, $9)",
            part.message_id.0,
            message.conversation_id.0,
            PartitionId::of(message.conversation_id).as_i16(),
            part.kind,
            part.text,
            part.content,
            message.origin,
            message.author,
            quoted.take()
        )
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::from)?;
        if let Some(file) = part.content.get("media_id").and_then(Value::as_str) {
            let file = file.parse().map_err(|_| QueueError::UnknownMedia)?;
            if !super::media::attach(&mut transaction, file, part.message_id).await? {
                return Err(QueueError::UnknownMedia);
            }
        }
    }
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(())
}

/// The `wamid` of a message of the conversation that is named by our id or by its own.
pub async fn reference(
    executor: impl sqlx::PgExecutor<'_>,
    id: ConversationId,
    name: &str,
) -> Result<Option<String>, StoreError> {
    let wamid = sqlx::query_scalar!(
        r#"SELECT wamid AS "wamid!" FROM gc_channel.messages
           WHERE conversation_id = $1 AND wamid IS NOT NULL AND (wamid = $2 OR message_id = $3) LIMIT 1"#,
        id.0,
        name,
        name.parse::<Uuid>().ok()
    )
    .fetch_optional(executor)
    .await?;
    Ok(wamid)
}

/// What the outbox holds, looked at without a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// Nothing that may be sent.
    Nothing,
    /// Something has failed, and it is not yet done what is owed for it.
    Aftermath,
    /// The first row may go.
    Due,
    /// The first row waits this long.
    In(Duration),
}

/// Looks at the outbox; cheap, and without a claim.
pub async fn outlook(pool: &PgPool, id: ConversationId) -> Result<Outlook, StoreError> {
    let row = sqlx::query!(
        r#"SELECT EXISTS (SELECT FROM gc_channel.messages m
                          WHERE m.partition = $2 AND m.conversation_id = $1 AND m.aftermath IS NOT NULL) AS "aftermath!",
                  (SELECT extract(epoch FROM greatest(
                              coalesce(m.next_attempt_at, now()),
                              CASE WHEN m.status IN ('sending', 'unknown')
                                   THEN coalesce(m.claimed_at, now()) + interval '61 seconds' ELSE now() END)
                              - now())::float8
                   FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
                   WHERE m.partition = $2 AND m.conversation_id = $1 AND m.direction = 'out'
                     AND m.status IN ('queued', 'sending', 'unknown') AND m.next_attempt_at IS DISTINCT FROM 'infinity'
                     AND (c.mode = 'bot' OR m.origin <> 'bot')
                   ORDER BY m.seq LIMIT 1) AS seconds"#,
        id.0,
        PartitionId::of(id).as_i16()
    )
    .fetch_one(pool)
    .await?;
    Ok(match row.seconds {
        _ if row.aftermath => Outlook::Aftermath,
        None => Outlook::Nothing,
        Some(seconds) if seconds <= 0.0 => Outlook::Due,
        Some(seconds) => Outlook::In(Duration::from_secs_f64(seconds.clamp(0.02, 3600.0))),
    })
}
