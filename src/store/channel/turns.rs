//! The one statement that commits turns, many at once (DESIGN §3.5): each turn is written whole, or is stale and
//! changes nothing, whatever becomes of the others.
//!
//! Conversations are locked in id order before anything is changed: so do the intake and other groups, and none of
//! them can deadlock. The statement itself then waits for nobody and sees what they left.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use super::conversation::{Committed, NewEvent, NewOutbound, TurnCommit};
use super::loading;
use crate::ids::{ConversationId, Version};
use crate::store::{StoreError, Timestamptz};

/// Commits turns, and tells of each whether it is on disk, in the order given.
///
/// # Errors
/// One for all, and then nothing is written: [`StoreError::Refused`] when some turn is poison (split and find it).
pub async fn commit(pool: &PgPool, turns: &[TurnCommit]) -> Result<Vec<Committed>, StoreError> {
    let mut outcomes = vec![Committed::Stale; turns.len()];
    let mut left: Vec<usize> = (0..turns.len()).collect();
    // A conversation that comes twice (an owner and a newer one) has its second turn in a statement of its own.
    while !left.is_empty() {
        let mut seen: HashSet<ConversationId> = HashSet::new();
        let (now, later): (Vec<usize>, Vec<usize>) =
            left.into_iter().partition(|index| seen.insert(turns[*index].conversation_id));
        let group: Vec<&TurnCommit> = now.iter().map(|index| &turns[*index]).collect();
        let committed = commit_each_once(pool, &group).await?;
        for index in now {
            if let Some(version) = committed.get(&turns[index].conversation_id) {
                outcomes[index] = Committed::Yes(*version);
            }
        }
        left = later;
    }
    Ok(outcomes)
}

/// Every conversation at most once; gives those that were committed.
async fn commit_each_once(
    pool: &PgPool,
    turns: &[&TurnCommit],
) -> Result<HashMap<ConversationId, Version>, StoreError> {
    let outbound = OutboundColumns::of(turns.iter().map(|turn| (turn.conversation_id, &*turn.outbound)));
    let events = EventColumns::of(turns.iter().map(|turn| (turn.conversation_id, &*turn.events)));
    let of_call = turns.iter().flat_map(|turn| turn.calls.iter().map(|call| (turn.conversation_id.0, call)));
    let (call_owners, calls): (Vec<Uuid>, Vec<_>) = of_call.unzip();
    let of_processed =
        turns.iter().flat_map(|turn| turn.processed.iter().map(|id| (turn.conversation_id.0, id.0)));
    let (processed_owners, processed): (Vec<Uuid>, Vec<Uuid>) = of_processed.unzip();
    let ids: Vec<Uuid> = turns.iter().map(|turn| turn.conversation_id.0).collect();
    let mut transaction = pool.begin().await?;
    loading::lock(&mut transaction, &ids).await?;
    let rows = sqlx::query!(
        r#"WITH new AS (
               SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::uuid[], $5::jsonb[], $6::text[],
                                    $23::timestamptz[])
                   AS new (conversation_id, version, epoch, turn_id, state, hand_over, remind_at)),
           c AS (
               UPDATE gc_channel.conversations c
               SET state = new.state, version = c.version + 1, owner_epoch = new.epoch, failed_turns = 0,
                   retry_at = NULL, remind_at = new.remind_at,
                   waiting_since = CASE WHEN new.hand_over IS NULL THEN c.waiting_since
                                        ELSE coalesce(c.waiting_since, now()) END,
                   waiting_reason = coalesce(new.hand_over, c.waiting_reason), updated_at = now()
               FROM new
               WHERE c.conversation_id = new.conversation_id
                 AND c.version = new.version AND c.owner_epoch <= new.epoch AND c.mode = 'bot'
               RETURNING c.conversation_id, c.partition, c.version, new.turn_id),
           processed AS (
               UPDATE gc_channel.messages m SET processed_at = now(), turn_id = c.turn_id
               FROM c JOIN unnest($7::uuid[], $8::uuid[]) AS done (conversation_id, message_id)
                    USING (conversation_id)
               WHERE m.message_id = done.message_id AND m.conversation_id = c.conversation_id
                 AND m.processed_at IS NULL),
           outbound AS (
               INSERT INTO gc_channel.messages
                   (message_id, conversation_id, partition, direction, kind, text, content, sent_at, origin, status,
                    turn_id)
               SELECT new.id, c.conversation_id, c.partition, 'out', new.kind, new.text, new.content, now(), 'bot',
                      'queued', c.turn_id
               FROM c JOIN unnest($9::uuid[], $10::uuid[], $11::text[], $12::text[], $13::jsonb[]) WITH ORDINALITY
                    AS new (conversation_id, id, kind, text, content, position) USING (conversation_id)
               ORDER BY new.position),
           calls AS (
               INSERT INTO gc_channel.calls (call_id, conversation_id, partition, kind, key, body)
               SELECT new.id, c.conversation_id, c.partition, new.kind, new.key, new.body
               FROM c JOIN unnest($14::uuid[], $15::uuid[], $16::text[], $17::uuid[], $18::jsonb[]) WITH ORDINALITY
                    AS new (conversation_id, id, kind, key, body, position) USING (conversation_id)
               ORDER BY new.position
               ON CONFLICT (key) DO NOTHING),
           events AS (
               INSERT INTO gc_channel.event_outbox (event_id, routing_key, body)
               SELECT new.id, new.routing_key, new.body
               FROM c JOIN unnest($19::uuid[], $20::uuid[], $21::text[], $22::jsonb[]) WITH ORDINALITY
                    AS new (conversation_id, id, routing_key, body, position) USING (conversation_id)
               ORDER BY new.position)
           SELECT conversation_id, version FROM c"#,
        &ids,
        &turns.iter().map(|turn| turn.version.0).collect::<Vec<_>>(),
        &turns.iter().map(|turn| turn.epoch.0).collect::<Vec<_>>(),
        &turns.iter().map(|turn| turn.turn_id).collect::<Vec<_>>(),
        &turns.iter().map(|turn| turn.state.clone()).collect::<Vec<_>>(),
        &turns.iter().map(|turn| turn.hand_over.clone()).collect::<Vec<_>>() as &[Option<String>],
        &processed_owners,
        &processed,
        &outbound.owners,
        &outbound.ids,
        &outbound.kinds,
        &outbound.texts,
        &outbound.contents,
        &call_owners,
        &calls.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>(),
        &calls.iter().map(|call| call.kind.clone()).collect::<Vec<_>>(),
        &calls.iter().map(|call| call.key).collect::<Vec<_>>(),
        &calls.iter().map(|call| call.body.clone()).collect::<Vec<_>>(),
        &events.owners,
        &events.ids,
        &events.keys,
        &events.bodies,
        &turns.iter().map(|turn| turn.remind_at.map(Timestamptz::from)).collect::<Vec<_>>() as _
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(rows.into_iter().map(|row| (ConversationId(row.conversation_id), Version(row.version))).collect())
}

/// Parallel columns of the messages to insert.
#[derive(Default)]
pub(super) struct OutboundColumns {
    /// The conversation of each.
    pub owners: Vec<Uuid>,
    pub ids: Vec<Uuid>,
    pub kinds: Vec<String>,
    pub texts: Vec<String>,
    pub contents: Vec<Value>,
}

impl OutboundColumns {
    pub(super) fn of<'a>(outbound: impl Iterator<Item = (ConversationId, &'a [NewOutbound])>) -> Self {
        let mut columns = OutboundColumns::default();
        for (owner, message) in
            outbound.flat_map(|(owner, messages)| messages.iter().map(move |one| (owner, one)))
        {
            columns.owners.push(owner.0);
            columns.ids.push(message.message_id.0);
            columns.kinds.push(message.kind.clone());
            columns.texts.push(message.text.clone());
            columns.contents.push(message.content.clone());
        }
        columns
    }
}

/// Parallel columns of the events to insert.
#[derive(Default)]
pub(super) struct EventColumns {
    /// The conversation of each.
    pub owners: Vec<Uuid>,
    pub ids: Vec<Uuid>,
    pub keys: Vec<String>,
    pub bodies: Vec<Value>,
}

impl EventColumns {
    pub(super) fn of<'a>(events: impl Iterator<Item = (ConversationId, &'a [NewEvent])>) -> Self {
        let mut columns = EventColumns::default();
        for (owner, event) in events.flat_map(|(owner, events)| events.iter().map(move |one| (owner, one))) {
            columns.owners.push(owner.0);
            columns.ids.push(Uuid::now_v7());
            columns.keys.push(event.routing_key.clone());
            columns.bodies.push(event.body.clone());
        }
        columns
    }
}
