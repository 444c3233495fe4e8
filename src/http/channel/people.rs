//! What the channel holds of a person, erasing it (UU PDP), and officers saying that two people are one.

use actix_web::{HttpResponse, delete, get, post, web};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ChannelState;
use crate::http::extract::{ApiJson, ApiPath, ApiQuery};
use crate::http::problem::Problem;
use crate::ids::PersonId;
use crate::store::channel::people::{self, Held, LinkError, Suggestion};
use crate::store::text::storable;

/// What the channel holds of a person.
#[utoipa::path(security(("internal_api_key" = [])), params(("person_id" = Uuid, Path)), responses(
    (status = 200, body = Held),
    (status = 404, description = "not known here", body = Problem, content_type = "application/problem+json"),
))]
#[get("/people/{person_id}")]
pub(super) async fn get_person(
    state: web::Data<ChannelState>,
    id: ApiPath<PersonId>,
) -> Result<HttpResponse, Problem> {
    let held = people::held(&state.pool, id.0).await?.ok_or_else(|| Problem::not_found("person"))?;
    Ok(HttpResponse::Ok().json(held))
}

/// Erases everything the channel holds of a person.
#[utoipa::path(security(("internal_api_key" = [])), params(("person_id" = Uuid, Path)), responses(
    (status = 204, description = "erased"),
    (status = 404, description = "not known here", body = Problem, content_type = "application/problem+json"),
))]
#[delete("/people/{person_id}")]
pub(super) async fn erase_person(
    state: web::Data<ChannelState>,
    id: ApiPath<PersonId>,
) -> Result<HttpResponse, Problem> {
    match people::erase(&state.pool, id.0).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(Problem::not_found("person")),
    }
}

/// Who turned out to be the same person.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkRequest {
    #[garde(skip)]
    other_person_id: PersonId,
    /// The officer who says so.
    #[garde(length(min = 1, max = 128))]
    admin_id: String,
    #[garde(length(chars, min = 1, max = 500))]
    reason: String,
}

/// Says that two people are one. They are merged as soon as no officer holds a conversation with either.
#[utoipa::path(security(("internal_api_key" = [])), params(("person_id" = Uuid, Path)), request_body = LinkRequest, responses(
    (status = 202, description = "it is noted, and will be done"),
    (status = 404, description = "one of them is not known here", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "they are one already, or about to be", body = Problem, content_type = "application/problem+json"),
))]
#[post("/people/{person_id}/link")]
pub(super) async fn link_people(
    state: web::Data<ChannelState>,
    id: ApiPath<PersonId>,
    request: ApiJson<LinkRequest>,
) -> Result<HttpResponse, Problem> {
    let LinkRequest { other_person_id, admin_id, reason } = request.0;
    people::link(&state.pool, id.0, other_person_id, &storable(&admin_id), &storable(&reason)).await?;
    Ok(HttpResponse::Accepted().finish())
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::NoPerson => Problem::not_found("person"),
            LinkError::SamePerson => {
                Problem::conflict("they are the same person already").kind("same-person")
            }
            LinkError::Pending => {
                Problem::conflict("they are being linked already; an officer may hold a conversation")
                    .kind("link-pending")
            }
            LinkError::Store(error) => error.into(),
        }
    }
}

/// Which suggestions.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct SuggestionsQuery {
    /// At most this many, 1 to 200.
    #[garde(range(min = 1, max = 200))]
    limit: Option<i64>,
}

/// Pairs of people who may be one, the oldest suggestion first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SuggestionsAnswer {
    items: Vec<Suggestion>,
}

/// Pairs of people who may be one; an officer decides.
#[utoipa::path(security(("internal_api_key" = [])), params(SuggestionsQuery), responses((status = 200, body = SuggestionsAnswer)))]
#[get("/link-suggestions")]
pub(super) async fn list_link_suggestions(
    state: web::Data<ChannelState>,
    query: ApiQuery<SuggestionsQuery>,
) -> Result<HttpResponse, Problem> {
    let items = people::suggestions(&state.pool, None, query.0.limit.unwrap_or(50)).await?;
    Ok(HttpResponse::Ok().json(SuggestionsAnswer { items }))
}
