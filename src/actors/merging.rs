//! Carries out merges that are due: two people who turned out to be one (ARCHITECTURE: "Who is who"). It holds nothing;
//! the next start finds what this one left.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::conversation::person_merged;
use super::partitions::Partitions;
use super::supervision::keep_running;
use crate::cluster::Lease;
use crate::dialogue::state::DialogueState;
use crate::metrics::Metrics;
use crate::store::StoreError;
use crate::store::channel::merges::{self, DueMerge, Outcome, Rules};

/// Merges carried out in one round.
const ROUND: i64 = 50;

/// Looks for due merges of this node's partitions every `every_ms`, for as long as the process lives.
pub fn start(
    metrics: &Metrics,
    pool: sqlx::PgPool,
    partitions: Partitions,
    lease: Lease,
    every_ms: u64,
) -> tokio::task::JoinHandle<()> {
    let counted = metrics.clone();
    keep_running("merger", metrics, move || {
        let (pool, partitions, lease) = (pool.clone(), partitions.clone(), lease.clone());
        let metrics = counted.clone();
        async move {
            let mut ticks = interval(Duration::from_millis(every_ms));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if !lease.is_valid() {
                    continue;
                }
                match merges::due(&pool, &partitions.owned(), ROUND).await {
                    Ok(due) => {
                        for merge in due {
                            carry_out(&pool, &metrics, &partitions, &merge).await;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "due merges could not be read; the next look comes soon")
                    }
                }
            }
        }
    })
}

async fn carry_out(pool: &sqlx::PgPool, metrics: &Metrics, partitions: &Partitions, merge: &DueMerge) {
    let rules = Rules { combine, tell_case: person_merged };
    let outcome = merges::execute(pool, merge, &rules).await;
    crate::crash_point!("merge::after_commit");
    let counted = match outcome {
        Ok(Outcome::Merged { wake }) => {
            tracing::info!(command.id = %merge.command_id, conversations = wake.len(), "people merged");
            for conversation in wake {
                partitions.wake(conversation, "merge");
            }
            "merged"
        }
        Ok(Outcome::Settled) => "settled",
        Ok(Outcome::Waiting) => {
            put_off(pool, merge.command_id).await;
            "waiting"
        }
        Err(error) => {
            tracing::warn!(command.id = %merge.command_id, %error, cause = cause_of(&error), "a merge failed; it is tried again");
            put_off(pool, merge.command_id).await;
            "failed"
        }
    };
    metrics.merges.with_label_values(&[counted]).inc();
}

async fn put_off(pool: &sqlx::PgPool, command: Uuid) {
    if let Err(error) = merges::postpone(pool, command).await {
        tracing::warn!(command.id = %command, %error, "a merge could not be put off; it is tried again at once");
    }
}

fn cause_of(error: &StoreError) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

/// The older dialogue's memory, completed by the younger's.
fn combine(older: &Value, younger: &Value) -> Value {
    let (older, older_readable) = DialogueState::from_json(older);
    let (younger, younger_readable) = DialogueState::from_json(younger);
    if !(older_readable && younger_readable) {
        tracing::error!("the stored dialogue state of a merged conversation is not readable and left behind");
    }
    older.joined_by(younger).to_json()
}
