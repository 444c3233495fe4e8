//! Webhooks become rows, many at once in one transaction (DESIGN §3.2).
//!
//! Separate statements under READ COMMITTED: look up, insert what is missing in sorted order `ON CONFLICT DO NOTHING`,
//! read back. Whoever loses a race reads the winner's row; sorted inserts cannot deadlock.
//!
//! - [`people`]: names become people, and what Meta tells of names that change
//! - [`echoes`]: what officers send from the office's own phone
//! - [`received`]: the events of what came

mod echoes;
mod people;
mod received;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

pub use echoes::{FROM_THE_PHONE, IncomingEcho};

use super::loading;
use super::media::{self, NewMedia};
use super::statuses::{self, IncomingStatus};
use crate::ids::{ConversationId, MessageId, PartitionId, PersonId};
use crate::store::StoreError;

/// How Meta names somebody; at least one of phone and bsuid is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub phone: Option<String>,
    pub bsuid: Option<String>,
    pub parent_bsuid: Option<String>,
    pub display_name: Option<String>,
    pub username: Option<String>,
}

/// What Meta tells about who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityChange {
    /// The same person under other names.
    Renamed { before: Box<Names>, after: Box<Names> },
    /// Somebody else answers at this number now.
    Replaced,
}

/// A message from a citizen, ready to be filed.
#[derive(Clone, Debug)]
pub struct IncomingMessage {
    pub phone_number_id: String,
    pub wamid: String,
    pub sender: Names,
    pub sent_at: Timestamp,
    pub kind: String,
    pub text: Option<String>,
    pub content: Value,
    pub raw: Vec<u8>,
    /// Whether it opens the 24 h window.
    pub opens_window: bool,
    /// The `wamid` of the message that it edits or takes back.
    pub changes: Option<String>,
    pub identity: Option<IdentityChange>,
}

/// An update that cannot be filed, kept for the operator.
#[derive(Clone, Debug)]
pub struct ParkedUpdate {
    /// `poison` or `not_handled`.
    pub kind: &'static str,
    /// Which piece of a body it is; as `whatsapp::webhook` names them.
    pub piece: &'static str,
    pub phone_number_id: Option<String>,
    /// The contacts beside it, or null.
    pub contacts: Value,
    pub reason: String,
    pub raw: Vec<u8>,
}

/// What one transaction writes.
#[derive(Clone, Debug, Default)]
pub struct IntakeBatch {
    pub messages: Vec<IncomingMessage>,
    pub echoes: Vec<IncomingEcho>,
    pub statuses: Vec<IncomingStatus>,
    pub parked: Vec<ParkedUpdate>,
}

/// What it wrote, and whom to wake.
#[derive(Clone, Debug, Default)]
pub struct IntakeOutcome {
    pub new_messages: usize,
    pub duplicates: usize,
    pub echoes: usize,
    pub statuses: usize,
    pub parked: usize,
    /// Files to fetch.
    pub media: usize,
    /// The bot's messages that were cancelled because an officer answered from the office's phone.
    pub cancelled: u64,
    pub wake: BTreeSet<(PartitionId, ConversationId)>,
    /// Conversations in which only the status of messages of ours is another now.
    pub statuses_in: BTreeSet<ConversationId>,
    /// What messages of ours cost that were not priced before.
    pub priced: Vec<Value>,
    /// Messages of ours whose outcome was unknown until now.
    pub reconciled: usize,
    /// Errors of messages of ours that failed for good.
    pub dead_letters: Vec<Value>,
}

impl IntakeBatch {
    /// How many rows it asks for.
    pub fn rows(&self) -> usize {
        self.messages.len() + self.echoes.len() + self.statuses.len() + self.parked.len()
    }
}

/// Writes the whole batch in one transaction; when this returns, it is on disk.
///
/// # Errors
/// [`StoreError::Refused`] when some row is poison (split the batch and find it), [`StoreError::Unavailable`] when
/// nothing was written and Meta should try again.
pub async fn write(pool: &PgPool, batch: &IntakeBatch) -> Result<IntakeOutcome, StoreError> {
    let mut transaction = pool.begin().await?;
    let outcome = write_all(&mut transaction, batch).await?;
    transaction.commit().await?;
    Ok(outcome)
}

/// Writes what came of a put-aside update that was read again, and marks it as resolved, in one transaction. False when
/// it had been resolved meanwhile; then nothing is written.
pub async fn write_retried(
    pool: &PgPool,
    parked: Uuid,
    batch: &IntakeBatch,
) -> Result<Option<IntakeOutcome>, StoreError> {
    let mut transaction = pool.begin().await?;
    let resolved = sqlx::query!(
        "UPDATE gc_channel.parked_updates SET resolved_at = now(), resolution = 'filed by a retry'
         WHERE parked_id = $1 AND resolved_at IS NULL",
        parked
    )
    .execute(&mut *transaction)
    .await?;
    if resolved.rows_affected() == 0 {
        return Ok(None);
    }
    let outcome = write_all(&mut transaction, batch).await?;
    transaction.commit().await?;
    Ok(Some(outcome))
}

async fn write_all(connection: &mut PgConnection, batch: &IntakeBatch) -> Result<IntakeOutcome, StoreError> {
    let mut outcome = IntakeOutcome::default();
    if !batch.messages.is_empty() {
        write_messages(connection, &batch.messages, &mut outcome).await?;
    }
    if !batch.echoes.is_empty() {
        echoes::write(connection, &batch.echoes, &mut outcome).await?;
    }
    if !batch.statuses.is_empty() {
        outcome.statuses = batch.statuses.len();
        let applied = statuses::apply(connection, &batch.statuses).await?;
        outcome.wake.extend(applied.wake);
        outcome.statuses_in = applied.changed;
        outcome.priced = applied.priced;
        outcome.reconciled = applied.reconciled;
        outcome.dead_letters = applied.dead_letters;
    }
    park(connection, &batch.parked).await?;
    outcome.parked = batch.parked.len();
    Ok(outcome)
}

async fn write_messages(
    connection: &mut PgConnection,
    messages: &[IncomingMessage],
    outcome: &mut IntakeOutcome,
) -> Result<(), StoreError> {
    // Drawn before any sorting: seq is the order of arrival.
    let sequence = sqlx::query_scalar!(
        r#"SELECT nextval('gc_channel.message_seq') AS "seq!" FROM generate_series(1, $1::int)"#,
        i32::try_from(messages.len()).unwrap_or(i32::MAX)
    )
    .fetch_all(&mut *connection)
    .await?;
    let people = people::people_of(connection, messages).await?;
    // Without a person: what Meta told of names a second time, which changes nothing any more.
    let filed: Vec<Filed<'_>> = messages
        .iter()
        .zip(sequence)
        .zip(people)
        .filter_map(|((message, seq), person)| Some(Filed { message, seq, person: person? }))
        .collect();
    outcome.duplicates = messages.len() - filed.len();
    let wanted = filed.iter().map(|filed| (filed.message.phone_number_id.clone(), filed.person.0)).collect();
    let conversations = resolve_conversations(connection, &wanted).await?;
    insert_messages(connection, &filed, &conversations, outcome).await
}

/// A message with its place in the order of arrival and the person it is from.
struct Filed<'a> {
    message: &'a IncomingMessage,
    seq: i64,
    person: PersonId,
}

/// The office's number and the person.
type ConversationKey = (String, Uuid);

async fn resolve_conversations(
    connection: &mut PgConnection,
    wanted: &BTreeSet<ConversationKey>,
) -> Result<HashMap<ConversationKey, ConversationId>, StoreError> {
    let mut found = read_conversations(connection, wanted).await?;
    let missing: Vec<(&ConversationKey, ConversationId)> = wanted
        .iter()
        .filter(|key| !found.contains_key(*key))
        .map(|key| (key, ConversationId::new()))
        .collect();
    if !missing.is_empty() {
        let ids: Vec<Uuid> = missing.iter().map(|(_, id)| id.0).collect();
        let numbers: Vec<String> = missing.iter().map(|((number, _), _)| number.clone()).collect();
        let persons: Vec<Uuid> = missing.iter().map(|((_, person), _)| *person).collect();
        let partitions: Vec<i16> = missing.iter().map(|(_, id)| PartitionId::of(*id).as_i16()).collect();
        sqlx::query!(
            "INSERT INTO gc_channel.conversations (conversation_id, phone_number_id, person_id, partition)
             SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::smallint[]) ON CONFLICT DO NOTHING",
            &ids,
            &numbers,
            &persons,
            &partitions
        )
        .execute(&mut *connection)
        .await?;
        found = read_conversations(connection, wanted).await?;
    }
    Ok(found)
}

async fn read_conversations(
    connection: &mut PgConnection,
    wanted: &BTreeSet<ConversationKey>,
) -> Result<HashMap<ConversationKey, ConversationId>, StoreError> {
    let numbers: Vec<String> = wanted.iter().map(|(number, _)| number.clone()).collect();
    let persons: Vec<Uuid> = wanted.iter().map(|(_, person)| *person).collect();
    let rows = sqlx::query!(
        r#"SELECT c.phone_number_id, c.person_id, coalesce(c.merged_into, c.conversation_id) AS "conversation_id!"
           FROM unnest($1::text[], $2::uuid[]) AS asked (phone_number_id, person_id)
           JOIN gc_channel.conversations c USING (phone_number_id, person_id)"#,
        &numbers,
        &persons
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ((row.phone_number_id, row.person_id), ConversationId(row.conversation_id)))
        .collect())
}

async fn insert_messages(
    connection: &mut PgConnection,
    filed: &[Filed<'_>],
    conversations: &HashMap<ConversationKey, ConversationId>,
    outcome: &mut IntakeOutcome,
) -> Result<(), StoreError> {
    struct Row<'a> {
        id: MessageId,
        conversation: ConversationId,
        seq: i64,
        message: &'a IncomingMessage,
    }
    let mut rows = Vec::with_capacity(filed.len());
    for Filed { message, seq, person } in filed {
        let key = (message.phone_number_id.clone(), person.0);
        let Some(conversation) = conversations.get(&key) else {
            return Err(StoreError::Corrupt("a conversation vanished between insert and read".into()));
        };
        rows.push(Row { id: MessageId::new(), conversation: *conversation, seq: *seq, message });
    }
    // Sorted by wamid: two nodes given the same messages wait for each other instead of deadlocking. The sort is
    // stable, so of a wamid that is twice in the batch the first to arrive is kept.
    rows.sort_by(|a, b| a.message.wamid.cmp(&b.message.wamid));
    rows.dedup_by(|later, first| later.message.wamid == first.message.wamid);
    let sent_at: Vec<_> = rows.iter().map(|row| row.message.sent_at.to_sqlx()).collect();
    let inserted = sqlx::query!(
        "INSERT INTO gc_channel.messages
             (message_id, conversation_id, partition, direction, seq, wamid, kind, text, content, raw, sent_at,
              changes_wamid)
         SELECT id, conversation, partition, 'in', seq, wamid, kind, text, content, raw, sent_at, changes_wamid
         FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::bigint[], $5::text[], $6::text[], $7::text[],
                     $8::jsonb[], $9::bytea[], $10::timestamptz[], $11::text[])
              AS new (id, conversation, partition, seq, wamid, kind, text, content, raw, sent_at, changes_wamid)
         ON CONFLICT (wamid) WHERE wamid IS NOT NULL DO NOTHING
         RETURNING message_id",
        &rows.iter().map(|row| row.id.0).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.conversation.0).collect::<Vec<_>>(),
        &rows.iter().map(|row| PartitionId::of(row.conversation).as_i16()).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.seq).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.message.wamid.clone()).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.message.kind.clone()).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.message.text.clone()).collect::<Vec<_>>() as &[Option<String>],
        &rows.iter().map(|row| row.message.content.clone()).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.message.raw.clone()).collect::<Vec<_>>(),
        &sent_at as &[crate::store::Timestamptz],
        &rows.iter().map(|row| row.message.changes.clone()).collect::<Vec<_>>() as &[Option<String>]
    )
    .fetch_all(&mut *connection)
    .await?;
    let inserted: HashSet<Uuid> = inserted.into_iter().map(|row| row.message_id).collect();
    outcome.new_messages = inserted.len();
    outcome.duplicates += filed.len() - inserted.len();

    let mut latest: BTreeMap<ConversationId, Option<Timestamp>> = BTreeMap::new();
    for row in rows.iter().filter(|row| inserted.contains(&row.id.0)) {
        outcome.wake.insert((PartitionId::of(row.conversation), row.conversation));
        let entry = latest.entry(row.conversation).or_default();
        *entry = (*entry).max(Some(row.message.sent_at).filter(|_| row.message.opens_window));
    }
    let files: Vec<_> = rows
        .iter()
        .filter(|row| inserted.contains(&row.id.0))
        .filter_map(|row| Some((row.id, row.message.sent_at, NewMedia::of(row.message)?)))
        .collect();
    media::insert(&mut *connection, &files).await?;
    outcome.media = files.len();
    let merged = refresh_windows(connection, &latest).await?;
    if !merged.is_empty() {
        follow_merges(connection, &merged, &inserted, outcome).await?;
    }
    received::tell(connection, rows.iter().map(|row| row.id).filter(|id| inserted.contains(&id.0))).await
}

/// The 24 h window opens at the citizen's last message. Rows are locked in id order before they are changed. Gives the
/// conversations that were merged into others while these messages were being filed.
async fn refresh_windows(
    connection: &mut PgConnection,
    latest: &BTreeMap<ConversationId, Option<Timestamp>>,
) -> Result<Vec<(ConversationId, ConversationId)>, StoreError> {
    let ids: Vec<Uuid> = latest.keys().map(|id| id.0).collect();
    let times: Vec<_> = latest.values().map(|time| time.map(|time| time.to_sqlx())).collect();
    loading::lock(&mut *connection, &ids).await?;
    let rows = sqlx::query!(
        "UPDATE gc_channel.conversations c
         SET last_message_at = greatest(c.last_message_at, new.at),
             window_expires_at = greatest(c.window_expires_at, new.at + interval '24 hours')
         FROM unnest($1::uuid[], $2::timestamptz[]) AS new (id, at) WHERE c.conversation_id = new.id
         RETURNING c.conversation_id, c.merged_into",
        &ids,
        &times as &[Option<crate::store::Timestamptz>]
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((ConversationId(row.conversation_id), ConversationId(row.merged_into?))))
        .collect())
}

/// Whoever is filed in a conversation that was merged meanwhile goes on to where it went. The row lock that the window
/// took stands between this and the merge: one of the two sees the other.
async fn follow_merges(
    connection: &mut PgConnection,
    merged: &[(ConversationId, ConversationId)],
    inserted: &HashSet<Uuid>,
    outcome: &mut IntakeOutcome,
) -> Result<(), StoreError> {
    for (from, into) in merged {
        sqlx::query!(
            "UPDATE gc_channel.messages SET conversation_id = $2, partition = $3
             WHERE conversation_id = $1 AND message_id = ANY($4)",
            from.0,
            into.0,
            PartitionId::of(*into).as_i16(),
            &inserted.iter().copied().collect::<Vec<_>>()
        )
        .execute(&mut *connection)
        .await?;
        sqlx::query!(
            "UPDATE gc_channel.conversations c
             SET last_message_at = greatest(c.last_message_at, f.last_message_at),
                 window_expires_at = greatest(c.window_expires_at, f.window_expires_at)
             FROM gc_channel.conversations f WHERE c.conversation_id = $2 AND f.conversation_id = $1",
            from.0,
            into.0
        )
        .execute(&mut *connection)
        .await?;
        outcome.wake.remove(&(PartitionId::of(*from), *from));
        outcome.wake.insert((PartitionId::of(*into), *into));
    }
    Ok(())
}

async fn park(connection: &mut PgConnection, parked: &[ParkedUpdate]) -> Result<(), StoreError> {
    if parked.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO gc_channel.parked_updates (parked_id, phone_number_id, reason, raw, kind, piece, contacts)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::jsonb[])",
        &parked.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>(),
        &parked.iter().map(|update| update.phone_number_id.clone()).collect::<Vec<_>>()
            as &[Option<String>],
        &parked.iter().map(|update| update.reason.clone()).collect::<Vec<_>>(),
        &parked.iter().map(|update| update.raw.clone()).collect::<Vec<_>>(),
        &parked.iter().map(|update| update.kind.to_owned()).collect::<Vec<_>>(),
        &parked.iter().map(|update| update.piece.to_owned()).collect::<Vec<_>>(),
        &parked.iter().map(|update| update.contacts.clone()).collect::<Vec<_>>()
    )
    .execute(connection)
    .await?;
    Ok(())
}
