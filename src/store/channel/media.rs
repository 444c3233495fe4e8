//! Files of conversations as rows: what is to be fetched, who is at it, what became of it, and which keys of the object
//! store are to be emptied. The bytes themselves are elsewhere.

use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor, PgPool};

use super::intake::IncomingMessage;
use crate::ids::{MediaId, MessageId, NodeId};
use crate::store::StoreError;

/// A claim runs out after this long unless it is renewed.
pub const CLAIM_SECONDS: f64 = 30.0;
/// A key that is being written is emptied after this long; longer than any download may take.
const WRITE_SECONDS: f64 = 900.0;
/// An upload that was not sent is deleted after this long.
const UNSENT_SECONDS: f64 = 24.0 * 3600.0;
/// The kinds of messages that carry a file.
const KINDS: [&str; 5] = ["image", "video", "audio", "document", "sticker"];
/// The longest file name that is kept, in characters.
const MAX_FILENAME: usize = 255;

/// A file that an incoming message names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMedia {
    pub kind: String,
    pub graph_id: String,
    pub mime_type: Option<String>,
    pub sha256: Option<String>,
    pub filename: Option<String>,
}

impl NewMedia {
    /// What the message's content says, if it carries a file.
    pub fn of(message: &IncomingMessage) -> Option<Self> {
        if !KINDS.contains(&message.kind.as_str()) {
            return None;
        }
        let file = message.content.get(&message.kind)?;
        let text = |key: &str| file.get(key).and_then(|value| value.as_str()).map(str::to_owned);
        Some(NewMedia {
            kind: message.kind.clone(),
            graph_id: text("id").filter(|id| !id.is_empty())?,
            mime_type: text("mime_type"),
            sha256: text("sha256"),
            filename: text("filename").map(|name| name.chars().take(MAX_FILENAME).collect()),
        })
    }
}

/// Files the media of new messages, in the intake's transaction. `expires_at` counts from when Meta took them in.
pub async fn insert(
    connection: &mut PgConnection,
    media: &[(MessageId, Timestamp, NewMedia)],
) -> Result<(), StoreError> {
    if media.is_empty() {
        return Ok(());
    }
    let texts = |pick: fn(&NewMedia) -> &Option<String>| -> Vec<Option<String>> {
        media.iter().map(|(_, _, file)| pick(file).clone()).collect()
    };
    sqlx::query!(
        "INSERT INTO gc_channel.media (media_id, message_id, source, kind, graph_id, declared_mime_type,
                                       declared_sha256, filename, state, expires_at)
         SELECT id, message_id, 'citizen', kind, graph_id, mime_type, sha256, filename, 'pending',
                least(sent_at, now()) + interval '7 days'
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                     $8::timestamptz[])
              AS new (id, message_id, kind, graph_id, mime_type, sha256, filename, sent_at)",
        &media.iter().map(|_| MediaId::new().0).collect::<Vec<_>>(),
        &media.iter().map(|(message, _, _)| message.0).collect::<Vec<_>>(),
        &media.iter().map(|(_, _, file)| file.kind.clone()).collect::<Vec<_>>(),
        &media.iter().map(|(_, _, file)| file.graph_id.clone()).collect::<Vec<_>>(),
        &texts(|file| &file.mime_type) as &[Option<String>],
        &texts(|file| &file.sha256) as &[Option<String>],
        &texts(|file| &file.filename) as &[Option<String>],
        &media.iter().map(|(_, at, _)| at.to_sqlx()).collect::<Vec<_>>() as &[crate::store::Timestamptz]
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A file to fetch, claimed.
#[derive(Clone, Debug)]
pub struct ClaimedMedia {
    pub media_id: MediaId,
    pub kind: String,
    pub graph_id: String,
    pub mime_type: Option<String>,
    pub sha256: Option<String>,
    /// Counting this one, from 1; also what tells this claim from later ones.
    pub attempt: i32,
    /// When Meta no longer has it.
    pub expires_at: Option<Timestamp>,
}

/// Takes up to `limit` files that are due, each for one node at a time.
pub async fn claim(pool: &PgPool, node: NodeId, limit: i64) -> Result<Vec<ClaimedMedia>, StoreError> {
    let rows = sqlx::query!(
        r#"WITH due AS (
               SELECT media_id FROM gc_channel.media
               WHERE state = 'pending' AND next_attempt_at <= now()
               ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED)
           UPDATE gc_channel.media m
           SET attempts = m.attempts + 1, claimed_by = $1, next_attempt_at = now() + $3 * interval '1 second'
           FROM due WHERE m.media_id = due.media_id
           RETURNING m.media_id, m.kind, m.graph_id AS "graph_id!", m.declared_mime_type, m.declared_sha256,
                     m.attempts, m.expires_at"#,
        node.0,
        limit,
        CLAIM_SECONDS
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ClaimedMedia {
            media_id: MediaId(row.media_id),
            kind: row.kind,
            graph_id: row.graph_id,
            mime_type: row.declared_mime_type,
            sha256: row.declared_sha256,
            attempt: row.attempts,
            expires_at: row.expires_at.map(Timestamp::from),
        })
        .collect())
}

/// Keeps a claim; false when it is no longer ours.
pub async fn renew(pool: &PgPool, node: NodeId, claimed: &ClaimedMedia) -> Result<bool, StoreError> {
    let renewed = sqlx::query!(
        "UPDATE gc_channel.media SET next_attempt_at = now() + $4 * interval '1 second'
         WHERE media_id = $1 AND state = 'pending' AND attempts = $2 AND claimed_by = $3",
        claimed.media_id.0,
        claimed.attempt,
        node.0,
        CLAIM_SECONDS
    )
    .execute(pool)
    .await?;
    Ok(renewed.rows_affected() == 1)
}

/// Gives back all claims of a node that is stopping; as if they had not been made.
pub async fn release(pool: &PgPool, node: NodeId) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gc_channel.media SET claimed_by = NULL, next_attempt_at = now(), attempts = attempts - 1
         WHERE state = 'pending' AND claimed_by = $1",
        node.0
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Notes a key before it is written, so that whatever happens to the writer, the file is known.
pub async fn begin_object(pool: &PgPool, media: MediaId, key: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO gc_channel.media_objects (object_key, media_id, delete_after)
         VALUES ($2, $1, now() + $3 * interval '1 second')",
        media.0,
        key,
        WRITE_SECONDS
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// A file as it was stored.
#[derive(Clone, Debug)]
pub struct StoredFile<'a> {
    pub key: &'a str,
    pub mime_type: &'a str,
    pub size: u64,
    /// In hexadecimal.
    pub sha256: &'a str,
}

/// Records a fetched file. False when the claim is no longer ours, or the message is gone: the file is not wanted.
pub async fn record_stored(
    pool: &PgPool,
    node: NodeId,
    claimed: &ClaimedMedia,
    file: &StoredFile<'_>,
) -> Result<bool, StoreError> {
    let recorded = sqlx::query!(
        "WITH stored AS (
             UPDATE gc_channel.media m
             SET state = 'stored', reason = NULL, mime_type = $4, size_bytes = $5, sha256 = $6, object_key = $7,
                 stored_at = now(), claimed_by = NULL
             WHERE m.media_id = $1 AND m.state = 'pending' AND m.attempts = $2 AND m.claimed_by = $3
               AND EXISTS (SELECT FROM gc_channel.media_objects o WHERE o.object_key = $7 AND o.delete_after > now())
             RETURNING m.object_key)
         UPDATE gc_channel.media_objects o SET delete_after = NULL
         FROM stored WHERE o.object_key = stored.object_key",
        claimed.media_id.0,
        claimed.attempt,
        node.0,
        file.mime_type,
        size(file.size),
        file.sha256,
        file.key
    )
    .execute(pool)
    .await?;
    Ok(recorded.rows_affected() == 1)
}

/// The file under this key is not wanted, also when its row was already taken for deleted.
pub async fn doom_object(pool: &PgPool, media: MediaId, key: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO gc_channel.media_objects (object_key, media_id, delete_after) VALUES ($2, $1, now())
         ON CONFLICT (object_key) DO UPDATE SET delete_after = now()",
        media.0,
        key
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The attempt failed; the next comes after `pause`.
pub async fn retry_later(
    pool: &PgPool,
    node: NodeId,
    claimed: &ClaimedMedia,
    pause: Duration,
    reason: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gc_channel.media
         SET claimed_by = NULL, reason = $4, next_attempt_at = now() + $5 * interval '1 second'
         WHERE media_id = $1 AND state = 'pending' AND attempts = $2 AND claimed_by = $3",
        claimed.media_id.0,
        claimed.attempt,
        node.0,
        reason,
        pause.as_secs_f64()
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Why a file will never be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum GivenUp {
    /// It is there, and we do not want it.
    Refused,
    /// It could not be had.
    Failed,
}

/// The file will never be there; the reason is kept for officers.
pub async fn give_up(
    pool: &PgPool,
    node: NodeId,
    claimed: &ClaimedMedia,
    how: GivenUp,
    reason: &str,
) -> Result<(), StoreError> {
    let state: &str = how.into();
    sqlx::query!(
        "UPDATE gc_channel.media SET state = $4, reason = $5, claimed_by = NULL
         WHERE media_id = $1 AND state = 'pending' AND attempts = $2 AND claimed_by = $3",
        claimed.media_id.0,
        claimed.attempt,
        node.0,
        state,
        reason
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// An officer's upload: its row and its key become valid together.
pub async fn insert_upload(
    pool: &PgPool,
    media: MediaId,
    kind: &str,
    filename: Option<&str>,
    file: &StoredFile<'_>,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "WITH kept AS (
             UPDATE gc_channel.media_objects SET delete_after = NULL
             WHERE object_key = $7 AND delete_after > now() RETURNING object_key)
         INSERT INTO gc_channel.media (media_id, source, kind, filename, state, mime_type, size_bytes, sha256,
                                       object_key, stored_at)
         SELECT $1, 'officer', $2, $3, 'stored', $4, $5, $6, kept.object_key, now() FROM kept",
        media.0,
        kind,
        filename,
        file.mime_type,
        size(file.size),
        file.sha256,
        file.key
    )
    .execute(pool)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Makes an upload part of the message that sends it. False when there is no such upload, or it was sent before.
pub async fn attach(
    connection: &mut PgConnection,
    media: MediaId,
    message: MessageId,
) -> Result<bool, StoreError> {
    let attached = sqlx::query!(
        "UPDATE gc_channel.media SET message_id = $2
         WHERE media_id = $1 AND source = 'officer' AND message_id IS NULL AND state = 'stored'",
        media.0,
        message.0
    )
    .execute(connection)
    .await?;
    Ok(attached.rows_affected() == 1)
}

/// A file as the API tells of it.
#[derive(Clone, Debug)]
pub struct MediaRow {
    pub media_id: MediaId,
    pub kind: String,
    /// pending, stored, refused or failed.
    pub state: String,
    pub reason: Option<String>,
    pub mime_type: Option<String>,
    pub size: Option<u64>,
    pub sha256: Option<String>,
    pub filename: Option<String>,
    pub object_key: Option<String>,
}

/// One file.
pub async fn get(pool: &PgPool, media: MediaId) -> Result<Option<MediaRow>, StoreError> {
    let row = sqlx::query!(
        "SELECT kind, state, reason, mime_type, size_bytes, sha256, filename, object_key
         FROM gc_channel.media WHERE media_id = $1",
        media.0
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| MediaRow {
        media_id: media,
        kind: row.kind,
        state: row.state,
        reason: row.reason,
        mime_type: row.mime_type,
        size: row.size_bytes.map(i64::unsigned_abs),
        sha256: row.sha256,
        filename: row.filename,
        object_key: row.object_key,
    }))
}

/// The files of these messages.
pub async fn of_messages(
    executor: impl PgExecutor<'_>,
    messages: &[MessageId],
) -> Result<Vec<(MessageId, MediaRow)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT message_id AS "message_id!", media_id, kind, state, reason,
                  coalesce(mime_type, declared_mime_type) AS mime_type, size_bytes, sha256, filename, object_key
           FROM gc_channel.media WHERE message_id = ANY($1)"#,
        &messages.iter().map(|message| message.0).collect::<Vec<_>>()
    )
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let media = MediaRow {
                media_id: MediaId(row.media_id),
                kind: row.kind,
                state: row.state,
                reason: row.reason,
                mime_type: row.mime_type,
                size: row.size_bytes.map(i64::unsigned_abs),
                sha256: row.sha256,
                filename: row.filename,
                object_key: row.object_key,
            };
            (MessageId(row.message_id), media)
        })
        .collect())
}

/// Keys whose files are to be deleted now.
pub async fn doomed(pool: &PgPool, limit: i64) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        "SELECT object_key FROM gc_channel.media_objects WHERE delete_after <= now()
         ORDER BY delete_after LIMIT $1",
        limit
    )
    .fetch_all(pool)
    .await?)
}

/// The file is gone; so is its key.
pub async fn forget_object(pool: &PgPool, key: &str) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM gc_channel.media_objects WHERE object_key = $1 AND delete_after <= now()", key)
        .execute(pool)
        .await?;
    Ok(())
}

/// The file could not be deleted; it is tried again after a minute.
pub async fn postpone_deletion(pool: &PgPool, key: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gc_channel.media_objects SET delete_after = now() + interval '1 minute'
         WHERE object_key = $1 AND delete_after <= now()",
        key
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Deletes uploads that nobody sent within a day; their files follow.
pub async fn delete_unsent(pool: &PgPool) -> Result<u64, StoreError> {
    let deleted = sqlx::query!(
        "DELETE FROM gc_channel.media
         WHERE message_id IS NULL AND created_at < now() - $1 * interval '1 second'",
        UNSENT_SECONDS
    )
    .execute(pool)
    .await?;
    Ok(deleted.rows_affected())
}

/// What waits to be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Backlog {
    pub files: i64,
    /// Seconds since the oldest came in.
    pub oldest_s: f64,
}

/// What waits to be fetched, for gauges.
pub async fn backlog(pool: &PgPool) -> Result<Backlog, StoreError> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "files!",
                  coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS "oldest_s!"
           FROM gc_channel.media WHERE state = 'pending'"#
    )
    .fetch_one(pool)
    .await?;
    Ok(Backlog { files: row.files, oldest_s: row.oldest_s.max(0.0) })
}

fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
