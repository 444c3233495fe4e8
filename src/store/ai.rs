//! `gc_ai`: the office's documents and their passages.
//!
//! A source is replaced as a whole, in one transaction: readers see the old passages or the new ones, never both or
//! neither. Knows nothing of how passages are cut or questions understood.

pub mod analytics;
pub mod documents;
pub mod embeddings;
pub mod search;

use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::StoreError;
pub use search::search;

/// What became of a source that was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// Its passages are in; older ones are gone.
    Stored,
    /// The same version with the same content was there already.
    Unchanged,
    /// A newer version is there, or was deleted: nothing was changed.
    Stale { current: i32 },
    /// The same version is there with other content: nothing was changed.
    Conflict,
}

/// A source to be stored.
#[derive(Clone, Debug)]
pub struct NewSource {
    pub source_id: Uuid,
    pub version: i32,
    /// `text`, `markdown` or `faq`; of files also `pdf`, `docx`, `xlsx` or `html`.
    pub kind: String,
    pub title: String,
    pub kategori: Option<String>,
    /// SHA-256 over what decides the passages.
    pub content_hash: Vec<u8>,
    /// SHA-256 of the content or file alone.
    pub content_sha256: Vec<u8>,
    /// Length of the content in characters.
    pub characters: i32,
}

/// One passage of a source, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPassage {
    /// Headings above it, outermost first, joined by " › ".
    pub heading: String,
    pub content: String,
    pub page: Option<i32>,
}

/// A passage that fits a question.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct FoundPassage {
    pub passage_id: Uuid,
    pub source_id: Uuid,
    pub source_title: String,
    pub heading: String,
    pub content: String,
    pub page: Option<i32>,
    /// How much of the question it covers, rare words counting more; 0 to 1.
    pub score: f64,
}

/// What there is to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub sources: i64,
    pub passages: i64,
}

/// Puts a source's passages in place of all its older ones.
///
/// # Errors
/// As [`StoreError`]; nothing is changed then.
pub async fn put_source(
    pool: &PgPool,
    source: &NewSource,
    passages: &[NewPassage],
) -> Result<PutOutcome, StoreError> {
    let mut transaction = pool.begin().await?;
    let inserted = sqlx::query!(
        "INSERT INTO gc_ai.sources (source_id, version, kind, title, kategori, status, content_hash)
         VALUES ($1, $2, $3, $4, $5, 'processing', $6) ON CONFLICT (source_id) DO NOTHING",
        source.source_id,
        source.version,
        source.kind,
        source.title,
        source.kategori,
        source.content_hash,
    )
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    if inserted == 0 {
        // Somebody may be replacing it right now: wait for them, then look.
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
        // A file of this version that waits or is worked on is this version, too.
        if current.version == source.version && current.status != "failed" {
            let same = current.content_hash == source.content_hash;
            return Ok(if same { PutOutcome::Unchanged } else { PutOutcome::Conflict });
        }
        documents::forget_upload(&mut transaction, source.source_id).await?;
    }
    replace_passages(&mut transaction, source, passages).await?;
    sqlx::query!(
        "UPDATE gc_ai.sources
         SET version = $2, kind = $3, title = $4, kategori = $5, content_hash = $6, content_sha256 = $7, file_name = NULL,
             pages_done = 0, pages_total = NULL, claimed_by = NULL, due_at = NULL, attempts = 0
         WHERE source_id = $1",
        source.source_id,
        source.version,
        source.kind,
        source.title,
        source.kategori,
        source.content_hash,
        source.content_sha256,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(PutOutcome::Stored)
}

/// New passages in place of the old ones; the source is searchable then.
async fn replace_passages(
    transaction: &mut Transaction<'_, Postgres>,
    source: &NewSource,
    passages: &[NewPassage],
) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM gc_ai.knowledge_vectors WHERE source_id = $1", source.source_id)
        .execute(&mut **transaction)
        .await?;
    let ids: Vec<Uuid> = passages.iter().map(|_| Uuid::now_v7()).collect();
    let ordinals: Vec<i32> = (0_i32..).take(passages.len()).collect();
    let headings: Vec<String> = passages.iter().map(|passage| passage.heading.clone()).collect();
    let contents: Vec<String> = passages.iter().map(|passage| passage.content.clone()).collect();
    let pages: Vec<Option<i32>> = passages.iter().map(|passage| passage.page).collect();
    sqlx::query!(
        "INSERT INTO gc_ai.knowledge_vectors
             (passage_id, source_id, source_version, kind, source_title, heading, ordinal, content, kategori, page)
         SELECT passage_id, $1, $2, $3, $4, heading, ordinal, content, $5, page
         FROM unnest($6::uuid[], $7::integer[], $8::text[], $9::text[], $10::integer[])
              AS passage (passage_id, ordinal, heading, content, page)",
        source.source_id,
        source.version,
        source.kind,
        source.title,
        source.kategori,
        &ids,
        &ordinals,
        &headings,
        &contents,
        &pages as &[Option<i32>],
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!(
        "UPDATE gc_ai.sources
         SET characters = $2, passages = $3, status = 'ready', error = NULL, updated_at = now()
         WHERE source_id = $1",
        source.source_id,
        source.characters,
        i32::try_from(passages.len()).unwrap_or(i32::MAX),
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Takes a source's passages away and leaves a tombstone. False when there is no such source, or it was deleted before.
///
/// # Errors
/// As [`StoreError`].
pub async fn delete_source(pool: &PgPool, source_id: Uuid) -> Result<bool, StoreError> {
    let mut transaction = pool.begin().await?;
    let deleted = sqlx::query!(
        "UPDATE gc_ai.sources
         SET status = 'deleted', error = NULL, title = '', content_hash = '', content_sha256 = NULL, file_name = NULL,
             passages = 0, characters = 0, pages_done = 0, pages_total = NULL, claimed_by = NULL, due_at = NULL,
             attempts = 0, updated_at = now()
         WHERE source_id = $1 AND status <> 'deleted'",
        source_id,
    )
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    documents::forget_upload(&mut transaction, source_id).await?;
    sqlx::query!("DELETE FROM gc_ai.knowledge_vectors WHERE source_id = $1", source_id)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(deleted > 0)
}

/// Whether this source was ever handed in, deleted since or not.
///
/// # Errors
/// As [`StoreError`].
pub async fn knows_source(pool: &PgPool, source_id: Uuid) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM gc_ai.sources WHERE source_id = $1) AS "known!""#,
        source_id,
    )
    .fetch_one(pool)
    .await?)
}

/// How much can be searched.
///
/// # Errors
/// As [`StoreError`].
pub async fn counts(pool: &PgPool) -> Result<Counts, StoreError> {
    Ok(sqlx::query_as!(
        Counts,
        r#"SELECT (SELECT count(*) FROM gc_ai.sources WHERE status = 'ready') AS "sources!",
                  (SELECT count(*) FROM gc_ai.knowledge_vectors) AS "passages!""#,
    )
    .fetch_one(pool)
    .await?)
}
