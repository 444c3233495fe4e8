//! What an operator sees of a conversation's actor: where it is, what it does, what is before it, and why it is stuck.

use std::time::Instant;

use actix_web::{HttpResponse, get, web};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ChannelState, find_conversation};
use crate::actors::conversation::{Delivering, Doing};
use crate::http::extract::ApiPath;
use crate::http::problem::Problem;
use crate::ids::{ConversationId, PartitionId};
use crate::store::channel::standing::{self, Queue};

/// Work of one sort that is before the conversation.
#[derive(Debug, Serialize, ToSchema)]
struct QueueItem {
    count: i64,
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest_at: Option<Timestamp>,
    /// The most attempts that any of it has had.
    attempts: i32,
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// Code, class and title of the last failure, of messages of ours.
    last_error: Option<Value>,
}

impl From<Queue> for QueueItem {
    fn from(queue: Queue) -> Self {
        QueueItem {
            count: queue.rows,
            oldest_at: queue.oldest_at,
            attempts: queue.attempts,
            next_attempt_at: queue.next_attempt_at,
            last_error: queue.last_error,
        }
    }
}

/// The actor itself, while it is in this node's memory.
#[derive(Debug, Serialize, ToSchema)]
struct InMemory {
    activity: Doing,
    /// Seconds for which it has been at it.
    activity_s: f64,
    delivering: Delivering,
    delivering_s: f64,
    /// Messages of the turn that is being thought about.
    batch: usize,
    /// How often that turn was begun anew for a newer message.
    restarts: u32,
    /// A wake-up is on its way and not yet taken.
    wake_outstanding: bool,
}

/// A conversation's actor and its work. Nothing in it is personal.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ActorAnswer {
    conversation_id: ConversationId,
    partition: PartitionId,
    /// The node that holds the partition's lease.
    owner: Option<Uuid>,
    /// Whether that is the node that answers; only then can it look into its memory.
    owned_here: bool,
    /// Of the partition's lease.
    lease_epoch: i64,
    #[schema(value_type = String, format = DateTime)]
    lease_expires_at: Timestamp,
    /// Of the last owner that loaded the conversation.
    owner_epoch: i64,
    version: i64,
    /// bot or human.
    mode: String,
    in_memory: bool,
    actor: Option<InMemory>,
    /// Crashes that are not yet forgotten, and how many are borne before it is parked.
    crashes: u32,
    restart_budget: u32,
    /// Turns that failed since the last that was committed, and when the next is tried.
    failed_turns: i32,
    #[schema(value_type = Option<String>, format = DateTime)]
    retry_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    parked_at: Option<Timestamp>,
    parked_reason: Option<String>,
    /// Messages of the citizen that are not dealt with.
    inbox: QueueItem,
    /// Messages of ours that may still be sent.
    outbox: QueueItem,
    /// Calls to other services without an answer.
    calls: QueueItem,
}

/// A conversation's actor: where it is, what it does, what is before it, and why it is stuck.
#[utoipa::path(security(("internal_api_key" = [])), params(("id" = String, Path, description = "conversation id or wa_user_id")), responses(
    (status = 200, body = ActorAnswer),
    (status = 404, description = "no such conversation", body = Problem, content_type = "application/problem+json"),
))]
#[get("/conversations/{id}/actor")]
pub(super) async fn get_actor(
    state: web::Data<ChannelState>,
    id: ApiPath<String>,
) -> Result<HttpResponse, Problem> {
    let conversation = find_conversation(&state.pool, &id.0).await?;
    let standing = standing::of_conversation(&state.pool, conversation)
        .await?
        .ok_or_else(|| Problem::not_found("conversation"))?;
    let child = state.partitions.observe(conversation).await;
    let now = Instant::now();
    let seconds = |since: Instant| now.saturating_duration_since(since).as_secs_f64();
    let actor = child.observed.map(|observed| InMemory {
        activity: observed.doing,
        activity_s: seconds(observed.doing_since),
        delivering: observed.delivering,
        delivering_s: seconds(observed.delivering_since),
        batch: observed.batch,
        restarts: observed.restarts,
        wake_outstanding: child.wake_outstanding,
    });
    Ok(HttpResponse::Ok().json(ActorAnswer {
        conversation_id: conversation,
        partition: PartitionId::of(conversation),
        owner: standing.owner,
        owned_here: standing.owner == Some(state.node.0),
        lease_epoch: standing.lease_epoch.0,
        lease_expires_at: standing.lease_expires_at,
        owner_epoch: standing.owner_epoch.0,
        version: standing.version,
        mode: standing.mode,
        in_memory: actor.is_some(),
        actor,
        crashes: child.crashes,
        restart_budget: child.restart_budget,
        failed_turns: standing.failed_turns,
        retry_at: standing.retry_at,
        parked_at: standing.parked_at,
        parked_reason: standing.parked_reason,
        inbox: standing.inbox.into(),
        outbox: standing.outbox.into(),
        calls: standing.calls.into(),
    }))
}
