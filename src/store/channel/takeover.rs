//! Takeover is a transaction, not a message (DESIGN §3): it changes the mode under the conversation's row lock and
//! cancels the bot's queued rows, so nothing the bot meant to say can be claimed afterwards (I7).

use jiff_sqlx::ToSqlx;
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::ids::{ConversationId, MessageId, PartitionId};
use crate::store::StoreError;

/// Why a takeover ended that another officer ended by force.
const TAKEN_OVER: &str = "taken over by another officer";

/// Who wants to take over, and why.
#[derive(Clone, Debug)]
pub struct Start {
    pub conversation_id: ConversationId,
    pub admin_id: String,
    pub reason: Option<String>,
    /// Take it even from another officer.
    pub force: bool,
}

/// What a start did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    pub session_id: Uuid,
    /// The bot's messages that were not sent any more.
    pub cancelled: u64,
}

/// Why a takeover was refused.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    #[error("there is no such conversation")]
    NoConversation,
    #[error("another officer holds the conversation")]
    HeldBy { holder: String },
    #[error("nobody holds the conversation")]
    NotHeld,
    #[error("the message that was seen last is not in this conversation")]
    UnknownMessage,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for TakeoverError {
    fn from(error: sqlx::Error) -> Self {
        TakeoverError::Store(error.into())
    }
}

/// The conversation's row lock, which orders takeovers against everything else; gives the holder.
pub(super) async fn lock(
    connection: &mut PgConnection,
    id: ConversationId,
) -> Result<Option<String>, TakeoverError> {
    sqlx::query_scalar!(
        "SELECT holder FROM gc_channel.conversations WHERE conversation_id = $1 AND merged_into IS NULL
         FOR NO KEY UPDATE",
        id.0
    )
    .fetch_optional(connection)
    .await?
    .ok_or(TakeoverError::NoConversation)
}

/// Locks a conversation, or the one it was merged into; `None` when there is none.
pub(super) async fn lock_survivor(
    connection: &mut PgConnection,
    id: ConversationId,
) -> Result<Option<ConversationId>, StoreError> {
    let mut id = id.0;
    loop {
        let merged_into = sqlx::query_scalar!(
            "SELECT merged_into FROM gc_channel.conversations WHERE conversation_id = $1 FOR NO KEY UPDATE",
            id
        )
        .fetch_optional(&mut *connection)
        .await?;
        match merged_into {
            None => return Ok(None),
            Some(None) => return Ok(Some(ConversationId(id))),
            // A merged conversation never changes again, so its lock is no hindrance.
            Some(Some(into)) => id = into,
        }
    }
}

/// Whether the bot has the conversation, and no takeover of it has ended since that time. Under the row lock.
pub(super) async fn is_free_since(
    connection: &mut PgConnection,
    id: ConversationId,
    at: jiff::Timestamp,
) -> Result<bool, StoreError> {
    let free = sqlx::query_scalar!(
        r#"SELECT c.mode = 'bot' AND NOT EXISTS (
                   SELECT FROM gc_channel.takeover_sessions s
                   WHERE s.conversation_id = c.conversation_id AND s.ended_at >= $2) AS "free!"
           FROM gc_channel.conversations c WHERE c.conversation_id = $1"#,
        id.0,
        crate::store::Timestamptz::from(at) as _
    )
    .fetch_one(connection)
    .await?;
    Ok(free)
}

async fn emit(connection: &mut PgConnection, key: &str, body: serde_json::Value) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO gc_channel.event_outbox (event_id, routing_key, body) VALUES ($1, $2, $3)",
        Uuid::now_v7(),
        key,
        body
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes over. The same officer again gets the running session.
///
/// # Errors
/// [`TakeoverError::HeldBy`] another officer, unless `force`.
pub async fn start(pool: &PgPool, start: &Start) -> Result<Started, TakeoverError> {
    let mut transaction = pool.begin().await?;
    let id = start.conversation_id.0;
    if let Some(holder) = lock(&mut transaction, start.conversation_id).await? {
        if holder == start.admin_id {
            let session_id = sqlx::query_scalar!(
                "SELECT session_id FROM gc_channel.takeover_sessions WHERE conversation_id = $1 AND ended_at IS NULL",
                id
            )
            .fetch_one(&mut *transaction)
            .await?;
            touch(&mut transaction, start.conversation_id).await?;
            transaction.commit().await?;
            return Ok(Started { session_id, cancelled: 0 });
        }
        if !start.force {
            return Err(TakeoverError::HeldBy { holder });
        }
        sqlx::query!(
            "UPDATE gc_channel.takeover_sessions SET ended_at = now(), end_reason = $2
             WHERE conversation_id = $1 AND ended_at IS NULL",
            id,
            TAKEN_OVER
        )
        .execute(&mut *transaction)
        .await?;
        let body = json!({"conversation_id": id, "admin_id": holder, "reason": TAKEN_OVER});
        emit(&mut transaction, "govconnect.takeover.ended", body).await?;
    }
    let started =
        begin(&mut transaction, start.conversation_id, &start.admin_id, start.reason.as_deref()).await?;
    transaction.commit().await?;
    Ok(started)
}

/// The statements of a takeover, under the conversation's row lock: the mode, the bot's rows, the session, the event.
pub(super) async fn begin(
    connection: &mut PgConnection,
    conversation: ConversationId,
    admin_id: &str,
    reason: Option<&str>,
) -> Result<Started, StoreError> {
    let id = conversation.0;
    sqlx::query!(
        "UPDATE gc_channel.conversations
         SET mode = 'human', holder = $2, waiting_since = NULL, waiting_reason = NULL, version = version + 1,
             updated_at = now() WHERE conversation_id = $1",
        id,
        admin_id
    )
    .execute(&mut *connection)
    .await?;
    let partition = PartitionId::of(conversation).as_i16();
    let cancelled = sqlx::query!(
        "UPDATE gc_channel.messages SET status = 'cancelled', status_at = now()
         WHERE partition = $2 AND conversation_id = $1 AND direction = 'out' AND origin = 'bot' AND status = 'queued'",
        id,
        partition
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    // What may have been taken stays unknown for good: a bot's message is never repeated after a takeover.
    sqlx::query!(
        "UPDATE gc_channel.messages SET next_attempt_at = 'infinity'
         WHERE partition = $2 AND conversation_id = $1 AND direction = 'out' AND origin = 'bot' AND status = 'unknown'",
        id,
        partition
    )
    .execute(&mut *connection)
    .await?;
    let session_id = Uuid::now_v7();
    sqlx::query!(
        "INSERT INTO gc_channel.takeover_sessions (session_id, conversation_id, admin_id, reason) VALUES ($1, $2, $3, $4)",
        session_id,
        id,
        admin_id,
        reason
    )
    .execute(&mut *connection)
    .await?;
    let body = json!({"conversation_id": id, "admin_id": admin_id, "reason": reason});
    emit(connection, "govconnect.takeover.started", body).await?;
    Ok(Started { session_id, cancelled })
}

/// The bot's messages whose call is under way.
pub async fn in_flight(pool: &PgPool, id: ConversationId) -> Result<Vec<MessageId>, StoreError> {
    let rows = sqlx::query_scalar!(
        "SELECT message_id FROM gc_channel.messages
         WHERE partition = $2 AND conversation_id = $1 AND direction = 'out' AND origin = 'bot' AND status = 'sending'",
        id.0,
        PartitionId::of(id).as_i16()
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(MessageId).collect())
}

/// Gives the conversation back to the bot. What the officer saw (everything that had arrived by `last_seen`, or by
/// now) is marked as processed, so the bot does not answer it again.
///
/// # Errors
/// [`TakeoverError::NotHeld`]; [`TakeoverError::HeldBy`] when `admin_id` is given and another officer holds it;
/// [`TakeoverError::UnknownMessage`] when `last_seen` is no message of this conversation. Nothing is changed then.
pub async fn end(
    pool: &PgPool,
    id: ConversationId,
    admin_id: Option<&str>,
    last_seen: Option<MessageId>,
    reason: &str,
) -> Result<(), TakeoverError> {
    let mut transaction = pool.begin().await?;
    let holder = lock(&mut transaction, id).await?.ok_or(TakeoverError::NotHeld)?;
    if admin_id.is_some_and(|admin| admin != holder) {
        return Err(TakeoverError::HeldBy { holder });
    }
    let seen_until = match last_seen {
        Some(message) => Some(seq_of(&mut transaction, id, message).await?),
        None => None,
    };
    sqlx::query!(
        "UPDATE gc_channel.messages SET processed_at = now()
         WHERE partition = $2 AND conversation_id = $1 AND direction = 'in' AND processed_at IS NULL
           AND ($3::bigint IS NULL OR seq <= $3)",
        id.0,
        PartitionId::of(id).as_i16(),
        seen_until
    )
    .execute(&mut *transaction)
    .await?;
    give_back(&mut transaction, id, &holder, reason).await?;
    transaction.commit().await?;
    Ok(())
}

/// Where in the conversation a message of it stands.
async fn seq_of(
    connection: &mut PgConnection,
    id: ConversationId,
    message: MessageId,
) -> Result<i64, TakeoverError> {
    sqlx::query_scalar!(
        "SELECT seq FROM gc_channel.messages WHERE message_id = $1 AND conversation_id = $2",
        message.0,
        id.0
    )
    .fetch_optional(connection)
    .await?
    .ok_or(TakeoverError::UnknownMessage)
}

/// Under the conversation's lock: the bot has it again, and the session is over.
pub(super) async fn give_back(
    connection: &mut PgConnection,
    id: ConversationId,
    holder: &str,
    reason: &str,
) -> Result<(), TakeoverError> {
    sqlx::query!(
        "UPDATE gc_channel.conversations
         SET mode = 'bot', holder = NULL, returned_at = now(), version = version + 1, updated_at = now()
         WHERE conversation_id = $1",
        id.0
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE gc_channel.takeover_sessions SET ended_at = now(), end_reason = $2
         WHERE conversation_id = $1 AND ended_at IS NULL",
        id.0,
        reason
    )
    .execute(&mut *connection)
    .await?;
    let body = json!({"conversation_id": id, "admin_id": holder, "reason": reason});
    Ok(emit(connection, "govconnect.takeover.ended", body).await?)
}

/// The officer has done something: the takeover is not idle.
pub(super) async fn touch(connection: &mut PgConnection, id: ConversationId) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gc_channel.takeover_sessions SET active_at = now() WHERE conversation_id = $1 AND ended_at IS NULL",
        id.0
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The officer, or a colleague, wrote something at that time, of which we learn only now.
pub(super) async fn active_until(
    connection: &mut PgConnection,
    id: ConversationId,
    at: jiff::Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gc_channel.takeover_sessions SET active_at = greatest(active_at, least($2, now()))
         WHERE conversation_id = $1 AND ended_at IS NULL",
        id.0,
        at.to_sqlx() as crate::store::Timestamptz
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A line of what was said while a person had the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaidLine {
    /// `None`: the citizen; else `bot`, `officer` or `notification`.
    pub origin: Option<String>,
    pub text: String,
}

/// The last `limit` lines with words before `until`, the oldest first.
pub async fn transcript(
    pool: &PgPool,
    id: ConversationId,
    until: jiff::Timestamp,
    limit: i64,
) -> Result<Vec<SaidLine>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT origin, text AS "text!" FROM (
               SELECT seq, origin, text FROM gc_channel.messages
               WHERE conversation_id = $1 AND received_at <= $2 AND text IS NOT NULL
                 AND (direction = 'in' OR status <> 'cancelled')
               ORDER BY seq DESC LIMIT $3) AS last
           ORDER BY seq"#,
        id.0,
        until.to_sqlx() as crate::store::Timestamptz,
        limit
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| SaidLine { origin: row.origin, text: row.text }).collect())
}

/// Who holds a conversation, since when and why.
#[derive(Clone, Debug)]
pub struct Holding {
    pub mode: String,
    pub admin_id: Option<String>,
    pub reason: Option<String>,
    pub started_at: Option<jiff::Timestamp>,
}

/// The present state; `None` when there is no such conversation.
pub async fn status(pool: &PgPool, id: ConversationId) -> Result<Option<Holding>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT c.mode, c.holder, s.reason, s.started_at AS "started_at?"
           FROM gc_channel.conversations c
           LEFT JOIN gc_channel.takeover_sessions s ON s.conversation_id = c.conversation_id AND s.ended_at IS NULL
           WHERE c.conversation_id = $1"#,
        id.0
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Holding {
        mode: row.mode,
        admin_id: row.holder,
        reason: row.reason,
        started_at: row.started_at.map(jiff::Timestamp::from),
    }))
}
