//! The bus of a node that is alone: everything is handed over at once, in this process.

use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::calls::{Call, NotAnswered, WorkQueue, Worker};
use super::events::{Event, InProcessBus, NotTaken, PublishEvents};
use super::{Bus, Duty, Receivers, WakeListener};
use crate::ids::{ConversationId, PartitionId};

/// See the module.
pub struct LocalBus {
    events: InProcessBus,
    workers: HashMap<WorkQueue, Desk>,
    listener: Option<Arc<dyn WakeListener>>,
    owned: RwLock<BTreeSet<PartitionId>>,
}

struct Desk {
    worker: Arc<dyn Worker>,
    places: Semaphore,
}

impl LocalBus {
    /// With all who will ever want something.
    pub fn new(receivers: Receivers) -> Self {
        let desk = |worker: Arc<dyn Worker>| {
            let places = Semaphore::new(usize::from(worker.concurrency()));
            (worker.queue(), Desk { worker, places })
        };
        LocalBus {
            events: InProcessBus::new(receivers.subscribers),
            workers: receivers.workers.into_iter().map(desk).collect(),
            listener: receivers.listener,
            owned: RwLock::default(),
        }
    }

    async fn ask(&self, call: Call, within: Duration) -> Result<Value, NotAnswered> {
        let desk = self.workers.get(&call.queue).ok_or(NotAnswered::Unavailable)?;
        let _place = desk.places.acquire().await.map_err(|_| NotAnswered::Unavailable)?;
        // A worker that panics costs this call.
        match AssertUnwindSafe(desk.worker.answer(call, within)).catch_unwind().await {
            Ok(answered) => answered.map_err(|poison| NotAnswered::Refused { reason: poison.0 }),
            Err(_panic) => Err(NotAnswered::Refused { reason: super::PANICKED.into() }),
        }
    }
}

impl PublishEvents for LocalBus {
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), NotTaken>> {
        self.events.publish(events)
    }
}

impl Bus for LocalBus {
    fn call(&self, call: Call, within: Duration) -> BoxFuture<'_, Result<Value, NotAnswered>> {
        Box::pin(
            async move { timeout(within, self.ask(call, within)).await.unwrap_or(Err(NotAnswered::Late)) },
        )
    }

    fn wake(&self, conversations: &[ConversationId]) {
        let Some(listener) = &self.listener else { return };
        let owned = self.owned.read().unwrap_or_else(PoisonError::into_inner);
        let ours = |conversation: &ConversationId| owned.contains(&PartitionId::of(*conversation));
        let ours: Vec<ConversationId> = conversations.iter().copied().filter(ours).collect();
        drop(owned);
        if !ours.is_empty() {
            listener.woken(ours);
        }
    }

    fn own(&self, partitions: BTreeSet<PartitionId>) {
        *self.owned.write().unwrap_or_else(PoisonError::into_inner) = partitions;
    }

    fn is_up(&self) -> bool {
        true
    }

    fn duties(&self) -> Vec<Duty> {
        Vec::new()
    }
}
