//! A question finds the passages of the office's documents that fit it. Quotes, never writes: what does not reach the
//! threshold is not an answer, and then the honest answer is that we do not know.

pub mod question;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use sqlx::PgPool;
use tokio::time::timeout;

use super::builtin::{self, normalise};
use super::embedding::fits;
use super::masking::Masker;
use super::providers::{EmbedTask, Embedder, ProviderError};
use crate::dialogue::understanding::Passage;
use crate::store::StoreError;
use crate::store::ai::{self as store, FoundPassage, embeddings};

/// Below this a passage has too little of the question in it.
pub const THRESHOLD: f64 = 0.55;
/// Passages that answer a question, at most.
pub const PASSAGES: i64 = 3;
/// Terms of a question that are searched for; more only cost time.
const MOST_TERMS: usize = 16;

/// The words of a question worth searching for, normalised, each once, in order. Reads no more than is understood:
/// whoever sends a book holds up nobody else.
pub fn terms(texts: &[String]) -> Vec<String> {
    let mut terms: Vec<String> = Vec::new();
    let texts = builtin::readable(texts);
    let sentences = texts.iter().flat_map(|text| normalise::sentences(text));
    for word in sentences.flat_map(|sentence| sentence.words) {
        for part in word.norm.split(' ') {
            let searchable = part.chars().count() >= 2 && !STOP_WORDS.contains(&part);
            if searchable && !terms.iter().any(|term| term == part) && terms.len() < MOST_TERMS {
                terms.push(part.to_owned());
            }
        }
    }
    terms
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
        let terms = terms(texts);
        if self.method == Method::Text {
            return store::search(&self.pool, &terms, kategori, limit).await;
        }
        let deep = limit.max(DEPTH);
        let by_words = store::search(&self.pool, &terms, kategori, deep);
        // A greeting has no terms, and nothing is near to it.
        let by_vectors =
            async { if terms.is_empty() { Ok(None) } else { self.nearest(texts, kategori, deep).await } };
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
        let question = Masker::new([]).mask(&builtin::readable(texts).join("\n"));
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

/// Passages that each way of finding contributes to a fusion.
const DEPTH: i64 = 30;
/// How much more the first ranks count than the next ones (Cormack, Clarke and Büttcher, 2009).
const RANK_OFFSET: f64 = 60.0;
/// A question waits no longer for its vector; its words are enough to answer.
const EMBED_TIME: Duration = Duration::from_millis(2500);

/// Both lists as one, by reciprocal ranks. A passage's score is the better of its two.
fn fused(by_words: Vec<FoundPassage>, near: Vec<FoundPassage>) -> Vec<FoundPassage> {
    let mut all: Vec<(f64, FoundPassage)> = Vec::new();
    for list in [by_words, near] {
        for (rank, passage) in (1_u32..).zip(list) {
            let worth = 1.0 / (RANK_OFFSET + f64::from(rank));
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

/// Words that carry no topic, normalised. PostgreSQL's `indonesian` configuration comes without a list.
#[rustfmt::skip]
const STOP_WORDS: &[&str] = &[
    "yang", "di", "ke", "dari", "dan", "atau", "untuk", "dengan", "pada", "adalah", "ini", "itu", "saya", "kami", "kita", "anda", "dia", "mereka", "bapak", "ibu", "kakak", "mas", "mbak", "bang", "admin",
    "apa", "apakah", "berapa", "bagaimana", "cara", "kapan", "kenapa", "siapa", "mana", "saja", "ya", "dong", "sih", "nih", "deh", "kok", "kah", "lah", "tolong", "mohon", "maaf", "permisi", "halo", "selamat", "pagi", "siang", "sore", "malam",
    "assalamualaikum", "alaikum", "wr", "wb", "mau", "ingin", "akan", "bisa", "boleh", "harus", "perlu", "tidak", "belum", "sudah", "ada", "jika", "kalau", "supaya", "agar", "karena", "tapi", "juga", "lagi", "sekali", "sangat",
    "tanya", "info", "tahu", "kasih", "terima", "ok", "baik", "oh", "eh", "omong", "sekalian", "dulu", "nanti", "tentang", "soal", "mengenai", "terkait", "seperti", "sama", "dalam", "oleh", "buat", "membuat", "urus", "mengurus",
    "cari", "minta", "gara", "kira", "tuh", "mulai", "punya", "orang", "semua", "para", "hal", "begitu", "banyak", "lain", "jadi", "yaitu", "secara", "lewat", "pakai", "dapat", "pun", "kan", "aja", "biasa", "sebagai", "tersebut", "warga",
    "the", "is", "are", "my", "to", "an", "of", "for", "in", "on", "at", "and", "what", "how", "when", "where", "do", "can", "please", "want", "need", "it", "there", "does", "get", "have",
];

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

    #[test]
    fn questions_become_terms() {
        for (question, expected) in [
            ("Gmn cara bikin KTP yg ilang ya min?", vec!["ktp", "hilang"]),
            ("jam buka kantornya", vec!["jam", "buka", "kantor"]),
            ("apa itu?", vec![]),
            ("ktp KTP k.t.p", vec!["ktp"]),
        ] {
            assert_eq!(terms(&[question.to_owned()]), expected, "{question}");
        }
    }
}
