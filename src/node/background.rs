//! What runs beside the actors: sweeping for work whose wake-up was lost (I8), and other looks now and then.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::PgPool;
use strum::IntoEnumIterator;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, interval_at};

use crate::actors::conversation::outbound_row;
use crate::actors::partitions::Partitions;
use crate::actors::sender::numbers::Numbers;
use crate::actors::supervision::keep_running;
use crate::cluster::View;
use crate::dialogue::phrases;
use crate::dialogue::state::DialogueState;
use crate::dialogue::understanding::Language;
use crate::metrics::Metrics;
use crate::store::StoreError;
use crate::store::ai::analytics;
use crate::store::channel::idle::Notice;
use crate::store::channel::takeover::TakeoverError;
use crate::store::channel::{idle, standing, sweep};
use crate::store::outboxes::{self, Outbox};
use crate::whatsapp::outgoing::Content;

/// Conversations woken by one sweep; the next comes soon and goes on from there.
const SWEEP_LIMIT: i64 = 1000;

/// Divides each number's rate by the nodes that send: Meta counts the number, not our nodes.
pub fn share_rates(metrics: &Metrics, numbers: Numbers, view: watch::Receiver<View>) -> JoinHandle<()> {
    keep_running("rate_shares", metrics, move || {
        let (numbers, mut view) = (numbers.clone(), view.clone());
        async move {
            // The view ends with the node.
            while view.changed().await.is_ok() {
                let senders = view.borrow_and_update().owners().len();
                numbers.share_with(senders);
            }
        }
    })
}

/// How often held conversations are looked at for an officer who has been away.
const IDLE_LOOK: Duration = Duration::from_secs(5);
/// Conversations given back by one look.
const IDLE_LIMIT: i64 = 100;

/// Gives conversations back to the bot whose officer has done nothing for `idle`, and tells the citizens.
pub fn release_idle(
    metrics: &Metrics,
    pool: PgPool,
    partitions: Partitions,
    idle: Duration,
) -> JoinHandle<()> {
    keep_running("idle_takeovers", metrics, move || {
        let (pool, partitions) = (pool.clone(), partitions.clone());
        async move {
            let mut ticks = interval(IDLE_LOOK.min(idle));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if let Err(error) = release_once(&pool, &partitions, idle).await {
                    tracing::warn!(%error, "idle takeovers were not looked at; the next look comes soon");
                }
            }
        }
    })
}

async fn release_once(pool: &PgPool, partitions: &Partitions, idle: Duration) -> Result<(), TakeoverError> {
    for conversation in idle::idle_takeovers(pool, idle, IDLE_LIMIT).await? {
        let notice = Content::Text { text: phrases::released(Language::Id) };
        let Some(message) = outbound_row(&notice) else { continue };
        let notice = Notice { message, remember: is_back };
        if idle::release_idle(pool, conversation, idle, &notice).await? {
            tracing::info!(conversation.id = %conversation, "a takeover ended: its officer was away");
            partitions.wake(conversation, "hint");
        }
    }
    Ok(())
}

/// The memory of a dialogue whose citizen has been told that the bot is back.
fn is_back(memory: &Value, returned_at: Timestamp) -> Value {
    // What cannot be read is left to whoever reads it next, and tells it.
    let (mut state, true) = DialogueState::from_json(memory) else { return memory.clone() };
    state.back_since = Some(returned_at);
    state.to_json()
}

/// Looks for work that nobody was woken for, in the partitions of this node; at once and to the end when some were adopted.
pub fn sweep(
    metrics: &Metrics,
    pool: PgPool,
    partitions: Partitions,
    every_ms: u64,
    adopted: Arc<Notify>,
) -> JoinHandle<()> {
    keep_running("sweeper", metrics, move || {
        let (pool, partitions, adopted) = (pool.clone(), partitions.clone(), adopted.clone());
        async move {
            let mut ticks = interval(Duration::from_millis(every_ms));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut after = None;
            loop {
                let all = tokio::select! {
                    _ = ticks.tick() => false,
                    () = adopted.notified() => {
                        after = None;
                        true
                    }
                };
                loop {
                    match sweep::pending(&pool, &partitions.owned(), after, SWEEP_LIMIT).await {
                        Ok(swept) => {
                            after = swept.next;
                            for conversation in swept.conversations {
                                partitions.wake(conversation, "sweep");
                            }
                        }
                        Err(error) => {
                            tracing::warn!(%error, "the sweep failed; the next one comes soon");
                            break;
                        }
                    }
                    if !all || after.is_none() {
                        break;
                    }
                }
            }
        }
    })
}

/// How often old events are deleted. The first time only after such a while: what a dead node published without saying so
/// has been published again by then, and was known to its subscribers.
const EVENTS_EVERY: Duration = Duration::from_secs(600);
/// Events deleted by one statement.
const EVENTS_BATCH: i64 = 1000;

/// Deletes published events, and what subscribers remember of them, after `days`.
pub fn delete_old_events(metrics: &Metrics, pool: PgPool, days: i32) -> JoinHandle<()> {
    keep_running("event_cleaner", metrics, move || {
        let pool = pool.clone();
        async move {
            let mut ticks = interval_at(tokio::time::Instant::now() + EVENTS_EVERY, EVENTS_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if let Err(error) = delete_events(&pool, days).await {
                    tracing::warn!(%error, "old events were not deleted; the next time comes soon");
                }
            }
        }
    })
}

async fn delete_events(pool: &PgPool, days: i32) -> Result<(), StoreError> {
    let full = EVENTS_BATCH.unsigned_abs();
    for outbox in Outbox::iter() {
        while outboxes::delete_published(pool, outbox, days, EVENTS_BATCH).await? == full {}
    }
    while analytics::forget(pool, days, EVENTS_BATCH).await? == full {}
    Ok(())
}

/// How often the gauges that only the database knows are renewed.
const GAUGES_EVERY: Duration = Duration::from_secs(5);

/// Keeps the gauges of waiting and parked work true.
pub fn gauge(metrics: &Metrics, pool: PgPool, partitions: Partitions) -> JoinHandle<()> {
    let shown = metrics.clone();
    keep_running("gauges", metrics, move || {
        let (pool, partitions, shown) = (pool.clone(), partitions.clone(), shown.clone());
        async move {
            let mut ticks = interval(GAUGES_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                match standing::backlog(&pool, &partitions.owned()).await {
                    Ok(backlog) => {
                        shown.inbox_oldest_pending_seconds.set(backlog.inbox_oldest_s);
                        shown.outbox_oldest_pending_seconds.set(backlog.outbox_oldest_s);
                        shown.parked_now.set(backlog.parked);
                    }
                    Err(error) => tracing::warn!(%error, "the gauges could not be renewed"),
                }
            }
        }
    })
}
