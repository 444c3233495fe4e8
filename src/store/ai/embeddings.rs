//! Vectors of passages, a set a model: one model answers while the vectors of its successor are made.
//!
//! Each model's index is partial (only its own rows) and made here, when the program first needs it, because its
//! expression carries the model's dimensions: that is why some statements of this file are put together at run time.

use pgvector::Vector;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use super::FoundPassage;
use crate::ids::NodeId;
use crate::store::StoreError;

/// A claim of a model runs out after so many seconds unless it is renewed by the next batch.
const CLAIM_SECONDS: f64 = 120.0;
/// pgvector indexes `vector` up to so many dimensions, above them half precision.
const MOST_FULL_DIMENSIONS: i32 = 2000;
/// What the index looks at for one question: more finds more, and takes longer.
const EF_SEARCH: u32 = 120;

/// A model whose vectors are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingModel {
    pub model_id: i32,
    pub model: String,
    pub dimensions: i32,
    /// It answers questions; else its vectors are still being made.
    pub active: bool,
}

impl EmbeddingModel {
    fn index(&self) -> String {
        format!("embeddings_model_{}", self.model_id)
    }

    /// The expression that is indexed, and its operator class.
    fn expression(&self) -> (String, &'static str) {
        let dimensions = self.dimensions;
        if dimensions <= MOST_FULL_DIMENSIONS {
            (format!("(embedding::vector({dimensions}))"), "vector_cosine_ops")
        } else {
            (format!("(embedding::halfvec({dimensions}))"), "halfvec_cosine_ops")
        }
    }
}

/// The model that answers questions at present.
///
/// # Errors
/// As [`StoreError`].
pub async fn active(pool: &PgPool) -> Result<Option<EmbeddingModel>, StoreError> {
    Ok(sqlx::query_as!(
        EmbeddingModel,
        r#"SELECT model_id, model, dimensions, true AS "active!" FROM gc_ai.embedding_models WHERE state = 'active'"#,
    )
    .fetch_optional(pool)
    .await?)
}

/// Makes a model known and claims the making of its vectors; none when another node is at it.
///
/// # Errors
/// As [`StoreError`].
pub async fn claim(
    pool: &PgPool,
    node: NodeId,
    model: &str,
    dimensions: i32,
) -> Result<Option<EmbeddingModel>, StoreError> {
    sqlx::query!(
        "INSERT INTO gc_ai.embedding_models (model, dimensions, state) VALUES ($1, $2, 'building')
         ON CONFLICT (model, dimensions) DO NOTHING",
        model,
        dimensions,
    )
    .execute(pool)
    .await?;
    Ok(sqlx::query_as!(
        EmbeddingModel,
        r#"UPDATE gc_ai.embedding_models SET claimed_by = $3, due_at = now() + $4 * interval '1 second'
           WHERE model = $1 AND dimensions = $2 AND (claimed_by = $3 OR due_at <= now())
           RETURNING model_id, model, dimensions, state = 'active' AS "active!""#,
        model,
        dimensions,
        node.0,
        CLAIM_SECONDS,
    )
    .fetch_optional(pool)
    .await?)
}

/// A passage to be made a vector of.
#[derive(Clone, Debug)]
pub struct Unembedded {
    pub passage_id: Uuid,
    pub source_title: String,
    pub heading: String,
    pub content: String,
}

/// Passages that have no vector of that model yet, oldest first.
///
/// # Errors
/// As [`StoreError`].
pub async fn missing(
    pool: &PgPool,
    model: &EmbeddingModel,
    limit: i64,
) -> Result<Vec<Unembedded>, StoreError> {
    Ok(sqlx::query_as!(
        Unembedded,
        "SELECT passage_id, source_title, heading, content FROM gc_ai.knowledge_vectors AS passage
         WHERE NOT EXISTS (SELECT FROM gc_ai.embeddings AS made
                           WHERE made.passage_id = passage.passage_id AND made.model_id = $1)
         ORDER BY passage_id LIMIT $2",
        model.model_id,
        limit,
    )
    .fetch_all(pool)
    .await?)
}

/// Keeps vectors. Passages that have gone meanwhile, or have one already, are passed over.
///
/// # Errors
/// As [`StoreError`]; refused when the model is gone.
pub async fn store(
    pool: &PgPool,
    model: &EmbeddingModel,
    vectors: Vec<(Uuid, Vec<f32>)>,
) -> Result<(), StoreError> {
    let (ids, vectors): (Vec<Uuid>, Vec<Vector>) =
        vectors.into_iter().map(|(id, vector)| (id, Vector::from(vector))).unzip();
    // The passages are locked, so that none goes between the look and the foreign key's own.
    sqlx::query(
        "WITH made AS (SELECT * FROM unnest($2::uuid[], $3::vector[]) AS made (passage_id, embedding)),
              there AS (SELECT passage_id, kategori FROM gc_ai.knowledge_vectors
                        WHERE passage_id IN (SELECT passage_id FROM made) ORDER BY passage_id FOR KEY SHARE)
         INSERT INTO gc_ai.embeddings (passage_id, model_id, kategori, embedding)
         SELECT passage_id, $1, kategori, embedding FROM made JOIN there USING (passage_id)
         ON CONFLICT (passage_id, model_id) DO NOTHING",
    )
    .bind(model.model_id)
    .bind(ids)
    .bind(vectors)
    .execute(pool)
    .await?;
    Ok(())
}

/// Makes the model's index unless it is there. Writers go on meanwhile.
///
/// # Errors
/// As [`StoreError`]; what is left of an index that could not be made is removed by the next attempt.
pub async fn ensure_index(pool: &PgPool, model: &EmbeddingModel) -> Result<(), StoreError> {
    let index = model.index();
    let valid = sqlx::query_scalar!(
        r#"SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('gc_ai.' || $1::text)"#,
        index,
    )
    .fetch_optional(pool)
    .await?;
    if valid == Some(true) {
        return Ok(());
    }
    let (expression, class) = model.expression();
    let model_id = model.model_id;
    let mut connection = pool.acquire().await?;
    // It waits for transactions that began before it, and wants the vectors in memory. Not within a transaction.
    let statements = [
        "SET lock_timeout = 0".to_owned(),
        "SET maintenance_work_mem = '256MB'".to_owned(),
        format!("DROP INDEX CONCURRENTLY IF EXISTS gc_ai.{index}"),
        format!(
            "CREATE INDEX CONCURRENTLY {index} ON gc_ai.embeddings USING hnsw ({expression} {class})
             WITH (m = 16, ef_construction = 128) WHERE model_id = {model_id}"
        ),
    ];
    let mut made = Ok(());
    for statement in statements {
        made = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await.map(drop);
        if made.is_err() {
            break;
        }
    }
    // The connection goes back to the others as it was.
    for setting in ["SET lock_timeout = '10s'", "RESET maintenance_work_mem"] {
        sqlx::raw_sql(setting).execute(&mut *connection).await?;
    }
    Ok(made?)
}

/// Lets a model answer from now on, in place of another. False while passages have no vector of it.
///
/// # Errors
/// As [`StoreError`]; nothing is changed then.
pub async fn activate(pool: &PgPool, model: &EmbeddingModel) -> Result<bool, StoreError> {
    let mut transaction = pool.begin().await?;
    let incomplete = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM gc_ai.knowledge_vectors AS passage WHERE NOT EXISTS (
               SELECT FROM gc_ai.embeddings AS made
               WHERE made.passage_id = passage.passage_id AND made.model_id = $1)) AS "incomplete!""#,
        model.model_id,
    )
    .fetch_one(&mut *transaction)
    .await?;
    if incomplete {
        return Ok(false);
    }
    sqlx::query!(
        "UPDATE gc_ai.embedding_models SET state = 'building' WHERE state = 'active' AND model_id <> $1",
        model.model_id,
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!(
        "UPDATE gc_ai.embedding_models SET state = 'active', activated_at = now() WHERE model_id = $1",
        model.model_id,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(true)
}

/// Removes vectors, indexes and names of all models but that one.
///
/// # Errors
/// As [`StoreError`]; what is left is removed by the next attempt.
pub async fn remove_others(pool: &PgPool, model: &EmbeddingModel) -> Result<(), StoreError> {
    let others = sqlx::query_as!(
        EmbeddingModel,
        r#"SELECT model_id, model, dimensions, state = 'active' AS "active!" FROM gc_ai.embedding_models
           WHERE model_id <> $1 AND state <> 'active'"#,
        model.model_id,
    )
    .fetch_all(pool)
    .await?;
    for other in others {
        let drop_index = format!("DROP INDEX CONCURRENTLY IF EXISTS gc_ai.{}", other.index());
        sqlx::raw_sql(AssertSqlSafe(drop_index)).execute(pool).await?;
        sqlx::query!("DELETE FROM gc_ai.embeddings WHERE model_id = $1", other.model_id)
            .execute(pool)
            .await?;
        sqlx::query!(
            "DELETE FROM gc_ai.embedding_models WHERE model_id = $1 AND state <> 'active'",
            other.model_id
        )
        .execute(pool)
        .await?;
    }
    Ok(())
}

/// The passages nearest to a question, nearest first; their score is the cosine similarity, -1 to 1.
///
/// # Errors
/// As [`StoreError`].
pub async fn nearest(
    pool: &PgPool,
    model: &EmbeddingModel,
    question: &[f32],
    kategori: Option<&str>,
    limit: i64,
) -> Result<Vec<FoundPassage>, StoreError> {
    let (expression, class) = model.expression();
    let operand = class.split('_').next().unwrap_or("vector");
    let (dimensions, model_id) = (model.dimensions, model.model_id);
    let filter = if kategori.is_some() { "AND kategori = $3" } else { "AND $3::text IS NULL" };
    let statement = format!(
        "WITH near AS MATERIALIZED (
             SELECT passage_id, {expression} <=> $1::{operand}({dimensions}) AS distance
             FROM gc_ai.embeddings WHERE model_id = {model_id} {filter}
             ORDER BY {expression} <=> $1::{operand}({dimensions}) LIMIT $2)
         SELECT passage_id, source_id, source_title, heading, content, page, 1 - distance AS score
         FROM near JOIN gc_ai.knowledge_vectors USING (passage_id) ORDER BY distance, passage_id"
    );
    // With a filter the index goes on until it has found enough (pgvector 0.8 and later).
    let mut transaction = pool
        .begin_with(AssertSqlSafe(format!(
            "BEGIN; SET LOCAL hnsw.ef_search = {EF_SEARCH}; SET LOCAL hnsw.iterative_scan = strict_order"
        )))
        .await?;
    let found = sqlx::query_as(AssertSqlSafe(statement))
        .bind(Vector::from(question.to_vec()))
        .bind(limit)
        .bind(kategori)
        .fetch_all(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(found)
}
