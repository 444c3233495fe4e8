//! The notification service over HTTP: what is to be told to whom, and how far it got.
//!
//! It records only. Nothing here or below it sends a message, and a notification stays `queued` until whoever delivers
//! says otherwise through `PUT …/status`.

use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgPool;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::common::{DEFAULT_LIMIT, MAX_LIMIT, cursor, idempotency_key, not_blank_if_given, store_failure};
use super::extract::{ApiJson, ApiPath, ApiQuery};
use super::guard::require_internal_key;
use super::listener::Service;
use super::problem::Problem;
use crate::clock::Clock;
use crate::complaint::limits;
use crate::dialogue::understanding::Language;
use crate::ids::{LapId, PersonId};
use crate::notification::{NotificationStatus, RenderError};
use crate::store::notification::{self as store, NewNotification, Notification, NotificationError};
use crate::store::page::InvalidCursor;

/// What the handlers work with.
#[derive(Clone)]
pub struct NotificationState {
    pub pool: PgPool,
    pub clock: Clock,
}

/// The notification service for a listener.
pub fn service(state: NotificationState) -> Service {
    description().with_state(state)
}

/// The service without state: enough for its OpenAPI document.
pub fn description() -> Service {
    Service::new(
        "notification",
        "What is to be told to citizens outside a conversation, and how far it got.",
        routes,
    )
}

/// Registers the documented handlers.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(
        scope::scope("/internal")
            .wrap(from_fn(require_internal_key))
            .service(create_notification)
            .service(list_notifications)
            .service(set_notification_status)
            .service(get_notification)
            .service(get_person)
            .service(erase_person),
    );
}

/// How each refusal of the store is told.
impl From<NotificationError> for Problem {
    fn from(error: NotificationError) -> Self {
        match error {
            NotificationError::Store(error) => store_failure(&error),
            NotificationError::NotFound => Problem::not_found("notification"),
            NotificationError::KeyReused => {
                Problem::conflict("this key, or this event and template, was used before with another body")
                    .kind("key-reused")
            }
            NotificationError::UnknownTemplate => {
                Problem::field("template", "no such template in use in this language")
            }
            NotificationError::Values(RenderError::Missing(name)) => {
                Problem::field(format!("variables.{name}"), "the template needs this value")
            }
            NotificationError::Values(RenderError::Unexpected(name)) => {
                Problem::field(format!("variables.{name}"), "the template has no place for this value")
            }
            NotificationError::Values(RenderError::Malformed) => {
                tracing::error!("a stored template is malformed");
                Problem::internal()
            }
            NotificationError::IllegalMove { from, to } => {
                let allowed: Vec<Value> = from.may_become().iter().map(|next| next.as_str().into()).collect();
                Problem::conflict(format!("a notification that is {from} cannot become {to}"))
                    .kind("illegal-transition")
                    .with("from", from.as_str())
                    .with("to", to.as_str())
                    .with("allowed", allowed)
            }
        }
    }
}

/// Something to be told.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewNotificationBody {
    /// The event that asks for it: the same event and template are recorded once.
    #[garde(skip)]
    event_id: Option<Uuid>,
    #[garde(skip)]
    person_id: Option<PersonId>,
    /// How WhatsApp knows the recipient.
    #[garde(inner(length(chars, min = 1, max = limits::WA_USER_ID)))]
    #[schema(min_length = 1, max_length = 128)]
    wa_user_id: Option<String>,
    #[garde(skip)]
    complaint_id: Option<LapId>,
    /// Name of a template, such as `complaint_done`.
    #[garde(length(chars, min = 1, max = 64))]
    #[schema(example = "complaint_verified", min_length = 1, max_length = 64)]
    template: String,
    #[garde(skip)]
    #[serde(default)]
    language: Language,
    /// A value for every place of the template.
    #[garde(custom(values_fit))]
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

fn values_fit(values: &BTreeMap<String, String>, _: &()) -> garde::Result {
    match values.iter().find(|(_, value)| value.chars().count() > limits::NOTE) {
        Some((name, _)) => {
            Err(garde::Error::new(format!("{name} is longer than {} characters", limits::NOTE)))
        }
        None if values.len() > 32 => Err(garde::Error::new("more than 32 values")),
        None => Ok(()),
    }
}

/// How far it got.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct StatusBody {
    #[garde(skip)]
    status: NotificationStatus,
    /// Why it failed.
    #[garde(inner(length(chars, max = 1000)), custom(not_blank_if_given))]
    #[schema(min_length = 1, max_length = 1000)]
    error: Option<String>,
}

/// Which notifications to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    #[garde(skip)]
    status: Option<NotificationStatus>,
    /// Name of a template.
    #[garde(inner(length(chars, min = 1, max = 64)))]
    template: Option<String>,
    #[garde(skip)]
    person_id: Option<PersonId>,
    #[garde(skip)]
    complaint_id: Option<LapId>,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    cursor: Option<String>,
    /// Items a page, 1 to 100; 20 when absent.
    #[garde(inner(range(min = 1, max = MAX_LIMIT)))]
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// A notification.
#[derive(Debug, Serialize, ToSchema)]
struct NotificationBody {
    notification_id: Uuid,
    event_id: Option<Uuid>,
    person_id: Option<PersonId>,
    wa_user_id: Option<String>,
    complaint_id: Option<LapId>,
    template: String,
    template_version: i32,
    language: String,
    channel: String,
    /// The text, made from the template when it was recorded.
    body: String,
    status: NotificationStatus,
    error: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Notification> for NotificationBody {
    fn from(notification: Notification) -> Self {
        NotificationBody {
            notification_id: notification.id,
            event_id: notification.event_id,
            person_id: notification.person_id,
            wa_user_id: notification.wa_user_id,
            complaint_id: notification.complaint_id,
            template: notification.template,
            template_version: notification.template_version,
            language: notification.language,
            channel: notification.channel,
            body: notification.body,
            status: notification.status,
            error: notification.error,
            created_at: notification.created_at,
            updated_at: notification.updated_at,
        }
    }
}

/// One page of notifications.
#[derive(Debug, Serialize, ToSchema)]
struct NotificationPage {
    items: Vec<NotificationBody>,
    /// Pass it as `cursor` for the next page; null on the last.
    next_cursor: Option<String>,
}

/// What this service holds of a person.
#[derive(Debug, Serialize, ToSchema)]
struct PersonNotifications {
    person_id: PersonId,
    notifications: Vec<NotificationBody>,
}

/// What an erasure did.
#[derive(Debug, Serialize, ToSchema)]
struct ErasedNotifications {
    person_id: PersonId,
    /// How many notifications were emptied.
    notifications: u64,
}

/// Record a notification as queued.
///
/// The same `Idempotency-Key`, or the same event and template, with the same body answers with the one recorded first.
#[utoipa::path(
    tag = "notifications",
    security(("internal_api_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repetitions the same notification")),
    request_body = NewNotificationBody,
    responses(
        (status = 201, description = "Recorded", body = NotificationBody),
        (status = 200, description = "Recorded before", body = NotificationBody),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[post("/notifications")]
async fn create_notification(
    request: HttpRequest,
    state: web::Data<NotificationState>,
    body: ApiJson<NewNotificationBody>,
) -> Result<HttpResponse, Problem> {
    let key = idempotency_key(&request)?;
    let body = body.0;
    let new = NewNotification {
        event_id: body.event_id,
        person_id: body.person_id,
        wa_user_id: body.wa_user_id,
        complaint_id: body.complaint_id,
        template: body.template,
        language: body.language,
        variables: body.variables,
    };
    let recorded = store::create(&state.pool, key.as_deref(), &new, state.clock.now()).await?;
    let location = format!("/internal/notifications/{}", recorded.notification.id);
    let mut response = if recorded.new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.insert_header(("location", location)).json(NotificationBody::from(recorded.notification)))
}

/// List notifications, newest first.
#[utoipa::path(
    tag = "notifications",
    security(("internal_api_key" = [])),
    params(ListQuery),
    responses(
        (status = 200, description = "One page", body = NotificationPage),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[get("/notifications")]
async fn list_notifications(
    state: web::Data<NotificationState>,
    query: ApiQuery<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.0;
    let after = match cursor(query.cursor.as_deref())? {
        None => None,
        Some(cursor) => {
            let id = cursor.id.parse().map_err(|_| Problem::field("cursor", InvalidCursor.to_string()))?;
            Some((cursor.created_at, id))
        }
    };
    let filter = store::Filter {
        status: query.status,
        template: query.template,
        person_id: query.person_id,
        complaint_id: query.complaint_id,
    };
    let page = store::list(&state.pool, &filter, after, query.limit.unwrap_or(DEFAULT_LIMIT)).await?;
    Ok(HttpResponse::Ok().json(NotificationPage {
        items: page.items.into_iter().map(NotificationBody::from).collect(),
        next_cursor: page.next.map(|cursor| cursor.to_string()),
    }))
}

/// Read a notification.
#[utoipa::path(
    tag = "notifications",
    security(("internal_api_key" = [])),
    params(("id" = Uuid, Path, description = "The notification")),
    responses(
        (status = 200, description = "The notification", body = NotificationBody),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[get("/notifications/{id}")]
async fn get_notification(
    state: web::Data<NotificationState>,
    id: ApiPath<Uuid>,
) -> Result<HttpResponse, Problem> {
    let notification = store::get(&state.pool, id.0).await?;
    Ok(HttpResponse::Ok().json(NotificationBody::from(notification)))
}

/// Note how far a notification got; forwards only.
#[utoipa::path(
    tag = "notifications",
    security(("internal_api_key" = [])),
    params(("id" = Uuid, Path, description = "The notification")),
    request_body = StatusBody,
    responses(
        (status = 200, description = "Noted; the same status again changes nothing", body = NotificationBody),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[put("/notifications/{id}/status")]
async fn set_notification_status(
    state: web::Data<NotificationState>,
    id: ApiPath<Uuid>,
    body: ApiJson<StatusBody>,
) -> Result<HttpResponse, Problem> {
    let StatusBody { status, error } = body.0;
    if error.is_some() && status != NotificationStatus::Failed {
        return Err(Problem::field("error", "goes with the status failed only"));
    }
    let now = state.clock.now();
    let notification = store::set_status(&state.pool, id.0, status, error.as_deref(), now).await?;
    Ok(HttpResponse::Ok().json(NotificationBody::from(notification)))
}

/// Read what this service holds of a person.
#[utoipa::path(
    tag = "people",
    security(("internal_api_key" = [])),
    params(("person_id" = PersonId, Path, description = "The person")),
    responses(
        (status = 200, description = "Everything of theirs; empty when there is nothing", body = PersonNotifications),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[get("/people/{person_id}")]
async fn get_person(
    state: web::Data<NotificationState>,
    person_id: ApiPath<PersonId>,
) -> Result<HttpResponse, Problem> {
    let notifications = store::notifications_of(&state.pool, person_id.0).await?;
    let notifications = notifications.into_iter().map(NotificationBody::from).collect();
    Ok(HttpResponse::Ok().json(PersonNotifications { person_id: person_id.0, notifications }))
}

/// Erase a person: their notifications stay as template, status and times.
#[utoipa::path(
    tag = "people",
    security(("internal_api_key" = [])),
    params(("person_id" = PersonId, Path, description = "The person")),
    responses(
        (status = 200, description = "Erased; asking again is harmless", body = ErasedNotifications),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[delete("/people/{person_id}")]
async fn erase_person(
    state: web::Data<NotificationState>,
    person_id: ApiPath<PersonId>,
) -> Result<HttpResponse, Problem> {
    let erased = store::erase(&state.pool, person_id.0, state.clock.now()).await?;
    Ok(HttpResponse::Ok().json(ErasedNotifications { person_id: person_id.0, notifications: erased }))
}
