//! How things stand: one conversation's queues for operators, and the oldest work of all for gauges. Counts and times
//! only, nothing that anybody said.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::ids::{ConversationId, Epoch, PartitionId};
use crate::store::StoreError;

/// Work of one sort that a conversation still has before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Queue {
    pub rows: i64,
    pub oldest_at: Option<Timestamp>,
    /// The most attempts that any of it has had.
    pub attempts: i32,
    pub next_attempt_at: Option<Timestamp>,
    /// Of the latest failed attempt: the code and title of Meta's answer.
    pub last_error: Option<Value>,
}

/// A conversation as the store has it.
#[derive(Clone, Debug)]
pub struct Standing {
    pub owner: Option<Uuid>,
    /// Of the partition's lease.
    pub lease_epoch: Epoch,
    pub lease_expires_at: Timestamp,
    /// Of the last owner that loaded the conversation.
    pub owner_epoch: Epoch,
    pub version: i64,
    pub mode: String,
    pub failed_turns: i32,
    pub retry_at: Option<Timestamp>,
    pub parked_at: Option<Timestamp>,
    pub parked_reason: Option<String>,
    pub inbox: Queue,
    pub outbox: Queue,
    pub calls: Queue,
}

/// One conversation; `None` when there is no such.
pub async fn of_conversation(pool: &PgPool, id: ConversationId) -> Result<Option<Standing>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT CASE WHEN l.expires_at > now() THEN l.owner END AS owner, l.epoch, l.expires_at, c.owner_epoch,
                  c.version, c.mode, c.failed_turns, c.retry_at, c.parked_at, c.parked_reason,
                  inbox.rows AS "inbox_rows!", inbox.oldest AS inbox_oldest,
                  outbox.rows AS "outbox_rows!", outbox.oldest AS outbox_oldest, outbox.attempts AS outbox_attempts,
                  CASE WHEN isfinite(outbox.next) THEN outbox.next END AS outbox_next, outbox.error AS outbox_error,
                  calls.rows AS "calls_rows!", calls.oldest AS calls_oldest, calls.attempts AS calls_attempts,
                  calls.next AS calls_next
           FROM gc_channel.conversations c
           JOIN gc_channel.partition_leases l ON l.partition = c.partition
           CROSS JOIN LATERAL (
               SELECT count(*) AS rows, min(m.received_at) AS oldest FROM gc_channel.messages m
               WHERE m.partition = c.partition AND m.conversation_id = c.conversation_id
                 AND m.direction = 'in' AND m.processed_at IS NULL) AS inbox
           CROSS JOIN LATERAL (
               SELECT count(*) AS rows, min(m.received_at) AS oldest, max(m.attempts) AS attempts,
                      min(m.next_attempt_at) AS next,
                      (array_agg(m.error ORDER BY m.seq) FILTER (WHERE m.error IS NOT NULL))[1] AS error
               FROM gc_channel.messages m
               WHERE m.partition = c.partition AND m.conversation_id = c.conversation_id
                 AND m.direction = 'out' AND m.status IN ('queued', 'sending', 'unknown')) AS outbox
           CROSS JOIN LATERAL (
               SELECT count(*) AS rows, min(k.created_at) AS oldest, max(k.attempts) AS attempts,
                      min(k.next_attempt_at) AS next
               FROM gc_channel.calls k
               WHERE k.partition = c.partition AND k.conversation_id = c.conversation_id
                 AND k.answered_at IS NULL) AS calls
           WHERE c.conversation_id = $1"#,
        id.0
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Standing {
        owner: row.owner,
        lease_epoch: Epoch(row.epoch),
        lease_expires_at: row.expires_at.into(),
        owner_epoch: Epoch(row.owner_epoch),
        version: row.version,
        mode: row.mode,
        failed_turns: row.failed_turns,
        retry_at: row.retry_at.map(Timestamp::from),
        parked_at: row.parked_at.map(Timestamp::from),
        parked_reason: row.parked_reason,
        inbox: Queue {
            rows: row.inbox_rows,
            oldest_at: row.inbox_oldest.map(Timestamp::from),
            attempts: row.failed_turns,
            next_attempt_at: row.retry_at.map(Timestamp::from),
            last_error: None,
        },
        outbox: Queue {
            rows: row.outbox_rows,
            oldest_at: row.outbox_oldest.map(Timestamp::from),
            attempts: row.outbox_attempts.unwrap_or_default(),
            next_attempt_at: row.outbox_next.map(Timestamp::from),
            last_error: row.outbox_error,
        },
        calls: Queue {
            rows: row.calls_rows,
            oldest_at: row.calls_oldest.map(Timestamp::from),
            attempts: row.calls_attempts.unwrap_or_default(),
            next_attempt_at: row.calls_next.map(Timestamp::from),
            last_error: None,
        },
    }))
}

/// Work of one partition that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    pub partition: PartitionId,
    /// Messages that the bot has not dealt with, and may.
    pub inbox: i64,
    /// Messages of ours that may still be sent.
    pub outbox: i64,
    /// Calls without an answer.
    pub calls: i64,
}

/// What waits in each partition that has anything.
pub async fn pending(pool: &PgPool) -> Result<Vec<Pending>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT partition AS "partition!", count(*) FILTER (WHERE kind = 'inbox') AS "inbox!",
                  count(*) FILTER (WHERE kind = 'outbox') AS "outbox!", count(*) FILTER (WHERE kind = 'calls') AS "calls!"
           FROM (
               SELECT m.partition, 'inbox' AS kind
               FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
               WHERE m.direction = 'in' AND m.processed_at IS NULL AND c.mode = 'bot' AND c.parked_at IS NULL
               UNION ALL
               SELECT partition, 'outbox' FROM gc_channel.messages
               WHERE direction = 'out' AND status IN ('queued', 'sending', 'unknown')
                 AND next_attempt_at IS DISTINCT FROM 'infinity'
               UNION ALL
               SELECT partition, 'calls' FROM gc_channel.calls WHERE answered_at IS NULL
           ) AS work
           GROUP BY partition ORDER BY partition"#
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Pending {
            partition: PartitionId(row.partition as u16),
            inbox: row.inbox,
            outbox: row.outbox,
            calls: row.calls,
        })
        .collect())
}

/// The oldest work and what is put aside, of some partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Backlog {
    /// Seconds since the oldest message came that the bot has not dealt with.
    pub inbox_oldest_s: f64,
    /// Seconds since the oldest message was queued that may still be sent.
    pub outbox_oldest_s: f64,
    /// Conversations parked now.
    pub parked: i64,
}

/// What gauges show. A held or parked conversation's messages wait for people and do not count; nor do messages of the
/// bot that a takeover has made final.
pub async fn backlog(pool: &PgPool, partitions: &[PartitionId]) -> Result<Backlog, StoreError> {
    let partitions: Vec<i16> = partitions.iter().map(|partition| partition.as_i16()).collect();
    let row = sqlx::query!(
        r#"SELECT coalesce((
                      SELECT extract(epoch FROM now() - min(m.received_at))
                      FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
                      WHERE m.partition = ANY($1) AND m.direction = 'in' AND m.processed_at IS NULL
                        AND c.mode = 'bot' AND c.parked_at IS NULL), 0)::float8 AS "inbox!",
                  coalesce((
                      SELECT extract(epoch FROM now() - min(m.received_at)) FROM gc_channel.messages m
                      WHERE m.partition = ANY($1) AND m.direction = 'out'
                        AND m.status IN ('queued', 'sending', 'unknown')
                        AND m.next_attempt_at IS DISTINCT FROM 'infinity'), 0)::float8 AS "outbox!",
                  (SELECT count(*) FROM gc_channel.conversations
                   WHERE parked_at IS NOT NULL AND partition = ANY($1)) AS "parked!""#,
        &partitions
    )
    .fetch_one(pool)
    .await?;
    Ok(Backlog {
        inbox_oldest_s: row.inbox.max(0.0),
        outbox_oldest_s: row.outbox.max(0.0),
        parked: row.parked,
    })
}
