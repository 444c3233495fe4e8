//! What others ask of the case service, and what it answers: plain data that travels between actors and nodes.
//!
//! A call is repeated with the same body until it is answered; calls that change something carry a key, so that the
//! repetition finds what the first one did. Never put into logs: the texts are a citizen's own.

use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::complaint::{ComplaintStatus, Urgency, limits};
use crate::ids::{CallId, ConversationId, DraftId, LapId, PersonId};

/// File a complaint. The draft's id is the key: however often it is asked, there is one complaint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Validate)]
pub struct CreateComplaint {
    #[garde(skip)]
    pub key: DraftId,
    #[garde(skip)]
    pub person_id: PersonId,
    #[garde(inner(length(chars, min = 1, max = limits::WA_USER_ID)))]
    pub wa_user_id: Option<String>,
    /// Code of an active category.
    #[garde(length(chars, min = 1, max = limits::CODE))]
    pub kategori: String,
    #[garde(length(chars, min = 1, max = limits::ALAMAT))]
    pub alamat: String,
    #[garde(inner(length(chars, min = 1, max = limits::RT_RW)))]
    pub rt_rw: Option<String>,
    #[garde(length(chars, min = 1, max = limits::DESKRIPSI))]
    pub deskripsi: String,
    /// Degrees; given together with the longitude or not at all.
    #[garde(inner(range(min = -90.0, max = 90.0)))]
    pub latitude: Option<f64>,
    #[garde(inner(range(min = -180.0, max = 180.0)))]
    pub longitude: Option<f64>,
    #[garde(skip)]
    pub urgency: Urgency,
    #[garde(skip)]
    pub origin_conversation_id: Option<ConversationId>,
}

/// Look up one complaint of the person who reported it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindComplaint {
    pub lap_id: LapId,
    pub person_id: PersonId,
}

/// The newest complaints of a person, at most `limit` (which is held to 1 … 100).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListComplaints {
    pub person_id: PersonId,
    pub limit: u32,
}

/// Withdraw a complaint of one's own. The key makes a repetition the same withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelComplaint {
    pub key: CallId,
    pub lap_id: LapId,
    pub person_id: PersonId,
}

/// Two people turned out to be one: what belongs to `from`, now or when a late call files it, belongs to `into`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonMerged {
    pub key: CallId,
    pub from: PersonId,
    pub into: PersonId,
}

/// How many complaints changed their owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reassigned {
    pub complaints: u64,
}

/// A complaint as its reporter may see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportedComplaint {
    pub lap_id: LapId,
    pub status: ComplaintStatus,
    pub kategori: String,
    pub kategori_name: String,
    pub alamat: String,
    pub deskripsi: String,
    pub urgency: Urgency,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The newest word of the office that the citizen may read; lists go without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_note: Option<String>,
}

/// Why a call was not answered with what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", rename_all = "snake_case")]
pub enum CaseCallError {
    /// It never will be: do not repeat, tell the citizen.
    #[error("the call was refused: {reason}")]
    Refused { reason: Refusal },
    /// Something is away or too busy: repeat the same call later.
    #[error("the case service cannot answer now")]
    Unavailable,
}

/// Why a call was refused for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Refusal {
    /// There is none, or it is somebody else's: the caller cannot tell which.
    #[error("no such complaint of this person")]
    NotFound,
    /// The key was used before with another body.
    #[error("the key was used with another body")]
    KeyReused,
    /// The present status does not allow it.
    #[error("a complaint that is {status} does not allow it")]
    NotAllowed { status: ComplaintStatus },
    /// A field cannot be accepted.
    #[error("the field {field} cannot be accepted: {message}")]
    Invalid { field: String, message: String },
    /// A mistake of ours; it has been logged.
    #[error("the case service failed")]
    Failed,
}

impl From<Refusal> for CaseCallError {
    fn from(reason: Refusal) -> Self {
        CaseCallError::Refused { reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_survive_the_wire() {
        for error in [
            CaseCallError::Unavailable,
            Refusal::NotFound.into(),
            Refusal::NotAllowed { status: ComplaintStatus::Selesai }.into(),
            Refusal::Invalid { field: "kategori".into(), message: "unknown".into() }.into(),
        ] {
            let text = serde_json::to_string(&error).unwrap();
            assert_eq!(serde_json::from_str::<CaseCallError>(&text).unwrap(), error, "{text}");
        }
    }
}
