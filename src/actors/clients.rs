//! How one actor calls another. Callers cannot tell whether the answer comes from this process.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};

use super::ai::{Ai, Understand};
use super::case::Case;
use crate::bus::case_calls::{
    CancelComplaint, CaseCallError, CreateComplaint, FindComplaint, ListComplaints, PersonMerged, Reassigned,
    Refusal, ReportedComplaint,
};
use crate::dialogue::understanding::{UnderstandRequest, Understanding};
use crate::ids::{LapId, PersonId};

/// Complaints told in answer to "my complaints".
const OWN_COMPLAINTS: u32 = 5;

/// Why a call was not answered with what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallFailed {
    /// For good: do not repeat.
    #[error("refused: {reason}")]
    Refused { reason: Refusal },
    /// Repeat later.
    #[error("unavailable")]
    Unavailable,
}

impl From<CaseCallError> for CallFailed {
    fn from(error: CaseCallError) -> Self {
        match error {
            CaseCallError::Refused { reason } => CallFailed::Refused { reason },
            CaseCallError::Unavailable => CallFailed::Unavailable,
        }
    }
}

/// Calls the AI service.
#[derive(Clone)]
pub struct AiClient {
    address: Addr<Ai>,
}

impl AiClient {
    /// A client of the AI actor of this node.
    pub fn local(address: Addr<Ai>) -> Self {
        AiClient { address }
    }

    /// What does the citizen mean? Only reads; dropping the future cancels the work.
    ///
    /// # Errors
    /// [`CallFailed::Unavailable`] when there is no answer within the turn's deadline.
    pub async fn understand(&self, request: UnderstandRequest) -> Result<Understanding, CallFailed> {
        match self.address.send(Understand(request)).await {
            Ok(Ok(understanding)) => Ok(understanding),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the ai actor gave no understanding");
                Err(CallFailed::Unavailable)
            }
            Err(_) => Err(CallFailed::Unavailable),
        }
    }
}

/// Calls the case service.
#[derive(Clone)]
pub struct CaseClient {
    address: Addr<Case>,
}

impl CaseClient {
    /// A client of the case actor of this node.
    pub fn local(address: Addr<Case>) -> Self {
        CaseClient { address }
    }

    async fn call<M, T>(&self, message: M) -> Result<T, CallFailed>
    where
        M: Message<Result = Result<T, CaseCallError>> + Send + 'static,
        T: Send + 'static,
        Case: Handler<M>,
        <Case as Actor>::Context: ToEnvelope<Case, M>,
    {
        match self.address.send(message).await {
            Ok(answer) => answer.map_err(CallFailed::from),
            // The actor ended with the call: the same call finds what was done.
            Err(_) => Err(CallFailed::Unavailable),
        }
    }

    /// Files a complaint; the same key files it once.
    pub async fn create(&self, request: CreateComplaint) -> Result<ReportedComplaint, CallFailed> {
        self.call(request).await
    }

    /// Withdraws a complaint of one's own.
    pub async fn cancel(&self, request: CancelComplaint) -> Result<ReportedComplaint, CallFailed> {
        self.call(request).await
    }

    /// Two people are one from now on; repeating it changes nothing.
    pub async fn person_merged(&self, request: PersonMerged) -> Result<Reassigned, CallFailed> {
        self.call(request).await
    }

    /// One complaint of the person, if there is such a one.
    pub async fn find(
        &self,
        lap_id: String,
        person_id: PersonId,
    ) -> Result<Vec<ReportedComplaint>, CallFailed> {
        let Ok(lap_id) = lap_id.parse::<LapId>() else { return Ok(Vec::new()) };
        let found = self.call(FindComplaint { lap_id, person_id }).await;
        match found {
            Err(CallFailed::Refused { reason: Refusal::NotFound }) => Ok(Vec::new()),
            other => other.map(|complaint| vec![complaint]),
        }
    }

    /// The person's newest complaints.
    pub async fn list(&self, person_id: PersonId) -> Result<Vec<ReportedComplaint>, CallFailed> {
        self.call(ListComplaints { person_id, limit: OWN_COMPLAINTS }).await
    }
}
