//! The case service over HTTP: complaints, their history and counts, categories, and what is held of a person.
//!
//! Handlers read a request, call the store and answer; what may follow what is decided in `complaint` and enforced in
//! `store::case`. The shapes on the wire are in [`wire`].

mod wire;

use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use jiff::tz::TimeZone;
use serde_json::Value;
use sqlx::PgPool;
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;

use super::common::{DEFAULT_LIMIT, cursor, etag, idempotency_key, if_match, store_failure};
use super::extract::{ApiJson, ApiPath, ApiQuery};
use super::guard::require_internal_key;
use super::listener::Service;
use super::problem::Problem;
use crate::clock::Clock;
use crate::ids::{LapId, PersonId};
use crate::store::case::{By, CaseError, change, create, people, read};
use wire::{
    CategoryList, ChangeBody, ComplaintBody, ComplaintPage, ErasedBody, ListQuery, NewComplaintBody,
    PersonBody, StatsBody, UpdateList,
};

/// What the handlers work with.
#[derive(Clone)]
pub struct CaseState {
    pub pool: PgPool,
    pub clock: Clock,
    /// The office's, whose days complaints are numbered by.
    pub time_zone: TimeZone,
}

/// The case service for a listener.
pub fn service(state: CaseState) -> Service {
    description().with_state(state)
}

/// The service without state: enough for its OpenAPI document.
pub fn description() -> Service {
    Service::new("case", "Complaints, what happened to them, and their categories.", routes)
}

/// Registers the documented handlers.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(
        scope::scope("/internal")
            .wrap(from_fn(require_internal_key))
            .service(create_complaint)
            .service(list_complaints)
            .service(complaint_stats)
            .service(complaint_updates)
            .service(get_complaint)
            .service(change_complaint)
            .service(list_categories)
            .service(get_person)
            .service(erase_person),
    );
}

/// How each refusal of the store is told.
impl From<CaseError> for Problem {
    fn from(error: CaseError) -> Self {
        match error {
            CaseError::Store(error) => store_failure(&error),
            CaseError::NotFound => Problem::not_found("complaint"),
            CaseError::KeyReused => {
                Problem::conflict("this Idempotency-Key was used before with another body").kind("key-reused")
            }
            CaseError::UnknownCategory => {
                Problem::field("kategori", "no such category in use; GET /internal/categories lists them")
            }
            CaseError::VersionConflict { current } => {
                Problem::precondition_failed("the complaint was changed since you read it; read it again")
                    .with("current_version", current)
            }
            CaseError::IllegalMove { from, to } => {
                let allowed: Vec<Value> = from.may_become().iter().map(|next| next.as_str().into()).collect();
                Problem::conflict(format!("a complaint that is {from} cannot become {to}"))
                    .kind("illegal-transition")
                    .with("from", from.as_str())
                    .with("to", to.as_str())
                    .with("allowed", allowed)
            }
            CaseError::NumbersExhausted => Problem::unavailable("no complaint number is left for today"),
        }
    }
}

/// File a complaint.
///
/// The same `Idempotency-Key` with the same body answers with the complaint that was filed the first time.
#[utoipa::path(
    tag = "complaints",
    security(("internal_api_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repetitions the same complaint")),
    request_body = NewComplaintBody,
    responses(
        (status = 201, description = "Filed", body = ComplaintBody),
        (status = 200, description = "Filed before under this key", body = ComplaintBody),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[post("/complaints")]
async fn create_complaint(
    request: HttpRequest,
    state: web::Data<CaseState>,
    body: ApiJson<NewComplaintBody>,
) -> Result<HttpResponse, Problem> {
    let key = idempotency_key(&request)?;
    let new = body.0.into_new()?;
    let filed =
        create::create(&state.pool, key.as_deref(), &new, state.clock.now(), &state.time_zone).await?;
    let location = format!("/internal/complaints/{}", filed.complaint.id);
    let mut response = if filed.new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response
        .insert_header(etag(filed.complaint.version))
        .insert_header(("location", location))
        .json(ComplaintBody::from(filed.complaint)))
}

/// List complaints, newest first.
#[utoipa::path(
    tag = "complaints",
    security(("internal_api_key" = [])),
    params(ListQuery),
    responses(
        (status = 200, description = "One page", body = ComplaintPage),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[get("/complaints")]
async fn list_complaints(
    state: web::Data<CaseState>,
    query: ApiQuery<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.0;
    let after = cursor(query.cursor.as_deref())?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let page = read::list(&state.pool, &query.into_filter(), after.as_ref(), limit).await?;
    Ok(HttpResponse::Ok().json(ComplaintPage::from(page)))
}

/// Count complaints by status and category, and today's.
#[utoipa::path(
    tag = "complaints",
    security(("internal_api_key" = [])),
    responses(
        (status = 200, description = "Counts", body = StatsBody),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[get("/complaints/stats")]
async fn complaint_stats(state: web::Data<CaseState>) -> Result<HttpResponse, Problem> {
    let stats = read::stats(&state.pool, state.clock.now(), &state.time_zone).await?;
    Ok(HttpResponse::Ok().json(StatsBody::from(stats)))
}

/// Read a complaint.
#[utoipa::path(
    tag = "complaints",
    security(("internal_api_key" = [])),
    params(("id" = LapId, Path, description = "The complaint's number")),
    responses(
        (status = 200, description = "The complaint; its version is the ETag", body = ComplaintBody),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[get("/complaints/{id}")]
async fn get_complaint(state: web::Data<CaseState>, id: ApiPath<LapId>) -> Result<HttpResponse, Problem> {
    let complaint = read::get(&state.pool, id.0).await?;
    Ok(HttpResponse::Ok().insert_header(etag(complaint.version)).json(ComplaintBody::from(complaint)))
}

/// Change a complaint: its status, its fields, or just add a note.
///
/// `If-Match` (or `version` in the body) refuses the change with 412 when somebody else was faster. A status
/// that may not follow the present one is a 409 that lists those that may in `allowed`.
#[utoipa::path(
    tag = "complaints",
    security(("internal_api_key" = [])),
    params(
        ("id" = LapId, Path, description = "The complaint's number"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was read"),
    ),
    request_body = ChangeBody,
    responses(
        (status = 200, description = "Changed", body = ComplaintBody),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[put("/complaints/{id}")]
async fn change_complaint(
    request: HttpRequest,
    state: web::Data<CaseState>,
    id: ApiPath<LapId>,
    body: ApiJson<ChangeBody>,
) -> Result<HttpResponse, Problem> {
    let expected = if_match(&request)?.or_else(|| body.0.version.map(|version| vec![version]));
    let change = body.0.into_change()?;
    let now = state.clock.now();
    let complaint =
        change::update(&state.pool, id.0, expected.as_deref(), &change, &By::Service, now).await?;
    Ok(HttpResponse::Ok().insert_header(etag(complaint.version)).json(ComplaintBody::from(complaint)))
}

/// Read everything that happened to a complaint, oldest first.
#[utoipa::path(
    tag = "complaints",
    security(("internal_api_key" = [])),
    params(("id" = LapId, Path, description = "The complaint's number")),
    responses(
        (status = 200, description = "The history", body = UpdateList),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[get("/complaints/{id}/updates")]
async fn complaint_updates(state: web::Data<CaseState>, id: ApiPath<LapId>) -> Result<HttpResponse, Problem> {
    let updates = read::updates(&state.pool, id.0).await?;
    Ok(HttpResponse::Ok().json(UpdateList::from(updates)))
}

/// List the categories of complaints.
#[utoipa::path(
    tag = "categories",
    security(("internal_api_key" = [])),
    responses(
        (status = 200, description = "All categories, in the order people are shown them", body = CategoryList),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[get("/categories")]
async fn list_categories(state: web::Data<CaseState>) -> Result<HttpResponse, Problem> {
    let categories = read::categories(&state.pool).await?;
    Ok(HttpResponse::Ok().json(CategoryList::from(categories)))
}

/// Read what this service holds of a person.
#[utoipa::path(
    tag = "people",
    security(("internal_api_key" = [])),
    params(("person_id" = PersonId, Path, description = "The person")),
    responses(
        (status = 200, description = "Everything of theirs; empty when there is nothing", body = PersonBody),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[get("/people/{person_id}")]
async fn get_person(
    state: web::Data<CaseState>,
    person_id: ApiPath<PersonId>,
) -> Result<HttpResponse, Problem> {
    let complaints = people::complaints_of(&state.pool, person_id.0).await?;
    Ok(HttpResponse::Ok().json(PersonBody::new(person_id.0, complaints)))
}

/// Erase a person: their complaints stay as numbers, categories, statuses and times.
#[utoipa::path(
    tag = "people",
    security(("internal_api_key" = [])),
    params(("person_id" = PersonId, Path, description = "The person")),
    responses(
        (status = 200, description = "Erased; asking again is harmless", body = ErasedBody),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[delete("/people/{person_id}")]
async fn erase_person(
    state: web::Data<CaseState>,
    person_id: ApiPath<PersonId>,
) -> Result<HttpResponse, Problem> {
    let erased = people::erase(&state.pool, person_id.0, state.clock.now()).await?;
    Ok(HttpResponse::Ok().json(ErasedBody { person_id: person_id.0, complaints: erased }))
}
