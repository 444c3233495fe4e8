//! Conversations and their transcripts, read from the channel service.

use actix_web::{get, web};
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::DashboardState;
use super::services::{self, Other};
use crate::http::extract::{ApiPath, ApiQuery};
use crate::http::problem::Problem;

/// From where on, and how many.
#[derive(Debug, Deserialize, Serialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Where the page before ended (`next_cursor`).
    #[garde(length(max = 500))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Items a page, 1 to 200.
    #[garde(range(min = 1, max = 200))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A page of conversations, the one with the latest message first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ConversationPage {
    pub items: Vec<Conversation>,
    /// `null`: there are no more.
    #[serde(default)]
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// A citizen talking with the office.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Conversation {
    pub conversation_id: Uuid,
    pub person_id: Uuid,
    #[serde(default)]
    #[schema(required)]
    pub wa_user_id: Option<String>,
    /// The name the citizen gave themselves on WhatsApp.
    #[serde(default)]
    #[schema(required)]
    pub display_name: Option<String>,
    /// `bot`, or `human` while an officer answers.
    pub mode: String,
    /// Who answers, while `mode` is `human`.
    #[serde(default)]
    #[schema(required)]
    pub holder: Option<String>,
    #[serde(default)]
    #[schema(required, value_type = Option<String>, format = DateTime)]
    pub last_message_at: Option<Timestamp>,
    #[serde(default)]
    #[schema(required)]
    pub last_text: Option<String>,
    /// Messages that nobody has dealt with yet.
    #[serde(default)]
    #[schema(required)]
    pub unprocessed: i64,
    /// Why the bot gave up, when it did; a person has to look.
    #[serde(default)]
    #[schema(required)]
    pub parked: Option<String>,
    /// Since when a person is wanted.
    #[serde(default)]
    #[schema(required, value_type = Option<String>, format = DateTime)]
    pub waiting_since: Option<Timestamp>,
    /// A complaint that the citizen has not finished telling.
    #[serde(default)]
    #[schema(required)]
    pub draft: Option<UnsentDraft>,
}

/// A complaint as far as it was told.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UnsentDraft {
    /// Code of a category.
    #[serde(default)]
    #[schema(required)]
    pub kategori: Option<String>,
    #[serde(default)]
    #[schema(required)]
    pub alamat: Option<String>,
    #[serde(default)]
    #[schema(required)]
    pub deskripsi: Option<String>,
    /// When the citizen last went on with it.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A page of a transcript, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MessagePage {
    pub items: Vec<Message>,
    /// `null`: there are no more.
    #[serde(default)]
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// One message of a conversation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Message {
    pub message_id: Uuid,
    pub direction: Direction,
    /// `text`, `image`, `location` …
    pub kind: String,
    #[serde(default)]
    #[schema(required)]
    pub text: Option<String>,
    /// Who wrote an outbound message: `bot`, `officer` or `notification`.
    #[serde(default)]
    #[schema(required)]
    pub origin: Option<String>,
    /// How far an outbound message got: `queued`, `sending`, `sent`, `delivered`, `read`, `failed`, `cancelled` …
    #[serde(default)]
    #[schema(required)]
    pub status: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    #[serde(default)]
    #[schema(required)]
    pub wamid: Option<String>,
}

/// Seen from the office.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    In,
    Out,
}

#[derive(Serialize)]
struct MessageQuery<'a> {
    conversation_id: Uuid,
    #[serde(flatten)]
    page: &'a PageQuery,
}

/// Conversations, the latest first.
#[utoipa::path(tag = "conversations", params(PageQuery), responses(
    (status = 200, body = ConversationPage),
    (status = 503, description = "the channel service is away", body = Problem),
))]
#[get("/conversations")]
pub async fn list_conversations(
    state: web::Data<DashboardState>,
    page: ApiQuery<PageQuery>,
) -> Result<web::Json<ConversationPage>, Problem> {
    services::get(&state, Other::Channel, &["conversations"], &page.0, "list").await.map(web::Json)
}

/// What was said in a conversation, newest first.
#[utoipa::path(tag = "conversations", params(("conversation_id" = Uuid, Path), PageQuery), responses(
    (status = 200, body = MessagePage), (status = 404, body = Problem), (status = 503, body = Problem),
))]
#[get("/conversations/{conversation_id}/messages")]
pub async fn list_messages(
    state: web::Data<DashboardState>,
    path: ApiPath<Uuid>,
    page: ApiQuery<PageQuery>,
) -> Result<web::Json<MessagePage>, Problem> {
    let query = MessageQuery { conversation_id: path.0, page: &page.0 };
    services::get(&state, Other::Channel, &["messages"], &query, "conversation").await.map(web::Json)
}
