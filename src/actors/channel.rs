//! What the actors of the channel service share.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use sqlx::PgPool;

use super::clients::{AiClient, CaseClient};
use super::ledger::Ledger;
use super::sender::Sender;
use super::sender::media::MediaBytes;
use super::sender::numbers::Numbers;
use super::sender::settle::Patience;
use crate::clock::Clock;
use crate::cluster::Lease;
use crate::config;
use crate::dialogue::batching::Timing;
use crate::dialogue::turn::OfficeVoice;
use crate::metrics::Metrics;
use crate::store::channel::aftermath::{Replacement, Rules};

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
