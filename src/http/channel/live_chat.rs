//! What has changed since, for those who show conversations live.

use std::collections::HashMap;

use actix_web::{HttpResponse, get, web};
use garde::Validate;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::ChannelState;
use super::conversations::ConversationItem;
use super::messages::{MessageItem, item};
use crate::http::extract::ApiQuery;
use crate::http::problem::Problem;
use crate::ids::MessageId;
use crate::store::channel::live_chat::{Since, changes};
use crate::store::channel::media::MediaRow;

/// Seconds that a reader goes back unless they say otherwise: longer than any commit takes, and clocks differ.
const MARGIN_S: i64 = 30;

/// From where on.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangesQuery {
    /// The `cursor` of an answer before; without it nothing is given but the present one.
    #[garde(skip)]
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Seconds before `since` that are given again, because a commit can be late, 0 to 300; 30 unless told.
    #[garde(range(min = 0, max = 300))]
    margin_s: Option<i64>,
    /// The `next` of the page before, which then goes on; instead of `since`.
    #[garde(skip)]
    page: Option<Uuid>,
    /// At most this many changes, 1 to 1000.
    #[garde(range(min = 1, max = 1000))]
    limit: Option<i64>,
}

/// What has changed, each thing as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangesPage {
    /// Of everything in this answer. The same thing may be given often: keep of each id what has the highest version.
    version: i64,
    /// The `since` of the next time. Of several pages, the first one's.
    #[schema(value_type = String, format = DateTime)]
    cursor: Timestamp,
    /// `null`: that was all.
    next: Option<Uuid>,
    /// `since` is more than a day ago: nothing is given, and lists are to be loaded afresh.
    reload: bool,
    conversations: Vec<ConversationItem>,
    /// In the order in which they came.
    messages: Vec<MessageItem>,
}

/// Conversations and messages that have changed since a time of this service.
#[utoipa::path(security(("internal_api_key" = [])), params(ChangesQuery), responses(
    (status = 200, body = ChangesPage),
    (status = 422, description = "a field cannot be accepted", body = Problem, content_type = "application/problem+json"),
))]
#[get("/live-chat/changes")]
pub(super) async fn list_changes(
    state: web::Data<ChannelState>,
    query: ApiQuery<ChangesQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.0;
    let margin = SignedDuration::from_secs(query.margin_s.unwrap_or(MARGIN_S));
    let since = match (query.page, query.since) {
        (Some(_), Some(_)) => return Err(Problem::field("page", "give either page or since")),
        (Some(page), None) => Since::Page(page),
        (None, Some(at)) => Since::Time { at, margin },
        (None, None) => Since::Now,
    };
    let found = changes(&state.pool, since, query.limit.unwrap_or(200)).await?;
    let mut files: HashMap<MessageId, MediaRow> = found.media.into_iter().collect();
    Ok(HttpResponse::Ok().json(ChangesPage {
        version: found.version,
        cursor: found.at,
        next: found.next,
        reload: found.too_long_ago,
        conversations: found.conversations.into_iter().map(ConversationItem::from).collect(),
        messages: found
            .messages
            .into_iter()
            .map(|row| {
                let file = files.remove(&row.message_id);
                item(row, file)
            })
            .collect(),
    }))
}
