//! What others ask of the case service, and what it answers: plain data that travels between actors and nodes.
//!
//! A call is repeated with the same body until it is answered; calls that change something carry a key, so that the
//! repetition finds what the first one did. Never put into logs: the texts are a citizen's own.

use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use super::calls::{Ask, WorkQueue};
use crate::complaint::{ComplaintStatus, Urgency, limits};
use crate::ids::{CallId, ConversationId, DraftId, LapId, PersonId};

/// The kinds of calls that the case service does; the words are a message's type and a label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum CaseCallKind {
    CreateComplaint,
    FindComplaint,
    ListComplaints,
    AmendComplaint,
    CancelComplaint,
    PersonMerged,
}

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

/// Change or add to a complaint of one's own. What is absent stays; the key makes a repetition the same change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Validate)]
pub struct AmendComplaint {
    #[garde(skip)]
    pub key: CallId,
    #[garde(skip)]
    pub lap_id: LapId,
    #[garde(skip)]
    pub person_id: PersonId,
    /// Code of an active category.
    #[garde(inner(length(chars, min = 1, max = limits::CODE)))]
    pub kategori: Option<String>,
    #[garde(inner(length(chars, min = 1, max = limits::ALAMAT)))]
    pub alamat: Option<String>,
    #[garde(inner(length(chars, min = 1, max = limits::RT_RW)))]
    pub rt_rw: Option<String>,
    /// What the citizen tells beyond what was told before.
    #[garde(inner(length(chars, min = 1, max = limits::NOTE)))]
    pub addition: Option<String>,
    /// Degrees; given together with the longitude or not at all.
    #[garde(inner(range(min = -90.0, max = 90.0)))]
    pub latitude: Option<f64>,
    #[garde(inner(range(min = -180.0, max = 180.0)))]
    pub longitude: Option<f64>,
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

/// Says of calls to the case service what they are and what answers them.
macro_rules! case_calls {
    ($($call:ident => $answer:ty;)*) => {
        $(
            impl Ask for $call {
                const QUEUE: WorkQueue = WorkQueue::CaseCalls;
                const KIND: &'static str = CaseCallKind::$call.into_str();
                type Answer = $answer;
                type Error = CaseCallError;
            }
        )*
    };
}

case_calls! {
    CreateComplaint => ReportedComplaint;
    FindComplaint => ReportedComplaint;
    ListComplaints => Vec<ReportedComplaint>;
    AmendComplaint => ReportedComplaint;
    CancelComplaint => ReportedComplaint;
    PersonMerged => Reassigned;
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
    use std::fmt::Debug;

    use super::*;
    use crate::bus::calls::{Call, answered, asked};
    use crate::bus::trace::Traceparent;

    /// To the bytes of a message and back, as a worker and then a caller reads them.
    fn survives<A: Ask + Debug + PartialEq>(call: A, answer: A::Answer)
    where
        A::Answer: Clone + Debug + PartialEq,
        A::Error: Debug + PartialEq,
    {
        let id = uuid::Uuid::now_v7();
        let text = serde_json::to_string(&call).unwrap();
        let trace = Traceparent::beginning_with(id);
        let body = serde_json::from_str(&text).unwrap();
        let sent = Call { id, queue: A::QUEUE, kind: A::KIND.into(), body, from: "channel", trace };
        assert_eq!(sent.kind.parse::<CaseCallKind>().unwrap().to_string(), A::KIND);
        assert_eq!(asked::<A>(sent).unwrap(), call, "{text}");
        let text = answered::<A>(&Ok(answer.clone())).unwrap().to_string();
        let read: Result<A::Answer, A::Error> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, Ok(answer), "{text}");
    }

    #[test]
    fn calls_and_their_answers_survive_the_wire() {
        let (person_id, lap_id) = (PersonId::new(), "LAP-20260102-001".parse::<LapId>().unwrap());
        let complaint = ReportedComplaint {
            lap_id,
            status: ComplaintStatus::Diproses,
            kategori: "lampu_jalan".into(),
            kategori_name: "Lampu jalan".into(),
            alamat: "depan masjid".into(),
            deskripsi: "Lampu mati 🙏".into(),
            urgency: Urgency::Emergency,
            created_at: "2026-01-02T03:04:05.678901Z".parse().unwrap(),
            updated_at: "2026-01-02T03:04:06Z".parse().unwrap(),
            last_note: Some("Sedang dikerjakan".into()),
        };
        let create = CreateComplaint {
            key: DraftId::new(),
            person_id,
            wa_user_id: Some("6281200000002".into()),
            kategori: "lampu_jalan".into(),
            alamat: "depan masjid".into(),
            rt_rw: None,
            deskripsi: "Lampu mati 🙏".into(),
            latitude: Some(-6.2087634),
            longitude: Some(106.845599),
            urgency: Urgency::Normal,
            origin_conversation_id: Some(ConversationId::new()),
        };
        survives(create, complaint.clone());
        survives(FindComplaint { lap_id, person_id }, complaint.clone());
        survives(ListComplaints { person_id, limit: 5 }, vec![complaint.clone()]);
        let amend = AmendComplaint {
            key: CallId::new(),
            lap_id,
            person_id,
            kategori: None,
            alamat: Some("Jl. Mawar No. 3".into()),
            rt_rw: Some("03/05".into()),
            addition: Some("Tambah dalam".into()),
            latitude: None,
            longitude: None,
        };
        survives(amend, complaint.clone());
        survives(CancelComplaint { key: CallId::new(), lap_id, person_id }, complaint);
        let merged = PersonMerged { key: CallId::new(), from: person_id, into: PersonId::new() };
        survives(merged, Reassigned { complaints: 3 });
    }

    #[test]
    fn refusals_and_outages_survive_the_wire() {
        for error in [
            CaseCallError::Unavailable,
            Refusal::NotFound.into(),
            Refusal::KeyReused.into(),
            Refusal::NotAllowed { status: ComplaintStatus::Selesai }.into(),
            Refusal::Invalid { field: "kategori".into(), message: "unknown".into() }.into(),
            Refusal::Failed.into(),
        ] {
            let text = answered::<FindComplaint>(&Err(error.clone())).unwrap().to_string();
            let read: Result<ReportedComplaint, CaseCallError> = serde_json::from_str(&text).unwrap();
            assert_eq!(read, Err(error), "{text}");
        }
    }

    #[test]
    fn a_body_of_another_kind_is_poison_and_is_not_quoted() {
        let id = uuid::Uuid::now_v7();
        let (queue, trace) = (WorkQueue::CaseCalls, Traceparent::beginning_with(id));
        let body = serde_json::json!({ "person_id": "rahasia" });
        let call = Call { id, queue, kind: FindComplaint::KIND.into(), body, from: "channel", trace };
        let poison = asked::<FindComplaint>(call).unwrap_err();
        assert!(!poison.to_string().contains("rahasia"), "{poison}");
    }
}
