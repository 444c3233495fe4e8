//! The office's numbers as operators see them: whether each sends, why not, and letting it try again.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, get, post, web};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::ChannelState;
use crate::actors::sender::numbers::Reason;
use crate::http::extract::ApiPath;
use crate::http::problem::Problem;
use crate::store::channel::dead_letters::queued_by_number;

/// A number of the office.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NumberItem {
    phone_number_id: String,
    /// closed (it sends), open (it does not) or half_open (one message tries).
    state: &'static str,
    /// Since when it is so; absent when nothing was sent since the start.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// What Meta said, when it does not send.
    reason: Option<NumberReason>,
    /// Messages a second that it sends at most at present.
    rate_per_s: Option<u32>,
    /// Seconds until it may send again.
    paused_s: Option<f64>,
    /// Messages that wait to be sent.
    queued: i64,
}

/// What Meta said about a number.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NumberReason {
    code: i64,
    /// As `sends_total` counts it: operator or spam_limit.
    class: String,
    title: String,
}

/// All numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NumbersAnswer {
    items: Vec<NumberItem>,
}

impl From<Reason> for NumberReason {
    fn from(reason: Reason) -> Self {
        NumberReason { code: reason.code, class: reason.class.to_string(), title: reason.title }
    }
}

/// The office's numbers: those that this node has used, and those with messages that wait.
#[utoipa::path(security(("internal_api_key" = [])), responses((status = 200, body = NumbersAnswer)))]
#[get("/numbers")]
pub(super) async fn list_numbers(state: web::Data<ChannelState>) -> Result<HttpResponse, Problem> {
    let mut queued: BTreeMap<String, i64> = queued_by_number(&state.pool).await?.into_iter().collect();
    let mut items: Vec<NumberItem> = state
        .numbers
        .view()
        .into_iter()
        .map(|number| NumberItem {
            state: number.state.into(),
            since: Some(number.since),
            reason: number.reason.map(NumberReason::from),
            rate_per_s: Some(number.per_second),
            paused_s: number.paused_s,
            queued: queued.remove(&number.phone_number_id).unwrap_or(0),
            phone_number_id: number.phone_number_id,
        })
        .collect();
    items.extend(queued.into_iter().map(|(phone_number_id, queued)| NumberItem {
        phone_number_id,
        state: "closed",
        since: None,
        reason: None,
        rate_per_s: None,
        paused_s: None,
        queued,
    }));
    Ok(HttpResponse::Ok().json(NumbersAnswer { items }))
}

/// The operator has acted: the number sends again at once, at its full rate.
#[utoipa::path(security(("internal_api_key" = [])), params(("id" = String, Path, description = "phone number id")), responses(
    (status = 204, description = "it sends again"),
    (status = 404, description = "nothing was sent from such a number since the start", body = Problem, content_type = "application/problem+json"),
))]
#[post("/numbers/{id}/resume")]
pub(super) async fn resume_number(
    state: web::Data<ChannelState>,
    id: ApiPath<String>,
) -> Result<HttpResponse, Problem> {
    match state.numbers.resume(&id.0) {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(Problem::not_found("number")),
    }
}
