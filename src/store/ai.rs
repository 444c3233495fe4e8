//! `gc_ai`: the office's documents and their passages.
//!
//! A source is replaced as a whole, in one transaction: readers see the old passages or the new ones, never both or
//! neither. Knows nothing of how passages are cut or questions understood.

pub mod analytics;

use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::{StoreError, Timestamptz};

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
    /// `text`, `markdown` or `faq`.
    pub kind: String,
    pub title: String,
    pub kategori: Option<String>,
    /// SHA-256 over what decides the passages.
    pub content_hash: Vec<u8>,
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

/// A source as it stands.
#[derive(Clone, Debug)]
pub struct SourceRow {
    pub source_id: Uuid,
    pub version: i32,
    pub kind: String,
    pub title: String,
    pub kategori: Option<String>,
    /// queued, processing, ready, failed or deleted.
    pub status: String,
    pub error: Option<String>,
    pub passages: i32,
    pub characters: i32,
    pub created_at: Timestamptz,
    pub updated_at: Timestamptz,
}

/// A passage that fits a question.
#[derive(Clone, Debug)]
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
        if current.version == source.version && current.status == "ready" {
            let same = current.content_hash == source.content_hash;
            return Ok(if same { PutOutcome::Unchanged } else { PutOutcome::Conflict });
        }
    }
    replace_passages(&mut transaction, source, passages).await?;
    transaction.commit().await?;
    Ok(PutOutcome::Stored)
}

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
         SET version = $2, kind = $3, title = $4, kategori = $5, content_hash = $6, characters = $7, passages = $8,
             status = 'ready', error = NULL, updated_at = now()
         WHERE source_id = $1",
        source.source_id,
        source.version,
        source.kind,
        source.title,
        source.kategori,
        source.content_hash,
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
         SET status = 'deleted', error = NULL, title = '', content_hash = '', passages = 0, characters = 0,
             updated_at = now()
         WHERE source_id = $1 AND status <> 'deleted'",
        source_id,
    )
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    sqlx::query!("DELETE FROM gc_ai.knowledge_vectors WHERE source_id = $1", source_id)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(deleted > 0)
}

/// A source, also a deleted one.
///
/// # Errors
/// As [`StoreError`].
pub async fn source(pool: &PgPool, source_id: Uuid) -> Result<Option<SourceRow>, StoreError> {
    Ok(sqlx::query_as!(
        SourceRow,
        "SELECT source_id, version, kind, title, kategori, status, error, passages, characters, created_at, updated_at
         FROM gc_ai.sources WHERE source_id = $1",
        source_id,
    )
    .fetch_optional(pool)
    .await?)
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

/// The passages that fit `terms` (normalised words without stop words) best, best first.
///
/// A passage is a candidate when it has any of the terms, or something spelt like a term that no passage has. Its score
/// is the share of the question that it covers (each term weighed by how rare it is; a term that no passage has counts as
/// a rare one, so questions about other matters score low), with a little for density and for hits in title or heading.
///
/// # Errors
/// As [`StoreError`].
pub async fn search(
    pool: &PgPool,
    terms: &[String],
    kategori: Option<&str>,
    limit: i64,
) -> Result<Vec<FoundPassage>, StoreError> {
    if terms.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_as!(
        FoundPassage,
        r#"
        WITH total AS (
            SELECT count(*)::float8 AS passages FROM gc_ai.knowledge_vectors
        ), terms AS (
            SELECT term, query,
                   (SELECT count(*)::float8 FROM gc_ai.knowledge_vectors WHERE tsv @@ query) AS having_it
            FROM unnest($1::text[]) AS term, websearch_to_tsquery('indonesian', term) AS query
            WHERE numnode(query) > 0
        ), weighed AS (
            SELECT term, query, having_it, ln(1 + total.passages / (1 + greatest(having_it, 1))) AS weight FROM terms, total
        ), wanted AS (
            SELECT websearch_to_tsquery('indonesian', string_agg(term, ' OR ')) AS query FROM weighed
        ), candidates AS (
            SELECT passage_id FROM (
                SELECT passage_id FROM gc_ai.knowledge_vectors, wanted
                WHERE tsv @@ wanted.query AND ($2::text IS NULL OR kategori = $2)
                ORDER BY ts_rank_cd(tsv, wanted.query) DESC LIMIT 60
            ) AS by_words
            UNION
            SELECT passage_id FROM (
                SELECT passage_id FROM weighed JOIN gc_ai.knowledge_vectors ON term <% content
                WHERE having_it = 0 AND length(term) >= 5 AND ($2::text IS NULL OR kategori = $2)
                LIMIT 60
            ) AS by_letters
        )
        SELECT passage_id AS "passage_id!", source_id AS "source_id!", source_title AS "source_title!",
               heading AS "heading!", content AS "content!", page,
               (0.85 * coverage.share + 0.10 * coverage.in_head
                + 0.05 * ts_rank_cd(tsv, wanted.query, 32))::float8 AS "score!"
        FROM candidates JOIN gc_ai.knowledge_vectors USING (passage_id), wanted,
             LATERAL (
                 SELECT sum(weight * CASE
                            WHEN tsv @@ query THEN 1.0
                            WHEN having_it = 0 AND length(term) >= 5 AND term <% content THEN 0.7
                            ELSE 0.0 END) / sum(weight) AS share,
                        sum(weight * CASE
                            WHEN to_tsvector('indonesian', source_title || ' ' || heading) @@ query THEN 1.0
                            ELSE 0.0 END) / sum(weight) AS in_head
                 FROM weighed
             ) AS coverage
        ORDER BY 7 DESC, source_title, ordinal
        LIMIT $3
        "#,
        terms,
        kategori,
        limit,
    )
    .fetch_all(pool)
    .await?)
}
