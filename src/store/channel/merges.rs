//! Two people turned out to be one (DESIGN §3, "Who is who"). A merge is a command: queued in the transaction of what
//! proves it, carried out when no officer holds either conversation, and looked at once more a little later, for what a
//! webhook filed in between.
//!
//! The older person and the older conversation stay. What is unprocessed, queued or owed moves there; what is history
//! stays where it is, under `merged_into`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::conversation::NewCall;
use super::{people, takeover};
use crate::ids::{ConversationId, PartitionId, PersonId};
use crate::store::StoreError;

/// A merge that is due.
#[derive(Clone, Debug)]
pub struct DueMerge {
    pub command_id: Uuid,
    people: [PersonId; 2],
    actor: String,
    cause: String,
}

/// How carrying out ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// One person now; these conversations have something new to do.
    Merged { wake: BTreeSet<ConversationId> },
    /// An officer holds one of the conversations, or a message is on its way: it is tried again later.
    Waiting,
    /// Nothing is left to do.
    Settled,
}

/// What a merge takes from others: how two states of a dialogue become one (the older first), and the call that tells the
/// case service, given the key, the person who goes and the one who stays.
pub struct Rules {
    pub combine: fn(&Value, &Value) -> Value,
    pub tell_case: fn(Uuid, PersonId, PersonId) -> NewCall,
}

/// Queues a merge; one open command a pair. False when it was queued already.
pub(super) async fn queue(
    connection: &mut PgConnection,
    one: PersonId,
    other: PersonId,
    actor: &str,
    cause: &str,
) -> Result<bool, StoreError> {
    let pair = [one.min(other), one.max(other)];
    let queued = sqlx::query!(
        "INSERT INTO gc_channel.commands (command_id, partition, kind, payload) VALUES ($1, $2, 'merge', $3)
         ON CONFLICT ((payload -> 'people')) WHERE kind = 'merge' AND done_at IS NULL DO NOTHING",
        Uuid::now_v7(),
        partition_of(pair[0]).as_i16(),
        json!({"people": pair, "actor": actor, "cause": cause})
    )
    .execute(connection)
    .await?;
    Ok(queued.rows_affected() == 1)
}

/// The partition whose owner carries a merge out: that of the smaller id, as if it were a conversation's.
fn partition_of(person: PersonId) -> PartitionId {
    PartitionId::of(ConversationId(person.0))
}

/// Merges of these partitions that are due, the oldest first.
pub async fn due(pool: &PgPool, partitions: &[PartitionId], limit: i64) -> Result<Vec<DueMerge>, StoreError> {
    let partitions: Vec<i16> = partitions.iter().map(|partition| partition.as_i16()).collect();
    let rows = sqlx::query!(
        "SELECT command_id, payload FROM gc_channel.commands
         WHERE partition = ANY($1) AND kind = 'merge' AND done_at IS NULL AND due_at <= now() AND payload ? 'people'
         ORDER BY due_at, command_id LIMIT $2",
        &partitions,
        limit
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let people = serde_json::from_value(row.payload["people"].clone())
                .map_err(|_| StoreError::Corrupt("the people of a merge".into()))?;
            let text = |key: &str| row.payload[key].as_str().unwrap_or_default().to_owned();
            Ok(DueMerge { command_id: row.command_id, people, actor: text("actor"), cause: text("cause") })
        })
        .collect()
}

/// Puts a merge off; the pause doubles from half a second to a minute.
pub async fn postpone(pool: &PgPool, command: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gc_channel.commands
         SET due_at = now() + least(60, 0.5 * 2 ^ least(attempts, 10)) * interval '1 second', attempts = attempts + 1
         WHERE command_id = $1 AND done_at IS NULL",
        command
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Carries a merge out in one transaction. Repeating it finds what was done.
pub async fn execute(pool: &PgPool, merge: &DueMerge, rules: &Rules) -> Result<Outcome, StoreError> {
    let mut transaction = pool.begin().await?;
    let connection = &mut *transaction;
    let open = sqlx::query_scalar!(
        "SELECT command_id FROM gc_channel.commands WHERE command_id = $1 AND done_at IS NULL FOR UPDATE SKIP LOCKED",
        merge.command_id
    )
    .fetch_optional(&mut *connection)
    .await?;
    if open.is_none() {
        return Ok(Outcome::Settled);
    }
    let Some(family) = family(connection, &merge.people).await? else {
        // One of them was erased.
        finish(connection, merge.command_id).await?;
        transaction.commit().await?;
        return Ok(Outcome::Settled);
    };
    let Some(moved) = merge_conversations(connection, &family, rules).await? else {
        // Dropping the transaction undoes what was moved already.
        return Ok(Outcome::Waiting);
    };
    let first_time = family.joins.is_some();
    if let Some(absorbed) = family.joins {
        join_people(connection, family.stays, absorbed).await?;
        tell_case(connection, merge.command_id, absorbed, family.stays, rules).await?;
        let (into, reason) = (Some(family.stays), Some(merge.cause.as_str()));
        people::log(connection, absorbed, into, "merged", &merge.actor, reason, None).await?;
    }
    let outcome = if first_time || !moved.is_empty() {
        // Once more, when every webhook that knew the old state has been written.
        sqlx::query!(
            "UPDATE gc_channel.commands SET due_at = now() + interval '5 seconds', attempts = 0 WHERE command_id = $1",
            merge.command_id
        )
        .execute(&mut *connection)
        .await?;
        Outcome::Merged { wake: conversations_of(connection, family.stays).await? }
    } else {
        finish(connection, merge.command_id).await?;
        Outcome::Settled
    };
    crate::crash_point!("merge::before_commit");
    transaction.commit().await?;
    Ok(outcome)
}

async fn finish(connection: &mut PgConnection, command: Uuid) -> Result<(), StoreError> {
    sqlx::query!("UPDATE gc_channel.commands SET done_at = now() WHERE command_id = $1", command)
        .execute(connection)
        .await?;
    Ok(())
}

/// The person who stays, who joins them now, and everybody who has.
struct Family {
    stays: PersonId,
    joins: Option<PersonId>,
    everybody: Vec<Uuid>,
}

/// Locks the profiles in id order; `None` when one of them is gone. Who was met first stays.
async fn family(connection: &mut PgConnection, pair: &[PersonId; 2]) -> Result<Option<Family>, StoreError> {
    let mut roots = Vec::new();
    for person in pair {
        let root = sqlx::query_scalar!(
            r#"SELECT coalesce(merged_into, person_id) AS "root!" FROM gc_channel.user_profiles WHERE person_id = $1"#,
            person.0
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(root) = root else { return Ok(None) };
        roots.push(root);
    }
    let locked = sqlx::query!(
        "SELECT person_id, created_at, merged_into FROM gc_channel.user_profiles
         WHERE person_id = ANY($1) OR merged_into = ANY($1) ORDER BY person_id FOR NO KEY UPDATE",
        &roots
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut alone: Vec<_> = locked.iter().filter(|row| row.merged_into.is_none()).collect();
    alone.sort_by_key(|row| (row.created_at, row.person_id));
    let everybody = locked.iter().map(|row| row.person_id).collect();
    Ok(match alone[..] {
        [stays] => Some(Family { stays: PersonId(stays.person_id), joins: None, everybody }),
        [stays, joins] => Some(Family {
            stays: PersonId(stays.person_id),
            joins: Some(PersonId(joins.person_id)),
            everybody,
        }),
        // Merged into somebody else since the look: the next attempt follows.
        _ => None,
    })
}

struct Row {
    id: ConversationId,
    person: Uuid,
    created_at: jiff::Timestamp,
    held: bool,
    state: Value,
}

/// Every number of the office has one conversation with the person afterwards. Gives the conversations that went, or
/// `None` when it has to wait.
async fn merge_conversations(
    connection: &mut PgConnection,
    family: &Family,
    rules: &Rules,
) -> Result<Option<Vec<ConversationId>>, StoreError> {
    let rows = sqlx::query!(
        "SELECT conversation_id, phone_number_id, person_id, created_at, holder, state FROM gc_channel.conversations
         WHERE person_id = ANY($1) AND merged_into IS NULL ORDER BY conversation_id FOR NO KEY UPDATE",
        &family.everybody
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut by_number: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in rows {
        by_number.entry(row.phone_number_id).or_default().push(Row {
            id: ConversationId(row.conversation_id),
            person: row.person_id,
            created_at: row.created_at.into(),
            held: row.holder.is_some(),
            state: row.state,
        });
    }
    let mut gone = Vec::new();
    for rows in by_number.values_mut() {
        rows.sort_by_key(|row| (row.created_at, row.id));
        let Some((older, younger)) = rows.split_first() else { continue };
        if younger.is_empty() && older.person == family.stays.0 {
            continue;
        }
        if older.held || younger.iter().any(|row| row.held) {
            return Ok(None);
        }
        let mut state = older.state.clone();
        for row in younger {
            state = (rules.combine)(&state, &row.state);
            if !move_work(connection, row.id, older.id).await? {
                return Ok(None);
            }
            gone.push(row.id);
        }
        take_over_names(connection, older, younger, family.stays).await?;
        sqlx::query!(
            "UPDATE gc_channel.conversations SET state = $2, version = version + 1, updated_at = now()
             WHERE conversation_id = $1",
            older.id.0,
            state
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(Some(gone))
}

/// Moves what is open in a conversation that was merged to the one that is left, and gives that one: Meta told of a
/// failure while the merge was being committed, or after it. `None` when the conversation is gone.
pub(super) async fn take_along(
    pool: &PgPool,
    from: ConversationId,
) -> Result<Option<ConversationId>, StoreError> {
    let mut transaction = pool.begin().await?;
    let Some(into) = takeover::lock_survivor(&mut transaction, from).await? else { return Ok(None) };
    if into != from {
        move_messages(&mut transaction, from, into).await?;
        move_calls(&mut transaction, from, into).await?;
    }
    transaction.commit().await?;
    Ok(Some(into))
}

/// Moves what is unprocessed, queued or owed; false when a message is on its way to Meta just now.
async fn move_work(
    connection: &mut PgConnection,
    from: ConversationId,
    into: ConversationId,
) -> Result<bool, StoreError> {
    move_messages(connection, from, into).await?;
    // After the move: a row that was claimed while it waited for this transaction's locks is seen here.
    let sending = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM gc_channel.messages
                          WHERE conversation_id = $1 AND direction = 'out' AND status = 'sending') AS "sending!""#,
        from.0
    )
    .fetch_one(&mut *connection)
    .await?;
    if sending {
        return Ok(false);
    }
    move_calls(connection, from, into).await?;
    sqlx::query!(
        "UPDATE gc_channel.commands SET conversation_id = $2, partition = $3
         WHERE conversation_id = $1 AND done_at IS NULL AND kind <> 'merge'",
        from.0,
        into.0,
        PartitionId::of(into).as_i16()
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE gc_channel.conversations o
         SET window_expires_at = greatest(o.window_expires_at, y.window_expires_at),
             last_message_at = greatest(o.last_message_at, y.last_message_at),
             waiting_since = least(o.waiting_since, y.waiting_since),
             waiting_reason = coalesce(o.waiting_reason, y.waiting_reason)
         FROM gc_channel.conversations y WHERE o.conversation_id = $2 AND y.conversation_id = $1",
        from.0,
        into.0
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE gc_channel.conversations
         SET merged_into = $2, version = version + 1, state = '{}', waiting_since = NULL, waiting_reason = NULL,
             parked_at = NULL, parked_reason = NULL, retry_at = NULL, updated_at = now() WHERE conversation_id = $1",
        from.0,
        into.0
    )
    .execute(&mut *connection)
    .await?;
    // One step leads from any old id to the conversation that is left.
    sqlx::query!(
        "UPDATE gc_channel.conversations SET merged_into = $2 WHERE merged_into = $1",
        from.0,
        into.0
    )
    .execute(&mut *connection)
    .await?;
    Ok(true)
}

/// What is unprocessed, queued, or failed with something owed.
async fn move_messages(
    connection: &mut PgConnection,
    from: ConversationId,
    into: ConversationId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gc_channel.messages SET conversation_id = $2, partition = $3
         WHERE conversation_id = $1 AND ((direction = 'in' AND processed_at IS NULL)
             OR (direction = 'out' AND (status IN ('queued', 'unknown') OR aftermath IS NOT NULL)))",
        from.0,
        into.0,
        PartitionId::of(into).as_i16()
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn move_calls(
    connection: &mut PgConnection,
    from: ConversationId,
    into: ConversationId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gc_channel.calls SET conversation_id = $2, partition = $3
         WHERE conversation_id = $1 AND answered_at IS NULL",
        from.0,
        into.0,
        PartitionId::of(into).as_i16()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The conversation that is left is the person's who stays. A number and a person have one conversation, so whichever
/// stands in its place gets the other's person.
async fn take_over_names(
    connection: &mut PgConnection,
    older: &Row,
    younger: &[Row],
    stays: PersonId,
) -> Result<(), StoreError> {
    if older.person == stays.0 {
        return Ok(());
    }
    let set = async |connection: &mut PgConnection, id: ConversationId, person: Uuid| {
        sqlx::query!(
            "UPDATE gc_channel.conversations SET person_id = $2 WHERE conversation_id = $1",
            id.0,
            person
        )
        .execute(connection)
        .await
        .map(drop)
    };
    let in_its_place = younger.iter().find(|row| row.person == stays.0);
    if let Some(row) = in_its_place {
        // Nobody's for a moment: the constraint is checked after each statement.
        set(connection, row.id, Uuid::now_v7()).await?;
    }
    set(connection, older.id, stays.0).await?;
    if let Some(row) = in_its_place {
        set(connection, row.id, older.person).await?;
    }
    Ok(())
}

/// Names, profile and what refers to the person who goes.
async fn join_people(
    connection: &mut PgConnection,
    stays: PersonId,
    joins: PersonId,
) -> Result<(), StoreError> {
    sqlx::query!("UPDATE gc_channel.identities SET person_id = $1 WHERE person_id = $2", stays.0, joins.0)
        .execute(&mut *connection)
        .await?;
    // What was heard last is nearer to the truth.
    sqlx::query!(
        "UPDATE gc_channel.user_profiles s
         SET phone = CASE WHEN j.updated_at > s.updated_at THEN coalesce(j.phone, s.phone) ELSE coalesce(s.phone, j.phone) END,
             bsuid = CASE WHEN j.updated_at > s.updated_at THEN coalesce(j.bsuid, s.bsuid) ELSE coalesce(s.bsuid, j.bsuid) END,
             parent_bsuid = coalesce(s.parent_bsuid, j.parent_bsuid),
             display_name = CASE WHEN j.updated_at > s.updated_at THEN coalesce(j.display_name, s.display_name)
                                 ELSE coalesce(s.display_name, j.display_name) END,
             username = CASE WHEN j.updated_at > s.updated_at THEN coalesce(j.username, s.username)
                             ELSE coalesce(s.username, j.username) END,
             updated_at = now()
         FROM gc_channel.user_profiles j WHERE s.person_id = $1 AND j.person_id = $2",
        stays.0,
        joins.0
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE gc_channel.user_profiles SET merged_into = $1, updated_at = now()
         WHERE person_id = $2 OR merged_into = $2",
        stays.0,
        joins.0
    )
    .execute(&mut *connection)
    .await?;
    people::join_suggestions(connection, stays, joins).await
}

/// The case service is told by a call in the person's latest conversation, made like every other.
async fn tell_case(
    connection: &mut PgConnection,
    key: Uuid,
    joins: PersonId,
    stays: PersonId,
    rules: &Rules,
) -> Result<(), StoreError> {
    let call = (rules.tell_case)(key, joins, stays);
    let conversation = sqlx::query_scalar!(
        "SELECT conversation_id FROM gc_channel.conversations WHERE person_id = $1 AND merged_into IS NULL
         ORDER BY last_message_at DESC NULLS LAST, conversation_id LIMIT 1",
        stays.0
    )
    .fetch_optional(&mut *connection)
    .await?;
    // Without a conversation neither of them can have filed anything by WhatsApp.
    let Some(conversation) = conversation else { return Ok(()) };
    sqlx::query!(
        "INSERT INTO gc_channel.calls (call_id, conversation_id, partition, kind, key, body)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (key) DO NOTHING",
        Uuid::now_v7(),
        conversation,
        PartitionId::of(ConversationId(conversation)).as_i16(),
        call.kind,
        call.key,
        call.body
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn conversations_of(
    connection: &mut PgConnection,
    person: PersonId,
) -> Result<BTreeSet<ConversationId>, StoreError> {
    let rows = sqlx::query_scalar!(
        "SELECT conversation_id FROM gc_channel.conversations WHERE person_id = $1 AND merged_into IS NULL",
        person.0
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(ConversationId).collect())
}
