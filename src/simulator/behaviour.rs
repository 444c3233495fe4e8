//! How the stand-in behaves where Meta leaves room or a test needs another pace. Everything here can be changed
//! while it runs, through `POST /control/settings`.

use serde::{Deserialize, Serialize};

/// See the field comments for units; the default is Meta's behaviour at the pace of a patient human.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// What happens to a message that is no template, outside the 24 h window.
    pub window: WindowRule,
    /// Messages a second from one number before 130429; `null`: no limit.
    pub number_per_second: Option<u32>,
    /// Messages to one person before 131056; `null`: no limit.
    pub pair: Option<PairRate>,
    /// What happens to a message for somebody nobody has introduced.
    pub unknown_recipient: UnknownRecipient,
    /// Milliseconds from acceptance to `sent`; `null`: the status never comes by itself.
    pub sent_after_ms: Option<u64>,
    /// Milliseconds from `sent` to `delivered`.
    pub delivered_after_ms: Option<u64>,
    /// Milliseconds from `delivered` to `read`; by default only a phone that shows the chat, or a script, reads.
    pub read_after_ms: Option<u64>,
    /// Milliseconds after which an unanswered webhook counts as failed.
    pub webhook_timeout_ms: u64,
    /// Milliseconds to the first repetition of a webhook; doubles each time.
    pub webhook_retry_first_ms: u64,
    /// The longest wait between two repetitions, in milliseconds.
    pub webhook_retry_longest_ms: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Behaviour {
            window: WindowRule::Answer,
            number_per_second: Some(80),
            pair: Some(PairRate { burst: 45, refill_ms: 6_000 }),
            unknown_recipient: UnknownRecipient::Introduce,
            sent_after_ms: Some(150),
            delivered_after_ms: Some(300),
            read_after_ms: None,
            webhook_timeout_ms: 10_000,
            webhook_retry_first_ms: 500,
            webhook_retry_longest_ms: 60_000,
        }
    }
}

impl Behaviour {
    /// Nothing waits and no rate is limited: for tests.
    pub fn immediate() -> Self {
        Behaviour {
            number_per_second: None,
            pair: None,
            sent_after_ms: Some(0),
            delivered_after_ms: Some(0),
            ..Behaviour::default()
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowRule {
    /// There is no window.
    Off,
    /// Refused at once with 131047.
    Answer,
    /// Accepted, then a `failed` status with 131047.
    Status,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownRecipient {
    /// A citizen is made up with an open window, so that a webhook posted by hand can be answered.
    Introduce,
    /// Accepted, then a `failed` status with 131026.
    Undeliverable,
}

/// `burst` messages at once, then one each `refill_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairRate {
    pub burst: u32,
    pub refill_ms: u64,
}
