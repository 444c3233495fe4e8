//! `GET|POST /webhook/whatsapp`. A 200 means that every update of the body is on disk (I1).

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use secrecy::ExposeSecret;
use serde::Deserialize;
use subtle::ConstantTimeEq;
use utoipa::IntoParams;

use super::ChannelState;
use crate::http::extract::read_body;
use crate::http::problem::Problem;
use crate::store::channel::intake::{
    IdentityChange, IncomingEcho, IncomingMessage, IntakeBatch, Names, ParkedUpdate,
};
use crate::store::channel::statuses::IncomingStatus;
use crate::whatsapp::signature;
use crate::whatsapp::webhook::{self, InboundMessage, Sender, Update, parse};

/// Meta's question whether this is the endpoint it was told of.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct Verification {
    /// Always `subscribe`.
    #[serde(rename = "hub.mode")]
    mode: Option<String>,
    /// The verify token of the settings.
    #[serde(rename = "hub.verify_token")]
    verify_token: Option<String>,
    /// Answered as it is.
    #[serde(rename = "hub.challenge")]
    challenge: Option<String>,
}

/// Verifies the webhook for Meta.
#[utoipa::path(params(Verification), responses(
    (status = 200, description = "the challenge, as plain text", body = String, content_type = "text/plain"),
    (status = 403, description = "wrong token or not a verification", body = Problem, content_type = "application/problem+json"),
))]
#[get("/webhook/whatsapp")]
pub(super) async fn verify_webhook(
    request: HttpRequest,
    state: web::Data<ChannelState>,
) -> Result<HttpResponse, Problem> {
    let refused = || Problem::forbidden("the verify token is missing or not the one of the settings");
    let question =
        web::Query::<Verification>::from_query(request.query_string()).map_err(|_| refused())?.into_inner();
    let given = question.verify_token.unwrap_or_default();
    let matches: bool = given.as_bytes().ct_eq(state.verify_token.expose_secret().as_bytes()).into();
    match (question.mode.as_deref(), question.challenge) {
        (Some("subscribe"), Some(challenge)) if matches => {
            Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/plain; charset=utf-8")).body(challenge))
        }
        _ => Err(refused()),
    }
}

/// Takes what Meta delivers; answers only when it is on disk.
#[utoipa::path(request_body(content = Object, description = "an envelope of the Cloud API"), responses(
    (status = 200, description = "everything in the body is on disk"),
    (status = 400, description = "signed, but not an envelope", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "signature missing or wrong", body = Problem, content_type = "application/problem+json"),
    (status = 413, description = "body too large", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "not taken; deliver it again", body = Problem, content_type = "application/problem+json"),
))]
#[post("/webhook/whatsapp")]
pub(super) async fn receive_webhook(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<ChannelState>,
) -> Result<HttpResponse, Problem> {
    let body = read_body(payload, state.max_webhook_bytes).await?;
    let given =
        request.headers().get(signature::HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !state.verifier.accepts(&body, given) {
        return Err(Problem::unauthorized("the signature is missing or does not fit the body"));
    }
    let updates = parse(&body).map_err(|error| Problem::bad_request(error.to_string()))?;
    drop(body);
    let batch = to_batch(updates);
    if batch.rows() > 0 {
        state.intake.submit(batch).await.map_err(|refused| Problem::unavailable(refused.to_string()))?;
    }
    crate::crash_point!("webhook::before_200");
    Ok(HttpResponse::Ok().finish())
}

/// What a webhook told, as the rows it becomes.
pub fn to_batch(updates: Vec<Update>) -> IntakeBatch {
    let mut batch = IntakeBatch::default();
    for update in updates {
        match update {
            Update::Message(message) => batch.messages.push(to_row(*message)),
            Update::Echo(echo) => batch.echoes.push(IncomingEcho {
                phone_number_id: echo.phone_number_id,
                wamid: echo.wamid,
                recipient: names(echo.recipient),
                sent_at: echo.sent_at,
                kind: echo.kind,
                text: echo.text,
                content: echo.content,
                raw: echo.raw,
            }),
            Update::Status(status) => batch.statuses.push(IncomingStatus {
                wamid: status.wamid,
                status: status.status,
                at: status.at,
                our_id: status.our_id,
                errors: status.errors,
            }),
            Update::Odd(odd) => batch.parked.push(ParkedUpdate {
                kind: odd.kind.into(),
                piece: odd.piece.into(),
                phone_number_id: odd.phone_number_id,
                contacts: odd.contacts,
                reason: odd.reason,
                raw: odd.raw,
            }),
        }
    }
    batch
}

fn to_row(message: InboundMessage) -> IncomingMessage {
    IncomingMessage {
        phone_number_id: message.phone_number_id,
        wamid: message.wamid,
        sender: names(message.sender),
        sent_at: message.sent_at,
        kind: message.kind,
        text: message.text,
        content: message.content,
        raw: message.raw,
        opens_window: message.opens_window,
        changes: message.changes,
        identity: message.identity.map(|change| match change {
            webhook::IdentityChange::Renamed { before, after } => {
                IdentityChange::Renamed { before: Box::new(names(*before)), after: Box::new(names(*after)) }
            }
            webhook::IdentityChange::Replaced => IdentityChange::Replaced,
        }),
    }
}

fn names(sender: Sender) -> Names {
    Names {
        phone: sender.phone,
        bsuid: sender.bsuid,
        parent_bsuid: sender.parent_bsuid,
        display_name: sender.name,
        username: sender.username,
    }
}
