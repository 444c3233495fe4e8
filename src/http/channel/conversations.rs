//! Conversations for the other services: the list, what is parked, and trying that again.

use actix_web::{HttpResponse, get, post, web};
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{ChannelState, cursor_id, encode, find_conversation};
use crate::http::extract::{ApiPath, ApiQuery};
use crate::http::problem::Problem;
use crate::ids::{ConversationId, PersonId};
use crate::store::channel::conversation::unpark;
use crate::store::channel::listing;

/// Which conversations.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct ConversationsQuery {
    /// Only those that are parked and wait for an operator.
    #[garde(skip)]
    #[serde(default)]
    parked: bool,
    /// From the answer before.
    #[garde(length(max = 128))]
    cursor: Option<String>,
    /// At most this many, 1 to 200.
    #[garde(range(min = 1, max = 200))]
    limit: Option<i64>,
}

/// A conversation in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConversationItem {
    conversation_id: ConversationId,
    phone_number_id: String,
    person_id: PersonId,
    /// Phone number, else BSUID.
    wa_user_id: String,
    display_name: Option<String>,
    /// bot or human.
    mode: String,
    /// The officer who holds it.
    holder: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    last_message_at: Timestamp,
    last_text: Option<String>,
    /// When the 24 h window closes.
    #[schema(value_type = Option<String>, format = DateTime)]
    window_expires_at: Option<Timestamp>,
    /// Messages that nobody has dealt with yet.
    unprocessed: i64,
    /// Why it is parked, when it is.
    parked: Option<String>,
    /// Since when a person is wanted.
    #[schema(value_type = Option<String>, format = DateTime)]
    waiting_since: Option<Timestamp>,
    waiting_reason: Option<String>,
    /// Meta's last word that the person cannot be reached (code, title, at), unless they wrote since.
    unreachable: Option<Value>,
}

/// A page of conversations, the latest active first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConversationsPage {
    items: Vec<ConversationItem>,
    next_cursor: Option<String>,
}

/// Conversations, the latest active first.
#[utoipa::path(security(("internal_api_key" = [])), params(ConversationsQuery), responses((status = 200, body = ConversationsPage)))]
#[get("/conversations")]
pub(super) async fn list_conversations(
    state: web::Data<ChannelState>,
    query: ApiQuery<ConversationsQuery>,
) -> Result<HttpResponse, Problem> {
    let after = cursor_id::<Uuid>(query.0.cursor.as_deref())?;
    let limit = query.0.limit.unwrap_or(50);
    let mut rows = listing::conversations(&state.pool, after, query.0.parked, limit + 1).await?;
    let more = rows.len() as i64 > limit;
    rows.truncate(limit as usize);
    let next_cursor =
        rows.last().filter(|_| more).map(|row| encode(row.last_message_at, row.conversation_id));
    let items = rows
        .into_iter()
        .map(|row| ConversationItem {
            conversation_id: row.conversation_id,
            phone_number_id: row.phone_number_id,
            person_id: row.person_id,
            wa_user_id: row.wa_user_id,
            display_name: row.display_name,
            mode: row.mode,
            holder: row.holder,
            last_message_at: row.last_message_at,
            last_text: row.last_text,
            window_expires_at: row.window_expires_at,
            unprocessed: row.unprocessed,
            parked: row.parked_reason,
            waiting_since: row.waiting_since,
            waiting_reason: row.waiting_reason,
            unreachable: row.unreachable,
        })
        .collect();
    Ok(HttpResponse::Ok().json(ConversationsPage { items, next_cursor }))
}

/// Lets a parked conversation try again.
#[utoipa::path(security(("internal_api_key" = [])), params(("id" = String, Path, description = "conversation id or wa_user_id")), responses(
    (status = 204, description = "it is tried again"),
    (status = 404, description = "no such conversation", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "it is not parked", body = Problem, content_type = "application/problem+json"),
))]
#[post("/conversations/{id}/retry")]
pub(super) async fn retry_conversation(
    state: web::Data<ChannelState>,
    id: ApiPath<String>,
) -> Result<HttpResponse, Problem> {
    let conversation = find_conversation(&state.pool, &id.0).await?;
    if !unpark(&state.pool, conversation).await? {
        return Err(Problem::conflict("the conversation is not parked"));
    }
    state.partitions.wake(conversation, "hint");
    Ok(HttpResponse::NoContent().finish())
}
