//! What the channel holds of a person, and erasing it (UU PDP).

use actix_web::{HttpResponse, delete, get, web};

use super::ChannelState;
use crate::http::extract::ApiPath;
use crate::http::problem::Problem;
use crate::ids::PersonId;
use crate::store::channel::people::{self, Held};

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
