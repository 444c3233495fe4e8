//! How one actor calls another. Callers cannot tell whether the answer comes from this process or from another node.

use std::sync::Arc;
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};
use tokio::time::timeout;

use super::ai::{Ai, Understand};
use super::case::Case;
use crate::bus::Bus;
use crate::bus::calls::{self, Ask, NotAnswered};
use crate::bus::case_calls::{
    AmendComplaint, CancelComplaint, CaseCallError, CreateComplaint, FindComplaint, ListComplaints,
    PersonMerged, Reassigned, Refusal, ReportedComplaint,
};
use crate::dialogue::understanding::{UnderstandRequest, Understanding};
use crate::ids::{LapId, PersonId};

/// Complaints told in answer to "my complaints".
const OWN_COMPLAINTS: u32 = 5;
/// The service whose conversations call.
const FROM: &str = "channel";

/// How long a call to the case service may take before it counts as unanswered. Twice what the service itself lets a
/// call wait for its turn, and, with the two look-ups of a turn, well below `conversation.frozen_s`.
pub const CASE_DEADLINE: Duration = Duration::from_secs(10);

/// Why a call was not answered with what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallFailed {
    /// For good: do not repeat.
    #[error("refused: {reason}")]
    Refused { reason: Refusal },
    /// The service could not answer. Repeat later.
    #[error("unavailable")]
    Unavailable,
    /// No node with the service answered, or the way there is down. Repeat until there is one.
    #[error("away")]
    Away,
}

impl From<CaseCallError> for CallFailed {
    fn from(error: CaseCallError) -> Self {
        match error {
            CaseCallError::Refused { reason } => CallFailed::Refused { reason },
            CaseCallError::Unavailable => CallFailed::Unavailable,
        }
    }
}

impl From<NotAnswered> for CallFailed {
    fn from(not_answered: NotAnswered) -> Self {
        match not_answered {
            NotAnswered::Late | NotAnswered::Unavailable => CallFailed::Away,
            // No worker of ours can make sense of it, or it killed several: asked again, it would do so again.
            NotAnswered::Refused { reason } => {
                tracing::error!(reason, "a call was refused as one that can never be done");
                CallFailed::Refused { reason: Refusal::Failed }
            }
        }
    }
}

/// Where the one who answers is.
enum Way<A: Actor> {
    /// An actor of this node.
    Here(Addr<A>),
    /// Whichever node takes the call, asked for so long.
    Over(Arc<dyn Bus>, Duration),
}

impl<A: Actor> Clone for Way<A> {
    fn clone(&self) -> Self {
        match self {
            Way::Here(address) => Way::Here(address.clone()),
            Way::Over(bus, within) => Way::Over(bus.clone(), *within),
        }
    }
}

/// Calls the AI service.
#[derive(Clone)]
pub struct AiClient {
    way: Way<Ai>,
}

impl AiClient {
    /// A client of the AI actor of this node.
    pub fn local(address: Addr<Ai>) -> Self {
        AiClient { way: Way::Here(address) }
    }

    /// A client of the AI service wherever it is; a turn is waited for at most `within`.
    pub fn over(bus: Arc<dyn Bus>, within: Duration) -> Self {
        AiClient { way: Way::Over(bus, within) }
    }

    /// What does the citizen mean? Only reads; dropping the future cancels the work, also on another node.
    ///
    /// # Errors
    /// [`CallFailed::Unavailable`] when the service has no answer within the turn's deadline, [`CallFailed::Away`] when nobody
    /// answers; refused when its workers cannot deal with it.
    pub async fn understand(&self, request: UnderstandRequest) -> Result<Understanding, CallFailed> {
        match &self.way {
            Way::Here(address) => match address.send(Understand(request)).await {
                Ok(Ok(understanding)) => Ok(understanding),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the ai actor gave no understanding");
                    Err(CallFailed::Unavailable)
                }
                Err(_) => Err(CallFailed::Unavailable),
            },
            Way::Over(bus, within) => {
                let answered = calls::ask(bus.as_ref(), &request, FROM, *within).await?;
                answered.map_err(|_| CallFailed::Unavailable)
            }
        }
    }
}

/// Calls the case service. What it is asked to change carries a key, so every call may be repeated.
#[derive(Clone)]
pub struct CaseClient {
    way: Way<Case>,
}

impl CaseClient {
    /// A client of the case actor of this node, which is waited for at most [`CASE_DEADLINE`].
    pub fn local(address: Addr<Case>) -> Self {
        CaseClient { way: Way::Here(address) }
    }

    /// A client of the case service wherever it is; a call is waited for at most `within`, such as [`CASE_DEADLINE`].
    pub fn over(bus: Arc<dyn Bus>, within: Duration) -> Self {
        CaseClient { way: Way::Over(bus, within) }
    }

    async fn call<C>(&self, call: C) -> Result<C::Answer, CallFailed>
    where
        C: Ask<Error = CaseCallError>
            + Message<Result = Result<<C as Ask>::Answer, CaseCallError>>
            + Send
            + 'static,
        Case: Handler<C>,
        <Case as Actor>::Context: ToEnvelope<Case, C>,
    {
        let answered = match &self.way {
            Way::Here(address) => match timeout(CASE_DEADLINE, address.send(call)).await {
                Ok(Ok(answered)) => answered,
                // Late, or the actor ended with the call: the same call finds what was done.
                Ok(Err(_)) | Err(_) => return Err(CallFailed::Unavailable),
            },
            Way::Over(bus, within) => calls::ask(bus.as_ref(), &call, FROM, *within).await?,
        };
        answered.map_err(CallFailed::from)
    }

    /// Files a complaint; the same key files it once.
    pub async fn create(&self, request: CreateComplaint) -> Result<ReportedComplaint, CallFailed> {
        self.call(request).await
    }

    /// Changes or adds to a complaint of one's own.
    pub async fn amend(&self, request: AmendComplaint) -> Result<ReportedComplaint, CallFailed> {
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
