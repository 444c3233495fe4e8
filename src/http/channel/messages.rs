//! Messages for the other services: send, and a conversation's transcript.

use std::collections::HashMap;

use actix_web::{HttpResponse, get, post, web};
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{ChannelState, cursor_id, find_conversation, page, window_closed};
use crate::bus::live_chat::LiveChangeKind;
use crate::http::extract::{ApiJson, ApiQuery};
use crate::http::problem::Problem;
use crate::ids::{ConversationId, MediaId, MessageId};
use crate::metrics::Metrics;
use crate::store::channel::conversation::NewOutbound;
use crate::store::channel::listing::{self, MessageRow};
use crate::store::channel::media::{self, MediaRow};
use crate::store::channel::outbox::{QueueError, QueuedByOthers, queue, reference};
use crate::store::text::storable;
use crate::whatsapp::outgoing::Content;

const NO_REFERENCE: &str = "is no message of this conversation that WhatsApp knows";

/// Who lets a message be sent.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Origin {
    /// An officer who holds the conversation.
    Officer,
    /// The notification service.
    Notification,
}

/// A message to be sent in a conversation.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct SendRequest {
    /// The conversation; or else `wa_user_id`.
    #[garde(skip)]
    #[serde(default)]
    conversation_id: Option<ConversationId>,
    /// Phone number or BSUID of the citizen.
    #[garde(length(min = 1, max = 256))]
    #[serde(default)]
    wa_user_id: Option<String>,
    #[garde(skip)]
    origin: Origin,
    /// The officer; needed with `origin: officer`.
    #[garde(length(min = 1, max = 128))]
    #[serde(default)]
    admin_id: Option<String>,
    #[garde(dive)]
    content: Content,
    /// The message of this conversation that is quoted: our id, or its `wamid`.
    #[garde(length(min = 1, max = 512))]
    #[serde(default)]
    reply_to: Option<String>,
}

/// It is queued and will be sent in order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SendAnswer {
    /// Of the first part, when the text was too long for one message.
    message_id: MessageId,
}

/// Queues a message at once.
#[utoipa::path(security(("internal_api_key" = [])), request_body = SendRequest, responses(
    (status = 202, description = "queued", body = SendAnswer),
    (status = 404, description = "no such conversation", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "the officer does not hold the conversation, or its 24 h window is closed", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "a field cannot be accepted", body = Problem, content_type = "application/problem+json"),
))]
#[post("/messages/send")]
pub(super) async fn send_message(
    state: web::Data<ChannelState>,
    metrics: web::Data<Metrics>,
    request: ApiJson<SendRequest>,
) -> Result<HttpResponse, Problem> {
    let mut request = request.0;
    let conversation = match (request.conversation_id, &request.wa_user_id) {
        (Some(id), None) => find_conversation(&state.pool, &id.to_string()).await?,
        (None, Some(wa_user_id)) => find_conversation(&state.pool, wa_user_id).await?,
        _ => return Err(Problem::field("conversation_id", "give either conversation_id or wa_user_id")),
    };
    let origin = match (request.origin, &request.admin_id) {
        (Origin::Officer, None) => {
            return Err(Problem::field("admin_id", "is required when origin is officer"));
        }
        (Origin::Officer, Some(_)) => "officer",
        (Origin::Notification, _) => "notification",
    };
    if let Content::Reaction { message_id, .. } = &mut request.content {
        if request.reply_to.is_some() {
            return Err(Problem::field("reply_to", "a reaction names its message itself"));
        }
        *message_id = reference(&state.pool, conversation, message_id)
            .await?
            .ok_or_else(|| Problem::field("content.message_id", NO_REFERENCE))?;
    }
    let needs_window = request.content.needs_window();
    let mut parts = Vec::new();
    for part in request.content.within_limits() {
        let content =
            serde_json::to_value(&part).map_err(|_| Problem::field("content", "cannot be stored"))?;
        parts.push(NewOutbound {
            message_id: MessageId::new(),
            kind: part.kind().into(),
            text: storable(part.shown_text()),
            content: without_nul(content),
        });
    }
    let Some(first) = parts.first().map(|part| part.message_id) else {
        return Err(Problem::field("content.text", "has nothing to send"));
    };
    let queued = QueuedByOthers {
        conversation_id: conversation,
        origin,
        author: request.admin_id,
        reply_to: request.reply_to,
        needs_window,
        parts,
    };
    queue(&state.pool, &queued).await.inspect_err(|error| {
        if matches!(error, QueueError::WindowClosed { .. }) {
            metrics.window_closed.with_label_values(&["refused"]).inc();
        }
    })?;
    state.partitions.wake(conversation, "hint");
    state.announcer.announce(conversation, LiveChangeKind::Messages);
    Ok(HttpResponse::Accepted().json(SendAnswer { message_id: first }))
}

/// PostgreSQL's jsonb cannot hold NUL.
fn without_nul(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(storable(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nul).collect()),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(key, value)| (key, without_nul(value))).collect())
        }
        other => other,
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::NoConversation => Problem::not_found("conversation"),
            QueueError::NotHolder { holder } => {
                Problem::conflict("the officer does not hold this conversation; take it over first")
                    .kind("not-holder")
                    .with("holder", holder)
            }
            QueueError::WindowClosed { closed_at } => window_closed(closed_at),
            QueueError::UnknownMedia => {
                Problem::field("content.media_id", "is no uploaded file that waits to be sent")
            }
            QueueError::UnknownReference => Problem::field("reply_to", NO_REFERENCE),
            QueueError::Store(error) => error.into(),
        }
    }
}

/// Which messages.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct MessagesQuery {
    /// The conversation's id, or the `wa_user_id`.
    #[garde(length(min = 1, max = 256))]
    conversation_id: String,
    /// From the answer before.
    #[garde(length(max = 128))]
    cursor: Option<String>,
    /// At most this many, 1 to 200.
    #[garde(range(min = 1, max = 200))]
    limit: Option<i64>,
}

/// The file of a message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MediaItem {
    media_id: MediaId,
    /// pending, stored, refused or failed.
    state: String,
    mime_type: Option<String>,
    /// In bytes, once it is stored.
    size: Option<u64>,
    filename: Option<String>,
    /// Why it is refused or failed, or why the last attempt to fetch it was in vain.
    reason: Option<String>,
}

impl From<MediaRow> for MediaItem {
    fn from(row: MediaRow) -> Self {
        MediaItem {
            media_id: row.media_id,
            state: row.state,
            mime_type: row.mime_type,
            size: row.size,
            filename: row.filename,
            reason: row.reason,
        }
    }
}

/// A message of a transcript.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageItem {
    message_id: MessageId,
    conversation_id: ConversationId,
    /// `in` or `out`.
    direction: String,
    kind: String,
    text: Option<String>,
    /// Inbound: what Meta sent. Outbound: what we say.
    content: Value,
    /// The file that it carries, if it carries one.
    media: Option<MediaItem>,
    /// bot, officer or notification; of outbound messages.
    origin: Option<String>,
    /// queued, sending, sent, delivered, read, failed, cancelled or unknown; of outbound messages.
    status: Option<String>,
    /// The officer who wrote it.
    author: Option<String>,
    /// Why it failed, or why the last attempt did: code, class, title.
    error: Option<Value>,
    /// Calls made for it so far; of outbound messages.
    attempts: i32,
    /// When it is tried again; of outbound messages that wait.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// The message in whose place this template went, because the 24 h window had closed.
    replaces: Option<MessageId>,
    /// What it costs, as Meta says: billable, category, type, pricing_model.
    pricing: Option<Value>,
    /// Meta's conversation that it is counted in.
    wa_conversation: Option<Value>,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    wamid: Option<String>,
    /// When the bot or an officer had dealt with it; of inbound messages.
    #[schema(value_type = Option<String>, format = DateTime)]
    processed_at: Option<Timestamp>,
    /// The `wamid` of the message that it quotes.
    reply_to: Option<String>,
    /// The `wamid` of the message that it reacts to.
    reacts_to: Option<String>,
    /// The `wamid` of the message that it edits or takes back.
    changes: Option<String>,
    /// The `wamid` of the last edit of it.
    edited_by: Option<String>,
    /// When its writer took it back.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    /// It was forwarded to the office.
    forwarded: bool,
    /// It was forwarded many times before.
    frequently_forwarded: bool,
}

/// What a message's own JSON tells of other messages, read as leniently as Meta writes.
fn told(content: &Value, path: &str) -> Option<String> {
    content.pointer(path).and_then(Value::as_str).map(str::to_owned)
}

fn is_true(content: &Value, path: &str) -> bool {
    content.pointer(path).and_then(Value::as_bool).unwrap_or_default()
}

/// A page of messages, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessagesPage {
    items: Vec<MessageItem>,
    next_cursor: Option<String>,
}

/// A conversation's messages, newest first.
#[utoipa::path(security(("internal_api_key" = [])), params(MessagesQuery), responses(
    (status = 200, body = MessagesPage),
    (status = 404, description = "no such conversation", body = Problem, content_type = "application/problem+json"),
))]
#[get("/messages")]
pub(super) async fn list_messages(
    state: web::Data<ChannelState>,
    query: ApiQuery<MessagesQuery>,
) -> Result<HttpResponse, Problem> {
    let conversation = find_conversation(&state.pool, &query.0.conversation_id).await?;
    let before = cursor_id::<i64>(query.0.cursor.as_deref())?.map(|(_, seq)| seq);
    let limit = query.0.limit.unwrap_or(50);
    let rows = listing::messages(&state.pool, conversation, before, limit + 1).await?;
    let (rows, next_cursor) = page(rows, limit, |row| (row.sent_at, row.seq));
    let ids: Vec<MessageId> = rows.iter().map(|row| row.message_id).collect();
    let mut files: HashMap<MessageId, MediaRow> =
        media::of_messages(&state.pool, &ids).await?.into_iter().collect();
    let items = rows
        .into_iter()
        .map(|row| {
            let file = files.remove(&row.message_id);
            item(row, file)
        })
        .collect();
    Ok(HttpResponse::Ok().json(MessagesPage { items, next_cursor }))
}

/// A message as it is told, with its file.
pub(super) fn item(row: MessageRow, file: Option<MediaRow>) -> MessageItem {
    MessageItem {
        media: file.map(MediaItem::from),
        conversation_id: row.conversation_id,
        reply_to: row.reply_to.or_else(|| told(&row.content, "/context/id")),
        reacts_to: told(&row.content, "/reaction/message_id"),
        changes: told(&row.content, "/edit/original_message_id")
            .or_else(|| told(&row.content, "/revoke/original_message_id")),
        edited_by: row.edited_by,
        revoked_at: row.revoked_at,
        forwarded: is_true(&row.content, "/context/forwarded")
            || is_true(&row.content, "/context/frequently_forwarded"),
        frequently_forwarded: is_true(&row.content, "/context/frequently_forwarded"),
        message_id: row.message_id,
        direction: row.direction,
        kind: row.kind,
        text: row.text,
        content: row.content,
        origin: row.origin,
        status: row.status,
        author: row.author,
        error: row.error,
        attempts: row.attempts,
        next_attempt_at: row.next_attempt_at,
        replaces: row.replaces,
        pricing: row.pricing,
        wa_conversation: row.wa_conversation,
        timestamp: row.sent_at,
        wamid: row.wamid,
        processed_at: row.processed_at,
    }
}
