//! Documents as files: queued with their bytes, claimed by one worker at a time, and how each stands.
//!
//! A claim runs out unless it is renewed, and what a worker found counts only as long as its claim holds: whoever dies is
//! replaced, and whoever was replaced changes nothing any more. Until a new version is read, the older one answers.

use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder};
use uuid::Uuid;

use super::{NewPassage, NewSource, PutOutcome, replace_passages};
use crate::ids::NodeId;
use crate::store::page::{Cursor, Page};
use crate::store::{StoreError, Timestamptz};

/// A claim runs out after so many seconds unless it is renewed.
pub const CLAIM_SECONDS: f64 = 30.0;

/// A source as it stands.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SourceRow {
    pub source_id: Uuid,
    pub version: i32,
    pub kind: String,
    pub title: String,
    pub kategori: Option<String>,
    /// queued, processing, ready, failed or deleted.
    pub status: String,
    pub error: Option<String>,
    /// Passages that can be found; of the version before while this one is not ready.
    pub passages: i32,
    pub characters: i32,
    pub file_name: Option<String>,
    pub pages_done: i32,
    /// Known once a file with pages is being read.
    pub pages_total: Option<i32>,
    /// Passages with a vector of the newest model; none when vectors are not used.
    pub embedded: Option<i64>,
    /// The oldest other source with the same content.
    pub duplicate_of: Option<Uuid>,
    pub created_at: Timestamptz,
    pub updated_at: Timestamptz,
}

/// The columns of [`SourceRow`].
const COLUMNS: &str =
    "source_id, version, kind, title, kategori, status, error, passages, characters, file_name, \
     pages_done, pages_total, created_at, updated_at, \
     (SELECT CASE WHEN max(model_id) IS NULL THEN NULL ELSE (
          SELECT count(*) FROM gc_ai.embeddings e JOIN gc_ai.knowledge_vectors k USING (passage_id)
          WHERE k.source_id = s.source_id AND e.model_id = max(m.model_id)) END
      FROM gc_ai.embedding_models m) AS embedded, \
     (SELECT o.source_id FROM gc_ai.sources o
      WHERE o.content_sha256 = s.content_sha256 AND o.source_id <> s.source_id AND o.status <> 'deleted'
      ORDER BY o.created_at, o.source_id LIMIT 1) AS duplicate_of";

/// A source, also a deleted one.
///
/// # Errors
/// As [`StoreError`].
pub async fn source(pool: &PgPool, source_id: Uuid) -> Result<Option<SourceRow>, StoreError> {
    let mut query =
        QueryBuilder::<Postgres>::new(format!("SELECT {COLUMNS} FROM gc_ai.sources s WHERE source_id = "));
    query.push_bind(source_id);
    Ok(query.build_query_as().fetch_optional(pool).await?)
}

/// One page of the documents there are, newest first; those of one status only when it is given.
///
/// # Errors
/// As [`StoreError`].
pub async fn list(
    pool: &PgPool,
    status: Option<&str>,
    after: Option<&Cursor>,
    limit: u32,
) -> Result<Page<SourceRow>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(format!(
        "SELECT {COLUMNS} FROM gc_ai.sources s WHERE status <> 'deleted'"
    ));
    if let Some(status) = status {
        query.push(" AND status = ").push_bind(status.to_owned());
    }
    if let Some(after) = after {
        let id = Uuid::parse_str(&after.id).map_err(|_| StoreError::Corrupt("a cursor's id".into()))?;
        query
            .push(" AND (created_at, source_id) < (")
            .push_bind(Timestamptz::from(after.created_at))
            .push(", ")
            .push_bind(id)
            .push(")");
    }
    query.push(" ORDER BY created_at DESC, source_id DESC LIMIT ").push_bind(i64::from(limit) + 1);
    let rows: Vec<SourceRow> = query.build_query_as().fetch_all(pool).await?;
    Ok(Page::from_rows(rows, limit, |row| Cursor {
        created_at: row.created_at.to_jiff(),
        id: row.source_id.to_string(),
    }))
}

/// Queues a file to be read. The passages of an older version stay until it is.
///
/// # Errors
/// As [`StoreError`]; nothing is changed then.
pub async fn queue(
    pool: &PgPool,
    source: &NewSource,
    file_name: &str,
    bytes: &[u8],
) -> Result<PutOutcome, StoreError> {
    let mut transaction = pool.begin().await?;
    let inserted = sqlx::query!(
        "INSERT INTO gc_ai.sources (source_id, version, kind, title, kategori, status, content_hash, content_sha256,
                                    file_name, due_at)
         VALUES ($1, $2, $3, $4, $5, 'queued', $6, $7, $8, now()) ON CONFLICT (source_id) DO NOTHING",
        source.source_id,
        source.version,
        source.kind,
        source.title,
        source.kategori,
        source.content_hash,
        source.content_sha256,
        file_name,
    )
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    if inserted == 0 {
        let current = sqlx::query!(
            "SELECT version, status, content_hash FROM gc_ai.sources WHERE source_id = $1 FOR UPDATE",
            source.source_id,
        )
        .fetch_one(&mut *transaction)
        .await?;
        if current.version > source.version
            || (current.version == source.version && current.status == "deleted")
        {
            return Ok(PutOutcome::Stale { current: current.version });
        }
        if current.version == source.version && current.status != "failed" {
            let same = current.content_hash == source.content_hash;
            return Ok(if same { PutOutcome::Unchanged } else { PutOutcome::Conflict });
        }
        sqlx::query!(
            "UPDATE gc_ai.sources
             SET version = $2, kind = $3, title = $4, kategori = $5, content_hash = $6, content_sha256 = $7,
                 file_name = $8, status = 'queued', error = NULL, pages_done = 0, pages_total = NULL, due_at = now(),
                 claimed_by = NULL, attempts = 0, updated_at = now()
             WHERE source_id = $1",
            source.source_id,
            source.version,
            source.kind,
            source.title,
            source.kategori,
            source.content_hash,
            source.content_sha256,
            file_name,
        )
        .execute(&mut *transaction)
        .await?;
    }
    sqlx::query!(
        "INSERT INTO gc_ai.uploads (source_id, bytes) VALUES ($1, $2)
         ON CONFLICT (source_id) DO UPDATE SET bytes = excluded.bytes",
        source.source_id,
        bytes,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(PutOutcome::Stored)
}

/// Forgets a file that is not wanted any more.
pub(super) async fn forget_upload(connection: &mut PgConnection, source_id: Uuid) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM gc_ai.uploads WHERE source_id = $1", source_id).execute(connection).await?;
    Ok(())
}

/// A file to read, claimed.
#[derive(Clone, Debug)]
pub struct ClaimedDocument {
    pub source_id: Uuid,
    pub version: i32,
    pub kind: String,
    pub title: String,
    pub kategori: Option<String>,
    pub content_hash: Vec<u8>,
    pub content_sha256: Vec<u8>,
    /// Counting this one, from 1; also what tells this claim from later ones.
    pub attempt: i32,
    pub bytes: Vec<u8>,
}

/// Takes the file that has waited longest, or one whose worker is gone.
///
/// # Errors
/// As [`StoreError`].
pub async fn claim(pool: &PgPool, node: NodeId) -> Result<Option<ClaimedDocument>, StoreError> {
    Ok(sqlx::query_as!(
        ClaimedDocument,
        r#"WITH due AS (
               SELECT source_id FROM gc_ai.sources
               WHERE status IN ('queued', 'processing') AND due_at <= now()
               ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
           UPDATE gc_ai.sources s
           SET status = 'processing', claimed_by = $1, due_at = now() + $2 * interval '1 second',
               attempts = attempts + 1, pages_done = 0, pages_total = NULL, updated_at = now()
           FROM due JOIN gc_ai.uploads u USING (source_id)
           WHERE s.source_id = due.source_id
           RETURNING s.source_id, s.version, s.kind, s.title, s.kategori, s.content_hash,
                     s.content_sha256 AS "content_sha256!", s.attempts AS attempt, u.bytes"#,
        node.0,
        CLAIM_SECONDS,
    )
    .fetch_optional(pool)
    .await?)
}

/// Keeps a claim and says how far the reading is; false when it is no longer ours.
///
/// # Errors
/// As [`StoreError`].
pub async fn renew(
    pool: &PgPool,
    node: NodeId,
    claimed: &ClaimedDocument,
    pages: Option<(u32, u32)>,
) -> Result<bool, StoreError> {
    let number = |pages: u32| i32::try_from(pages).unwrap_or(i32::MAX);
    let renewed = sqlx::query!(
        "UPDATE gc_ai.sources
         SET due_at = now() + $4 * interval '1 second', pages_done = coalesce($5, pages_done),
             pages_total = coalesce($6, pages_total), updated_at = now()
         WHERE source_id = $1 AND status = 'processing' AND attempts = $2 AND claimed_by = $3 AND version = $7",
        claimed.source_id,
        claimed.attempt,
        node.0,
        CLAIM_SECONDS,
        pages.map(|(done, _)| number(done)),
        pages.map(|(_, total)| number(total)),
        claimed.version,
    )
    .execute(pool)
    .await?;
    Ok(renewed.rows_affected() == 1)
}

/// Gives all claims of a node back that is stopping, as if they had not been made.
///
/// # Errors
/// As [`StoreError`].
pub async fn release(pool: &PgPool, node: NodeId) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gc_ai.sources
         SET status = 'queued', claimed_by = NULL, due_at = now(), attempts = attempts - 1
         WHERE status = 'processing' AND claimed_by = $1",
        node.0,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Puts the passages of a read file in place of all older ones and forgets the file. False when the claim is no longer
/// ours.
///
/// # Errors
/// As [`StoreError`]; nothing is changed then.
pub async fn finish(
    pool: &PgPool,
    node: NodeId,
    claimed: &ClaimedDocument,
    pages: Option<(u32, u32)>,
    characters: i32,
    passages: &[NewPassage],
) -> Result<bool, StoreError> {
    let mut transaction = pool.begin().await?;
    if !lock_claim(&mut transaction, node, claimed).await? {
        return Ok(false);
    }
    let source = NewSource {
        source_id: claimed.source_id,
        version: claimed.version,
        kind: claimed.kind.clone(),
        title: claimed.title.clone(),
        kategori: claimed.kategori.clone(),
        content_hash: claimed.content_hash.clone(),
        content_sha256: claimed.content_sha256.clone(),
        characters,
    };
    replace_passages(&mut transaction, &source, passages).await?;
    let total = pages.and_then(|(_, total)| i32::try_from(total).ok());
    sqlx::query!(
        "UPDATE gc_ai.sources
         SET claimed_by = NULL, due_at = NULL, pages_total = $2, pages_done = coalesce($2, 0) WHERE source_id = $1",
        claimed.source_id,
        total,
    )
    .execute(&mut *transaction)
    .await?;
    forget_upload(&mut transaction, claimed.source_id).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Says why a file cannot be read and forgets it; what was found of an older version stays. False when the claim is no
/// longer ours.
///
/// # Errors
/// As [`StoreError`]; nothing is changed then.
pub async fn fail(
    pool: &PgPool,
    node: NodeId,
    claimed: &ClaimedDocument,
    error: &str,
) -> Result<bool, StoreError> {
    let mut transaction = pool.begin().await?;
    if !lock_claim(&mut transaction, node, claimed).await? {
        return Ok(false);
    }
    sqlx::query!(
        "UPDATE gc_ai.sources SET status = 'failed', error = $2, claimed_by = NULL, due_at = NULL, updated_at = now()
         WHERE source_id = $1",
        claimed.source_id,
        error,
    )
    .execute(&mut *transaction)
    .await?;
    forget_upload(&mut transaction, claimed.source_id).await?;
    transaction.commit().await?;
    Ok(true)
}

async fn lock_claim(
    connection: &mut PgConnection,
    node: NodeId,
    claimed: &ClaimedDocument,
) -> Result<bool, StoreError> {
    let ours = sqlx::query!(
        r#"SELECT source_id FROM gc_ai.sources
           WHERE source_id = $1 AND status = 'processing' AND attempts = $2 AND claimed_by = $3 AND version = $4
           FOR UPDATE"#,
        claimed.source_id,
        claimed.attempt,
        node.0,
        claimed.version,
    )
    .fetch_optional(connection)
    .await?;
    Ok(ours.is_some())
}
