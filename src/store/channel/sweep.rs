//! Finds conversations with work, for wake-ups that were lost (I8). Hints may be lost, doubled or reordered; this may not.

use sqlx::PgPool;

use crate::ids::{ConversationId, PartitionId};
use crate::store::StoreError;

/// Conversations of these partitions with something to do now: unprocessed messages, queued ones, failed ones with
/// something owed, unanswered calls.
/// Held conversations count only for what a person or a notification sends; parked ones do not count at all.
pub async fn pending(
    pool: &PgPool,
    partitions: &[PartitionId],
    limit: i64,
) -> Result<Vec<(PartitionId, ConversationId)>, StoreError> {
    let partitions: Vec<i16> = partitions.iter().map(|partition| partition.as_i16()).collect();
    let rows = sqlx::query!(
        r#"SELECT work.partition AS "partition!", work.conversation_id AS "conversation_id!"
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
           ) AS work LIMIT $2"#,
        &partitions,
        limit
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (PartitionId(row.partition as u16), ConversationId(row.conversation_id)))
        .collect())
}
