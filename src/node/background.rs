//! What runs beside the actors: keeping the leases, and sweeping for work whose wake-up was lost (I8).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use sqlx::PgPool;
use strum::IntoEnumIterator;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, interval_at, sleep};

use crate::actors::channel::{Lease, Partitions};
use crate::actors::conversation::outbound_row;
use crate::actors::supervision::keep_running;
use crate::dialogue::phrases;
use crate::dialogue::state::DialogueState;
use crate::dialogue::understanding::Language;
use crate::ids::{Epoch, NodeId, PARTITIONS, PartitionId};
use crate::metrics::Metrics;
use crate::store::StoreError;
use crate::store::ai::analytics;
use crate::store::channel::idle::Notice;
use crate::store::channel::takeover::TakeoverError;
use crate::store::channel::{idle, leases, standing, sweep};
use crate::store::notification;
use crate::store::outboxes::{self, Outbox};
use crate::whatsapp::outgoing::Content;

/// Conversations woken by one sweep; the next comes soon and goes on from there.
const SWEEP_LIMIT: i64 = 1000;

/// Takes all partitions. Another node's leases are waited for; `ours_alone` takes those of a dead process at once.
pub async fn acquire_leases(
    pool: &PgPool,
    node: NodeId,
    ours_alone: bool,
) -> Result<(HashMap<PartitionId, Epoch>, Lease), StoreError> {
    let mut held = HashMap::new();
    let mut told = false;
    loop {
        let asked = Instant::now();
        leases::renew(pool, node).await?;
        held.extend(leases::acquire(pool, node, ours_alone).await?);
        if held.len() == usize::from(PARTITIONS) {
            return Ok((held, Lease::acquired(asked)));
        }
        if !told {
            told = true;
            tracing::warn!(
                held = held.len(),
                "another node holds partitions of this database; waiting until it stops or its lease runs out"
            );
        }
        sleep(leases::HEARTBEAT / 4).await;
    }
}

/// Renews the leases; tells `lose` when another has taken one.
pub fn keep_leases(
    metrics: &Metrics,
    pool: PgPool,
    node: NodeId,
    lease: Lease,
    lose: watch::Sender<bool>,
) -> JoinHandle<()> {
    keep_running("lease_keeper", metrics, move || {
        let (pool, lease, lose) = (pool.clone(), lease.clone(), lose.clone());
        async move {
            let mut heartbeat = interval(leases::HEARTBEAT);
            heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                heartbeat.tick().await;
                let asked = Instant::now();
                match leases::renew(&pool, node).await {
                    Ok(renewed) if renewed == u64::from(PARTITIONS) => lease.renew(asked),
                    Ok(renewed) => {
                        tracing::error!(renewed, "partitions were taken by another node");
                        lease.lose();
                        lose.send_replace(true);
                        return;
                    }
                    // The lease runs out by itself if this goes on.
                    Err(error) => tracing::warn!(%error, "the leases could not be renewed"),
                }
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

/// Looks for work that nobody was woken for.
pub fn sweep(metrics: &Metrics, pool: PgPool, partitions: Partitions, every_ms: u64) -> JoinHandle<()> {
    let all: Vec<PartitionId> = PartitionId::all().collect();
    keep_running("sweeper", metrics, move || {
        let (pool, partitions, all) = (pool.clone(), partitions.clone(), all.clone());
        async move {
            let mut ticks = interval(Duration::from_millis(every_ms));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut after = None;
            loop {
                ticks.tick().await;
                match sweep::pending(&pool, &all, after, SWEEP_LIMIT).await {
                    Ok(swept) => {
                        after = swept.next;
                        for conversation in swept.conversations {
                            partitions.wake(conversation, "sweep");
                        }
                    }
                    Err(error) => tracing::warn!(%error, "the sweep failed; the next one comes soon"),
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
    while notification::events::forget(pool, days, EVENTS_BATCH).await? == full {}
    Ok(())
}

/// How often the gauges that only the database knows are renewed.
const GAUGES_EVERY: Duration = Duration::from_secs(5);

/// Keeps the gauges of waiting and parked work true.
pub fn gauge(metrics: &Metrics, pool: PgPool) -> JoinHandle<()> {
    let all: Vec<PartitionId> = PartitionId::all().collect();
    let shown = metrics.clone();
    keep_running("gauges", metrics, move || {
        let (pool, all, shown) = (pool.clone(), all.clone(), shown.clone());
        async move {
            let mut ticks = interval(GAUGES_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                match standing::backlog(&pool, &all).await {
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
