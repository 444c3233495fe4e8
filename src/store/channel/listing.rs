//! Reads for the internal API: messages, parked updates, and finding a conversation by who wrote.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::ids::{ConversationId, MessageId};
use crate::store::StoreError;

/// A message in a transcript.
#[derive(Clone, Debug)]
pub struct MessageRow {
    pub message_id: MessageId,
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
}

/// A conversation's messages, newest first, those before `before_seq`.
pub async fn messages(
    pool: &PgPool,
    id: ConversationId,
    before_seq: Option<i64>,
    limit: i64,
) -> Result<Vec<MessageRow>, StoreError> {
    let rows = sqlx::query!(
        "SELECT message_id, seq, direction, wamid, kind, text, content, sent_at, processed_at, origin, status, author,
                error
         FROM gc_channel.messages
         WHERE conversation_id = $1 AND ($2::bigint IS NULL OR seq < $2) ORDER BY seq DESC LIMIT $3",
        id.0,
        before_seq,
        limit
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| MessageRow {
            message_id: MessageId(row.message_id),
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
        })
        .collect())
}

/// Whether there is such a conversation.
pub async fn exists(pool: &PgPool, id: ConversationId) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM gc_channel.conversations WHERE conversation_id = $1 AND merged_into IS NULL) AS "found!""#,
        id.0
    )
    .fetch_one(pool)
    .await?;
    Ok(found)
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
    pub phone_number_id: Option<String>,
    pub reason: String,
    pub raw: Vec<u8>,
    pub received_at: Timestamp,
}

/// Unresolved parked updates, oldest first, those after `after`.
pub async fn parked_updates(
    pool: &PgPool,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ParkedRow>, StoreError> {
    let rows = sqlx::query!(
        "SELECT parked_id, phone_number_id, reason, raw, received_at FROM gc_channel.parked_updates
         WHERE resolved_at IS NULL AND ($1::uuid IS NULL OR parked_id > $1) ORDER BY parked_id LIMIT $2",
        after,
        limit
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ParkedRow {
            parked_id: row.parked_id,
            phone_number_id: row.phone_number_id,
            reason: row.reason,
            raw: row.raw,
            received_at: row.received_at.into(),
        })
        .collect())
}
