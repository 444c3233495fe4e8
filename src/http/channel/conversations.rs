//! Conversations for the other services: the list, what is read, what is parked, and trying that again.

use actix_web::{HttpResponse, get, post, web};
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{ChannelState, cursor_id, find_conversation, page};
use crate::bus::live_chat::LiveChangeKind;
use crate::http::common::not_blank;
use crate::http::extract::{ApiJson, ApiPath, ApiQuery};
use crate::http::problem::Problem;
use crate::ids::{ConversationId, MessageId, PersonId};
use crate::store::channel::conversation::unpark;
use crate::store::channel::conversation_list::{self, ConversationFilter, ConversationRow};
use crate::store::text::storable;

/// Which conversations.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct ConversationsQuery {
    /// Part of a name, username, phone number (as people type it) or BSUID; three characters or more.
    #[garde(length(chars, min = 3, max = 100))]
    q: Option<String>,
    #[garde(skip)]
    #[param(inline)]
    mode: Option<ModeFilter>,
    /// Those that this officer holds.
    #[garde(length(min = 1, max = 128))]
    holder: Option<String>,
    /// Only those where a person is wanted.
    #[garde(skip)]
    #[serde(default)]
    waiting: bool,
    /// Only those that are parked and wait for an operator.
    #[garde(skip)]
    #[serde(default)]
    parked: bool,
    /// Only those with messages that `admin_id` (or, without it, any officer) has not read.
    #[garde(skip)]
    #[serde(default)]
    unread: bool,
    /// Those of this number of the office.
    #[garde(length(min = 1, max = 256))]
    phone_number_id: Option<String>,
    /// Whose unread messages are counted; without it, those that no officer has read.
    #[garde(length(min = 1, max = 128))]
    admin_id: Option<String>,
    /// From the answer before.
    #[garde(length(max = 128))]
    cursor: Option<String>,
    /// At most this many, 1 to 200.
    #[garde(range(min = 1, max = 200))]
    limit: Option<i64>,
}

/// Who answers.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
enum ModeFilter {
    Bot,
    Human,
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
    username: Option<String>,
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
    /// Messages of the citizen that are not read (see `admin_id` of the list); counted up to 100.
    unread: i64,
    /// Why it is parked, when it is.
    parked: Option<String>,
    /// Since when a person is wanted.
    #[schema(value_type = Option<String>, format = DateTime)]
    waiting_since: Option<Timestamp>,
    waiting_reason: Option<String>,
    /// A complaint that the citizen has not finished telling (belum terkirim): kategori, alamat, deskripsi, updated_at.
    draft: Option<Value>,
    /// Meta's last word that the person cannot be reached (code, title, at), unless they wrote since.
    unreachable: Option<Value>,
}

/// A page of conversations, the latest active first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConversationsPage {
    items: Vec<ConversationItem>,
    next_cursor: Option<String>,
}

impl From<ConversationRow> for ConversationItem {
    fn from(row: ConversationRow) -> Self {
        ConversationItem {
            conversation_id: row.conversation_id,
            phone_number_id: row.phone_number_id,
            person_id: row.person_id,
            wa_user_id: row.wa_user_id,
            display_name: row.display_name,
            username: row.username,
            mode: row.mode,
            holder: row.holder,
            last_message_at: row.last_message_at,
            last_text: row.last_text,
            window_expires_at: row.window_expires_at,
            unprocessed: row.unprocessed,
            unread: row.unread,
            parked: row.parked_reason,
            waiting_since: row.waiting_since,
            waiting_reason: row.waiting_reason,
            draft: row.draft,
            unreachable: row.unreachable,
        }
    }
}

/// Conversations, the latest active first. Paging goes on where it was whatever comes in: none is given twice, and one that
/// is written to meanwhile is at the top of the next first page.
#[utoipa::path(security(("internal_api_key" = [])), params(ConversationsQuery), responses((status = 200, body = ConversationsPage)))]
#[get("/conversations")]
pub(super) async fn list_conversations(
    state: web::Data<ChannelState>,
    query: ApiQuery<ConversationsQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.0;
    let after = cursor_id::<Uuid>(query.cursor.as_deref())?;
    let limit = query.limit.unwrap_or(50);
    let filter = ConversationFilter {
        search: query.q.as_deref().map(storable),
        mode: query.mode.map(|mode| <&str>::from(mode).to_owned()),
        holder: query.holder.as_deref().map(storable),
        waiting: query.waiting,
        parked: query.parked,
        unread: query.unread,
        phone_number_id: query.phone_number_id.as_deref().map(storable),
        reader: query.admin_id.as_deref().map(storable),
    };
    let rows = conversation_list::list(&state.pool, &filter, after, limit + 1).await?;
    let (rows, next_cursor) = page(rows, limit, |row| (row.last_message_at, row.conversation_id));
    let items = rows.into_iter().map(ConversationItem::from).collect();
    Ok(HttpResponse::Ok().json(ConversationsPage { items, next_cursor }))
}

/// Whose view.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct ReaderQuery {
    /// Whose unread messages are counted; without it, those that no officer has read.
    #[garde(length(min = 1, max = 128))]
    admin_id: Option<String>,
}

/// One conversation.
#[utoipa::path(security(("internal_api_key" = [])), params(("id" = String, Path, description = "conversation id or wa_user_id"), ReaderQuery), responses(
    (status = 200, body = ConversationItem),
    (status = 404, description = "no such conversation", body = Problem, content_type = "application/problem+json"),
))]
#[get("/conversations/{id}")]
pub(super) async fn get_conversation(
    state: web::Data<ChannelState>,
    id: ApiPath<String>,
    query: ApiQuery<ReaderQuery>,
) -> Result<HttpResponse, Problem> {
    let conversation = find_conversation(&state.pool, &id.0).await?;
    let reader = query.0.admin_id.as_deref().map(storable);
    let row = conversation_list::get(&state.pool, conversation, reader.as_deref())
        .await?
        .ok_or_else(|| Problem::not_found("conversation"))?;
    Ok(HttpResponse::Ok().json(ConversationItem::from(row)))
}

/// How far an officer has read.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadRequest {
    #[garde(length(min = 1, max = 128), custom(not_blank))]
    admin_id: String,
    /// The last message that was read, of either direction.
    #[garde(skip)]
    message_id: MessageId,
}

/// Marks a conversation as read by an officer, up to a message; never less than before.
#[utoipa::path(security(("internal_api_key" = [])), params(("id" = String, Path, description = "conversation id or wa_user_id")), request_body = ReadRequest, responses(
    (status = 204, description = "marked"),
    (status = 404, description = "no such conversation, or no such message in it", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "a field cannot be accepted", body = Problem, content_type = "application/problem+json"),
))]
#[post("/conversations/{id}/read")]
pub(super) async fn read_conversation(
    state: web::Data<ChannelState>,
    id: ApiPath<String>,
    request: ApiJson<ReadRequest>,
) -> Result<HttpResponse, Problem> {
    let conversation = find_conversation(&state.pool, &id.0).await?;
    let admin_id = storable(&request.admin_id);
    match conversation_list::mark_read(&state.pool, conversation, &admin_id, request.message_id).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(Problem::not_found("message in this conversation")),
    }
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
    state.announcer.announce(conversation, LiveChangeKind::Takeover);
    Ok(HttpResponse::NoContent().finish())
}
