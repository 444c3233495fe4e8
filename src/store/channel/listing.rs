//! Reads for the internal API: messages, parked updates, and finding a conversation by who wrote.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use crate::ids::{ConversationId, MessageId};
use crate::store::{StoreError, Timestamptz};

/// A message in a transcript.
#[derive(Clone, Debug)]
pub struct MessageRow {
    pub message_id: MessageId,
    pub conversation_id: ConversationId,
    pub seq: i64,
    pub direction: String,
    pub wamid: Option<String>,
    pub kind: String,
    pub text: Option<String>,
    pub content: Value,
    pub sent_at: Timestamp,
    pub processed_at: Option<Timestamp>,
    pub origin: Option<String>,
    pub status: Option<String>,
    pub author: Option<String>,
    pub error: Option<Value>,
    /// The `wamid` of the writer's last edit of it.
    pub edited_by: Option<String>,
    /// When the writer took it back.
    pub revoked_at: Option<Timestamp>,
    pub attempts: i32,
    pub next_attempt_at: Option<Timestamp>,
    pub reply_to: Option<String>,
    pub replaces: Option<MessageId>,
    pub pricing: Option<Value>,
    pub wa_conversation: Option<Value>,
}

struct Row {
    message_id: Uuid,
    conversation_id: Uuid,
    seq: i64,
    direction: String,
    wamid: Option<String>,
    kind: String,
    text: Option<String>,
    content: Value,
    sent_at: Timestamptz,
    processed_at: Option<Timestamptz>,
    origin: Option<String>,
    status: Option<String>,
    author: Option<String>,
    error: Option<Value>,
    edited_by: Option<String>,
    revoked_at: Option<Timestamptz>,
    attempts: i32,
    next_attempt_at: Option<Timestamptz>,
    reply_to: Option<String>,
    replaces: Option<Uuid>,
    pricing: Option<Value>,
    wa_conversation: Option<Value>,
}

impl From<Row> for MessageRow {
    fn from(row: Row) -> Self {
        MessageRow {
            message_id: MessageId(row.message_id),
            conversation_id: ConversationId(row.conversation_id),
            seq: row.seq,
            direction: row.direction,
            wamid: row.wamid,
            kind: row.kind,
            text: row.text,
            content: row.content,
            sent_at: row.sent_at.into(),
            processed_at: row.processed_at.map(Timestamp::from),
            origin: row.origin,
            status: row.status,
            author: row.author,
            error: row.error,
            edited_by: row.edited_by,
            revoked_at: row.revoked_at.map(Timestamp::from),
            attempts: row.attempts,
            next_attempt_at: row.next_attempt_at.map(Timestamp::from),
            reply_to: row.reply_to,
            replaces: row.replaces.map(MessageId),
            pricing: row.pricing,
            wa_conversation: row.wa_conversation,
        }
    }
}

/// A checked statement that reads messages as they are shown.
macro_rules! select_messages {
    ($which:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            Row,
            r#"SELECT m.message_id, m.conversation_id, m.seq, m.direction, m.wamid, m.kind, m.text, m.content,
                      m.sent_at AS "sent_at: Timestamptz", m.processed_at AS "processed_at: Timestamptz",
                      m.origin, m.status, m.author, m.error, m.attempts, m.reply_to, m.replaces, m.pricing, m.wa_conversation,
                      CASE WHEN m.status IN ('queued', 'unknown') AND m.next_attempt_at < 'infinity'
                           THEN m.next_attempt_at END AS "next_attempt_at: Timestamptz",
                      edit.wamid AS "edited_by?", revocation.sent_at AS "revoked_at?: Timestamptz"
               FROM gc_channel.messages m
               LEFT JOIN LATERAL (
                   SELECT e.wamid FROM gc_channel.messages e
                   WHERE e.changes_wamid = m.wamid AND e.kind = 'edit' AND e.direction = m.direction
                   ORDER BY e.sent_at DESC, e.seq DESC LIMIT 1) AS edit ON true
               LEFT JOIN LATERAL (
                   SELECT e.sent_at FROM gc_channel.messages e
                   WHERE e.changes_wamid = m.wamid AND e.kind = 'revoke' AND e.direction = m.direction
                   ORDER BY e.sent_at, e.seq LIMIT 1) AS revocation ON true
               WHERE "# + $which $(, $argument)*
        )
    };
}

/// A conversation's messages, newest first, those before `before_seq`; with those of conversations merged into it.
pub async fn messages(
    pool: &PgPool,
    id: ConversationId,
    before_seq: Option<i64>,
    limit: i64,
) -> Result<Vec<MessageRow>, StoreError> {
    let rows = select_messages!(
        "m.conversation_id IN (
             SELECT c.conversation_id FROM gc_channel.conversations c
             WHERE c.conversation_id = $1 OR c.merged_into = $1)
         AND ($2::bigint IS NULL OR m.seq < $2) ORDER BY m.seq DESC LIMIT $3",
        id.0,
        before_seq,
        limit
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(MessageRow::from).collect())
}

/// These messages, in the order in which they came.
pub async fn messages_by_id(
    executor: impl PgExecutor<'_>,
    ids: &[Uuid],
) -> Result<Vec<MessageRow>, StoreError> {
    let rows = select_messages!("m.message_id = ANY($1) ORDER BY m.seq", ids).fetch_all(executor).await?;
    Ok(rows.into_iter().map(MessageRow::from).collect())
}

/// The conversation with this id, or the one it was merged into; `None` when there is none.
pub async fn present(pool: &PgPool, id: ConversationId) -> Result<Option<ConversationId>, StoreError> {
    let found = sqlx::query_scalar!(
        r#"SELECT coalesce(merged_into, conversation_id) AS "id!" FROM gc_channel.conversations
           WHERE conversation_id = $1"#,
        id.0
    )
    .fetch_optional(pool)
    .await?;
    Ok(found.map(ConversationId))
}

/// The conversations of somebody with this phone number or BSUID; several when several office numbers know them.
pub async fn by_wa_user_id(pool: &PgPool, wa_user_id: &str) -> Result<Vec<ConversationId>, StoreError> {
    let rows = sqlx::query_scalar!(
        "SELECT c.conversation_id FROM gc_channel.identities i JOIN gc_channel.conversations c USING (person_id)
         WHERE i.value = $1 AND c.merged_into IS NULL ORDER BY c.last_message_at DESC NULLS LAST LIMIT 20",
        wa_user_id
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(ConversationId).collect())
}

/// An update that could not be filed.
#[derive(Clone, Debug)]
pub struct ParkedRow {
    pub parked_id: Uuid,
    /// `poison` or `not_handled`.
    pub kind: String,
    /// Which piece of a body it is.
    pub piece: String,
    pub phone_number_id: Option<String>,
    pub contacts: Option<Value>,
    pub reason: String,
    pub raw: Vec<u8>,
    pub received_at: Timestamp,
}

/// Unresolved parked updates, of one kind or of all, oldest first, those after `after`.
pub async fn parked_updates(
    pool: &PgPool,
    kind: Option<&str>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ParkedRow>, StoreError> {
    let rows = sqlx::query!(
        "SELECT parked_id, kind, piece, phone_number_id, contacts, reason, raw, received_at
         FROM gc_channel.parked_updates
         WHERE resolved_at IS NULL AND ($1::text IS NULL OR kind = $1) AND ($2::uuid IS NULL OR parked_id > $2)
         ORDER BY parked_id LIMIT $3",
        kind,
        after,
        limit
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ParkedRow {
            parked_id: row.parked_id,
            kind: row.kind,
            piece: row.piece,
            phone_number_id: row.phone_number_id,
            contacts: row.contacts,
            reason: row.reason,
            raw: row.raw,
            received_at: row.received_at.into(),
        })
        .collect())
}

/// One of them that is unresolved.
pub async fn parked_update(pool: &PgPool, id: Uuid) -> Result<Option<ParkedRow>, StoreError> {
    let row = sqlx::query!(
        "SELECT parked_id, kind, piece, phone_number_id, contacts, reason, raw, received_at
         FROM gc_channel.parked_updates WHERE parked_id = $1 AND resolved_at IS NULL",
        id
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| ParkedRow {
        parked_id: row.parked_id,
        kind: row.kind,
        piece: row.piece,
        phone_number_id: row.phone_number_id,
        contacts: row.contacts,
        reason: row.reason,
        raw: row.raw,
        received_at: row.received_at.into(),
    }))
}

/// Marks one as dealt with; false when there is no unresolved one.
pub async fn resolve_parked(pool: &PgPool, id: Uuid, resolution: &str) -> Result<bool, StoreError> {
    let result = sqlx::query!(
        "UPDATE gc_channel.parked_updates SET resolved_at = now(), resolution = $2
         WHERE parked_id = $1 AND resolved_at IS NULL",
        id,
        resolution
    )
    .execute(pool)
    .await?;
    Ok(result.rows_affected() == 1)
}
