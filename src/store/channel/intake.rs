//! Webhooks become rows, many at once in one transaction (DESIGN §3.2).
//!
//! Separate statements under READ COMMITTED: look up, insert what is missing in sorted order `ON CONFLICT DO NOTHING`,
//! read back. Whoever loses a race reads the winner's row; sorted inserts cannot deadlock.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::loading;
use super::media::{self, NewMedia};
use super::statuses::{self, IncomingStatus};
use crate::ids::{ConversationId, MessageId, PartitionId, PersonId};
use crate::store::StoreError;

/// A message from a citizen, ready to be filed.
#[derive(Clone, Debug)]
pub struct IncomingMessage {
    pub phone_number_id: String,
    pub wamid: String,
    pub phone: Option<String>,
    pub bsuid: Option<String>,
    pub parent_bsuid: Option<String>,
    pub display_name: Option<String>,
    pub username: Option<String>,
    pub sent_at: Timestamp,
    pub kind: String,
    pub text: Option<String>,
    pub content: Value,
    pub raw: Vec<u8>,
}

/// An update that cannot be filed, kept for the operator.
#[derive(Clone, Debug)]
pub struct ParkedUpdate {
    pub phone_number_id: Option<String>,
    pub reason: String,
    pub raw: Vec<u8>,
}

/// What one transaction writes.
#[derive(Clone, Debug, Default)]
pub struct IntakeBatch {
    pub messages: Vec<IncomingMessage>,
    pub statuses: Vec<IncomingStatus>,
    pub parked: Vec<ParkedUpdate>,
}

/// What it wrote, and whom to wake.
#[derive(Clone, Debug, Default)]
pub struct IntakeOutcome {
    pub new_messages: usize,
    pub duplicates: usize,
    pub statuses: usize,
    pub parked: usize,
    /// Files to fetch.
    pub media: usize,
    pub wake: BTreeSet<(PartitionId, ConversationId)>,
}

impl IntakeBatch {
    /// How many rows it asks for.
    pub fn rows(&self) -> usize {
        self.messages.len() + self.statuses.len() + self.parked.len()
    }
}

/// Writes the whole batch in one transaction; when this returns, it is on disk.
///
/// # Errors
/// [`StoreError::Refused`] when some row is poison (split the batch and find it), [`StoreError::Unavailable`] when
/// nothing was written and Meta should try again.
pub async fn write(pool: &PgPool, batch: &IntakeBatch) -> Result<IntakeOutcome, StoreError> {
    let mut transaction = pool.begin().await?;
    let mut outcome = IntakeOutcome::default();
    if !batch.messages.is_empty() {
        write_messages(&mut transaction, &batch.messages, &mut outcome).await?;
    }
    if !batch.statuses.is_empty() {
        outcome.statuses = batch.statuses.len();
        outcome.wake.extend(statuses::apply(&mut transaction, &batch.statuses).await?);
    }
    park(&mut transaction, &batch.parked).await?;
    outcome.parked = batch.parked.len();
    transaction.commit().await?;
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
    let people = resolve_people(connection, messages).await?;
    let conversations = resolve_conversations(connection, messages, &people).await?;
    insert_messages(connection, messages, &sequence, &people, &conversations, outcome).await
}

/// `("phone" | "bsuid", value)`
type Identity = (&'static str, String);

fn identities_of(message: &IncomingMessage) -> impl Iterator<Item = Identity> + '_ {
    let phone = message.phone.iter().map(|phone| ("phone", phone.clone()));
    let bsuid = message.bsuid.iter().map(|bsuid| ("bsuid", bsuid.clone()));
    phone.chain(bsuid)
}

#[derive(Clone, Debug)]
struct Known {
    person: Uuid,
    /// What the profile says; `None` when there is no profile yet.
    profile: Option<Profile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
struct Profile {
    phone: Option<String>,
    bsuid: Option<String>,
    parent_bsuid: Option<String>,
    display_name: Option<String>,
    username: Option<String>,
}

/// The person of each message, in the messages' order.
async fn resolve_people(
    connection: &mut PgConnection,
    messages: &[IncomingMessage],
) -> Result<Vec<PersonId>, StoreError> {
    let identities: BTreeSet<Identity> = messages.iter().flat_map(identities_of).collect();
    let mut known = read_identities(connection, &identities).await?;
    let candidates = choose_candidates(messages, &known);
    if !candidates.is_empty() {
        // BTreeMap: sorted, and each identity once.
        let kinds: Vec<String> = candidates.keys().map(|(kind, _)| (*kind).to_owned()).collect();
        let values: Vec<String> = candidates.keys().map(|(_, value)| value.clone()).collect();
        let people: Vec<Uuid> = candidates.values().copied().collect();
        sqlx::query!(
            "INSERT INTO gc_channel.identities (kind, value, person_id)
             SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[]) ON CONFLICT DO NOTHING",
            &kinds,
            &values,
            &people
        )
        .execute(&mut *connection)
        .await?;
        known = read_identities(connection, &identities).await?;
    }
    let mut people = Vec::with_capacity(messages.len());
    let mut profiles: BTreeMap<Uuid, (Option<Profile>, Profile)> = BTreeMap::new();
    let mut disputes: BTreeSet<(Uuid, Uuid)> = BTreeSet::new();
    for message in messages {
        let by_bsuid = message.bsuid.clone().and_then(|bsuid| known.get(&("bsuid", bsuid)));
        let by_phone = message.phone.clone().and_then(|phone| known.get(&("phone", phone)));
        let Some(chosen) = by_bsuid.or(by_phone) else {
            return Err(StoreError::Corrupt("an identity vanished between insert and read".into()));
        };
        // Two names for two people: file under the BSUID, and let a merge be looked at.
        let disputed = by_phone.map(|by_phone| by_phone.person).filter(|other| *other != chosen.person);
        if let Some(other) = disputed {
            disputes.insert((chosen.person, other));
        }
        let (_, wanted) = profiles
            .entry(chosen.person)
            .or_insert_with(|| (chosen.profile.clone(), chosen.profile.clone().unwrap_or_default()));
        if disputed.is_none() {
            wanted.phone = message.phone.clone().or(wanted.phone.take());
        }
        wanted.bsuid = message.bsuid.clone().or(wanted.bsuid.take());
        wanted.parent_bsuid = message.parent_bsuid.clone().or(wanted.parent_bsuid.take());
        wanted.display_name = message.display_name.clone().or(wanted.display_name.take());
        wanted.username = message.username.clone().or(wanted.username.take());
        people.push(PersonId(chosen.person));
    }
    let changed: Vec<(Uuid, Profile)> = profiles
        .into_iter()
        .filter(|(_, (stored, wanted))| stored.as_ref() != Some(wanted))
        .map(|(person, (_, wanted))| (person, wanted))
        .collect();
    write_profiles(connection, &changed).await?;
    queue_disputes(connection, &disputes).await?;
    Ok(people)
}

/// For identities that nobody has yet: the person they would belong to. A person known by phone alone who now comes
/// with a BSUID stays the same person; a phone that already belongs to another BSUID does not (numbers are resold).
fn choose_candidates(
    messages: &[IncomingMessage],
    known: &HashMap<Identity, Known>,
) -> BTreeMap<Identity, Uuid> {
    let mut candidates: BTreeMap<Identity, Uuid> = BTreeMap::new();
    let mut has_bsuid: HashSet<Uuid> = known
        .iter()
        .filter(|((kind, _), entry)| {
            *kind == "bsuid" || entry.profile.as_ref().is_some_and(|profile| profile.bsuid.is_some())
        })
        .map(|(_, entry)| entry.person)
        .collect();
    for message in messages {
        let person_of = |candidates: &BTreeMap<Identity, Uuid>, identity: &Identity| {
            known.get(identity).map(|entry| entry.person).or_else(|| candidates.get(identity).copied())
        };
        let phone = message.phone.clone().map(|phone| ("phone", phone));
        let bsuid = message.bsuid.clone().map(|bsuid| ("bsuid", bsuid));
        let by_phone = phone.as_ref().and_then(|phone| person_of(&candidates, phone));
        let by_bsuid = bsuid.as_ref().and_then(|bsuid| person_of(&candidates, bsuid));
        let person = match (&bsuid, by_bsuid, by_phone) {
            (Some(_), Some(person), _) => person,
            (Some(_), None, Some(person)) if !has_bsuid.contains(&person) => person,
            (None, _, Some(person)) => person,
            _ => Uuid::now_v7(),
        };
        if let Some(bsuid) = bsuid.filter(|_| by_bsuid.is_none()) {
            has_bsuid.insert(person);
            candidates.insert(bsuid, person);
        }
        if let Some(phone) = phone.filter(|_| by_phone.is_none()) {
            candidates.insert(phone, person);
        }
    }
    candidates
}

async fn read_identities(
    connection: &mut PgConnection,
    identities: &BTreeSet<Identity>,
) -> Result<HashMap<Identity, Known>, StoreError> {
    let kinds: Vec<String> = identities.iter().map(|(kind, _)| (*kind).to_owned()).collect();
    let values: Vec<String> = identities.iter().map(|(_, value)| value.clone()).collect();
    let rows = sqlx::query!(
        r#"SELECT i.kind, i.value, i.person_id, p.person_id AS "profile?", p.phone, p.bsuid, p.parent_bsuid,
                  p.display_name, p.username
           FROM unnest($1::text[], $2::text[]) AS asked (kind, value)
           JOIN gc_channel.identities i ON i.kind = asked.kind AND i.value = asked.value
           LEFT JOIN gc_channel.user_profiles p ON p.person_id = i.person_id"#,
        &kinds,
        &values
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let kind = if row.kind == "bsuid" { "bsuid" } else { "phone" };
            let profile = row.profile.map(|_| Profile {
                phone: row.phone,
                bsuid: row.bsuid,
                parent_bsuid: row.parent_bsuid,
                display_name: row.display_name,
                username: row.username,
            });
            ((kind, row.value), Known { person: row.person_id, profile })
        })
        .collect())
}

/// Each person once and sorted by id, so that two writers lock in the same order.
async fn write_profiles(
    connection: &mut PgConnection,
    profiles: &[(Uuid, Profile)],
) -> Result<(), StoreError> {
    if profiles.is_empty() {
        return Ok(());
    }
    let people: Vec<Uuid> = profiles.iter().map(|(person, _)| *person).collect();
    let column = |pick: fn(&Profile) -> &Option<String>| -> Vec<Option<String>> {
        profiles.iter().map(|(_, profile)| pick(profile).clone()).collect()
    };
    sqlx::query!(
        "INSERT INTO gc_channel.user_profiles AS p (person_id, phone, bsuid, parent_bsuid, display_name, username)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
         ON CONFLICT (person_id) DO UPDATE SET
             phone = coalesce(excluded.phone, p.phone), bsuid = coalesce(excluded.bsuid, p.bsuid),
             parent_bsuid = coalesce(excluded.parent_bsuid, p.parent_bsuid),
             display_name = coalesce(excluded.display_name, p.display_name),
             username = coalesce(excluded.username, p.username), updated_at = now()",
        &people,
        &column(|profile| &profile.phone) as &[Option<String>],
        &column(|profile| &profile.bsuid) as &[Option<String>],
        &column(|profile| &profile.parent_bsuid) as &[Option<String>],
        &column(|profile| &profile.display_name) as &[Option<String>],
        &column(|profile| &profile.username) as &[Option<String>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// One open `merge` command a pair of people, however often they write.
async fn queue_disputes(
    connection: &mut PgConnection,
    disputes: &BTreeSet<(Uuid, Uuid)>,
) -> Result<(), StoreError> {
    for (filed_under, also_named) in disputes {
        let payload = json!({"filed_under": filed_under, "also_named": also_named});
        sqlx::query!(
            "INSERT INTO gc_channel.commands (command_id, kind, payload)
             SELECT $1, 'merge', $2 WHERE NOT EXISTS (
                 SELECT FROM gc_channel.commands WHERE kind = 'merge' AND payload = $2 AND done_at IS NULL)",
            Uuid::now_v7(),
            payload
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

type ConversationKey = (String, Uuid);

async fn resolve_conversations(
    connection: &mut PgConnection,
    messages: &[IncomingMessage],
    people: &[PersonId],
) -> Result<HashMap<ConversationKey, ConversationId>, StoreError> {
    let wanted: BTreeSet<ConversationKey> = messages
        .iter()
        .zip(people)
        .map(|(message, person)| (message.phone_number_id.clone(), person.0))
        .collect();
    let mut found = read_conversations(connection, &wanted).await?;
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
        found = read_conversations(connection, &wanted).await?;
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
    messages: &[IncomingMessage],
    sequence: &[i64],
    people: &[PersonId],
    conversations: &HashMap<ConversationKey, ConversationId>,
    outcome: &mut IntakeOutcome,
) -> Result<(), StoreError> {
    struct Row<'a> {
        id: MessageId,
        conversation: ConversationId,
        seq: i64,
        message: &'a IncomingMessage,
    }
    let mut rows = Vec::with_capacity(messages.len());
    for ((message, seq), person) in messages.iter().zip(sequence).zip(people) {
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
             (message_id, conversation_id, partition, direction, seq, wamid, kind, text, content, raw, sent_at)
         SELECT id, conversation, partition, 'in', seq, wamid, kind, text, content, raw, sent_at
         FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::bigint[], $5::text[], $6::text[], $7::text[],
                     $8::jsonb[], $9::bytea[], $10::timestamptz[])
              AS new (id, conversation, partition, seq, wamid, kind, text, content, raw, sent_at)
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
        &sent_at as &[crate::store::Timestamptz]
    )
    .fetch_all(&mut *connection)
    .await?;
    let inserted: HashSet<Uuid> = inserted.into_iter().map(|row| row.message_id).collect();
    outcome.new_messages = inserted.len();
    outcome.duplicates = messages.len() - inserted.len();

    let mut latest: BTreeMap<ConversationId, Timestamp> = BTreeMap::new();
    for row in rows.iter().filter(|row| inserted.contains(&row.id.0)) {
        outcome.wake.insert((PartitionId::of(row.conversation), row.conversation));
        let entry = latest.entry(row.conversation).or_insert(row.message.sent_at);
        *entry = (*entry).max(row.message.sent_at);
    }
    let files: Vec<_> = rows
        .iter()
        .filter(|row| inserted.contains(&row.id.0))
        .filter_map(|row| Some((row.id, row.message.sent_at, NewMedia::of(row.message)?)))
        .collect();
    media::insert(connection, &files).await?;
    outcome.media = files.len();
    refresh_windows(connection, &latest).await
}

/// The 24 h window opens at the citizen's last message. Rows are locked in id order before they are changed.
async fn refresh_windows(
    connection: &mut PgConnection,
    latest: &BTreeMap<ConversationId, Timestamp>,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = latest.keys().map(|id| id.0).collect();
    let times: Vec<_> = latest.values().map(|time| time.to_sqlx()).collect();
    loading::lock(&mut *connection, &ids).await?;
    sqlx::query!(
        "UPDATE gc_channel.conversations c
         SET last_message_at = greatest(c.last_message_at, new.at),
             window_expires_at = greatest(c.window_expires_at, new.at + interval '24 hours')
         FROM unnest($1::uuid[], $2::timestamptz[]) AS new (id, at) WHERE c.conversation_id = new.id",
        &ids,
        &times as &[crate::store::Timestamptz]
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn park(connection: &mut PgConnection, parked: &[ParkedUpdate]) -> Result<(), StoreError> {
    if parked.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO gc_channel.parked_updates (parked_id, phone_number_id, reason, raw)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[])",
        &parked.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>(),
        &parked.iter().map(|update| update.phone_number_id.clone()).collect::<Vec<_>>()
            as &[Option<String>],
        &parked.iter().map(|update| update.reason.clone()).collect::<Vec<_>>(),
        &parked.iter().map(|update| update.raw.clone()).collect::<Vec<_>>()
    )
    .execute(connection)
    .await?;
    Ok(())
}
