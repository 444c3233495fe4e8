//! What conversations find when they look, many at once (DESIGN §3.4).
//!
//! Ownership is fenced here: who looks for the first time raises `owner_epoch`, and an older owner is told `Fenced`.
//! Rows are locked in id order, so that groups of several nodes and the intake wait for each other and never deadlock.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

use super::conversation::{Conversation, InboxMessage, Load, Loaded, OpenCall};
use super::outbox;
use crate::ids::{CallId, ConversationId, Epoch, MessageId, PartitionId, PersonId, Version};
use crate::store::StoreError;

/// Rows of an inbox read at once; the rest is read after these are processed.
pub const INBOX_LIMIT: usize = 200;

/// One conversation's wish to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    pub conversation_id: ConversationId,
    pub epoch: Epoch,
    /// The first look of an owner: takes ownership at `epoch`, and gives up the claims of whoever was before.
    pub takes_ownership: bool,
}

/// Reads everything that is open in each of these conversations, in the order asked for.
///
/// # Errors
/// One for all: [`StoreError::Corrupt`] when a stored value of any of them cannot be read.
pub async fn look(pool: &PgPool, looks: &[Look]) -> Result<Vec<Load>, StoreError> {
    let mut connection = pool.acquire().await?;
    // Each conversation once, for its newest owner, in id order.
    let mut newcomers: BTreeMap<ConversationId, Epoch> = BTreeMap::new();
    for look in looks.iter().filter(|look| look.takes_ownership) {
        let epoch = newcomers.entry(look.conversation_id).or_insert(look.epoch);
        *epoch = (*epoch).max(look.epoch);
    }
    if !newcomers.is_empty() {
        take_ownership(&mut connection, &newcomers).await?;
    }
    let wanted: BTreeSet<ConversationId> = looks.iter().map(|look| look.conversation_id).collect();
    let ids: Vec<Uuid> = wanted.iter().map(|id| id.0).collect();
    let partitions: Vec<i16> = wanted.iter().map(|id| PartitionId::of(*id).as_i16()).collect();
    let found = read_conversations(&mut connection, &ids, &partitions).await?;
    let inboxes = read_inboxes(&mut connection, &ids, &partitions).await?;
    let calls = read_calls(&mut connection, &ids, &partitions).await?;
    Ok(looks
        .iter()
        .map(|look| match found.get(&look.conversation_id) {
            None => Load::Missing,
            Some(found) if found.owner_epoch > look.epoch => Load::Fenced,
            Some(found) => Load::Loaded(Box::new(Loaded {
                conversation: found.conversation.clone(),
                inbox: inboxes.get(&look.conversation_id).cloned().unwrap_or_default(),
                calls: calls.get(&look.conversation_id).cloned().unwrap_or_default(),
                sendable: found.sendable,
                owed: found.owed,
            })),
        })
        .collect())
}

/// Locks conversations in id order, for whoever changes several: a statement of its own, because one that also changes
/// them can wait for a row a second time, behind somebody who waits for it.
pub(super) async fn lock(connection: &mut PgConnection, ids: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query!(
        "SELECT FROM gc_channel.conversations WHERE conversation_id = ANY($1)
         ORDER BY conversation_id FOR NO KEY UPDATE",
        ids
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn take_ownership(
    connection: &mut PgConnection,
    newcomers: &BTreeMap<ConversationId, Epoch>,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = newcomers.keys().map(|id| id.0).collect();
    let epochs: Vec<i64> = newcomers.values().map(|epoch| epoch.0).collect();
    let partitions: Vec<i16> = newcomers.keys().map(|id| PartitionId::of(*id).as_i16()).collect();
    let older = sqlx::query_scalar!(
        "SELECT c.conversation_id FROM unnest($1::uuid[], $2::bigint[]) AS asked (conversation_id, epoch)
         JOIN gc_channel.conversations c USING (conversation_id) WHERE c.owner_epoch < asked.epoch",
        &ids,
        &epochs
    )
    .fetch_all(&mut *connection)
    .await?;
    if !older.is_empty() {
        let mut transaction = connection.begin().await?;
        lock(&mut transaction, &older).await?;
        sqlx::query!(
            "UPDATE gc_channel.conversations c SET owner_epoch = asked.epoch
             FROM unnest($1::uuid[], $2::bigint[]) AS asked (conversation_id, epoch)
             WHERE c.conversation_id = asked.conversation_id AND c.owner_epoch < asked.epoch
               AND c.conversation_id = ANY($3)",
            &ids,
            &epochs,
            &older
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
    }
    // Rarely there is one: then the row is given up under the conversation's lock.
    let claimed = sqlx::query_scalar!(
        r#"SELECT DISTINCT m.conversation_id
           FROM unnest($1::uuid[], $2::bigint[], $3::smallint[]) AS asked (conversation_id, epoch, partition)
           JOIN gc_channel.messages m ON m.partition = asked.partition AND m.conversation_id = asked.conversation_id
           WHERE m.direction = 'out' AND m.status IN ('queued', 'sending', 'unknown') AND m.status = 'sending'
             AND m.claim_epoch <= asked.epoch
           ORDER BY m.conversation_id"#,
        &ids,
        &epochs,
        &partitions
    )
    .fetch_all(&mut *connection)
    .await?;
    for id in claimed.into_iter().map(ConversationId) {
        if let Some(epoch) = newcomers.get(&id) {
            outbox::abandon_claims(&mut *connection, id, *epoch).await?;
        }
    }
    Ok(())
}

struct Found {
    conversation: Conversation,
    owner_epoch: Epoch,
    sendable: bool,
    owed: bool,
}

/// Those that exist and were not merged into another.
async fn read_conversations(
    connection: &mut PgConnection,
    ids: &[Uuid],
    partitions: &[i16],
) -> Result<HashMap<ConversationId, Found>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT c.conversation_id, c.phone_number_id, c.person_id, p.phone, p.bsuid, p.display_name, c.version,
                  c.owner_epoch,
                  c.mode, c.state, c.failed_turns, c.retry_at, c.parked_at, c.returned_at, c.remind_at,
                  c.window_expires_at,
                  EXISTS (
                      SELECT FROM gc_channel.messages m
                      WHERE m.partition = asked.partition AND m.conversation_id = asked.conversation_id
                        AND m.direction = 'out' AND m.status IN ('queued', 'sending', 'unknown')
                        AND m.next_attempt_at IS DISTINCT FROM 'infinity'
                        AND (c.mode = 'bot' OR m.origin <> 'bot')) AS "sendable!",
                  EXISTS (SELECT FROM gc_channel.messages m
                             WHERE m.partition = asked.partition AND m.conversation_id = asked.conversation_id
                               AND m.aftermath IS NOT NULL) AS "owed!"
           FROM unnest($1::uuid[], $2::smallint[]) AS asked (conversation_id, partition)
           JOIN gc_channel.conversations c ON c.conversation_id = asked.conversation_id
           JOIN gc_channel.user_profiles p USING (person_id)
           WHERE c.merged_into IS NULL"#,
        ids,
        partitions
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let conversation_id = ConversationId(row.conversation_id);
            let conversation = Conversation {
                conversation_id,
                phone_number_id: row.phone_number_id,
                person_id: PersonId(row.person_id),
                phone: row.phone,
                bsuid: row.bsuid,
                display_name: row.display_name,
                version: Version(row.version),
                mode: row.mode.parse().map_err(|_| StoreError::Corrupt("mode of a conversation".into()))?,
                state: row.state,
                failed_turns: row.failed_turns,
                retry_at: row.retry_at.map(Timestamp::from),
                parked: row.parked_at.is_some(),
                returned_at: row.returned_at.map(Timestamp::from),
                remind_at: row.remind_at.map(Timestamp::from),
                window_expires_at: row.window_expires_at.map(Timestamp::from),
            };
            let (sendable, owed) = (row.sendable, row.owed);
            let found = Found { conversation, owner_epoch: Epoch(row.owner_epoch), sendable, owed };
            Ok((conversation_id, found))
        })
        .collect()
}

/// Unprocessed messages, by `processed_at IS NULL`, never by "seq greater than the last".
async fn read_inboxes(
    connection: &mut PgConnection,
    ids: &[Uuid],
    partitions: &[i16],
) -> Result<HashMap<ConversationId, Vec<InboxMessage>>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT inbox.conversation_id, inbox.message_id, inbox.seq, inbox.wamid AS "wamid!", inbox.kind, inbox.text,
                  inbox.content, inbox.sent_at, inbox.received_at,
                  (SELECT jsonb_agg(jsonb_build_object('kind', e.kind, 'text', e.text, 'at', e.sent_at) ORDER BY e.seq)
                   FROM gc_channel.messages e
                   WHERE e.changes_wamid = inbox.wamid AND e.conversation_id = inbox.conversation_id) AS corrections
           FROM unnest($1::uuid[], $2::smallint[]) AS asked (conversation_id, partition)
           CROSS JOIN LATERAL (
               SELECT m.conversation_id, m.message_id, m.seq, m.wamid, m.kind, m.text, m.content, m.sent_at,
                      m.received_at
               FROM gc_channel.messages m
               WHERE m.partition = asked.partition AND m.conversation_id = asked.conversation_id
                 AND m.direction = 'in' AND m.processed_at IS NULL
               ORDER BY m.sent_at, m.seq LIMIT $3) AS inbox"#,
        ids,
        partitions,
        INBOX_LIMIT as i64
    )
    .fetch_all(connection)
    .await?;
    let mut inboxes: HashMap<ConversationId, Vec<(i64, InboxMessage)>> = HashMap::new();
    for row in rows {
        let corrections = row.corrections.map_or_else(|| Ok(Vec::new()), serde_json::from_value);
        let message = InboxMessage {
            message_id: MessageId(row.message_id),
            wamid: row.wamid,
            kind: row.kind,
            text: row.text,
            content: row.content,
            sent_at: row.sent_at.into(),
            received_at: row.received_at.into(),
            corrections: corrections.map_err(|_| StoreError::Corrupt("corrections of a message".into()))?,
        };
        inboxes.entry(ConversationId(row.conversation_id)).or_default().push((row.seq, message));
    }
    Ok(inboxes
        .into_iter()
        .map(|(id, mut inbox)| {
            // A join promises no order of its own.
            inbox.sort_by_key(|(seq, message)| (message.sent_at, *seq));
            (id, inbox.into_iter().map(|(_, message)| message).collect())
        })
        .collect())
}

async fn read_calls(
    connection: &mut PgConnection,
    ids: &[Uuid],
    partitions: &[i16],
) -> Result<HashMap<ConversationId, Vec<OpenCall>>, StoreError> {
    let rows = sqlx::query!(
        "SELECT k.conversation_id, k.call_id, k.kind, k.key, k.body, k.attempts, k.next_attempt_at
         FROM unnest($1::uuid[], $2::smallint[]) AS asked (conversation_id, partition)
         JOIN gc_channel.calls k ON k.partition = asked.partition AND k.conversation_id = asked.conversation_id
         WHERE k.answered_at IS NULL ORDER BY k.seq",
        ids,
        partitions
    )
    .fetch_all(connection)
    .await?;
    let mut calls: HashMap<ConversationId, Vec<OpenCall>> = HashMap::new();
    for row in rows {
        calls.entry(ConversationId(row.conversation_id)).or_default().push(OpenCall {
            call_id: CallId(row.call_id),
            kind: row.kind,
            key: row.key,
            body: row.body,
            attempts: row.attempts,
            next_attempt_at: row.next_attempt_at.into(),
        });
    }
    Ok(calls)
}
