//! Finds conversations with work, for wake-ups that were lost (I8). Hints may be lost, doubled or reordered; this may not.

use sqlx::PgPool;
use uuid::Uuid;

use super::merges;
use crate::ids::{ConversationId, PartitionId};
use crate::store::StoreError;

/// Where a sweep stopped.
pub type Place = (PartitionId, ConversationId);

/// What one sweep found.
#[derive(Clone, Debug)]
pub struct Swept {
    pub conversations: Vec<ConversationId>,
    /// Where the next sweep goes on; `None` when this one came to the end. Work that cannot be done now (a number that is
    /// paused) would otherwise be found again and again in place of what comes after it.
    pub next: Option<Place>,
}

/// Conversations of these partitions with something to do now: unprocessed messages, queued ones, failed ones with
/// something owed, unanswered calls, a draft to be reminded of; at most `limit` of them, beyond `after`.
/// Held conversations count only for what a person or a notification sends; parked ones do not count at all.
/// What is open in a conversation that was merged meanwhile goes to the one that is left.
pub async fn pending(
    pool: &PgPool,
    partitions: &[PartitionId],
    after: Option<Place>,
    limit: i64,
) -> Result<Swept, StoreError> {
    let partitions: Vec<i16> = partitions.iter().map(|partition| partition.as_i16()).collect();
    let (after_partition, after_conversation) =
        after.map_or((-1, Uuid::nil()), |(partition, conversation)| (partition.as_i16(), conversation.0));
    let rows = sqlx::query!(
        r#"SELECT work.partition AS "partition!", work.conversation_id AS "conversation_id!",
                  c.merged_into IS NOT NULL AS "merged!"
           FROM (
               SELECT m.partition, m.conversation_id
               FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
               WHERE m.direction = 'in' AND m.processed_at IS NULL AND m.partition = ANY($1)
                 AND c.mode = 'bot' AND c.parked_at IS NULL AND (c.retry_at IS NULL OR c.retry_at <= now())
               UNION
               SELECT m.partition, m.conversation_id
               FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
               WHERE m.direction = 'out' AND m.status IN ('queued', 'sending', 'unknown') AND m.partition = ANY($1)
                 AND (m.next_attempt_at IS NULL OR m.next_attempt_at <= now())
                 AND (c.mode = 'bot' OR m.origin <> 'bot')
               UNION
               SELECT m.partition, m.conversation_id FROM gc_channel.messages m
               WHERE m.aftermath IS NOT NULL AND m.partition = ANY($1)
               UNION
               SELECT k.partition, k.conversation_id FROM gc_channel.calls k
               WHERE k.answered_at IS NULL AND k.next_attempt_at <= now() AND k.partition = ANY($1)
               UNION
               SELECT c.partition, c.conversation_id FROM gc_channel.conversations c
               WHERE c.remind_at <= now() AND c.partition = ANY($1) AND c.mode = 'bot' AND c.parked_at IS NULL
                 AND c.merged_into IS NULL
           ) AS work
           JOIN gc_channel.conversations c ON c.conversation_id = work.conversation_id
           WHERE (work.partition, work.conversation_id) > ($3, $4)
           ORDER BY work.partition, work.conversation_id LIMIT $2"#,
        &partitions,
        limit,
        after_partition,
        after_conversation
    )
    .fetch_all(pool)
    .await?;
    let last = rows.last().filter(|_| i64::try_from(rows.len()).is_ok_and(|found| found >= limit));
    let next = last.map(|row| (PartitionId(row.partition as u16), ConversationId(row.conversation_id)));
    let mut conversations = Vec::with_capacity(rows.len());
    for row in rows {
        let id = ConversationId(row.conversation_id);
        match row.merged {
            false => conversations.push(id),
            true => conversations.extend(merges::take_along(pool, id).await?),
        }
    }
    Ok(Swept { conversations, next })
}
