//! Schema `gc_case`: complaints, what happened to them, categories, and the events that tell of it.
//!
//! Every change is one transaction that writes the complaint, an append-only update row and the event together.
//! Texts have NUL replaced on the way in.
//!
//! - [`create`]: numbers without gaps, one complaint a key
//! - [`change`]: moves along the transition table, edits, withdrawal
//! - [`read`]: one, lists, history, counts, categories
//! - [`people`]: what is held of a person, and its erasure

pub mod change;
pub mod create;
pub mod people;
pub mod read;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{StoreError, Timestamptz};
use crate::complaint::{ComplaintStatus, Coordinates, ReportChannel, Urgency};
use crate::ids::{ConversationId, LapId, PersonId};

/// Why the case store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no such complaint")]
    NotFound,
    /// The idempotency key was used before with another body.
    #[error("the key was used with another body")]
    KeyReused,
    /// There is no such category, or it is not in use.
    #[error("there is no such category")]
    UnknownCategory,
    /// The complaint is at another version than the caller saw.
    #[error("the complaint is at version {current}")]
    VersionConflict { current: i64 },
    /// The transition table has no such move.
    #[error("{from} cannot become {to}")]
    IllegalMove { from: ComplaintStatus, to: ComplaintStatus },
    /// The day has used up its numbers.
    #[error("no number is left for today")]
    NumbersExhausted,
}

impl From<sqlx::Error> for CaseError {
    fn from(error: sqlx::Error) -> Self {
        CaseError::Store(error.into())
    }
}

/// A complaint as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Complaint {
    pub id: LapId,
    /// Nobody: entered for somebody unknown to us, or erased.
    pub person_id: Option<PersonId>,
    pub wa_user_id: Option<String>,
    pub kategori: String,
    pub alamat: String,
    pub rt_rw: Option<String>,
    pub deskripsi: String,
    pub coordinates: Option<Coordinates>,
    pub status: ComplaintStatus,
    pub urgency: Urgency,
    pub channel: ReportChannel,
    pub origin_conversation_id: Option<ConversationId>,
    /// Every change adds one.
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// One change of a complaint.
#[derive(Clone, Debug, PartialEq)]
pub struct ComplaintUpdate {
    pub id: Uuid,
    /// The complaint's version after the change.
    pub version: i64,
    pub by: By,
    /// Absent on the first row.
    pub from: Option<ComplaintStatus>,
    pub to: ComplaintStatus,
    /// Other fields: `{"alamat": {"from": …, "to": …}}`.
    pub changes: Value,
    pub note: Option<String>,
    pub visibility: Visibility,
    pub created_at: Timestamp,
}

/// Who made a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The reporter; unknown once erased.
    Citizen(Option<PersonId>),
    /// An officer, by the id that the dashboard vouches for.
    Officer(String),
    /// Another service, on nobody's behalf that we know of.
    Service,
}

impl By {
    fn columns(&self) -> (&'static str, Option<String>) {
        match self {
            By::Citizen(person) => ("citizen", person.map(|person| person.to_string())),
            By::Officer(id) => ("officer", Some(super::text::storable(id))),
            By::Service => ("service", None),
        }
    }

    fn from_columns(kind: &str, id: Option<String>) -> Result<Self, StoreError> {
        match (kind, id) {
            ("citizen", id) => Ok(By::Citizen(id.and_then(|id| id.parse().ok()))),
            ("officer", Some(id)) => Ok(By::Officer(id)),
            ("service", _) => Ok(By::Service),
            (kind, _) => Err(StoreError::Corrupt(format!("actor_kind {kind}"))),
        }
    }
}

/// Who may read a note.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Visibility {
    /// The citizen too.
    Public,
    /// The office only.
    #[default]
    Internal,
}

/// The columns of a complaint, in the order of [`ComplaintRow`]; for the lists that are built at run time.
const COLUMNS: &str = "complaint_id, person_id, wa_user_id, kategori, alamat, rt_rw, deskripsi, latitude, longitude, \
     status, urgency, channel, origin_conversation_id, version, created_at, updated_at";

#[derive(sqlx::FromRow)]
struct ComplaintRow {
    complaint_id: String,
    person_id: Option<Uuid>,
    wa_user_id: Option<String>,
    kategori: String,
    alamat: String,
    rt_rw: Option<String>,
    deskripsi: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
    status: String,
    urgency: String,
    channel: String,
    origin_conversation_id: Option<Uuid>,
    version: i64,
    created_at: Timestamptz,
    updated_at: Timestamptz,
}

/// A stored word as the type it stands for.
fn parse<T: std::str::FromStr>(column: &str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt(format!("{column} {text}")))
}

fn urgency_as_str(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Normal => "normal",
        Urgency::Emergency => "emergency",
    }
}

fn urgency_from_str(text: &str) -> Result<Urgency, StoreError> {
    match text {
        "normal" => Ok(Urgency::Normal),
        "emergency" => Ok(Urgency::Emergency),
        other => Err(StoreError::Corrupt(format!("urgency {other}"))),
    }
}

impl TryFrom<ComplaintRow> for Complaint {
    type Error = StoreError;

    fn try_from(row: ComplaintRow) -> Result<Self, StoreError> {
        let coordinates =
            row.latitude.zip(row.longitude).map(|(latitude, longitude)| Coordinates { latitude, longitude });
        Ok(Complaint {
            id: parse("complaint_id", &row.complaint_id)?,
            person_id: row.person_id.map(PersonId),
            wa_user_id: row.wa_user_id,
            kategori: row.kategori,
            alamat: row.alamat,
            rt_rw: row.rt_rw,
            deskripsi: row.deskripsi,
            coordinates,
            status: parse("status", &row.status)?,
            urgency: urgency_from_str(&row.urgency)?,
            channel: parse("channel", &row.channel)?,
            origin_conversation_id: row.origin_conversation_id.map(ConversationId),
            version: row.version,
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
        })
    }
}

/// The body of a complaint event (DESIGN §5); texts in it must be storable already.
fn event_body(complaint: &Complaint, from: Option<ComplaintStatus>, public_note: Option<&str>) -> Value {
    let mut body = serde_json::json!({
        "complaint_id": complaint.id,
        "person_id": complaint.person_id,
        "wa_user_id": complaint.wa_user_id,
        "kategori": complaint.kategori,
        "status": complaint.status,
    });
    for (name, value) in [
        ("from", from.map(|from| Value::from(from.as_str()))),
        ("note", public_note.map(Value::from)),
        (
            "origin_conversation_id",
            complaint.origin_conversation_id.map(|conversation| Value::from(conversation.to_string())),
        ),
    ] {
        if let Some(value) = value {
            body[name] = value;
        }
    }
    body
}

/// Whether the database refused because of the constraint `name`.
fn violates(error: &sqlx::Error, name: &str) -> bool {
    error.as_database_error().and_then(|database| database.constraint()) == Some(name)
}
