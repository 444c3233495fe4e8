//! What the AI service does, for whoever asks: understand a batch of messages, search, take documents in and out.
//! Every turn has a deadline. Never answers from anything but the office's documents.

use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Context, SHA256, digest};
use jiff::civil::Date;
use sqlx::PgPool;
use tokio::time::timeout;
use uuid::Uuid;

use super::builtin::{self, Reading};
use super::chunking::{self, DocumentKind};
use super::excerpt;
use super::grounding;
use super::masking;
use super::providers::assistance::Assistance;
use super::retrieval::question::Question;
use super::retrieval::{self, Retriever};
use crate::dialogue::understanding::{
    Intent, Passage, QUOTE_WORDS, UnderstandRequest, Understanding, Urgency,
};
use crate::store::StoreError;
use crate::store::ai::analytics::{self, DailyCount};
use crate::store::ai::documents::{self, SourceRow};
use crate::store::ai::{self as store, FoundPassage, NewSource, PutOutcome};

pub use crate::dialogue::understanding::BUILTIN_MODEL;

/// Passages that a model chooses from: more than are quoted without one, as it tells those apart that look alike.
const PASSAGES_TO_POINT_AT: i64 = 8;
/// The last part of a turn's time is not a model's: the builtin and the search need it.
const OWN_PART: u32 = 4;

/// Why a turn was not understood.
#[derive(Debug, thiserror::Error)]
pub enum AiError {
    /// The time for the turn is over; trying again later may help.
    #[error("not understood within the deadline")]
    Deadline,
    /// The work on this turn panicked; others go on.
    #[error("understanding this turn panicked")]
    Panicked,
    /// The documents cannot be searched at present. Not the same as having found nothing.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An understanding with how it came about.
#[derive(Clone, Debug)]
pub struct Traced {
    pub reading: Reading,
    /// What was searched for; empty when there was no question.
    pub terms: Vec<String>,
    /// The best passages, also those under the threshold.
    pub found: Vec<FoundPassage>,
    pub elapsed: Duration,
}

/// A document handed in.
#[derive(Clone, Debug)]
pub struct Document {
    pub source_id: Uuid,
    pub version: i32,
    pub kind: DocumentKind,
    pub title: String,
    pub content: String,
    pub kategori: Option<String>,
}

/// The AI service of a node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AiService {
    pool: PgPool,
    deadline: Duration,
    assistance: Option<Assistance>,
    retriever: Retriever,
}

impl AiService {
    /// `deadline` is the time for one turn, everything included. Understands by the builtin alone.
    pub fn new(pool: PgPool, deadline: Duration) -> Self {
        let retriever = Retriever::full_text(pool.clone());
        AiService { pool, deadline, assistance: None, retriever }
    }

    /// The same with the help of a model, if there is one.
    pub fn assisted_by(self, assistance: Option<Assistance>) -> Self {
        AiService { assistance, ..self }
    }

    /// Finds passages by that retriever instead of by full text alone.
    pub fn with_retriever(self, retriever: Retriever) -> Self {
        AiService { retriever, ..self }
    }

    /// The time for one turn.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Understands a batch and, where it asks something, finds the passages that answer, before `until`. Dropping the
    /// future ends the work.
    ///
    /// # Errors
    /// [`AiError`]; the batch may be handed in again.
    pub async fn understand(
        &self,
        request: &UnderstandRequest,
        until: Instant,
    ) -> Result<Understanding, AiError> {
        Ok(self.understand_until(request, until).await?.reading.understanding)
    }

    /// [`AiService::understand`] with the trace, within the time for one turn.
    ///
    /// # Errors
    /// [`AiError`].
    pub async fn understand_traced(&self, request: &UnderstandRequest) -> Result<Traced, AiError> {
        self.understand_until(request, Instant::now() + self.deadline).await
    }

    async fn understand_until(&self, request: &UnderstandRequest, until: Instant) -> Result<Traced, AiError> {
        crate::crash_point!("ai::understand");
        crate::delay_point!("ai::slow");
        let started = Instant::now();
        let mut reading = builtin::read(request);
        // No answer of a model is worth losing the turn for.
        let models_end = until.checked_sub(self.deadline / OWN_PART).unwrap_or(started);
        // Whoever is in danger is not kept waiting for a second opinion.
        let assistance =
            self.assistance.as_ref().filter(|_| reading.understanding.urgency == Urgency::Normal);
        let mut turn = assistance.map(|assistance| assistance.turn(request, models_end.into()));
        if let Some(turn) = &mut turn
            && let Some(understanding) = turn.understand(&reading.understanding).await
        {
            reading.understanding = understanding;
        }
        let wanted = &reading.understanding;
        let asks = wanted.wants(Intent::KnowledgeQuery) || wanted.wants(Intent::Unknown);
        let (mut terms, mut found) = (Vec::new(), Vec::new());
        if asks {
            let most = if turn.is_some() { PASSAGES_TO_POINT_AT } else { retrieval::PASSAGES };
            // A complaint in the same breath would be searched for as well.
            let question = match wanted.wants(Intent::CreateComplaint) {
                true => questions(&request.texts),
                false => request.texts.clone(),
            };
            let search = self.retriever.search(&question, None, most);
            let left = until.saturating_duration_since(Instant::now());
            found = timeout(left, search).await.map_err(|_| AiError::Deadline)??;
            terms = retrieval::terms(&question);
            let pointed = match &mut turn {
                Some(turn) => turn.point(&found).await,
                None => None,
            };
            reading.understanding.passages = match pointed {
                Some(mut passages) => {
                    for passage in &mut passages {
                        passage.text = excerpt::readable(&passage.text);
                    }
                    passages
                }
                None => {
                    let best = found.len().min(usize::try_from(retrieval::PASSAGES).unwrap_or(0));
                    quotes(&found[..best], &question)
                }
            };
        }
        if asks && reading.understanding.passages.is_empty() {
            reading.understanding.question_terms = gap_terms(request);
        }
        if let Some(turn) = turn {
            reading.understanding.usage = turn.usage();
        }
        Ok(Traced { reading, terms, found, elapsed: started.elapsed() })
    }

    /// The passages that fit a question, with their scores, also those under the threshold.
    ///
    /// # Errors
    /// As [`StoreError`].
    pub async fn search(
        &self,
        query: &str,
        kategori: Option<&str>,
        limit: i64,
    ) -> Result<Vec<FoundPassage>, StoreError> {
        self.retriever.search(&[query.to_owned()], kategori, limit).await
    }

    /// Cuts a document into passages and puts them in place of its older ones.
    ///
    /// # Errors
    /// As [`StoreError`].
    pub async fn put_document(&self, document: &Document) -> Result<PutOutcome, StoreError> {
        put_document(&self.pool, document).await
    }

    /// Takes a document's passages away; false when there were none to take.
    ///
    /// # Errors
    /// As [`StoreError`].
    pub async fn delete_document(&self, source_id: Uuid) -> Result<bool, StoreError> {
        store::delete_source(&self.pool, source_id).await
    }

    /// What happened on each day from one to another, both included, as far as events have told it.
    ///
    /// # Errors
    /// As [`StoreError`].
    pub async fn daily_counts(&self, from: Date, to: Date) -> Result<Vec<DailyCount>, StoreError> {
        analytics::between(&self.pool, from, to).await
    }

    /// How a document stands; none when it is unknown or deleted.
    ///
    /// # Errors
    /// As [`StoreError`].
    pub async fn document(&self, source_id: Uuid) -> Result<Option<SourceRow>, StoreError> {
        Ok(documents::source(&self.pool, source_id).await?.filter(|source| source.status != "deleted"))
    }
}

/// What an unanswered question was about: this is told in events and counted, so nothing personal and no number is in it.
fn gap_terms(request: &UnderstandRequest) -> Vec<String> {
    let texts = masking::stripped(&request.texts, request.names.iter().map(String::as_str));
    let mut terms = retrieval::terms(&texts);
    terms.retain(|term| term.chars().all(char::is_alphabetic));
    terms
}

/// [`AiService::put_document`] without a service, for the sample office.
///
/// # Errors
/// As [`StoreError`].
pub async fn put_document(pool: &PgPool, document: &Document) -> Result<PutOutcome, StoreError> {
    // PostgreSQL's text has no NUL.
    let content = document.content.replace('\0', "\u{fffd}");
    let title = document.title.replace('\0', "\u{fffd}");
    let passages = chunking::passages(document.kind, &content);
    let source = NewSource {
        source_id: document.source_id,
        version: document.version,
        kind: document.kind.to_string(),
        content_hash: content_hash(
            &document.kind.to_string(),
            &title,
            document.kategori.as_deref(),
            content.as_bytes(),
        ),
        content_sha256: digest(&SHA256, content.as_bytes()).as_ref().to_vec(),
        characters: i32::try_from(content.chars().count()).unwrap_or(i32::MAX),
        kategori: document.kategori.clone(),
        title,
    };
    store::put_source(pool, &source, &passages).await
}

/// The sentences that ask something of the office; all of it when none does by itself.
fn questions(texts: &[String]) -> Vec<String> {
    let asks = |sentence: &str| {
        let request = UnderstandRequest { texts: vec![sentence.to_owned()], ..UnderstandRequest::default() };
        let read = builtin::understand(&request);
        read.wants(Intent::KnowledgeQuery) && !read.wants(Intent::CreateComplaint)
    };
    let sentences =
        texts.iter().flat_map(|text| builtin::normalise::spans(text).into_iter().map(|span| &text[span]));
    let asked: Vec<String> = sentences.filter(|sentence| asks(sentence)).map(str::to_owned).collect();
    if asked.is_empty() { texts.to_vec() } else { asked }
}

/// What may be said to a citizen of what was found: of the passages that fit well enough, without what addresses a machine,
/// the part that answers.
pub fn quotes(found: &[FoundPassage], question: &[String]) -> Vec<Passage> {
    let question = Question::of(question);
    let mut quotes = Vec::new();
    for found in found {
        for mut passage in grounding::quotable(retrieval::fitting(std::slice::from_ref(found))) {
            let heading = format!("{} {}", found.source_title, found.heading);
            passage.text = excerpt::excerpt(&passage.text, &heading, &question, QUOTE_WORDS);
            quotes.push(passage);
        }
    }
    quotes
}

/// SHA-256 over what decides a document's passages.
pub(super) fn content_hash(kind: &str, title: &str, kategori: Option<&str>, content: &[u8]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in [kind.as_bytes(), title.as_bytes(), kategori.unwrap_or_default().as_bytes(), content] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_asks_is_searched_for() {
        let both = "Lapor, lampu di Jl. Apel mati sejak Senin. Sekalian tanya, surat domisili butuh syarat apa aja ya?";
        let asked = questions(&[both.to_owned()]).join(" ");
        assert!(asked.contains("surat domisili") && !asked.contains("lampu"), "{asked}");
        let complaint = ["lampu jalan mati".to_owned()];
        assert_eq!(questions(&complaint), complaint);
    }

    #[test]
    fn gaps_name_what_was_asked_and_nobody() {
        let request = UnderstandRequest {
            texts: vec![
                "Nama saya Budi Santoso NIK 3174010101900001, paspor anak Sari hilang, wa 081234567890"
                    .to_owned(),
            ],
            names: vec!["Sari".to_owned()],
            ..UnderstandRequest::default()
        };
        assert_eq!(gap_terms(&request), ["nama", "nik", "paspor", "anak", "hilang", "wa"].map(str::to_owned));
    }
}
