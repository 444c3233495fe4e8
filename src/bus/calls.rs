//! Calls between services: asked of whoever can do them, answered before a deadline or not at all.
//!
//! A call may be carried out although its caller never learns so (the answer was lost, or late), and more than once (its
//! worker died). So whoever calls repeats until it is answered, and a call that changes something carries a key.

use std::time::Duration;

use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use strum::{Display, EnumIter, EnumString, IntoStaticStr};
use uuid::Uuid;

use super::Bus;
use super::trace::{self, Traceparent};

/// Where calls wait for one of those who can do them; the words are the queue's name at a broker (DESIGN §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumIter, EnumString, IntoStaticStr)]
pub enum WorkQueue {
    /// What citizens wrote, to be understood.
    #[strum(serialize = "ai.turns")]
    AiTurns,
    /// What the case service is asked ([`super::case_calls`]).
    #[strum(serialize = "case.calls")]
    CaseCalls,
}

/// Something asked. Never put into logs: a body may carry what a citizen wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Of this asking; a repetition has another.
    pub id: Uuid,
    pub queue: WorkQueue,
    /// Which of the queue's calls, such as `create_complaint`; at most 100 bytes.
    pub kind: String,
    pub body: Value,
    /// The service that asks, such as `channel`.
    pub from: &'static str,
    pub trace: Traceparent,
}

/// Why there is no answer. None of them says for sure that nothing was done, but for `Refused`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnswered {
    /// The deadline has passed.
    #[error("the call was not answered in time")]
    Late,
    /// Whoever would do it, or the way there, is away or has too much to do.
    #[error("the call cannot be answered now")]
    Unavailable,
    /// It never will be: the worker cannot make sense of it. It is kept with the dead letters of a broker.
    #[error("the call was refused: {reason}")]
    Refused { reason: String },
}

/// A message that can never be dealt with. The reason must say nothing of what is in it: it is logged, and kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Poison(pub String);

/// Somebody who does calls.
pub trait Worker: Send + Sync {
    /// The queue whose calls it does.
    fn queue(&self) -> WorkQueue;

    /// How many it does at once.
    fn concurrency(&self) -> u16;

    /// Does one. It is dropped where it waits when `within`, what its caller gave it, has passed, or when its caller is
    /// known to have gone. The same may come again when a worker died over it.
    fn answer(&self, call: Call, within: Duration) -> BoxFuture<'_, Result<Value, Poison>>;
}

/// What is asked, as plain data that crosses nodes, and what it is answered with.
pub trait Ask: Serialize + DeserializeOwned + Send + 'static {
    /// Who can do it.
    const QUEUE: WorkQueue;
    /// Which of the queue's calls it is.
    const KIND: &'static str;
    type Answer: Serialize + DeserializeOwned + Send + 'static;
    /// Why there is no such answer, in the words of whoever does it. To the bus it is an answer as any other.
    type Error: Serialize + DeserializeOwned + Send + 'static;
}

/// Asks over a bus, `from` a service, and waits at most `within`. Belongs to the trace that the caller is in
/// ([`Traceparent::scope`]).
///
/// # Errors
/// [`NotAnswered`]; an answer that cannot be read, as another version of ours may give it, is as good as none.
pub async fn ask<A: Ask>(
    bus: &dyn Bus,
    asked: &A,
    from: &'static str,
    within: Duration,
) -> Result<Result<A::Answer, A::Error>, NotAnswered> {
    let body = serde_json::to_value(asked)
        .map_err(|_| NotAnswered::Refused { reason: "the call cannot be written as JSON".into() })?;
    let id = Uuid::now_v7();
    let trace = trace::current().unwrap_or_else(|| Traceparent::beginning_with(id));
    let call = Call { id, queue: A::QUEUE, kind: A::KIND.into(), body, from, trace };
    let answer = bus.call(call, within).await?;
    serde_json::from_value(answer).map_err(|_| {
        // The words of the error may quote what is in it.
        tracing::error!(call.id = %id, call.kind = A::KIND, "the answer to a call cannot be read");
        NotAnswered::Unavailable
    })
}

/// What a call asks, for whoever does calls of that kind.
///
/// # Errors
/// The body is something else.
pub fn asked<A: Ask>(call: Call) -> Result<A, Poison> {
    serde_json::from_value(call.body).map_err(|_| Poison("the body is not what calls of its kind ask".into()))
}

/// An answer as [`ask`] expects it.
///
/// # Errors
/// It cannot be written as JSON.
pub fn answered<A: Ask>(answer: &Result<A::Answer, A::Error>) -> Result<Value, Poison> {
    serde_json::to_value(answer).map_err(|_| Poison("the answer cannot be written as JSON".into()))
}
