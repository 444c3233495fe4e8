//! Calls between services: asked of whoever can do them, answered before a deadline or not at all.
//!
//! A call may be carried out although its caller never learns so (the answer was lost, or late), and more than once (its
//! worker died). So whoever calls repeats until it is answered, and a call that changes something carries a key.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;
use strum::{Display, EnumIter, EnumString, IntoStaticStr};
use uuid::Uuid;

use super::trace::Traceparent;

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

    /// Does one. It is dropped where it waits when `within`, what its caller gave it, has passed. The same may come again
    /// when a worker died over it.
    fn answer(&self, call: Call, within: Duration) -> BoxFuture<'_, Result<Value, Poison>>;
}
