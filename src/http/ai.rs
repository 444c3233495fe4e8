//! The AI service over HTTP: a dry run of understanding with its trace, search, documents in and out, what is held
//! of a person, and what happened each day. Handlers read, call [`AiService`] and answer; they never log what was written.

mod analytics;
mod documents;

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, delete, get, post, web};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::common::{not_blank, store_failure};
use super::extract::{ApiJson, ApiPath};
use super::guard::require_internal_key;
use super::listener::Service;
use super::problem::Problem;
use crate::ai::documents::Documents;
use crate::ai::retrieval::THRESHOLD;
use crate::ai::service::{AiError, AiService, Traced};
use crate::dialogue::understanding::{AskedSlot, ContextLine, Intent, UnderstandRequest, Understanding};
use crate::ids::PersonId;
use crate::store::ai::FoundPassage;

/// Passages that a search returns when nothing is asked.
const DEFAULT_LIMIT: u32 = 5;

/// The AI service for a listener.
pub fn service(ai: AiService, documents: Documents) -> Service {
    description().with_state(ai).with_state(documents)
}

/// The service without state: enough for its OpenAPI document.
pub fn description() -> Service {
    Service::new("ai", "Understands citizens' messages and answers from the office's documents.", routes)
}

/// Registers the documented handlers.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(
        scope::scope("/internal")
            .wrap(from_fn(require_internal_key))
            .service(process_message)
            .service(search_knowledge)
            .service(documents::process_document)
            .service(documents::list_documents)
            .service(documents::get_document)
            .service(documents::delete_document)
            .service(get_person)
            .service(erase_person)
            .service(analytics::get_analytics),
    );
}

/// One batch of messages to be understood, without any effect.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProcessMessage {
    /// Texts and captions, oldest first.
    #[garde(length(min = 1, max = 30), inner(length(chars, max = 4096)))]
    texts: Vec<String>,
    /// The slot that the bot asked for last.
    #[garde(skip)]
    asked_for: Option<AskedSlot>,
    /// What was said before, oldest first, when a person had the conversation.
    #[garde(length(max = 30))]
    #[serde(default)]
    context: Vec<ContextLine>,
}

/// What was understood, and how.
#[derive(Debug, Serialize, ToSchema)]
struct ProcessedMessage {
    understanding: Understanding,
    trace: Trace,
}

/// How an understanding came about.
#[derive(Debug, Serialize, ToSchema)]
struct Trace {
    /// Who understood: a model of the provider that is set, or `builtin`.
    model: String,
    /// Tokens read and written, of every attempt.
    tokens: u32,
    /// What they cost, by the prices that are set.
    cost: f64,
    /// Why a model that is set did not serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<String>,
    /// Milliseconds, search included.
    ms: f64,
    /// How strongly the words spoke for each intent.
    intents: Vec<ScoredIntent>,
    /// What was searched for; empty when nothing was asked.
    terms: Vec<String>,
    /// The best passages, also those under the threshold.
    passages: Vec<ScoredPassage>,
    /// Passages that score less are not used.
    threshold: f64,
}

#[derive(Debug, Serialize, ToSchema)]
struct ScoredIntent {
    intent: Intent,
    score: f32,
}

/// A passage with where it is from.
#[derive(Debug, Serialize, ToSchema)]
struct ScoredPassage {
    passage_id: Uuid,
    source_id: Uuid,
    source_title: String,
    /// Headings above it, outermost first, joined by " › ".
    heading: String,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<i32>,
    /// 0 to 1.
    score: f64,
}

impl From<FoundPassage> for ScoredPassage {
    fn from(found: FoundPassage) -> Self {
        ScoredPassage {
            passage_id: found.passage_id,
            source_id: found.source_id,
            source_title: found.source_title,
            heading: found.heading,
            text: found.content,
            page: found.page,
            score: found.score,
        }
    }
}

impl From<Traced> for ProcessedMessage {
    fn from(traced: Traced) -> Self {
        let scores = &traced.reading.scores;
        let usage = traced.reading.understanding.usage.clone();
        let trace = Trace {
            model: usage.model,
            tokens: usage.tokens,
            cost: usage.cost,
            fallback: usage.fallback,
            ms: traced.elapsed.as_secs_f64() * 1e3,
            intents: scores
                .iter()
                .map(|scored| ScoredIntent { intent: scored.intent, score: scored.score })
                .collect(),
            terms: traced.terms,
            passages: traced.found.into_iter().map(ScoredPassage::from).collect(),
            threshold: THRESHOLD,
        };
        ProcessedMessage { understanding: traced.reading.understanding, trace }
    }
}

/// Understand a batch of messages. A dry run: nothing is stored or sent.
#[utoipa::path(
    tag = "understanding",
    security(("internal_api_key" = [])),
    request_body = ProcessMessage,
    responses(
        (status = 200, description = "Understood", body = ProcessedMessage),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[post("/process-message")]
async fn process_message(
    ai: web::Data<AiService>,
    body: ApiJson<ProcessMessage>,
) -> Result<HttpResponse, Problem> {
    let ProcessMessage { texts, asked_for, context } = body.0;
    let traced =
        ai.understand_traced(&UnderstandRequest { texts, asked_for, context, names: Vec::new() }).await?;
    Ok(HttpResponse::Ok().json(ProcessedMessage::from(traced)))
}

/// A search in the office's documents.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct KnowledgeSearch {
    #[garde(length(chars, min = 1, max = 1000), custom(not_blank))]
    query: String,
    /// Only passages of this category.
    #[garde(length(chars, min = 1, max = 64))]
    kategori: Option<String>,
    /// At most so many; 5 when absent.
    #[garde(range(min = 1, max = 50))]
    limit: Option<u32>,
}

/// The passages found, best first.
#[derive(Debug, Serialize, ToSchema)]
struct KnowledgeFound {
    passages: Vec<ScoredPassage>,
    /// Passages that score less are not used in answers.
    threshold: f64,
}

/// Search the office's documents.
#[utoipa::path(
    tag = "knowledge",
    security(("internal_api_key" = [])),
    request_body = KnowledgeSearch,
    responses(
        (status = 200, description = "What was found, also under the threshold", body = KnowledgeFound),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[post("/knowledge/search")]
async fn search_knowledge(
    ai: web::Data<AiService>,
    body: ApiJson<KnowledgeSearch>,
) -> Result<HttpResponse, Problem> {
    let limit = i64::from(body.limit.unwrap_or(DEFAULT_LIMIT));
    let found = ai
        .search(&body.query, body.kategori.as_deref(), limit)
        .await
        .map_err(|error| store_failure(&error))?;
    let passages = found.into_iter().map(ScoredPassage::from).collect();
    Ok(HttpResponse::Ok().json(KnowledgeFound { passages, threshold: THRESHOLD }))
}

/// What this service holds of a person: nothing. It keeps documents of the office, not what citizens wrote.
#[derive(Debug, Serialize, ToSchema)]
struct HeldOfPerson {
    person_id: PersonId,
    /// Always empty.
    records: Vec<String>,
}

/// What was erased of a person.
#[derive(Debug, Serialize, ToSchema)]
struct ErasedOfPerson {
    person_id: PersonId,
    /// Always 0: there is nothing to erase.
    erased: u64,
}

/// Read what this service holds of a person.
#[utoipa::path(
    tag = "people",
    security(("internal_api_key" = [])),
    params(("person_id" = PersonId, Path, description = "The person")),
    responses(
        (status = 200, description = "Everything of theirs: nothing", body = HeldOfPerson),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    )
)]
#[get("/people/{person_id}")]
async fn get_person(person_id: ApiPath<PersonId>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(HeldOfPerson { person_id: person_id.0, records: Vec::new() }))
}

/// Erase a person.
#[utoipa::path(
    tag = "people",
    security(("internal_api_key" = [])),
    params(("person_id" = PersonId, Path, description = "The person")),
    responses(
        (status = 200, description = "Erased; asking again is harmless", body = ErasedOfPerson),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    )
)]
#[delete("/people/{person_id}")]
async fn erase_person(person_id: ApiPath<PersonId>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(ErasedOfPerson { person_id: person_id.0, erased: 0 }))
}

impl From<AiError> for Problem {
    fn from(error: AiError) -> Self {
        match error {
            AiError::Deadline => {
                Problem::new(StatusCode::GATEWAY_TIMEOUT).detail("not understood within ai.turn_deadline_ms")
            }
            AiError::Panicked => Problem::internal(),
            AiError::Store(error) => store_failure(&error),
        }
    }
}
