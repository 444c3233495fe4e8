//! Publishes what the outboxes hold: one relay a schema, one at a time over all nodes, in the order in which events were
//! written. An event that somebody does not take holds up those behind it, and is published again after a pause.
//!
//! It holds nothing: an event counts as published when its row says so, and whoever dies between publishing and saying so
//! has it published again (at least once).

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff};
use sqlx::PgPool;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

use super::supervision::keep_running;
use crate::bus::events::{Event, NotTaken, PublishEvents};
use crate::metrics::Metrics;
use crate::retry;
use crate::store::StoreError;
use crate::store::outboxes::{self, Outbox};

/// Events published and marked at once. After a refusal it is one, so that all before the refused one leave.
const LARGEST_BATCH: i64 = 200;
/// The pause when the policy's own have run out.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The relays of a node.
pub struct EventRelays {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl EventRelays {
    /// Starts one for each of `outboxes`; an idle one looks every `poll`.
    pub fn start(
        metrics: &Metrics,
        pool: &PgPool,
        bus: &Arc<dyn PublishEvents>,
        poll: Duration,
        outboxes: impl Iterator<Item = Outbox>,
    ) -> Self {
        let (stop, stopping) = watch::channel(false);
        // A relay holds one connection while a subscriber wants another: if all did so at once, none would get further.
        let turns = Arc::new(Semaphore::new(1));
        let tasks = outboxes.map(|outbox| {
            let relay = Arc::new(Relay {
                outbox,
                pool: pool.clone(),
                bus: bus.clone(),
                metrics: metrics.clone(),
                turns: turns.clone(),
                poll,
            });
            let stopping = stopping.clone();
            keep_running("event_relay", metrics, move || relay.clone().run(stopping.clone()))
        });
        EventRelays { tasks: tasks.collect(), stop }
    }

    /// Publishes what waits, and ends.
    pub async fn drain(self) {
        self.stop.send_replace(true);
        futures::future::join_all(self.tasks).await;
    }
}

struct Relay {
    outbox: Outbox,
    pool: PgPool,
    bus: Arc<dyn PublishEvents>,
    metrics: Metrics,
    turns: Arc<Semaphore>,
    poll: Duration,
}

enum Round {
    /// There may be more; `all`: only what was written after this round had begun.
    Published { all: bool },
    /// Nothing waits, or another node publishes it.
    NothingToDo,
}

#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Relay {
    async fn run(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        let mut batch = LARGEST_BATCH;
        let mut pauses = fresh_pauses();
        loop {
            // Asked before the round: what was written before the stop is published by it.
            let last = *stopping.borrow() || stopping.has_changed().is_err();
            let pause = match self.round(batch).await {
                // Others may go on writing for ever, and publish that themselves (I10).
                Ok(Round::Published { all: true }) if last => return,
                Ok(Round::Published { .. }) => {
                    batch = (batch * 2).min(LARGEST_BATCH);
                    pauses = fresh_pauses();
                    continue;
                }
                Ok(Round::NothingToDo) => self.poll,
                Err(error) => {
                    batch = 1;
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(outbox = self.outbox.service(), %error, cause, "events were not published; they are published again");
                    pauses.next().unwrap_or(LONGEST_PAUSE)
                }
            };
            if last {
                return;
            }
            // A stop ends the pause, and so does a node that is gone.
            drop(timeout(pause, stopping.wait_for(|stop| *stop)).await);
        }
    }

    async fn round(&self, batch: i64) -> Result<Round, RoundError> {
        let oldest = outboxes::oldest_waiting(&self.pool, self.outbox).await?;
        let service = self.outbox.service();
        self.metrics
            .events_oldest_pending_seconds
            .with_label_values(&[service])
            .set(oldest.unwrap_or_default());
        if oldest.is_none() {
            return Ok(Round::NothingToDo);
        }
        // Never closed; without a turn there would be nothing to be done either.
        let Ok(_turn) = self.turns.acquire().await else { return Ok(Round::NothingToDo) };
        let Some(mut held) = outboxes::hold(&self.pool, self.outbox).await? else {
            return Ok(Round::NothingToDo);
        };
        let events: Vec<Event> = held
            .first(batch)
            .await?
            .into_iter()
            .map(|stored| Event {
                message_id: stored.event_id,
                routing_key: stored.routing_key,
                body: stored.body,
                occurred_at: stored.occurred_at,
                from: service,
            })
            .collect();
        if events.is_empty() {
            return Ok(Round::NothingToDo);
        }
        if let Err(not_taken) = self.bus.publish(&events).await {
            self.metrics.events_refused.with_label_values(&[service]).inc();
            return Err(not_taken.into());
        }
        crate::crash_point!("events::published_before_mark");
        let ids: Vec<Uuid> = events.iter().map(|event| event.message_id).collect();
        held.published(&ids).await?;
        for event in &events {
            self.metrics.count_event(&event.routing_key);
        }
        Ok(Round::Published { all: (events.len() as i64) < batch })
    }
}

fn fresh_pauses() -> ExponentialBackoff {
    retry::until_it_works().build()
}
