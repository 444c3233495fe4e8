//! A question finds the passages of the office's documents that fit it. Quotes, never writes: what does not reach the
//! threshold is not an answer, and then the honest answer is that we do not know.
//!
//! - [`question`]: what is looked for · [`ranking`]: how well a passage answers

pub mod question;
mod ranking;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use sqlx::PgPool;
use tokio::time::timeout;

use self::question::Question;
use self::ranking::Sought;
use super::builtin::{self, normalise};
use super::embedding::fits;
use super::masking::Masker;
use super::providers::{EmbedTask, Embedder, ProviderError};
use crate::dialogue::understanding::Passage;
use crate::store::StoreError;
use crate::store::ai::{FoundPassage, embeddings, search as index};

/// Below this it is not sure enough that a passage answers: chosen on `data/tuning/`, so that nine of ten questions that
/// nothing answers stay unanswered there.
pub const THRESHOLD: f64 = 0.68;
/// Passages that answer a question, at most.
pub const PASSAGES: i64 = 3;

/// The words of a question worth searching for, normalised, each once, in order.
pub fn terms(texts: &[String]) -> Vec<String> {
    Question::of(texts).terms()
}

/// How passages are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Method {
    /// By words.
    Text,
    /// By words and by vectors, their ranks fused.
    Hybrid,
    /// By vectors; by words while there are none.
    Vector,
}

/// Finds passages. Cheap to clone.
#[derive(Clone)]
pub struct Retriever {
    pool: PgPool,
    method: Method,
    /// Those whose vectors may answer; the one that does is in the store.
    embedders: Arc<[Arc<dyn Embedder>]>,
    /// The cosine similarity at which a passage answers; it counts as much as [`THRESHOLD`] does of words.
    least_similarity: f64,
}

impl fmt::Debug for Retriever {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let models: Vec<&str> = self.embedders.iter().map(|embedder| embedder.model()).collect();
        f.debug_struct("Retriever")
            .field("method", &self.method)
            .field("models", &models)
            .finish_non_exhaustive()
    }
}

impl Retriever {
    /// By words alone.
    pub fn full_text(pool: PgPool) -> Self {
        Retriever { pool, method: Method::Text, embedders: Arc::new([]), least_similarity: 1.0 }
    }

    /// By vectors as well, or by them alone. The first of `embedders` is the model of the settings; others may answer
    /// until its vectors are made.
    pub fn with_vectors(
        pool: PgPool,
        method: Method,
        embedders: Vec<Arc<dyn Embedder>>,
        least_similarity: f64,
    ) -> Self {
        Retriever { pool, method, embedders: embedders.into(), least_similarity }
    }

    /// The best passages, best first, also those under the threshold; for search pages and traces. Words alone decide
    /// while vectors cannot be had.
    ///
    /// # Errors
    /// As [`StoreError`].
    pub async fn search(
        &self,
        texts: &[String],
        kategori: Option<&str>,
        limit: i64,
    ) -> Result<Vec<FoundPassage>, StoreError> {
        let question = Question::of(texts);
        if self.method == Method::Text {
            return self.by_words(&question, kategori, limit).await;
        }
        let deep = limit.max(DEPTH);
        let by_words = self.by_words(&question, kategori, deep);
        // A greeting asks for nothing, and nothing is near to it.
        let by_vectors = async {
            if question.wanted.is_empty() { Ok(None) } else { self.nearest(texts, kategori, deep).await }
        };
        let (by_words, by_vectors) = tokio::join!(by_words, by_vectors);
        let limit = usize::try_from(limit).unwrap_or(0);
        let mut found = match (by_vectors?, self.method) {
            (None, _) => by_words?,
            (Some(near), Method::Vector) => near,
            (Some(near), Method::Text | Method::Hybrid) => fused(by_words?, near),
        };
        found.truncate(limit);
        Ok(found)
    }

    async fn by_words(
        &self,
        question: &Question,
        kategori: Option<&str>,
        limit: i64,
    ) -> Result<Vec<FoundPassage>, StoreError> {
        let (known, total) = index::look_up(&self.pool, &ranking::words_of(question)).await?;
        let sought = Sought::new(question, known, total);
        let terms = sought.terms();
        if terms.iter().all(|term| term.lexemes.is_empty()) {
            return Ok(Vec::new());
        }
        let candidates = index::candidates(&self.pool, &terms, &sought.lexemes(), kategori).await?;
        let ranked = sought.ranked(candidates).into_iter().map(|candidate| candidate.passage);
        Ok(ranked.take(usize::try_from(limit).unwrap_or(0)).collect())
    }

    /// The passages nearest to the question, scored on the scale of words; none when that cannot be told.
    async fn nearest(
        &self,
        texts: &[String],
        kategori: Option<&str>,
        limit: i64,
    ) -> Result<Option<Vec<FoundPassage>>, StoreError> {
        let Some(model) = embeddings::active(&self.pool).await? else { return Ok(None) };
        let answers = |embedder: &&Arc<dyn Embedder>| {
            embedder.model() == model.model
                && i32::try_from(embedder.dimensions()).is_ok_and(|dimensions| dimensions == model.dimensions)
        };
        let Some(embedder) = self.embedders.iter().find(answers) else { return Ok(None) };
        // It leaves for a provider: what is personal stays here.
        let question = written_out(&Masker::new([]).mask(&builtin::readable(texts).join("\n")));
        let embedded =
            timeout(EMBED_TIME, embedder.embed(std::slice::from_ref(&question), EmbedTask::Query)).await;
        let vector = match embedded.unwrap_or(Err(ProviderError::TimedOut)) {
            Ok(vectors) => vectors.into_iter().next().filter(|vector| fits(vector, &**embedder)),
            Err(error) => {
                tracing::warn!(%error, "a question could not be embedded; it is searched for by its words");
                None
            }
        };
        let Some(vector) = vector else { return Ok(None) };
        let mut near = embeddings::nearest(&self.pool, &model, &vector, kategori, limit).await?;
        for passage in &mut near {
            passage.score = (passage.score / self.least_similarity * THRESHOLD).clamp(0.0, 1.0);
        }
        Ok(Some(near))
    }
}

/// The question without slang and abbreviations: small models know few of them.
fn written_out(question: &str) -> String {
    let sentences = normalise::sentences(question).into_iter();
    sentences.map(|sentence| sentence.norm.trim().to_owned()).collect::<Vec<_>>().join(". ")
}

/// Passages that each way of finding contributes to a fusion.
const DEPTH: i64 = 30;
/// How much more the first ranks count than the next ones (Cormack, Clarke and Büttcher, 2009).
const RANK_OFFSET: f64 = 60.0;
/// What a rank by vectors counts of one by words. Equal parts cost more right first places than vectors of a small model
/// bring (`multilingual-e5-small` on `data/tuning/`).
const VECTORS: f64 = 0.4;
/// A question waits no longer for its vector; its words are enough to answer.
const EMBED_TIME: Duration = Duration::from_millis(2500);

/// Both lists as one, by reciprocal ranks. A passage's score is the better of its two.
fn fused(by_words: Vec<FoundPassage>, near: Vec<FoundPassage>) -> Vec<FoundPassage> {
    let mut all: Vec<(f64, FoundPassage)> = Vec::new();
    for (list, part) in [(by_words, 1.0), (near, VECTORS)] {
        for (rank, passage) in (1_u32..).zip(list) {
            let worth = part / (RANK_OFFSET + f64::from(rank));
            match all.iter_mut().find(|(_, known)| known.passage_id == passage.passage_id) {
                Some((sum, known)) => {
                    *sum += worth;
                    known.score = known.score.max(passage.score);
                }
                None => all.push((worth, passage)),
            }
        }
    }
    // Stable: of equals, what words found comes first.
    all.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    all.into_iter().map(|(_, passage)| passage).collect()
}

/// The passages that answer, best first; empty when nothing fits well enough.
pub fn fitting(found: &[FoundPassage]) -> Vec<Passage> {
    found
        .iter()
        .filter(|passage| passage.score >= THRESHOLD)
        .map(|passage| Passage {
            source_title: passage.source_title.clone(),
            text: passage.content.clone(),
            score: passage.score as f32,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_both_ways_find_comes_first() {
        let passage = |id: u128, score| FoundPassage {
            passage_id: Uuid::from_u128(id),
            source_id: Uuid::nil(),
            source_title: String::new(),
            heading: String::new(),
            content: String::new(),
            page: None,
            score,
        };
        let words = vec![passage(1, 0.9), passage(2, 0.6)];
        let near = vec![passage(3, 0.7), passage(2, 0.8)];
        let found: Vec<_> = fused(words, near)
            .into_iter()
            .map(|passage| (passage.passage_id.as_u128(), passage.score))
            .collect();
        assert_eq!(found, [(2, 0.8), (1, 0.9), (3, 0.7)]);
    }
}
