//! Reads for the internal API: conversations, messages, parked updates, and finding a conversation by who wrote.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::ids::{ConversationId, MessageId, PersonId};
use crate::store::StoreError;

/// A conversation in a list.
#[derive(Clone, Debug)]
pub struct ConversationRow {
    pub conversation_id: ConversationId,
    pub phone_number_id: String,
    pub person_id: PersonId,
    pub wa_user_id: String,
    pub display_name: Option<String>,
    pub mode: String,
    pub holder: Option<String>,
    pub last_message_at: Timestamp,
    pub last_text: Option<String>,
    pub window_expires_at: Option<Timestamp>,
    pub unprocessed: i64,
    pub parked_reason: Option<String>,
    pub waiting_since: Option<Timestamp>,
    pub waiting_reason: Option<String>,
    /// Meta's last word about reaching the person, unless they wrote since: code, title, at.
    pub unreachable: Option<Value>,
}

/// Where a page of conversations goes on: after this time and id.
pub type ConversationCursor = (Timestamp, Uuid);

/// Conversations by latest activity. `only_parked` lists those that wait for an operator.
pub async fn conversations(
    pool: &PgPool,
    after: Option<ConversationCursor>,
    only_parked: bool,
    limit: i64,
) -> Result<Vec<ConversationRow>, StoreError> {
    let (after_time, after_id) = match after {
        Some((time, id)) => (Some(time.to_sqlx()), Some(id)),
        None => (None, None),
    };
    let rows = sqlx::query!(
        r#"SELECT c.conversation_id, c.phone_number_id, c.person_id, coalesce(p.phone, p.bsuid, '') AS "wa_user_id!",
                  p.display_name, c.mode, c.holder, c.last_message_at AS "last_message_at!",
                  (SELECT coalesce(m.text, m.kind) FROM gc_channel.messages m
                   WHERE m.conversation_id = c.conversation_id ORDER BY m.seq DESC LIMIT 1) AS last_text,
                  c.window_expires_at,
                  (SELECT count(*) FROM gc_channel.messages m
                   WHERE m.partition = c.partition AND m.conversation_id = c.conversation_id AND m.direction = 'in'
                     AND m.processed_at IS NULL) AS "unprocessed!",
                  c.parked_reason, c.waiting_since, c.waiting_reason,
                  CASE WHEN p.unreachable IS NOT NULL AND NOT EXISTS (
                           SELECT FROM gc_channel.conversations own
                           WHERE own.person_id = c.person_id AND (p.unreachable ->> 'at')::timestamptz < (
                               SELECT m.received_at FROM gc_channel.messages m
                               WHERE m.conversation_id = own.conversation_id AND m.direction = 'in'
                               ORDER BY m.seq DESC LIMIT 1))
                       THEN p.unreachable END AS unreachable
           FROM gc_channel.conversations c JOIN gc_channel.user_profiles p USING (person_id)
           WHERE c.merged_into IS NULL AND c.last_message_at IS NOT NULL AND (NOT $4 OR c.parked_at IS NOT NULL)
             AND ($1::timestamptz IS NULL OR (c.last_message_at, c.conversation_id) < ($1, $2::uuid))
           ORDER BY c.last_message_at DESC, c.conversation_id DESC LIMIT $3"#,
        after_time as Option<crate::store::Timestamptz>,
        after_id,
        limit,
        only_parked
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ConversationRow {
            conversation_id: ConversationId(row.conversation_id),
            phone_number_id: row.phone_number_id,
            person_id: PersonId(row.person_id),
            wa_user_id: row.wa_user_id,
            display_name: row.display_name,
            mode: row.mode,
            holder: row.holder,
            last_message_at: row.last_message_at.into(),
            last_text: row.last_text,
            window_expires_at: row.window_expires_at.map(Timestamp::from),
            unprocessed: row.unprocessed,
            parked_reason: row.parked_reason,
            waiting_since: row.waiting_since.map(Timestamp::from),
            waiting_reason: row.waiting_reason,
            unreachable: row.unreachable,
        })
        .collect())
}

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

/// A conversation's messages, newest first, those before `before_seq`; with those of conversations merged into it.
pub async fn messages(
    pool: &PgPool,
    id: ConversationId,
    before_seq: Option<i64>,
    limit: i64,
) -> Result<Vec<MessageRow>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT m.message_id, m.seq, m.direction, m.wamid, m.kind, m.text, m.content, m.sent_at, m.processed_at,
                  m.origin, m.status, m.author, m.error, m.attempts, m.reply_to, m.replaces, m.pricing, m.wa_conversation,
                  CASE WHEN m.status IN ('queued', 'unknown') AND m.next_attempt_at < 'infinity'
                       THEN m.next_attempt_at END AS next_attempt_at,
                  edit.wamid AS "edited_by?", revocation.sent_at AS "revoked_at?"
           FROM gc_channel.messages m
           LEFT JOIN LATERAL (
               SELECT e.wamid FROM gc_channel.messages e
               WHERE e.changes_wamid = m.wamid AND e.kind = 'edit' AND e.direction = m.direction
               ORDER BY e.sent_at DESC, e.seq DESC LIMIT 1) AS edit ON true
           LEFT JOIN LATERAL (
               SELECT e.sent_at FROM gc_channel.messages e
               WHERE e.changes_wamid = m.wamid AND e.kind = 'revoke' AND e.direction = m.direction
               ORDER BY e.sent_at, e.seq LIMIT 1) AS revocation ON true
           WHERE m.conversation_id IN (
                     SELECT c.conversation_id FROM gc_channel.conversations c
                     WHERE c.conversation_id = $1 OR c.merged_into = $1)
             AND ($2::bigint IS NULL OR m.seq < $2) ORDER BY m.seq DESC LIMIT $3"#,
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
            edited_by: row.edited_by,
            revoked_at: row.revoked_at.map(Timestamp::from),
            attempts: row.attempts,
            next_attempt_at: row.next_attempt_at.map(Timestamp::from),
            reply_to: row.reply_to,
            replaces: row.replaces.map(MessageId),
            pricing: row.pricing,
            wa_conversation: row.wa_conversation,
        })
        .collect())
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
