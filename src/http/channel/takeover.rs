//! Takeover: start, end, status. The acknowledgement of a start means that from now on Meta gets no bot message but
//! those named `in_flight` (I7).

use std::time::Duration;

use actix_web::{HttpResponse, get, post, web};
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ChannelState, find_conversation};
use crate::bus::live_chat::LiveChangeKind;
use crate::http::extract::{ApiJson, ApiPath};
use crate::http::problem::Problem;
use crate::ids::{ConversationId, MessageId};
use crate::metrics::Metrics;
use crate::store::channel::takeover::{self, Start, TakeoverError};

/// How long the acknowledgement waits for bot messages whose call is under way.
const IN_FLIGHT_PATIENCE: Duration = Duration::from_secs(2);

/// Who takes over.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct StartRequest {
    #[garde(length(min = 1, max = 128))]
    admin_id: String,
    #[garde(length(chars, max = 500))]
    #[serde(default)]
    reason: Option<String>,
    /// Take it even from another officer.
    #[garde(skip)]
    #[serde(default)]
    force: bool,
}

/// It is taken over.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StartAnswer {
    conversation_id: ConversationId,
    session_id: Uuid,
    /// Bot messages that were queued and will not be sent.
    cancelled: u64,
    /// Bot messages whose call to Meta is under way; they may still arrive.
    in_flight: Vec<MessageId>,
}

/// Takes a conversation over from the bot.
#[utoipa::path(security(("internal_api_key" = [])), params(("id" = String, Path, description = "conversation id or wa_user_id")), request_body = StartRequest, responses(
    (status = 200, body = StartAnswer),
    (status = 404, description = "no such conversation", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "another officer holds it, or several conversations fit", body = Problem, content_type = "application/problem+json"),
))]
#[post("/takeover/{id}/start")]
pub(super) async fn start_takeover(
    state: web::Data<ChannelState>,
    metrics: web::Data<Metrics>,
    id: ApiPath<String>,
    request: ApiJson<StartRequest>,
) -> Result<HttpResponse, Problem> {
    let conversation = find_conversation(&state.pool, &id.0).await?;
    let request = request.0;
    let start = Start {
        conversation_id: conversation,
        admin_id: request.admin_id,
        reason: request.reason,
        force: request.force,
    };
    let started = takeover::start(&state.pool, &start).await?;
    metrics.takeover_cancelled.inc_by(started.cancelled);
    crate::crash_point!("takeover::before_answer");
    // The transaction has decided already; the wake-up only makes the actor drop its AI work.
    state.partitions.wake(conversation, "hint");
    state.announcer.announce(conversation, LiveChangeKind::Takeover);
    let in_flight = wait_for_in_flight(&state, conversation).await?;
    Ok(HttpResponse::Ok().json(StartAnswer {
        conversation_id: conversation,
        session_id: started.session_id,
        cancelled: started.cancelled,
        in_flight,
    }))
}

async fn wait_for_in_flight(state: &ChannelState, id: ConversationId) -> Result<Vec<MessageId>, Problem> {
    let until = Instant::now() + IN_FLIGHT_PATIENCE;
    let mut pause = Duration::from_millis(10);
    loop {
        let in_flight = takeover::in_flight(&state.pool, id).await?;
        if in_flight.is_empty() || Instant::now() >= until {
            return Ok(in_flight);
        }
        // A call takes a few milliseconds or, on a bad day, seconds; many officers waiting must not burden the database.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}

/// Who gives it back.
#[derive(Debug, Default, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct EndRequest {
    /// When given, only this officer's takeover is ended.
    #[garde(length(min = 1, max = 128))]
    #[serde(default)]
    admin_id: Option<String>,
    /// The last message of this conversation that the officer saw; without it everything that has arrived counts as seen.
    #[garde(skip)]
    #[serde(default)]
    last_seen_message_id: Option<MessageId>,
    #[garde(length(chars, max = 500))]
    #[serde(default)]
    reason: Option<String>,
}

/// Gives a conversation back to the bot.
#[utoipa::path(security(("internal_api_key" = [])), params(("id" = String, Path, description = "conversation id or wa_user_id")), request_body = EndRequest, responses(
    (status = 204, description = "the bot has it again"),
    (status = 404, description = "no such conversation", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "nobody, or another officer, holds it", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "a field cannot be accepted: the message that was seen last is not in this conversation", body = Problem, content_type = "application/problem+json"),
))]
#[post("/takeover/{id}/end")]
pub(super) async fn end_takeover(
    state: web::Data<ChannelState>,
    id: ApiPath<String>,
    request: ApiJson<EndRequest>,
) -> Result<HttpResponse, Problem> {
    let conversation = find_conversation(&state.pool, &id.0).await?;
    let reason = request.0.reason.as_deref().unwrap_or("ended by the officer");
    let last_seen = request.0.last_seen_message_id;
    takeover::end(&state.pool, conversation, request.0.admin_id.as_deref(), last_seen, reason).await?;
    state.partitions.wake(conversation, "hint");
    state.announcer.announce(conversation, LiveChangeKind::Takeover);
    Ok(HttpResponse::NoContent().finish())
}

/// Who answers in a conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusAnswer {
    conversation_id: ConversationId,
    /// bot or human.
    mode: String,
    admin_id: Option<String>,
    reason: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
}

/// Who answers in a conversation.
#[utoipa::path(security(("internal_api_key" = [])), params(("id" = String, Path, description = "conversation id or wa_user_id")), responses(
    (status = 200, body = StatusAnswer),
    (status = 404, description = "no such conversation", body = Problem, content_type = "application/problem+json"),
))]
#[get("/takeover/{id}/status")]
pub(super) async fn takeover_status(
    state: web::Data<ChannelState>,
    id: ApiPath<String>,
) -> Result<HttpResponse, Problem> {
    let conversation = find_conversation(&state.pool, &id.0).await?;
    let holding = takeover::status(&state.pool, conversation)
        .await?
        .ok_or_else(|| Problem::not_found("conversation"))?;
    Ok(HttpResponse::Ok().json(StatusAnswer {
        conversation_id: conversation,
        mode: holding.mode,
        admin_id: holding.admin_id,
        reason: holding.reason,
        started_at: holding.started_at,
    }))
}

impl From<TakeoverError> for Problem {
    fn from(error: TakeoverError) -> Self {
        match error {
            TakeoverError::NoConversation => Problem::not_found("conversation"),
            TakeoverError::HeldBy { holder } => Problem::conflict("another officer holds this conversation")
                .kind("held")
                .with("holder", holder),
            TakeoverError::NotHeld => Problem::conflict("nobody holds this conversation").kind("not-held"),
            TakeoverError::UnknownMessage => {
                Problem::field("last_seen_message_id", "is no message of this conversation")
            }
            TakeoverError::Store(error) => error.into(),
        }
    }
}
