//! Updates of Meta's that could not be filed, for the operator: the list, trying one again, and putting one aside for good.

use actix_web::{HttpResponse, get, post, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{ChannelState, cursor_id, page, to_batch};
use crate::bus::live_chat::LiveChangeKind;
use crate::http::extract::{ApiJson, ApiPath, ApiQuery};
use crate::http::problem::Problem;
use crate::store::StoreError;
use crate::store::channel::intake;
use crate::store::channel::listing::{self, ParkedRow};
use crate::whatsapp::webhook::{OddKind, Update, parse_piece};

/// Which parked updates.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct ParkedQuery {
    /// Only these.
    #[garde(skip)]
    kind: Option<ParkedKind>,
    /// From the answer before.
    #[garde(length(max = 128))]
    cursor: Option<String>,
    /// At most this many, 1 to 200.
    #[garde(range(min = 1, max = 200))]
    limit: Option<i64>,
}

/// Why an update was put aside.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ParkedKind {
    /// It should have been readable, or the database refused it.
    Poison,
    /// It is well-formed, and nothing here deals with it.
    NotHandled,
}

impl ParkedKind {
    fn name(self) -> &'static str {
        match self {
            ParkedKind::Poison => OddKind::Poison.into(),
            ParkedKind::NotHandled => OddKind::NotHandled.into(),
        }
    }
}

/// An update of Meta's that could not be filed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ParkedItem {
    parked_id: Uuid,
    /// poison or not_handled.
    kind: String,
    /// Which piece of a body it is: entry, change, message, status, echo, call or error.
    piece: String,
    phone_number_id: Option<String>,
    reason: String,
    /// The bytes as received, in base64.
    raw_base64: String,
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
}

/// A page of parked updates, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ParkedPage {
    items: Vec<ParkedItem>,
    next_cursor: Option<String>,
}

/// Updates that could not be filed, with their bytes, for the operator.
#[utoipa::path(security(("internal_api_key" = [])), params(ParkedQuery), responses((status = 200, body = ParkedPage)))]
#[get("/parked-updates")]
pub(super) async fn list_parked_updates(
    state: web::Data<ChannelState>,
    query: ApiQuery<ParkedQuery>,
) -> Result<HttpResponse, Problem> {
    let after = cursor_id::<Uuid>(query.0.cursor.as_deref())?.map(|(_, id)| id);
    let limit = query.0.limit.unwrap_or(50);
    let kind = query.0.kind.map(ParkedKind::name);
    let rows = listing::parked_updates(&state.pool, kind, after, limit + 1).await?;
    let (rows, next_cursor) = page(rows, limit, |row| (row.received_at, row.parked_id));
    let items = rows
        .into_iter()
        .map(|row| ParkedItem {
            parked_id: row.parked_id,
            kind: row.kind,
            piece: row.piece,
            phone_number_id: row.phone_number_id,
            reason: row.reason,
            raw_base64: STANDARD.encode(row.raw),
            received_at: row.received_at,
        })
        .collect();
    Ok(HttpResponse::Ok().json(ParkedPage { items, next_cursor }))
}

/// What a retry filed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RetryAnswer {
    messages: usize,
    statuses: usize,
    /// Known before, so nothing changed.
    duplicates: usize,
    /// Pieces of it that still could not be filed; they are parked anew.
    parked: usize,
}

/// Reads a parked update again with what this version understands, and files what it can.
#[utoipa::path(security(("internal_api_key" = [])), params(("id" = Uuid, Path)), responses(
    (status = 200, body = RetryAnswer),
    (status = 404, description = "no such unresolved update", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "it still cannot be filed", body = Problem, content_type = "application/problem+json"),
))]
#[post("/parked-updates/{id}/retry")]
pub(super) async fn retry_parked_update(
    state: web::Data<ChannelState>,
    id: ApiPath<Uuid>,
) -> Result<HttpResponse, Problem> {
    let row = listing::parked_update(&state.pool, id.0)
        .await?
        .ok_or_else(|| Problem::not_found("parked update"))?;
    let updates = read_again(&row);
    if updates.iter().all(|update| matches!(update, Update::Odd(_))) {
        let reason = updates.first().map_or("it is not JSON", |update| match update {
            Update::Odd(odd) => odd.reason.as_str(),
            _ => "",
        });
        return Err(still_unfit(reason));
    }
    let outcome = match intake::write_retried(&state.pool, row.parked_id, &to_batch(updates)).await {
        Ok(outcome) => outcome.ok_or_else(|| Problem::not_found("parked update"))?,
        Err(StoreError::Refused(_)) => return Err(still_unfit("the database refuses it")),
        Err(error) => return Err(error.into()),
    };
    state.partitions.wake_all(&outcome.wake, "hint");
    let written = outcome.wake.iter().map(|(_, conversation)| *conversation);
    state
        .announcer
        .announce_all(written.chain(outcome.statuses_in.iter().copied()), LiveChangeKind::Messages);
    Ok(HttpResponse::Ok().json(RetryAnswer {
        messages: outcome.new_messages + outcome.echoes,
        statuses: outcome.statuses,
        duplicates: outcome.duplicates,
        parked: outcome.parked,
    }))
}

fn read_again(row: &ParkedRow) -> Vec<Update> {
    let contacts = row.contacts.clone().unwrap_or_default();
    match row.piece.parse() {
        Ok(piece) => parse_piece(piece, row.phone_number_id.as_deref(), &contacts, &row.raw),
        Err(_) => Vec::new(),
    }
}

fn still_unfit(reason: &str) -> Problem {
    Problem::conflict("the update still cannot be filed")
        .kind("still-unfit")
        .with("reason", reason.to_owned())
}

/// How it was dealt with.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct ResolveRequest {
    #[garde(length(min = 1, max = 128))]
    admin_id: String,
    #[garde(length(chars, max = 500))]
    #[serde(default)]
    note: Option<String>,
}

/// Marks a parked update as dealt with; its bytes are kept.
#[utoipa::path(security(("internal_api_key" = [])), params(("id" = Uuid, Path)), request_body = ResolveRequest, responses(
    (status = 204, description = "it leaves the list"),
    (status = 404, description = "no such unresolved update", body = Problem, content_type = "application/problem+json"),
))]
#[post("/parked-updates/{id}/resolve")]
pub(super) async fn resolve_parked_update(
    state: web::Data<ChannelState>,
    id: ApiPath<Uuid>,
    request: ApiJson<ResolveRequest>,
) -> Result<HttpResponse, Problem> {
    let ResolveRequest { admin_id, note } = request.0;
    let resolution = crate::store::text::storable(&match note {
        Some(note) => format!("{admin_id}: {note}"),
        None => admin_id,
    });
    match listing::resolve_parked(&state.pool, id.0, &resolution).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(Problem::not_found("parked update")),
    }
}
