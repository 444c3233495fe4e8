//! What travels between services: calls, events and hints, in process or over RabbitMQ. Knows nothing of actors.
//!
//! - [`Bus`]: what both can do; [`in_process`] and [`rabbitmq`] do it
//! - [`calls`]: what is asked of another service; [`case_calls`] and [`ai_calls`]: of the case and the AI service
//! - [`events`]: what happened, and how it reaches those who want to know; [`topics`]: how they say what they want
//! - [`live_chat`]: which conversations have changed, for those who show them
//! - [`topology`]: the exchanges and queues at the broker
//! - [`trace`]: what a message belongs to

pub mod ai_calls;
pub mod calls;
pub mod case_calls;
mod duty;
pub mod events;
pub mod in_process;
pub mod live_chat;
pub mod rabbitmq;
pub mod topics;
pub mod topology;
pub mod trace;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;

use self::calls::{Call, NotAnswered, Worker};
pub use self::duty::{Broken, Duty};
use self::events::{PublishEvents, Subscriber, Subscription};
use self::live_chat::{LiveChange, LiveChatListener};
use crate::ids::{ConversationId, PartitionId};

/// Why a call was refused whose worker panicked over it.
const PANICKED: &str = "the worker panicked";

/// Between services and between nodes. Which one it is, its users cannot tell.
pub trait Bus: PublishEvents {
    /// Asks, and waits at most `within` for the answer. Dropped while it waits, whoever does it is told to stop, as far as
    /// the word gets there in time: what is done nevertheless is done for nobody.
    fn call(&self, call: Call, within: Duration) -> BoxFuture<'_, Result<Value, NotAnswered>>;

    /// Tells whoever owns their partitions that there is something to do. A hint: it may be lost, doubled or overtaken,
    /// and a sweeper repairs. Never waits.
    fn wake(&self, conversations: &[ConversationId]);

    /// From now on hints for these partitions, and no others, are for this node. The latest word counts.
    fn own(&self, partitions: BTreeSet<PartitionId>);

    /// Whether messages get through at present, as far as can be told.
    fn is_up(&self) -> bool;

    /// Tells every node that shows conversations what has changed. A hint, told only after the commit; it may be lost.
    /// Never waits.
    fn announce(&self, changes: &[LiveChange]);

    /// What somebody must keep doing, each beside the others, for the rest of this to work.
    fn duties(&self) -> Vec<Duty>;
}

/// Who in this process wants what from the bus.
#[derive(Clone, Default)]
pub struct Receivers {
    pub subscribers: Vec<Arc<dyn Subscriber>>,
    /// Of all services, also of those that run on other nodes, or not yet.
    pub subscriptions: Vec<Subscription>,
    /// One a queue.
    pub workers: Vec<Arc<dyn Worker>>,
    pub listener: Option<Arc<dyn WakeListener>>,
    pub live_chat: Option<Arc<dyn LiveChatListener>>,
}

/// Somebody who is told of hints.
pub trait WakeListener: Send + Sync {
    /// There may be something to do for these. Must not wait.
    fn woken(&self, conversations: Vec<ConversationId>);
}
