//! The channel service, port 3001: the webhook, and the internal API of messages, conversations and takeover.

mod actor;
mod cluster;
mod conversations;
mod dead_letters;
mod media;
mod messages;
mod numbers;
mod parked_updates;
mod people;
mod takeover;
mod webhook;

pub use webhook::to_batch;

use std::str::FromStr;

use actix_web::middleware::from_fn;
use jiff::Timestamp;
use secrecy::SecretString;
use sqlx::PgPool;
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;

use super::common::cursor;
use super::guard::require_internal_key;
use super::listener::Service;
use super::problem::Problem;
use crate::actors::intake::Intake;
use crate::actors::media::MediaLibrary;
use crate::actors::partitions::Partitions;
use crate::actors::sender::numbers::Numbers;
use crate::ids::{ConversationId, NodeId};
use crate::store::channel::listing;
use crate::store::page::{Cursor, Page};
use crate::whatsapp::signature::Verifier;

/// What the handlers work with.
#[derive(Clone)]
pub struct ChannelState {
    pub pool: PgPool,
    pub verifier: Verifier,
    pub verify_token: SecretString,
    pub max_webhook_bytes: usize,
    pub intake: Intake,
    pub partitions: Partitions,
    pub numbers: Numbers,
    pub media: MediaLibrary,
    /// The node that answers.
    pub node: NodeId,
}

/// The service with its state.
pub fn service(state: ChannelState) -> Service {
    description().with_state(state)
}

/// The service without state: enough for its OpenAPI document.
pub fn description() -> Service {
    Service::new("channel", "WhatsApp webhook, conversations, sending, media and takeover", routes)
}

fn routes(config: &mut ServiceConfig<'_>) {
    config.service(webhook::verify_webhook).service(webhook::receive_webhook).service(
        scope::scope("/internal")
            .wrap(from_fn(require_internal_key))
            .service(messages::send_message)
            .service(messages::list_messages)
            .service(dead_letters::list_dead_letters)
            .service(dead_letters::retry_message)
            .service(numbers::list_numbers)
            .service(numbers::resume_number)
            .service(media::get_media)
            .service(media::upload_media)
            .service(conversations::list_conversations)
            .service(actor::get_actor)
            .service(cluster::get_cluster)
            .service(conversations::get_conversation)
            .service(conversations::read_conversation)
            .service(conversations::retry_conversation)
            .service(parked_updates::list_parked_updates)
            .service(parked_updates::retry_parked_update)
            .service(parked_updates::resolve_parked_update)
            .service(people::get_person)
            .service(people::erase_person)
            .service(people::link_people)
            .service(people::list_link_suggestions)
            .service(takeover::start_takeover)
            .service(takeover::end_takeover)
            .service(takeover::takeover_status),
    );
}

/// A conversation by its id, or by the `wa_user_id` of who writes in it.
///
/// # Errors
/// 404 when there is none, 409 with the candidates when several numbers of the office know them.
async fn find_conversation(pool: &PgPool, id: &str) -> Result<ConversationId, Problem> {
    if let Ok(conversation) = id.parse::<ConversationId>() {
        let present = listing::present(pool, conversation).await?;
        return present.ok_or_else(|| Problem::not_found("conversation"));
    }
    let candidates = listing::by_wa_user_id(pool, id).await?;
    match candidates[..] {
        [] => Err(Problem::not_found("conversation")),
        [conversation] => Ok(conversation),
        _ => Err(Problem::conflict("several numbers of the office know this person; name the conversation")
            .kind("several-conversations")
            .with("candidates", candidates.iter().map(ToString::to_string).collect::<Vec<_>>())),
    }
}

/// The refusal of what only an open window allows.
fn window_closed(closed_at: Option<Timestamp>) -> Problem {
    let problem = Problem::conflict(
        "the 24 h window is closed: until the citizen writes again only a template may be sent",
    )
    .kind("window-closed");
    match closed_at {
        Some(at) => problem.with("closed_at", at.to_string()),
        None => problem,
    }
}

/// A page of up to `limit` rows from up to `limit + 1`, and the cursor of the next one, when there is one. `place` gives a
/// row's time and id, by which the list is sorted.
fn page<T, I: ToString>(
    rows: Vec<T>,
    limit: i64,
    place: impl Fn(&T) -> (Timestamp, I),
) -> (Vec<T>, Option<String>) {
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let Page { items, next } = Page::from_rows(rows, limit, |row| {
        let (created_at, id) = place(row);
        Cursor { created_at, id: id.to_string() }
    });
    (items, next.map(|next| next.to_string()))
}

/// A cursor's time and id; 422 when it is not one of this list.
fn cursor_id<T: FromStr>(text: Option<&str>) -> Result<Option<(Timestamp, T)>, Problem> {
    let Some(cursor) = cursor(text)? else { return Ok(None) };
    let id = cursor.id.parse().map_err(|_| Problem::field("cursor", "is not a cursor of this list"))?;
    Ok(Some((cursor.created_at, id)))
}
