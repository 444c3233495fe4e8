//! What follows when a message has failed: it goes again, a template goes in its place, or its person is marked. Done
//! by the owner of the conversation in its outbox lane, so that nothing overtakes it; until then the row says what is
//! owed, and the sweeper finds it.

use std::time::Duration;

use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::ids::{ConversationId, Epoch, MessageId, PartitionId};
use crate::store::StoreError;

/// What the owner has to do about a failed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Aftermath {
    /// Meta took it and then reported a failure that may pass: send it again.
    Retry,
    /// The 24 h window had closed: send a template in its place, where one is set.
    Window,
    /// The person cannot be reached: say so where officers look.
    Unreachable,
    /// The business-scoped id was refused: send to the phone number, if there is one by now.
    OtherAddress,
}

impl Aftermath {
    /// Whether the message may yet be sent, so that nobody is told of a failure.
    pub fn may_send(self) -> bool {
        matches!(self, Aftermath::Retry | Aftermath::OtherAddress)
    }
}

/// The template that goes in place of what the closed window kept back.
#[derive(Clone, Debug, PartialEq)]
pub struct Replacement {
    /// The content of the template's row.
    pub content: Value,
    /// What is shown of it.
    pub text: String,
    /// For messages of these origins.
    pub origins: Vec<String>,
}

/// By what rules.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Attempts of a transient failure.
    pub tries: i32,
    /// Seconds before the second attempt; doubles.
    pub first_pause: Duration,
    pub replacement: Option<Replacement>,
}

/// A message that had failed, and what was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Followed {
    pub message_id: MessageId,
    /// The error as stored: code, class, title.
    pub error: Value,
    pub outcome: Outcome,
}

/// What was done about a failed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is queued again.
    Again,
    /// A template was queued in its place.
    Replaced,
    /// It stays failed.
    Final,
}

struct Failed {
    message_id: Uuid,
    seq: i64,
    origin: String,
    attempts: i32,
    error: Value,
    aftermath: Aftermath,
}

/// Does what is owed for all failed messages of a conversation, in order. Nothing when a newer owner has it.
pub async fn resolve(
    pool: &PgPool,
    id: ConversationId,
    epoch: Epoch,
    rules: &Rules,
) -> Result<Vec<Followed>, StoreError> {
    let mut transaction = pool.begin().await?;
    // Shared with other owners of rows, not with a takeover: that one is waited for.
    let owner = sqlx::query!(
        "SELECT mode FROM gc_channel.conversations WHERE conversation_id = $1 AND owner_epoch <= $2 FOR SHARE",
        id.0,
        epoch.0
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(owner) = owner else { return Ok(Vec::new()) };
    let rows = sqlx::query!(
        r#"SELECT message_id, seq, origin AS "origin!", attempts, coalesce(error, '{}') AS "error!",
                  aftermath AS "aftermath!",
                  gc_channel.taken_over_since(conversation_id, sent_at) AS "taken_over_since!"
           FROM gc_channel.messages
           WHERE partition = $2 AND conversation_id = $1 AND aftermath IS NOT NULL
           ORDER BY seq FOR NO KEY UPDATE"#,
        id.0,
        PartitionId::of(id).as_i16()
    )
    .fetch_all(&mut *transaction)
    .await?;
    let mut followed = Vec::new();
    for row in rows {
        let silenced = row.origin == "bot" && (owner.mode == "human" || row.taken_over_since);
        let failed = Failed {
            message_id: row.message_id,
            seq: row.seq,
            origin: row.origin,
            attempts: row.attempts,
            error: row.error,
            aftermath: row
                .aftermath
                .parse()
                .map_err(|_| StoreError::Corrupt("aftermath of a message".into()))?,
        };
        let outcome = follow(&mut transaction, id, &failed, silenced, rules).await?;
        followed.push(Followed { message_id: MessageId(failed.message_id), error: failed.error, outcome });
    }
    transaction.commit().await?;
    Ok(followed)
}

async fn follow(
    connection: &mut PgConnection,
    id: ConversationId,
    failed: &Failed,
    silenced: bool,
    rules: &Rules,
) -> Result<Outcome, StoreError> {
    let again = match failed.aftermath {
        Aftermath::Retry | Aftermath::OtherAddress if silenced => false,
        Aftermath::Retry => {
            let bounded = ["transient", "media"].iter().any(|class| failed.error["class"] == *class);
            let pause = rules.first_pause.saturating_mul(1 << failed.attempts.clamp(1, 7).saturating_sub(1));
            (!bounded || failed.attempts < rules.tries)
                && requeue(connection, id, failed, pause, false).await?
        }
        Aftermath::OtherAddress => {
            failed.attempts < rules.tries && requeue(connection, id, failed, Duration::ZERO, true).await?
        }
        Aftermath::Window | Aftermath::Unreachable => false,
    };
    if again {
        forget_upload(connection, failed.message_id).await?;
        return Ok(Outcome::Again);
    }
    sqlx::query!("UPDATE gc_channel.messages SET aftermath = NULL WHERE message_id = $1", failed.message_id)
        .execute(&mut *connection)
        .await?;
    if failed.aftermath.may_send() {
        tell_failed(connection, failed.message_id).await?;
    }
    match failed.aftermath {
        Aftermath::Unreachable | Aftermath::OtherAddress => {
            mark_unreachable(connection, id, &failed.error).await?;
            Ok(Outcome::Final)
        }
        Aftermath::Window if !silenced => replace(connection, id, failed, rules).await,
        Aftermath::Window | Aftermath::Retry => Ok(Outcome::Final),
    }
}

/// Queued again in its place; false when something of ours has gone after it, which it must not overtake backwards.
/// Statuses of the failed attempt mean nothing from now on.
async fn requeue(
    connection: &mut PgConnection,
    id: ConversationId,
    failed: &Failed,
    pause: Duration,
    needs_phone: bool,
) -> Result<bool, StoreError> {
    let changed = sqlx::query!(
        "UPDATE gc_channel.messages m
         SET status = 'queued', aftermath = NULL, wamid = NULL,
             past_wamids = CASE WHEN m.wamid IS NULL THEN m.past_wamids ELSE array_append(m.past_wamids, m.wamid) END,
             next_attempt_at = now() + $3 * interval '1 second', status_at = now()
         WHERE m.message_id = $1 AND m.status = 'failed'
           AND NOT EXISTS (
               SELECT FROM gc_channel.messages later
               WHERE later.conversation_id = $2 AND later.direction = 'out' AND later.seq > $4
                 AND later.status IN ('sending', 'sent', 'delivered', 'read', 'unknown'))
           AND (NOT $5 OR EXISTS (
               SELECT FROM gc_channel.conversations c JOIN gc_channel.user_profiles p USING (person_id)
               WHERE c.conversation_id = $2 AND p.phone IS NOT NULL))",
        failed.message_id,
        id.0,
        pause.as_secs_f64(),
        failed.seq,
        needs_phone
    )
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// A template in its place, once for each time the window is closed.
async fn replace(
    connection: &mut PgConnection,
    id: ConversationId,
    failed: &Failed,
    rules: &Rules,
) -> Result<Outcome, StoreError> {
    let wanted =
        rules.replacement.as_ref().filter(|replacement| replacement.origins.contains(&failed.origin));
    let Some(replacement) = wanted else { return Ok(Outcome::Final) };
    let inserted = sqlx::query!(
        "INSERT INTO gc_channel.messages
             (message_id, conversation_id, partition, direction, kind, text, content, sent_at, origin, status, author,
              replaces)
         SELECT $1, m.conversation_id, m.partition, 'out', 'template', $3, $4, now(), m.origin, 'queued', m.author,
                m.message_id
         FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
         WHERE m.message_id = $2 AND m.kind <> 'template'
           AND NOT EXISTS (
               SELECT FROM gc_channel.messages other
               WHERE other.conversation_id = $5 AND other.replaces IS NOT NULL
                 AND other.sent_at > coalesce(c.window_expires_at, c.created_at))",
        Uuid::now_v7(),
        failed.message_id,
        replacement.text,
        replacement.content,
        id.0
    )
    .execute(connection)
    .await?;
    Ok(match inserted.rows_affected() {
        1 => Outcome::Replaced,
        _ => Outcome::Final,
    })
}

async fn mark_unreachable(
    connection: &mut PgConnection,
    id: ConversationId,
    error: &Value,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gc_channel.user_profiles p
         SET unreachable = jsonb_build_object('code', $2::jsonb -> 'code', 'title', $2::jsonb -> 'title', 'at', now())
         FROM gc_channel.conversations c WHERE c.conversation_id = $1 AND p.person_id = c.person_id",
        id.0,
        error
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What was uploaded may be what was wrong.
async fn forget_upload(connection: &mut PgConnection, message: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "DELETE FROM gc_channel.media_uploads u
         USING gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
         WHERE m.message_id = $1 AND m.error ->> 'class' = 'media' AND u.phone_number_id = c.phone_number_id
           AND u.media_id::text = m.content ->> 'media_id'",
        message
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The event of a message that is failed for good.
pub(super) async fn tell_failed(connection: &mut PgConnection, message: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO gc_channel.event_outbox (event_id, routing_key, body)
         SELECT $1, 'whatsapp.message.status',
                jsonb_strip_nulls(jsonb_build_object('conversation_id', m.conversation_id, 'message_id', m.message_id,
                    'wamid', m.wamid, 'status', m.status, 'errors', m.error))
         FROM gc_channel.messages m WHERE m.message_id = $2",
        Uuid::now_v7(),
        message
    )
    .execute(connection)
    .await?;
    Ok(())
}
