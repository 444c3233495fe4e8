//! Messages that failed and are not tried again by themselves: the list for operators, and trying one again.

use actix_web::{HttpResponse, get, post, web};
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{ChannelState, cursor_id, page, window_closed};
use crate::bus::live_chat::LiveChangeKind;
use crate::http::extract::{ApiPath, ApiQuery};
use crate::http::problem::Problem;
use crate::ids::{ConversationId, MessageId};
use crate::store::channel::dead_letters::{self, Filter, RetryError};

/// Which dead letters.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct DeadLettersQuery {
    /// Only errors of this class, such as `unreachable`.
    #[garde(length(min = 1, max = 32))]
    class: Option<String>,
    /// Only of this number.
    #[garde(length(min = 1, max = 64))]
    phone_number_id: Option<String>,
    /// From the answer before.
    #[garde(length(max = 128))]
    cursor: Option<String>,
    /// At most this many, 1 to 200.
    #[garde(range(min = 1, max = 200))]
    limit: Option<i64>,
}

/// A message that failed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLetterItem {
    message_id: MessageId,
    conversation_id: ConversationId,
    phone_number_id: String,
    kind: String,
    /// bot, officer or notification.
    origin: String,
    /// The officer who wrote it.
    author: Option<String>,
    attempts: i32,
    /// Why: code, class, title.
    error: Value,
    #[schema(value_type = String, format = DateTime)]
    queued_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    failed_at: Option<Timestamp>,
}

/// A page of dead letters, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLettersPage {
    items: Vec<DeadLetterItem>,
    next_cursor: Option<String>,
}

/// Messages that failed and are not tried again by themselves.
#[utoipa::path(security(("internal_api_key" = [])), params(DeadLettersQuery), responses((status = 200, body = DeadLettersPage)))]
#[get("/dead-letters")]
pub(super) async fn list_dead_letters(
    state: web::Data<ChannelState>,
    query: ApiQuery<DeadLettersQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.0;
    let filter = Filter {
        class: query.class,
        phone_number_id: query.phone_number_id,
        before_seq: cursor_id::<i64>(query.cursor.as_deref())?.map(|(_, seq)| seq),
    };
    let limit = query.limit.unwrap_or(50);
    let rows = dead_letters::list(&state.pool, &filter, limit + 1).await?;
    let (rows, next_cursor) = page(rows, limit, |row| (row.queued_at, row.seq));
    let items = rows
        .into_iter()
        .map(|row| DeadLetterItem {
            message_id: row.message_id,
            conversation_id: row.conversation_id,
            phone_number_id: row.phone_number_id,
            kind: row.kind,
            origin: row.origin,
            author: row.author,
            attempts: row.attempts,
            error: row.error,
            queued_at: row.queued_at,
            failed_at: row.failed_at,
        })
        .collect();
    Ok(HttpResponse::Ok().json(DeadLettersPage { items, next_cursor }))
}

/// Tries a failed message again, behind everything that is queued.
#[utoipa::path(security(("internal_api_key" = [])), params(("id" = MessageId, Path, description = "message id")), responses(
    (status = 202, description = "it is queued"),
    (status = 404, description = "no such message", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "it has not failed, a person took over since, or the 24 h window is closed", body = Problem, content_type = "application/problem+json"),
))]
#[post("/messages/{id}/retry")]
pub(super) async fn retry_message(
    state: web::Data<ChannelState>,
    id: ApiPath<MessageId>,
) -> Result<HttpResponse, Problem> {
    let conversation = dead_letters::retry(&state.pool, id.0).await?;
    state.partitions.wake(conversation, "hint");
    state.announcer.announce(conversation, LiveChangeKind::Status);
    Ok(HttpResponse::Accepted().finish())
}

impl From<RetryError> for Problem {
    fn from(error: RetryError) -> Self {
        match error {
            RetryError::NoMessage => Problem::not_found("message"),
            RetryError::NotFailed { status } => {
                Problem::conflict("only a message of ours that has failed can be tried again")
                    .kind("not-failed")
                    .with("message_status", status)
            }
            RetryError::TakenOver => Problem::conflict(
                "a person took the conversation over since: the bot does not speak after them",
            )
            .kind("taken-over"),
            RetryError::WindowClosed { closed_at } => window_closed(closed_at),
            RetryError::Store(error) => error.into(),
        }
    }
}
