//! What the actors of the channel service share, and the way to a partition.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use actix::Addr;
use sqlx::PgPool;

use super::clients::{AiClient, CaseClient};
use super::ledger::Ledger;
use super::partition::{Observe, Partition, Seen, Wake};
use super::sender::Sender;
use super::sender::media::MediaBytes;
use super::sender::numbers::Numbers;
use super::sender::settle::Patience;
use super::supervision;
use crate::bus::live_chat::Announcer;
use crate::clock::Clock;
use crate::config;
use crate::dialogue::batching::Timing;
use crate::dialogue::turn::OfficeVoice;
use crate::ids::{ConversationId, PARTITIONS, PartitionId};
use crate::metrics::Metrics;
use crate::store::channel::aftermath::{Replacement, Rules};
use crate::store::channel::leases;

/// Everything a conversation's actor works with. Shared by all of a node's.
pub struct ChannelContext {
    pub pool: PgPool,
    pub ledger: Ledger,
    pub clock: Clock,
    pub metrics: Metrics,
    pub settings: ChannelSettings,
    pub office: OfficeVoice,
    pub ai: AiClient,
    pub case: CaseClient,
    pub sender: Addr<Sender>,
    pub sending: Sending,
    pub lease: Lease,
    /// What has changed is told to those who show it.
    pub announcer: Announcer,
}

/// What a conversation's outbox lane works with beside the sender.
pub struct Sending {
    pub numbers: Numbers,
    pub patience: Patience,
    /// What follows a failure.
    pub rules: Rules,
    /// Where files to be sent come from.
    pub media: Arc<dyn MediaBytes>,
}

impl Sending {
    /// By the settings.
    ///
    /// # Errors
    /// Never in practice: a template of texts can always be written as JSON.
    pub fn new(
        settings: &config::WhatsApp,
        numbers: Numbers,
        media: Arc<dyn MediaBytes>,
    ) -> serde_json::Result<Self> {
        let patience =
            Patience { tries: settings.send_tries, first: Duration::from_millis(settings.retry_first_ms) };
        let template = &settings.window_template;
        let replacement = match template.name.is_empty() {
            true => None,
            false => {
                let content = template.content();
                Some(Replacement {
                    text: content.shown_text().to_owned(),
                    content: serde_json::to_value(&content)?,
                    origins: template.origins.clone(),
                })
            }
        };
        let rules = Rules { tries: patience.tries, first_pause: patience.first, replacement };
        Ok(Sending { numbers, patience, rules, media })
    }
}

/// The part of the settings that conversations need, in their own types.
#[derive(Clone, Debug)]
pub struct ChannelSettings {
    pub timing: Timing,
    pub idle: Duration,
    pub max_active_per_partition: usize,
    pub restart_budget: u32,
    /// An actor that stands still for so long is ended and begun anew.
    pub frozen: Duration,
    pub turn_attempts: i32,
}

impl From<&config::Conversation> for ChannelSettings {
    fn from(settings: &config::Conversation) -> Self {
        ChannelSettings {
            timing: Timing {
                quiet: Duration::from_millis(settings.quiet_ms),
                greeting_quiet: Duration::from_millis(settings.greeting_quiet_ms),
                max_wait: Duration::from_millis(settings.max_wait_ms),
                max_batch: settings.max_batch,
            },
            idle: Duration::from_secs(settings.idle_s),
            max_active_per_partition: settings.max_active_per_partition,
            restart_budget: settings.restart_budget,
            frozen: Duration::from_secs(settings.frozen_s),
            turn_attempts: settings.turn_attempts,
        }
    }
}

/// How long this node may still act as the owner, by the monotonic clock: a node that could not renew its lease stops
/// by itself, before another may take over.
#[derive(Clone, Debug)]
pub struct Lease {
    renewed: Arc<Mutex<Option<Instant>>>,
}

impl Lease {
    /// A lease acquired by a statement that began at `asked`.
    pub fn acquired(asked: Instant) -> Self {
        Lease { renewed: Arc::new(Mutex::new(Some(asked))) }
    }

    /// Renewed by a statement that began at `asked`.
    pub fn renew(&self, asked: Instant) {
        *self.renewed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(asked);
    }

    /// Lost for good: another owner has it.
    pub fn lose(&self) {
        *self.renewed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }

    /// Whether this node is still the owner.
    pub fn is_valid(&self) -> bool {
        let renewed = *self.renewed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        renewed.is_some_and(|at| at.elapsed() < leases::TTL)
    }
}

/// The way to the partitions of this node. Cheap to clone.
#[derive(Clone)]
pub struct Partitions {
    addresses: Arc<[Addr<Partition>]>,
}

impl Partitions {
    /// `addresses[n]` is partition n; `None` unless all are given.
    pub fn new(addresses: Vec<Addr<Partition>>) -> Option<Self> {
        (addresses.len() == usize::from(PARTITIONS)).then(|| Partitions { addresses: addresses.into() })
    }

    /// Wakes a conversation. A hint: when the partition's mailbox is full, the sweeper repairs.
    pub fn wake(&self, conversation: ConversationId, source: &'static str) {
        let partition = &self.addresses[usize::from(PartitionId::of(conversation).0)];
        if !supervision::deliver(partition, Wake { conversation, source }) {
            tracing::debug!(conversation.id = %conversation, "a wake-up waits for the next sweep");
        }
    }

    /// Wakes several.
    pub fn wake_all(&self, conversations: &BTreeSet<(PartitionId, ConversationId)>, source: &'static str) {
        for (_, conversation) in conversations {
            self.wake(*conversation, source);
        }
    }

    /// How a conversation's actor is; as if there were none when its partition does not answer.
    pub async fn observe(&self, conversation: ConversationId) -> Seen {
        let partition = &self.addresses[usize::from(PartitionId::of(conversation).0)];
        partition.send(Observe { conversation }).await.unwrap_or_default()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Addr<Partition>> {
        self.addresses.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_runs_out_by_itself_and_can_be_lost() {
        let now = Instant::now();
        let lease = Lease::acquired(now);
        assert!(lease.is_valid());
        lease.renew(now.checked_sub(leases::TTL).unwrap());
        assert!(!lease.is_valid());
        lease.renew(now);
        lease.lose();
        assert!(!lease.is_valid());
    }
}
