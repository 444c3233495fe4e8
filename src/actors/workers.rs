//! Those who do the calls that come over a bus: each hands them to an actor of this node and its answer back.
//!
//! What an actor answers is the answer, also when it says that it cannot answer now. Poison is only what makes no sense.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use std::time::Duration;
use tracing::Instrument;

use super::ai::{Ai, Understand};
use super::case::Case;
use crate::bus::ai_calls::{AiCallError, AiCallKind};
use crate::bus::calls::{Ask, Call, Poison, WorkQueue, Worker, answered, asked};
use crate::bus::case_calls::{
    AmendComplaint, CancelComplaint, CaseCallError, CaseCallKind, CreateComplaint, FindComplaint,
    ListComplaints, PersonMerged,
};
use crate::dialogue::understanding::UnderstandRequest;

/// Does the calls of [`WorkQueue::AiTurns`].
pub struct AiWorker {
    address: Addr<Ai>,
    concurrency: u16,
}

impl AiWorker {
    /// Hands `concurrency` turns to the actor at once, which should be as many as it thinks about at once.
    pub fn new(address: Addr<Ai>, concurrency: u16) -> Self {
        AiWorker { address, concurrency }
    }

    async fn understand(&self, call: Call) -> Result<Value, Poison> {
        let request = asked::<UnderstandRequest>(call)?;
        // Dropped, it ends the work in the actor.
        let answer = match self.address.send(Understand(request)).await {
            Ok(Ok(understanding)) => Ok(understanding),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the ai actor gave no understanding");
                Err(AiCallError::Unavailable)
            }
            Err(_) => Err(AiCallError::Unavailable),
        };
        answered::<UnderstandRequest>(&answer)
    }
}

impl Worker for AiWorker {
    fn queue(&self) -> WorkQueue {
        WorkQueue::AiTurns
    }

    fn concurrency(&self) -> u16 {
        self.concurrency
    }

    fn answer(&self, call: Call, _within: Duration) -> BoxFuture<'_, Result<Value, Poison>> {
        let span = span(&call);
        let work = async move {
            match kind(&call)? {
                AiCallKind::Understand => self.understand(call).await,
            }
        };
        work.instrument(span).boxed()
    }
}

/// Does the calls of [`WorkQueue::CaseCalls`].
pub struct CaseWorker {
    address: Addr<Case>,
    concurrency: u16,
}

impl CaseWorker {
    /// Hands `concurrency` calls to the actor at once, which should be as many as it works on at once.
    pub fn new(address: Addr<Case>, concurrency: u16) -> Self {
        CaseWorker { address, concurrency }
    }

    async fn hand_over<C>(&self, call: Call) -> Result<Value, Poison>
    where
        C: Ask<Error = CaseCallError>
            + Message<Result = Result<<C as Ask>::Answer, CaseCallError>>
            + Send
            + 'static,
        Case: Handler<C>,
        <Case as Actor>::Context: ToEnvelope<Case, C>,
    {
        let call = asked::<C>(call)?;
        // When the actor ended with the call, the same call finds what was done.
        answered::<C>(&self.address.send(call).await.unwrap_or(Err(CaseCallError::Unavailable)))
    }
}

impl Worker for CaseWorker {
    fn queue(&self) -> WorkQueue {
        WorkQueue::CaseCalls
    }

    fn concurrency(&self) -> u16 {
        self.concurrency
    }

    fn answer(&self, call: Call, _within: Duration) -> BoxFuture<'_, Result<Value, Poison>> {
        let span = span(&call);
        let work = async move {
            match kind(&call)? {
                CaseCallKind::CreateComplaint => self.hand_over::<CreateComplaint>(call).await,
                CaseCallKind::FindComplaint => self.hand_over::<FindComplaint>(call).await,
                CaseCallKind::ListComplaints => self.hand_over::<ListComplaints>(call).await,
                CaseCallKind::AmendComplaint => self.hand_over::<AmendComplaint>(call).await,
                CaseCallKind::CancelComplaint => self.hand_over::<CancelComplaint>(call).await,
                CaseCallKind::PersonMerged => self.hand_over::<PersonMerged>(call).await,
            }
        };
        work.instrument(span).boxed()
    }
}

fn kind<K: std::str::FromStr>(call: &Call) -> Result<K, Poison> {
    call.kind.parse().map_err(|_| Poison("no such kind of call".into()))
}

/// What is logged of a call: not its kind, which may be anything.
fn span(call: &Call) -> tracing::Span {
    tracing::info_span!("call", call.id = %call.id, call.from = call.from, trace = %call.trace)
}
