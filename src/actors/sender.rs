//! The sender: one call to Meta at a time for a conversation, many conversations at once, no faster than each number
//! may. Says how a call ended and what to do about it; the conversation records it.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use rand::RngExt;
use serde_json::Value;

use super::supervision;
use crate::ids::MessageId;
use crate::metrics::Metrics;
use crate::whatsapp::client::GraphClient;
use crate::whatsapp::errors::{CallError, ErrorClass};
use crate::whatsapp::outgoing::{Content, Recipient};

/// Attempts of a transient failure before the message is a dead letter (facts: "~6 tries").
const TRANSIENT_TRIES: i32 = 6;

/// How a send ended, and what the outbox is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// Meta took it under this id.
    Sent { wamid: String },
    /// Known not to be taken; again after this long.
    Retry { after: Duration, error: Value },
    /// It may have been taken; a status will tell.
    Unknown { error: Value },
    /// Never again.
    Failed { error: Value },
}

/// Waits until the number may send; asked for before a row is claimed, so that a claim is used at once.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AwaitTurn {
    pub phone_number_id: String,
}

/// Makes the call.
#[derive(Message)]
#[rtype(result = "Settled")]
pub struct Send {
    pub phone_number_id: String,
    pub recipient: Recipient,
    pub content: Content,
    pub message_id: MessageId,
    /// Counting this one, from 1.
    pub attempt: i32,
}

/// Marks as read and shows "typing…"; nothing depends on it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ShowTyping {
    pub phone_number_id: String,
    pub wamid: String,
}

/// One number's pace: its bucket, and until when nothing is sent at all.
struct Lane {
    limiter: DefaultDirectRateLimiter,
    closed_until: Mutex<Option<Instant>>,
}

/// The actor.
pub struct Sender {
    client: GraphClient,
    per_second: NonZeroU32,
    lanes: HashMap<String, Arc<Lane>>,
    metrics: Metrics,
}

impl Sender {
    /// `per_second`: messages a number may send in a second.
    pub fn new(client: GraphClient, per_second: u32, metrics: Metrics) -> Self {
        Sender {
            client,
            per_second: NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN),
            lanes: HashMap::new(),
            metrics,
        }
    }

    fn lane(&mut self, phone_number_id: &str) -> Arc<Lane> {
        let per_second = self.per_second;
        self.lanes
            .entry(phone_number_id.to_owned())
            .or_insert_with(|| {
                Arc::new(Lane {
                    limiter: RateLimiter::direct(Quota::per_second(per_second)),
                    closed_until: Mutex::new(None),
                })
            })
            .clone()
    }
}

impl Lane {
    fn close_for(&self, pause: Duration) {
        let mut closed_until = self.closed_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *closed_until = Some(Instant::now() + pause);
    }

    fn opens_at(&self) -> Option<Instant> {
        *self.closed_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Actor for Sender {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(4096);
    }
}

impl Handler<AwaitTurn> for Sender {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, message: AwaitTurn, _: &mut Self::Context) -> Self::Result {
        let lane = self.lane(&message.phone_number_id);
        Box::pin(async move {
            if let Some(at) = lane.opens_at() {
                tokio::time::sleep_until(at.into()).await;
            }
            lane.limiter.until_ready().await;
        })
    }
}

impl Handler<Send> for Sender {
    type Result = ResponseFuture<Settled>;

    fn handle(&mut self, message: Send, _: &mut Self::Context) -> Self::Result {
        let lane = self.lane(&message.phone_number_id);
        let client = self.client.clone();
        let metrics = self.metrics.clone();
        Box::pin(async move {
            crate::delay_point!("send::post");
            let our_id = message.message_id.to_string();
            let call = client.send(&message.phone_number_id, &message.recipient, &message.content, &our_id);
            let settled = match supervision::contained("sender", call).await {
                Some(Ok(wamid)) => Settled::Sent { wamid },
                Some(Err(error)) => settle(&error, message.attempt),
                // How far the call came is not known.
                None => Settled::Unknown { error: CallError::Ambiguous.to_json() },
            };
            metrics.sends.with_label_values(&[class_of(&settled)]).inc();
            if let Settled::Retry { after, error } = &settled
                && let Some(pause) = lane_pause(error, *after)
            {
                tracing::warn!(
                    pause_s = pause.as_secs(),
                    code = error["code"].as_i64(),
                    "a number pauses sending"
                );
                lane.close_for(pause);
            }
            settled
        })
    }
}

impl Handler<ShowTyping> for Sender {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, message: ShowTyping, _: &mut Self::Context) -> Self::Result {
        let client = self.client.clone();
        Box::pin(async move {
            if let Err(error) = client.read_and_typing(&message.phone_number_id, &message.wamid).await {
                tracing::debug!(%error, "read receipt was not taken");
            }
        })
    }
}

fn class_of(settled: &Settled) -> &'static str {
    match settled {
        Settled::Sent { .. } => "sent",
        Settled::Retry { .. } => "retried",
        Settled::Unknown { .. } => "unknown",
        Settled::Failed { .. } => "failed",
    }
}

/// What an error means for the message (facts: "Error codes").
pub fn settle(error: &CallError, attempt: i32) -> Settled {
    let json = error.to_json();
    let retry = |after: Duration| Settled::Retry { after, error: json.clone() };
    let transient = || match attempt >= TRANSIENT_TRIES {
        true => Settled::Failed { error: json.clone() },
        false => retry(exponential(attempt)),
    };
    match error {
        CallError::Ambiguous => Settled::Unknown { error: json },
        CallError::NotSent => retry(exponential(attempt).min(Duration::from_secs(30))),
        CallError::Unbuildable(_) => Settled::Failed { error: json },
        CallError::Refused { class, .. } => match class {
            ErrorClass::MessageWrong | ErrorClass::Unreachable => Settled::Failed { error: json },
            // 4^n seconds for this person; n counts the refusals.
            ErrorClass::PersonLater => {
                retry(Duration::from_secs(4_u64.saturating_pow(attempt.clamp(1, 6) as u32)))
            }
            ErrorClass::NumberSlower | ErrorClass::AccountSlower => retry(exponential(attempt)),
            ErrorClass::Transient | ErrorClass::Media => transient(),
            ErrorClass::SpamLimit => retry(Duration::from_secs(600)),
            ErrorClass::Operator => retry(Duration::from_secs(60)),
        },
    }
}

/// How long the whole number stops for this error; `None` when it concerns one message or person only.
fn lane_pause(error: &Value, after: Duration) -> Option<Duration> {
    let class = error["class"].as_str()?;
    ["number_slower", "account_slower", "spam_limit", "operator"].contains(&class).then_some(after)
}

/// 1, 2, 4 … 32 s with jitter, so that many do not come back at once.
fn exponential(attempt: i32) -> Duration {
    let seconds = f64::from(1_u32 << attempt.clamp(1, 6)) / 2.0;
    Duration::from_secs_f64(seconds * rand::rng().random_range(0.75..1.25))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: i64) -> CallError {
        CallError::Refused { class: ErrorClass::of(code, 400), code, http_status: 400, title: String::new() }
    }

    #[test]
    fn every_class_of_error_settles_as_the_facts_say() {
        for (error, attempt, expected) in [
            (refused(131_026), 1, "failed"),
            (refused(131_047), 1, "failed"),
            (refused(131_000), 1, "retried"),
            (refused(131_000), 6, "failed"),
            (refused(130_429), 99, "retried"),
            (refused(190), 99, "retried"),
            (CallError::Ambiguous, 1, "unknown"),
            (CallError::NotSent, 99, "retried"),
        ] {
            assert_eq!(class_of(&settle(&error, attempt)), expected, "{error:?} at attempt {attempt}");
        }
        let Settled::Retry { after, .. } = settle(&refused(131_056), 2) else { panic!("not retried") };
        assert_eq!(after, Duration::from_secs(16));
    }

    #[test]
    fn only_errors_of_the_number_or_account_pause_the_number() {
        for (code, pauses) in
            [(131_056, false), (131_000, false), (130_429, true), (4, true), (190, true), (131_048, true)]
        {
            let Settled::Retry { after, error } = settle(&refused(code), 1) else {
                panic!("{code} not retried")
            };
            assert_eq!(lane_pause(&error, after).is_some(), pauses, "{code}");
        }
    }
}
