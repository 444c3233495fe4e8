//! A conversation as its actor reads and changes it (DESIGN §3.4–3.6). What many conversations do at once, reading and
//! committing turns, is in [`loading`](super::loading) and [`turns`](super::turns).
//!
//! Loading raises `owner_epoch`, and every commit asks for `version = $v AND owner_epoch <= $e`. No row changed means a
//! stale owner or a takeover: the caller drops everything and reloads.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use super::loading;
use super::turns::{EventColumns, OutboundColumns};
use crate::ids::{CallId, ConversationId, Epoch, MessageId, PartitionId, PersonId, Version};
use crate::store::StoreError;

/// Who answers the citizen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::Display)]
#[strum(serialize_all = "snake_case")]
pub enum Mode {
    Bot,
    Human,
}

/// A conversation as its actor needs it.
#[derive(Clone, Debug)]
pub struct Conversation {
    pub conversation_id: ConversationId,
    pub phone_number_id: String,
    pub person_id: PersonId,
    pub phone: Option<String>,
    pub bsuid: Option<String>,
    /// As they call themselves on WhatsApp.
    pub display_name: Option<String>,
    pub version: Version,
    pub mode: Mode,
    pub state: Value,
    pub failed_turns: i32,
    pub retry_at: Option<Timestamp>,
    pub parked: bool,
    /// When a person last gave it back.
    pub returned_at: Option<Timestamp>,
    /// When to remind of an open draft.
    pub remind_at: Option<Timestamp>,
    /// Until when an answer may be sent without a template.
    pub window_expires_at: Option<Timestamp>,
}

/// A message of the inbox.
#[derive(Clone, Debug, PartialEq)]
pub struct InboxMessage {
    pub message_id: MessageId,
    pub wamid: String,
    pub kind: String,
    pub text: Option<String>,
    pub content: Value,
    pub sent_at: Timestamp,
    pub received_at: Timestamp,
    /// What its writer told of it later, in the order of arrival.
    pub corrections: Vec<StoredCorrection>,
}

/// An edit or a revocation of a message.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct StoredCorrection {
    /// `edit` or `revoke`.
    pub kind: String,
    /// The new words.
    pub text: Option<String>,
    /// Meta's time.
    pub at: Timestamp,
}

/// A call to another service that has no answer yet.
#[derive(Clone, Debug)]
pub struct OpenCall {
    pub call_id: CallId,
    pub kind: String,
    pub key: Uuid,
    pub body: Value,
    pub attempts: i32,
    pub next_attempt_at: Timestamp,
}

/// What an actor finds when it looks.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub conversation: Conversation,
    /// In the order of (Meta's time, arrival).
    pub inbox: Vec<InboxMessage>,
    pub calls: Vec<OpenCall>,
    /// Something waits to be sent, now or later.
    pub sendable: bool,
    /// A message has failed, and it is not yet done what is owed for it.
    pub owed: bool,
}

/// A message of ours to be queued.
#[derive(Clone, Debug)]
pub struct NewOutbound {
    pub message_id: MessageId,
    pub kind: String,
    pub text: String,
    pub content: Value,
}

/// A call to be made after the commit.
#[derive(Clone, Debug)]
pub struct NewCall {
    pub kind: String,
    /// The idempotency key in the other service.
    pub key: Uuid,
    pub body: Value,
}

/// An event to leave through the outbox.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub routing_key: String,
    pub body: Value,
}

/// What a turn changes, all or nothing.
#[derive(Clone, Debug)]
pub struct TurnCommit {
    pub conversation_id: ConversationId,
    pub version: Version,
    pub epoch: Epoch,
    pub turn_id: Uuid,
    pub state: Value,
    pub processed: Vec<MessageId>,
    pub outbound: Vec<NewOutbound>,
    pub calls: Vec<NewCall>,
    pub events: Vec<NewEvent>,
    /// Why a person is wanted, when the turn hands over.
    pub hand_over: Option<String>,
    /// When to remind of an open draft, unless another turn comes before.
    pub remind_at: Option<Timestamp>,
}

/// What the answer of a call changes, all or nothing.
#[derive(Clone, Debug)]
pub struct AnswerCommit {
    pub conversation_id: ConversationId,
    pub version: Version,
    pub epoch: Epoch,
    pub call_id: CallId,
    pub answer: Value,
    pub state: Value,
    pub outbound: Vec<NewOutbound>,
    pub events: Vec<NewEvent>,
    /// Why a person is wanted, when the answer hands over.
    pub hand_over: Option<String>,
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is on disk; the conversation has this version now.
    Yes(Version),
    /// Somebody else changed the conversation or owns it: drop everything and reload.
    Stale,
}

/// How loading ended.
#[derive(Clone, Debug)]
pub enum Load {
    Loaded(Box<Loaded>),
    /// A newer owner has it.
    Fenced,
    /// There is no such conversation (or it was merged into another).
    Missing,
}

/// Commits the answer of a call, all or nothing. A takeover in between does not undo what the other service did:
/// the answer and the state are kept, and the bot's reply is filed as cancelled, for the officer to see.
pub async fn commit_answer(pool: &PgPool, commit: &AnswerCommit) -> Result<Committed, StoreError> {
    let outbound = OutboundColumns::of(std::iter::once((commit.conversation_id, &*commit.outbound)));
    let events = EventColumns::of(std::iter::once((commit.conversation_id, &*commit.events)));
    let mut transaction = pool.begin().await?;
    // Locked by a statement of its own: one that waited for a takeover only at the conversation's row would have marked
    // the call as answered by then, and written nothing else.
    loading::lock(&mut transaction, &[commit.conversation_id.0]).await?;
    let version = sqlx::query_scalar!(
        r#"WITH answered AS (
               UPDATE gc_channel.calls k SET answered_at = now(), answer = $5
               FROM gc_channel.conversations c
               WHERE k.call_id = $4 AND k.answered_at IS NULL AND c.conversation_id = k.conversation_id
                 AND c.conversation_id = $1 AND c.version = $2 AND c.owner_epoch <= $3
               RETURNING k.call_id),
           c AS (
               UPDATE gc_channel.conversations
               SET state = $6, version = version + 1, owner_epoch = $3, updated_at = now(),
                   waiting_since = CASE WHEN $15::text IS NULL OR mode = 'human' THEN waiting_since
                                        ELSE coalesce(waiting_since, now()) END,
                   waiting_reason = coalesce($15, waiting_reason)
               FROM answered
               WHERE conversation_id = $1 AND version = $2 AND owner_epoch <= $3
               RETURNING conversation_id, version, mode),
           outbound AS (
               INSERT INTO gc_channel.messages
                   (message_id, conversation_id, partition, direction, kind, text, content, sent_at, origin, status)
               SELECT new.id, c.conversation_id, $7, 'out', new.kind, new.text, new.content, now(), 'bot',
                      CASE c.mode WHEN 'bot' THEN 'queued' ELSE 'cancelled' END
               FROM c, unnest($8::uuid[], $9::text[], $10::text[], $11::jsonb[]) WITH ORDINALITY
                    AS new (id, kind, text, content, position)
               ORDER BY new.position),
           events AS (
               INSERT INTO gc_channel.event_outbox (event_id, routing_key, body)
               SELECT new.id, new.routing_key, new.body
               FROM c, unnest($12::uuid[], $13::text[], $14::jsonb[]) WITH ORDINALITY
                    AS new (id, routing_key, body, position)
               -- A reply that is cancelled is none.
               WHERE c.mode = 'bot'
               ORDER BY new.position)
           SELECT version FROM c"#,
        commit.conversation_id.0,
        commit.version.0,
        commit.epoch.0,
        commit.call_id.0,
        commit.answer,
        commit.state,
        PartitionId::of(commit.conversation_id).as_i16(),
        &outbound.ids,
        &outbound.kinds,
        &outbound.texts,
        &outbound.contents,
        &events.ids,
        &events.keys,
        &events.bodies,
        commit.hand_over
    )
    .fetch_optional(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(version.map_or(Committed::Stale, |version| Committed::Yes(Version(version))))
}

/// Notes that a call brought no answer; it is made again after `delay`.
pub async fn postpone_call(
    pool: &PgPool,
    call: CallId,
    delay: std::time::Duration,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gc_channel.calls SET attempts = attempts + 1, next_attempt_at = now() + $2 * interval '1 second'
         WHERE call_id = $1 AND answered_at IS NULL",
        call.0,
        delay.as_secs_f64()
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Notes a failed turn: it is tried again after `delay`.
pub async fn postpone_turn(
    pool: &PgPool,
    id: ConversationId,
    epoch: Epoch,
    delay: std::time::Duration,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gc_channel.conversations
         SET failed_turns = failed_turns + 1, retry_at = now() + $3 * interval '1 second'
         WHERE conversation_id = $1 AND owner_epoch <= $2",
        id.0,
        epoch.0,
        delay.as_secs_f64()
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Parks a conversation: nothing is tried until a person retries it. Its messages stay in the inbox, a person is wanted, and
/// the citizen is told so, once: never silence. A conversation that an officer holds needs no apology.
pub async fn park(
    pool: &PgPool,
    id: ConversationId,
    epoch: Epoch,
    reason: &str,
    apology: &NewOutbound,
) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH c AS (
             UPDATE gc_channel.conversations
             SET parked_at = now(), parked_reason = $3,
                 waiting_since = CASE mode WHEN 'bot' THEN coalesce(waiting_since, now()) END,
                 waiting_reason = CASE mode WHEN 'bot' THEN coalesce(waiting_reason, $3) END
             WHERE conversation_id = $1 AND owner_epoch <= $2 AND parked_at IS NULL
             RETURNING conversation_id, partition, mode, window_expires_at)
         INSERT INTO gc_channel.messages
             (message_id, conversation_id, partition, direction, kind, text, content, sent_at, origin, status)
         SELECT $4, conversation_id, partition, 'out', $5, $6, $7, now(), 'bot', 'queued'
         FROM c WHERE mode = 'bot' AND window_expires_at > now()",
        id.0,
        epoch.0,
        reason,
        apology.message_id.0,
        apology.kind,
        apology.text,
        apology.content
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// A person retries a parked conversation; false when it was not parked.
pub async fn unpark(pool: &PgPool, id: ConversationId) -> Result<bool, StoreError> {
    let result = sqlx::query!(
        "UPDATE gc_channel.conversations
         SET parked_at = NULL, parked_reason = NULL, failed_turns = 0, retry_at = NULL
         WHERE conversation_id = $1 AND parked_at IS NOT NULL",
        id.0
    )
    .execute(pool)
    .await?;
    Ok(result.rows_affected() == 1)
}
