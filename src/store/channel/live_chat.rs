//! What has changed since: what a dashboard reads that shows conversations live.
//!
//! There is no log of changes: messages are found by their ids, which tell when they were made, and everything that happens
//! to them later by the ids of its events. Both have such an index already, so nothing is written for this. An id is
//! made a moment before its row is committed, and by another machine's clock: whoever reads goes back a little further
//! than they must, and keeps of each thing what has the highest version.

use jiff::{SignedDuration, Timestamp};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::conversation_list::{self, ConversationRow};
use super::listing::{self, MessageRow};
use super::media::{self, MediaRow};
use crate::ids::MessageId;
use crate::store::{StoreError, Timestamptz};

/// Further back nobody is told: their lists are to be loaded afresh.
pub const LONGEST_GAP: SignedDuration = SignedDuration::from_hours(24);
/// Transactions in progress that tell versions apart; more than a server has connections.
const MOST_IN_PROGRESS: i64 = 1 << 14;

/// Messages of a conversation that are given again when somebody takes it over or gives it back.
const LAST_MESSAGES: i64 = 20;

/// From where on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// From now on.
    Now,
    /// What was made from so much before this time on; it is a time of the database.
    Time { at: Timestamp, margin: SignedDuration },
    /// Where a page ended.
    Page(Uuid),
}

/// What changed, as it is in one and the same moment of the database.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Grows with every commit: of two reads the one with the higher version saw everything that the other saw.
    pub version: i64,
    /// The database's time when it was read.
    pub at: Timestamp,
    /// Where the next page goes on, when there is more.
    pub next: Option<Uuid>,
    pub conversations: Vec<ConversationRow>,
    pub messages: Vec<MessageRow>,
    pub media: Vec<(MessageId, MediaRow)>,
    /// It is too long ago; nothing is given.
    pub too_long_ago: bool,
}

/// What changed, the first `limit` changes.
///
/// # Errors
/// As [`StoreError`].
pub async fn changes(pool: &PgPool, since: Since, limit: i64) -> Result<Changes, StoreError> {
    // All statements see the same moment, which is the one that the version tells.
    let mut snapshot = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let seen = sqlx::query!(
        r#"SELECT now() AS "at!: Timestamptz", pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS "ended!",
                  (SELECT count(*) FROM pg_snapshot_xip(pg_current_snapshot())) AS "in_progress!""#
    )
    .fetch_one(&mut *snapshot)
    .await?;
    let at: Timestamp = seen.at.into();
    // A commit either is the highest that has ended, or takes one away from those in progress below it.
    let version = seen.ended * MOST_IN_PROGRESS + (MOST_IN_PROGRESS - 1 - seen.in_progress).max(0);
    let mut changes = Changes {
        version,
        at,
        next: None,
        conversations: Vec::new(),
        messages: Vec::new(),
        media: Vec::new(),
        too_long_ago: false,
    };
    let after = match since {
        Since::Now => return Ok(changes),
        Since::Page(id) => id,
        Since::Time { at: since, .. } if at.duration_since(since) > LONGEST_GAP => {
            changes.too_long_ago = true;
            return Ok(changes);
        }
        Since::Time { at: since, margin } => first_id(since.saturating_sub(margin).unwrap_or(since)),
    };
    let found = sqlx::query!(
        r#"SELECT id AS "id!", conversation_id, message_id, of_takeover AS "of_takeover!" FROM (
               (SELECT m.message_id AS id, m.conversation_id, m.message_id, false AS of_takeover
                FROM gc_channel.messages m
                WHERE m.message_id > $1 ORDER BY m.message_id LIMIT $2)
               UNION ALL
               (SELECT e.event_id, (e.body ->> 'conversation_id')::uuid, (e.body ->> 'message_id')::uuid,
                       e.routing_key LIKE 'govconnect.takeover.%'
                FROM gc_channel.event_outbox e WHERE e.event_id > $1 ORDER BY e.event_id LIMIT $2)) AS changed
           ORDER BY id LIMIT $2"#,
        after,
        limit
    )
    .fetch_all(&mut *snapshot)
    .await?;
    if found.len() as i64 >= limit {
        changes.next = found.last().map(|row| row.id);
    }
    let mut conversations: Vec<Uuid> = found.iter().filter_map(|row| row.conversation_id).collect();
    let mut messages: Vec<Uuid> = found.iter().filter_map(|row| row.message_id).collect();
    let taken: Vec<Uuid> =
        found.iter().filter(|row| row.of_takeover).filter_map(|row| row.conversation_id).collect();
    if !taken.is_empty() {
        messages.extend(last_messages(&mut snapshot, &taken).await?);
    }
    for ids in [&mut conversations, &mut messages] {
        ids.sort_unstable();
        ids.dedup();
    }
    if !conversations.is_empty() {
        changes.conversations = conversation_list::by_id(&mut *snapshot, &conversations).await?;
    }
    if !messages.is_empty() {
        changes.messages = listing::messages_by_id(&mut *snapshot, &messages).await?;
        let ids: Vec<MessageId> = messages.into_iter().map(MessageId).collect();
        changes.media = media::of_messages(&mut *snapshot, &ids).await?;
    }
    Ok(changes)
}

/// The last few messages of conversations: a takeover cancels those of the bot, and nothing else tells of that.
async fn last_messages(
    connection: &mut PgConnection,
    conversations: &[Uuid],
) -> Result<Vec<Uuid>, StoreError> {
    let ids = sqlx::query_scalar!(
        r#"SELECT last.message_id AS "message_id!" FROM unnest($1::uuid[]) AS taken (conversation_id)
           CROSS JOIN LATERAL (
               SELECT m.message_id FROM gc_channel.messages m WHERE m.conversation_id = taken.conversation_id
               ORDER BY m.seq DESC LIMIT $2) AS last"#,
        conversations,
        LAST_MESSAGES
    )
    .fetch_all(connection)
    .await?;
    Ok(ids)
}

/// No id that was made at that time or later is smaller.
fn first_id(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.as_millisecond()).unwrap_or_default();
    Uuid::from_u128(u128::from(millis) << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_made_from_a_time_on_are_not_smaller_than_its_first() {
        let made = Uuid::now_v7();
        let (seconds, nanos) = made.get_timestamp().unwrap().to_unix();
        let at = Timestamp::new(i64::try_from(seconds).unwrap(), i32::try_from(nanos).unwrap()).unwrap();
        assert!(first_id(at) < made);
        assert!(first_id(at + SignedDuration::from_millis(1)) > made);
    }
}
