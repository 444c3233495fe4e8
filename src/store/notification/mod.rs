//! Schema `gc_notification`: what is to be told to whom, made from templates, and how far it got.
//!
//! Records only: nothing here sends. A notification is written once a key and once an event and template; its status
//! goes forwards. Texts have NUL replaced on the way in.
//!
//! - [`events`]: what events make of notifications

pub mod events;

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, PgPool, QueryBuilder};
use uuid::Uuid;

use super::page::{Cursor, Page};
use super::text::{storable, storable_option};
use super::{StoreError, Timestamptz};
use crate::dialogue::understanding::Language;
use crate::ids::{LapId, PersonId};
use crate::notification::{NotificationStatus, RenderError, render};

/// Why the notification store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum NotificationError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no such notification")]
    NotFound,
    /// The idempotency key, or the event and template, was used before with another body.
    #[error("the key was used with another body")]
    KeyReused,
    #[error("there is no such template in this language")]
    UnknownTemplate,
    #[error(transparent)]
    Values(#[from] RenderError),
    #[error("{from} cannot become {to}")]
    IllegalMove { from: NotificationStatus, to: NotificationStatus },
}

impl From<sqlx::Error> for NotificationError {
    fn from(error: sqlx::Error) -> Self {
        NotificationError::Store(error.into())
    }
}

/// Something to be told. Serialized only to be compared with a repetition of itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NewNotification {
    pub event_id: Option<Uuid>,
    pub person_id: Option<PersonId>,
    pub wa_user_id: Option<String>,
    pub complaint_id: Option<LapId>,
    /// Name of a template.
    pub template: String,
    pub language: Language,
    pub variables: BTreeMap<String, String>,
}

/// A notification as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    pub id: Uuid,
    pub event_id: Option<Uuid>,
    pub person_id: Option<PersonId>,
    pub wa_user_id: Option<String>,
    pub complaint_id: Option<LapId>,
    pub template: String,
    pub template_version: i32,
    pub language: String,
    pub channel: String,
    pub body: String,
    pub status: NotificationStatus,
    /// Why it failed.
    pub error: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What came of a request to notify.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    pub notification: Notification,
    /// False when it had been asked for before: this is that one as it stands now.
    pub new: bool,
}

/// The columns of a notification; for the lists that are built at run time.
const COLUMNS: &str = "notification_id, request_hash, event_id, person_id, wa_user_id, complaint_id, template, template_version, \
     language, channel, body, status, error, created_at, updated_at";

#[derive(sqlx::FromRow)]
struct Row {
    notification_id: Uuid,
    request_hash: Vec<u8>,
    event_id: Option<Uuid>,
    person_id: Option<Uuid>,
    wa_user_id: Option<String>,
    complaint_id: Option<String>,
    template: String,
    template_version: i32,
    language: String,
    channel: String,
    body: String,
    status: String,
    error: Option<String>,
    created_at: Timestamptz,
    updated_at: Timestamptz,
}

impl TryFrom<Row> for Notification {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let corrupt = |column: &str| StoreError::Corrupt(format!("notification {column}"));
        let complaint_id = row.complaint_id.map(|id| id.parse().map_err(|_| corrupt("complaint_id")));
        Ok(Notification {
            id: row.notification_id,
            event_id: row.event_id,
            person_id: row.person_id.map(PersonId),
            wa_user_id: row.wa_user_id,
            complaint_id: complaint_id.transpose()?,
            template: row.template,
            template_version: row.template_version,
            language: row.language,
            channel: row.channel,
            body: row.body,
            status: row.status.parse().map_err(|_| corrupt("status"))?,
            error: row.error,
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
        })
    }
}

fn language_as_str(language: Language) -> &'static str {
    match language {
        Language::Id => "id",
        Language::En => "en",
    }
}

/// Writes a notification down as queued, with its text made from the active template.
///
/// # Errors
/// [`NotificationError::UnknownTemplate`], [`NotificationError::Values`], [`NotificationError::KeyReused`], or the store's.
pub async fn create(
    pool: &PgPool,
    key: Option<&str>,
    new: &NewNotification,
    now: Timestamp,
) -> Result<Recorded, NotificationError> {
    let new = new.storable();
    let hash = request_hash(&new)?;
    // Before the template is read: it may have changed since the first time.
    if let Some(before) = recorded_before(pool, key, &new, &hash).await? {
        return Ok(before);
    }
    let mut connection = pool.acquire().await?;
    if let Some(row) = insert(&mut connection, key, &new, &hash, now).await? {
        return Ok(Recorded { notification: row.try_into()?, new: true });
    }
    // Given back first: whoever waits for a second connection may wait for ever.
    drop(connection);
    // A concurrent request was first.
    recorded_before(pool, key, &new, &hash).await?.ok_or(NotificationError::KeyReused)
}

impl NewNotification {
    fn storable(&self) -> Self {
        let variables =
            self.variables.iter().map(|(name, value)| (storable(name), storable(value))).collect();
        NewNotification {
            wa_user_id: storable_option(self.wa_user_id.as_deref()),
            template: storable(&self.template),
            variables,
            ..self.clone()
        }
    }
}

/// By which a repetition of a request is known from another with the same key.
fn request_hash(new: &NewNotification) -> Result<Vec<u8>, StoreError> {
    let bytes =
        serde_json::to_vec(new).map_err(|error| StoreError::Corrupt(format!("new notification: {error}")))?;
    Ok(digest(&SHA256, &bytes).as_ref().to_vec())
}

async fn recorded_before(
    pool: &PgPool,
    key: Option<&str>,
    new: &NewNotification,
    hash: &[u8],
) -> Result<Option<Recorded>, NotificationError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT notification_id, request_hash, event_id, person_id, wa_user_id, complaint_id, template, template_version,
             language, channel, body, status, error, created_at, updated_at
         FROM gc_notification.notifications
         WHERE idempotency_key = $1 OR (event_id = $2 AND template = $3)",
        key,
        new.event_id,
        new.template
    )
    .fetch_all(pool)
    .await?;
    if rows.iter().any(|row| row.request_hash != hash) {
        return Err(NotificationError::KeyReused);
    }
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    Ok(Some(Recorded { notification: row.try_into()?, new: false }))
}

async fn insert(
    connection: &mut PgConnection,
    key: Option<&str>,
    new: &NewNotification,
    hash: &[u8],
    now: Timestamp,
) -> Result<Option<Row>, NotificationError> {
    let language = language_as_str(new.language);
    let template = sqlx::query!(
        "SELECT version, channel, body FROM gc_notification.notification_templates
         WHERE name = $1 AND language = $2 AND channel = 'whatsapp' AND active",
        new.template,
        language
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(NotificationError::UnknownTemplate)?;
    let body = render(&template.body, &new.variables)?;
    let row = sqlx::query_as!(
        Row,
        "INSERT INTO gc_notification.notifications (notification_id, idempotency_key, request_hash, event_id, person_id,
             wa_user_id, complaint_id, template, template_version, language, channel, body, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)
         ON CONFLICT DO NOTHING
         RETURNING notification_id, request_hash, event_id, person_id, wa_user_id, complaint_id, template,
             template_version, language, channel, body, status, error, created_at, updated_at",
        Uuid::now_v7(),
        key,
        hash,
        new.event_id,
        new.person_id.map(|person| person.0),
        new.wa_user_id,
        new.complaint_id.map(|id| id.to_string()),
        new.template,
        template.version,
        language,
        template.channel,
        body,
        Timestamptz::from(now) as _
    )
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// One notification.
///
/// # Errors
/// [`NotificationError::NotFound`], or the store's.
pub async fn get(executor: impl PgExecutor<'_>, id: Uuid) -> Result<Notification, NotificationError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT notification_id, request_hash, event_id, person_id, wa_user_id, complaint_id, template, template_version,
             language, channel, body, status, error, created_at, updated_at
         FROM gc_notification.notifications WHERE notification_id = $1",
        id
    )
    .fetch_optional(executor)
    .await?
    .ok_or(NotificationError::NotFound)?;
    Ok(row.try_into()?)
}

/// Which notifications a list shows; what is absent does not matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    pub status: Option<NotificationStatus>,
    pub template: Option<String>,
    pub person_id: Option<PersonId>,
    pub complaint_id: Option<LapId>,
}

/// One page, newest first.
///
/// # Errors
/// The store's.
pub async fn list(
    pool: &PgPool,
    filter: &Filter,
    after: Option<(Timestamp, Uuid)>,
    limit: u32,
) -> Result<Page<Notification>, NotificationError> {
    let mut query = QueryBuilder::<sqlx::Postgres>::new(format!(
        "SELECT {COLUMNS} FROM gc_notification.notifications WHERE true"
    ));
    if let Some(status) = filter.status {
        query.push(" AND status = ").push_bind(status.as_str());
    }
    if let Some(template) = &filter.template {
        query.push(" AND template = ").push_bind(storable(template));
    }
    if let Some(person) = filter.person_id {
        query.push(" AND person_id = ").push_bind(person.0);
    }
    if let Some(complaint) = filter.complaint_id {
        query.push(" AND complaint_id = ").push_bind(complaint.to_string());
    }
    if let Some((created_at, id)) = after {
        query
            .push(" AND (created_at, notification_id) < (")
            .push_bind(Timestamptz::from(created_at))
            .push(", ")
            .push_bind(id)
            .push(")");
    }
    query.push(" ORDER BY created_at DESC, notification_id DESC LIMIT ").push_bind(i64::from(limit) + 1);
    let rows: Vec<Row> = query.build_query_as().fetch_all(pool).await?;
    let items = rows.into_iter().map(Notification::try_from).collect::<Result<_, StoreError>>()?;
    Ok(Page::from_rows(items, limit, |item: &Notification| Cursor {
        created_at: item.created_at,
        id: item.id.to_string(),
    }))
}

/// Notes how far a notification got; the same status again is no change. Telling that it was sent or has failed is an event.
///
/// # Errors
/// [`NotificationError::NotFound`], [`NotificationError::IllegalMove`], or the store's.
pub async fn set_status(
    pool: &PgPool,
    id: Uuid,
    status: NotificationStatus,
    error: Option<&str>,
    now: Timestamp,
) -> Result<Notification, NotificationError> {
    let mut transaction = pool.begin().await?;
    let notification = advance(&mut transaction, id, status, error, now).await?;
    transaction.commit().await?;
    Ok(notification)
}

/// The same in a transaction.
async fn advance(
    connection: &mut PgConnection,
    id: Uuid,
    status: NotificationStatus,
    error: Option<&str>,
    now: Timestamp,
) -> Result<Notification, NotificationError> {
    let before = sqlx::query_scalar!(
        "SELECT status FROM gc_notification.notifications WHERE notification_id = $1 FOR NO KEY UPDATE",
        id
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(NotificationError::NotFound)?;
    let before: NotificationStatus =
        before.parse().map_err(|_| StoreError::Corrupt("notification status".into()))?;
    if before == status {
        return get(connection, id).await;
    }
    if !before.allows(status) {
        return Err(NotificationError::IllegalMove { from: before, to: status });
    }
    let row = sqlx::query_as!(
        Row,
        "UPDATE gc_notification.notifications SET status = $2, error = $3, updated_at = greatest(updated_at, $4)
         WHERE notification_id = $1
         RETURNING notification_id, request_hash, event_id, person_id, wa_user_id, complaint_id, template,
             template_version, language, channel, body, status, error, created_at, updated_at",
        id,
        status.as_str(),
        storable_option(error),
        Timestamptz::from(now) as _
    )
    .fetch_one(&mut *connection)
    .await?;
    let notification = Notification::try_from(row)?;
    if let Some(routing_key) = event_of(before, status) {
        let mut body = serde_json::json!({
            "notification_id": notification.id,
            "template": notification.template,
            "wa_user_id": notification.wa_user_id,
        });
        if let Some(error) = &notification.error {
            body["error"] = error.as_str().into();
        }
        sqlx::query!(
            "INSERT INTO gc_notification.event_outbox (event_id, routing_key, subject, body, occurred_at)
             VALUES ($1, $2, $3, $4, $5)",
            Uuid::now_v7(),
            routing_key,
            notification.id.to_string(),
            body,
            Timestamptz::from(now) as _
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(notification)
}

/// The event of a move: failed, or past queued for the first time.
fn event_of(before: NotificationStatus, after: NotificationStatus) -> Option<&'static str> {
    match (before, after) {
        (_, NotificationStatus::Failed) => Some("govconnect.notification.failed"),
        (NotificationStatus::Queued, _) => Some("govconnect.notification.sent"),
        _ => None,
    }
}

/// Every notification to a person, newest first.
///
/// # Errors
/// The store's.
pub async fn notifications_of(
    pool: &PgPool,
    person: PersonId,
) -> Result<Vec<Notification>, NotificationError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT notification_id, request_hash, event_id, person_id, wa_user_id, complaint_id, template, template_version,
             language, channel, body, status, error, created_at, updated_at
         FROM gc_notification.notifications WHERE person_id = $1 ORDER BY created_at DESC, notification_id DESC",
        person.0
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(Notification::try_from).collect::<Result<_, StoreError>>()?)
}

/// Takes a person out of their notifications: who and the words. What was queued will not be sent. Returns how many
/// were emptied.
///
/// # Errors
/// The store's.
pub async fn erase(pool: &PgPool, person: PersonId, now: Timestamp) -> Result<u64, NotificationError> {
    let mut transaction = pool.begin().await?;
    let unsent: Vec<Uuid> = sqlx::query_scalar!(
        "SELECT notification_id FROM gc_notification.notifications WHERE person_id = $1 AND status = 'queued'
         ORDER BY notification_id FOR NO KEY UPDATE",
        person.0
    )
    .fetch_all(&mut *transaction)
    .await?;
    // The keys stay, so that a late repetition of a request cannot write it down anew.
    let ids = sqlx::query_scalar!(
        r#"UPDATE gc_notification.notifications
           SET person_id = NULL, wa_user_id = NULL, body = '', request_hash = '', updated_at = greatest(updated_at, $2),
               error = CASE WHEN status = 'queued' THEN 'the recipient was erased' END,
               status = CASE WHEN status = 'queued' THEN 'failed' ELSE status END
           WHERE person_id = $1 RETURNING notification_id::text AS "id!""#,
        person.0,
        Timestamptz::from(now) as _
    )
    .fetch_all(&mut *transaction)
    .await?;
    sqlx::query!(
        r#"UPDATE gc_notification.event_outbox SET body = body - 'error' || '{"wa_user_id": null}' WHERE subject = ANY($1)"#,
        &ids
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!(
        "INSERT INTO gc_notification.event_outbox (event_id, routing_key, subject, body, occurred_at)
         SELECT new.event_id, 'govconnect.notification.failed', n.notification_id::text,
                jsonb_build_object('notification_id', n.notification_id, 'template', n.template, 'wa_user_id', NULL,
                    'error', n.error), $3
         FROM unnest($1::uuid[], $2::uuid[]) AS new (event_id, notification_id)
         JOIN gc_notification.notifications n USING (notification_id)
         ORDER BY n.created_at, n.notification_id",
        &unsent.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>(),
        &unsent,
        Timestamptz::from(now) as _
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(ids.len() as u64)
}
