//! Messages of ours are claimed before the call and recorded as sent after it, those of many conversations at once
//! (I6, I7). What is put back or given up is in [`outbox`](super::outbox).
//!
//! One row of a conversation at a time, in order. A row whose outcome is unknown holds back what follows until a
//! status tells, or 60 s pass without one. Message rows are locked in id order, as statuses lock them.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

use super::outbox;
use super::statuses::{self, Applied, IncomingStatus};
use crate::ids::{ConversationId, Epoch, MessageId, PartitionId};
use crate::store::StoreError;

/// A row that this owner may send now.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub message_id: MessageId,
    pub content: Value,
    pub origin: String,
    /// Where its person is reached now; who waits long for a claim must not send to a number that has passed to another.
    pub phone: Option<String>,
    pub bsuid: Option<String>,
    /// Counting this one, from 1.
    pub attempts: i32,
    pub window_expires_at: Option<Timestamp>,
    /// Something waits behind it.
    pub more: bool,
    /// The `wamid` of the message that it quotes.
    pub reply_to: Option<String>,
    /// Its outcome was unknown for a minute: this call repeats one that may have been taken.
    pub repeated: bool,
}

/// What a claim found.
#[derive(Clone, Debug)]
pub enum Claim {
    /// Send it, beginning within 2 s, or give it back.
    Row(Box<Claimed>),
    /// Something waits; look again after this long.
    Later(Duration),
    /// The outbox is empty, or what is in it may not be sent.
    Empty,
}

/// Claims the first row of each conversation that may be sent, in the order given. Requires the owner's epoch, and
/// `mode = 'bot'` for the bot's rows. Of a conversation that comes twice only one can win.
pub async fn claim(pool: &PgPool, owners: &[(ConversationId, Epoch)]) -> Result<Vec<Claim>, StoreError> {
    let mut connection = pool.acquire().await?;
    let mut claimed = claim_heads(&mut connection, owners).await?;
    let left: Vec<(ConversationId, Epoch)> =
        owners.iter().filter(|(id, epoch)| !claimed.contains_key(&(*id, *epoch))).copied().collect();
    if !left.is_empty()
        && let Err(error) = give_up_lost(&mut connection, &left).await
        && claimed.is_empty()
    {
        return Err(error);
    }
    let waits = match left.is_empty() {
        true => HashMap::new(),
        // The rows above are claimed and on disk: they must not be lost to a failure here. Whoever is told to wait
        // a moment asks again.
        false => match read_waits(&mut connection, &left).await {
            Ok(waits) => waits,
            Err(error) if claimed.is_empty() => return Err(error),
            Err(_) => left.iter().map(|owner| (*owner, Duration::from_secs(1))).collect(),
        },
    };
    Ok(owners
        .iter()
        .map(|owner| match (claimed.remove(owner), waits.get(owner)) {
            (Some(row), _) => Claim::Row(Box::new(row)),
            (None, Some(wait)) => Claim::Later(*wait),
            (None, None) => Claim::Empty,
        })
        .collect())
}

type Owner = (ConversationId, Epoch);

struct OwnerColumns {
    ids: Vec<Uuid>,
    epochs: Vec<i64>,
    partitions: Vec<i16>,
}

impl OwnerColumns {
    fn of(owners: &[Owner]) -> Self {
        OwnerColumns {
            ids: owners.iter().map(|(id, _)| id.0).collect(),
            epochs: owners.iter().map(|(_, epoch)| epoch.0).collect(),
            partitions: owners.iter().map(|(id, _)| PartitionId::of(*id).as_i16()).collect(),
        }
    }
}

async fn claim_heads(
    connection: &mut PgConnection,
    owners: &[Owner],
) -> Result<HashMap<Owner, Claimed>, StoreError> {
    let asked = OwnerColumns::of(owners);
    // A row left unknown for 60 s without a status may be sent again. The bot's rows of before a takeover never are:
    // the takeover put their next attempt at infinity.
    //
    // What is looked at here is looked at again once the rows are locked: a takeover that commits meanwhile has changed
    // the row itself (cancelled, or never again), and one that comes later waits for the lock and finds it claimed.
    let heads = sqlx::query_scalar!(
        r#"SELECT first.message_id
           FROM unnest($1::uuid[], $2::bigint[], $3::smallint[]) AS asked (conversation_id, epoch, partition)
           JOIN gc_channel.conversations c
             ON c.conversation_id = asked.conversation_id AND c.owner_epoch <= asked.epoch
           CROSS JOIN LATERAL (
               SELECT m.message_id, m.status, m.origin, m.next_attempt_at, m.claimed_at FROM gc_channel.messages m
               WHERE m.partition = asked.partition AND m.conversation_id = asked.conversation_id
                 AND m.direction = 'out' AND m.status IN ('queued', 'sending', 'unknown')
                 AND m.next_attempt_at IS DISTINCT FROM 'infinity'
               ORDER BY m.seq LIMIT 1) AS first
           WHERE (first.status = 'queued'
                  OR (first.status = 'unknown' AND first.claimed_at < now() - interval '60 seconds'))
             AND (first.next_attempt_at IS NULL OR first.next_attempt_at <= now())
             AND (c.mode = 'bot' OR first.origin <> 'bot')"#,
        &asked.ids,
        &asked.epochs,
        &asked.partitions
    )
    .fetch_all(&mut *connection)
    .await?;
    if heads.is_empty() {
        return Ok(HashMap::new());
    }
    let mut transaction = connection.begin().await?;
    lock(&mut transaction, &heads).await?;
    let rows = sqlx::query!(
        r#"UPDATE gc_channel.messages m
           SET status = 'sending', claim_epoch = asked.epoch, claimed_at = now(), attempts = m.attempts + 1
           FROM unnest($1::uuid[], $2::bigint[]) AS asked (conversation_id, epoch)
           JOIN gc_channel.conversations c
             ON c.conversation_id = asked.conversation_id AND c.owner_epoch <= asked.epoch
           LEFT JOIN gc_channel.user_profiles p ON p.person_id = c.person_id
           JOIN gc_channel.messages before ON before.conversation_id = c.conversation_id
           WHERE m.message_id = ANY($3) AND before.message_id = m.message_id
             AND (m.status = 'queued' OR (m.status = 'unknown' AND m.claimed_at < now() - interval '60 seconds'))
             AND (m.next_attempt_at IS NULL OR m.next_attempt_at <= now())
             AND (c.mode = 'bot' OR m.origin <> 'bot')
           RETURNING m.conversation_id, asked.epoch AS "epoch!", m.message_id, m.content, m.origin AS "origin!",
               p.phone AS "phone?", p.bsuid AS "bsuid?", m.attempts, c.window_expires_at, m.reply_to, before.status = 'unknown' AS "repeated!",
               EXISTS (SELECT FROM gc_channel.messages behind
                       WHERE behind.partition = m.partition AND behind.conversation_id = m.conversation_id
                         AND behind.direction = 'out' AND behind.status IN ('queued', 'sending', 'unknown')
                         AND behind.seq > m.seq) AS "more!""#,
        &asked.ids,
        &asked.epochs,
        &heads
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    crate::lost_answer_point!("claim::answer");
    Ok(rows
        .into_iter()
        .map(|row| {
            let claimed = Claimed {
                message_id: MessageId(row.message_id),
                content: row.content,
                origin: row.origin,
                phone: row.phone,
                bsuid: row.bsuid,
                attempts: row.attempts,
                window_expires_at: row.window_expires_at.map(Timestamp::from),
                more: row.more,
                reply_to: row.reply_to,
                repeated: row.repeated,
            };
            ((ConversationId(row.conversation_id), Epoch(row.epoch)), claimed)
        })
        .collect())
}

/// Gives back what a claim for these owners took whose answer never came: nobody was told of it, so no call was made. Only
/// for whoever made that claim, and before another is made for the same owners.
pub async fn give_back_unanswered(
    pool: &PgPool,
    owners: &[(ConversationId, Epoch)],
) -> Result<(), StoreError> {
    for (id, epoch) in owners {
        sqlx::query!(
            "WITH c AS (SELECT mode FROM gc_channel.conversations WHERE conversation_id = $1 FOR SHARE)
             UPDATE gc_channel.messages m
             SET status = CASE WHEN m.origin = 'bot' AND (c.mode = 'human'
                                   OR gc_channel.taken_over_since(m.conversation_id, m.sent_at))
                               THEN 'cancelled' ELSE 'queued' END,
                 attempts = m.attempts - 1
             FROM c
             WHERE m.partition = $3 AND m.conversation_id = $1 AND m.direction = 'out' AND m.status = 'sending'
               AND m.claim_epoch = $2",
            id.0,
            epoch.0,
            PartitionId::of(*id).as_i16()
        )
        .execute(pool)
        .await?;
    }
    Ok(())
}

/// Whoever asks for a claim has nothing under way. A row that its owner claimed a minute ago all the same was claimed by a
/// statement whose answer was lost (the connection broke at its commit): its outcome is unknown, and what is behind it
/// would wait for ever.
async fn give_up_lost(connection: &mut PgConnection, owners: &[Owner]) -> Result<(), StoreError> {
    let asked = OwnerColumns::of(owners);
    let lost = sqlx::query!(
        r#"SELECT DISTINCT asked.conversation_id AS "conversation_id!", asked.epoch AS "epoch!"
           FROM unnest($1::uuid[], $2::bigint[], $3::smallint[]) AS asked (conversation_id, epoch, partition)
           JOIN gc_channel.conversations c
             ON c.conversation_id = asked.conversation_id AND c.owner_epoch <= asked.epoch
           JOIN gc_channel.messages m ON m.partition = asked.partition AND m.conversation_id = asked.conversation_id
           WHERE m.direction = 'out' AND m.status IN ('queued', 'sending', 'unknown') AND m.status = 'sending'
             AND m.claim_epoch <= asked.epoch AND m.claimed_at < now() - interval '60 seconds'"#,
        &asked.ids,
        &asked.epochs,
        &asked.partitions
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in lost {
        outbox::abandon_claims(&mut *connection, ConversationId(row.conversation_id), Epoch(row.epoch))
            .await?;
    }
    Ok(())
}

/// Locks messages in id order: a statement of its own, for the reason of [`loading::lock`](super::loading).
async fn lock(connection: &mut PgConnection, ids: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query!(
        "SELECT FROM gc_channel.messages WHERE message_id = ANY($1) ORDER BY message_id FOR NO KEY UPDATE",
        ids
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// How long until the first row of each may be looked at again; nothing for those whose outbox is empty.
async fn read_waits(
    connection: &mut PgConnection,
    owners: &[Owner],
) -> Result<HashMap<Owner, Duration>, StoreError> {
    let asked = OwnerColumns::of(owners);
    let rows = sqlx::query!(
        r#"SELECT asked.conversation_id AS "conversation_id!", asked.epoch AS "epoch!", first.seconds AS "seconds!"
           FROM unnest($1::uuid[], $2::bigint[], $3::smallint[]) AS asked (conversation_id, epoch, partition)
           JOIN gc_channel.conversations c
             ON c.conversation_id = asked.conversation_id AND c.owner_epoch <= asked.epoch
           CROSS JOIN LATERAL (
               SELECT extract(epoch FROM greatest(
                          coalesce(m.next_attempt_at, now()),
                          CASE WHEN m.status IN ('sending', 'unknown')
                               THEN coalesce(m.claimed_at, now()) + interval '61 seconds' ELSE now() END)
                          - now())::float8 AS seconds
               FROM gc_channel.messages m
               WHERE m.partition = asked.partition AND m.conversation_id = asked.conversation_id
                 AND m.direction = 'out' AND m.status IN ('queued', 'sending', 'unknown')
                 AND m.next_attempt_at IS DISTINCT FROM 'infinity'
                 AND (c.mode = 'bot' OR m.origin <> 'bot')
               ORDER BY m.seq LIMIT 1) AS first"#,
        &asked.ids,
        &asked.epochs,
        &asked.partitions
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let wait = Duration::from_secs_f64(row.seconds.clamp(0.02, 3600.0));
            ((ConversationId(row.conversation_id), Epoch(row.epoch)), wait)
        })
        .collect())
}

/// These calls succeeded: our id and Meta's of each. A status that was faster is kept; statuses that came before the
/// `wamid` was known are applied now, in the order in which they came, as if they had come after it. What is owed for a
/// failure among them is found by the next look into the outbox, or by the sweeper.
pub async fn mark_sent(pool: &PgPool, sent: &[(MessageId, String)]) -> Result<Applied, StoreError> {
    let ids: Vec<Uuid> = sent.iter().map(|(id, _)| id.0).collect();
    let mut transaction = pool.begin().await?;
    // Before any early status is touched: so does the intake.
    lock(&mut transaction, &ids).await?;
    let early = sqlx::query!(
        r#"WITH sent AS (
               SELECT DISTINCT ON (message_id) * FROM unnest($1::uuid[], $2::text[], $3::uuid[])
                   AS s (message_id, wamid, event_id)),
           early AS (
               DELETE FROM gc_channel.early_statuses e USING sent
               WHERE e.wamid = sent.wamid
               RETURNING sent.message_id, e.wamid, e.status, e.at, e.errors, e.owed, e.pricing, e.wa_conversation,
                   e.received_at),
           m AS (
               UPDATE gc_channel.messages m
               SET wamid = coalesce(m.wamid, sent.wamid),
                   status = CASE WHEN m.status IN ('sending', 'unknown', 'queued') THEN 'sent' ELSE m.status END,
                   error = CASE WHEN m.status IN ('sending', 'unknown', 'queued') THEN NULL ELSE m.error END,
                   status_at = coalesce(m.status_at, now())
               FROM sent WHERE m.message_id = sent.message_id
               RETURNING m.conversation_id, m.message_id, m.wamid, m.status, sent.event_id),
           events AS (
               INSERT INTO gc_channel.event_outbox (event_id, routing_key, body)
               SELECT m.event_id, 'whatsapp.message.sent', jsonb_build_object('conversation_id', m.conversation_id,
                      'message_id', m.message_id, 'wamid', m.wamid, 'status', m.status) FROM m)
           SELECT message_id AS "message_id!", wamid, status, at, errors, owed, pricing, wa_conversation FROM early
           ORDER BY received_at, at, gc_channel.status_rank(status)"#,
        &ids,
        &sent.iter().map(|(_, wamid)| wamid.clone()).collect::<Vec<_>>(),
        &sent.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>()
    )
    .fetch_all(&mut *transaction)
    .await?;
    let early: Vec<IncomingStatus> = early
        .into_iter()
        .map(|row| {
            let owed = row.owed.map(|owed| owed.parse()).transpose();
            Ok(IncomingStatus {
                wamid: row.wamid,
                status: row.status,
                at: row.at.into(),
                our_id: Some(row.message_id),
                errors: row.errors,
                owed: owed.map_err(|_| StoreError::Corrupt("aftermath of an early status".into()))?,
                pricing: row.pricing,
                wa_conversation: row.wa_conversation,
            })
        })
        .collect::<Result<_, StoreError>>()?;
    let applied = match early.is_empty() {
        true => Applied::default(),
        false => statuses::apply(&mut transaction, &early).await?,
    };
    transaction.commit().await?;
    Ok(applied)
}
