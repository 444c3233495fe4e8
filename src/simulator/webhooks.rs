//! Delivers webhooks as Meta does: signed over the exact bytes, again and again until the answer is 200, many at
//! once. The first attempts of one person start in order; nothing more is promised. It must never change a body
//! between two attempts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::faults::{Effect, Side, Subject};
use super::people::Progress;
use super::record::{Event, WebhookAttempt};
use super::state::{Shared, World};

/// What the header `X-Hub-Signature-256` says of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Signature {
    #[default]
    Valid,
    /// Well-formed, of another secret.
    Wrong,
    Missing,
}

/// A body on its way to the webhook.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub body: bytes::Bytes,
    pub signature: Signature,
    /// Whose update it is; none for a batch or a body made by hand.
    pub citizen: Option<String>,
    pub phone_number_id: String,
    pub wamids: Vec<String>,
    /// Type of the message, `status`, `batch` or `raw`.
    pub update: String,
    pub state: Option<String>,
}

impl Delivery {
    pub fn of(body: &Value) -> Self {
        Delivery {
            body: body.to_string().into(),
            signature: Signature::Valid,
            citizen: None,
            phone_number_id: String::new(),
            wamids: Vec::new(),
            update: "raw".to_owned(),
            state: None,
        }
    }
}

/// For each person, how the next delivery learns of those before it.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    last_delivery: u64,
    lanes: HashMap<String, Lane>,
}

#[derive(Debug)]
struct Lane {
    /// Fires when the first attempt of the last delivery has started.
    last_started: oneshot::Receiver<()>,
    /// The highest delivery whose first attempt was answered.
    answered: watch::Sender<u64>,
}

/// The place of one delivery in its lane.
struct Turn {
    before: Option<oneshot::Receiver<()>>,
    started: oneshot::Sender<()>,
    answered: watch::Sender<u64>,
}

impl Lanes {
    fn enter(&mut self, person: &str) -> (u64, Turn) {
        self.last_delivery += 1;
        let (started, last_started) = oneshot::channel();
        let (before, answered) = match self.lanes.remove(person) {
            Some(lane) => (Some(lane.last_started), lane.answered),
            None => (None, watch::Sender::new(0)),
        };
        self.lanes.insert(person.to_owned(), Lane { last_started, answered: answered.clone() });
        (self.last_delivery, Turn { before, started, answered })
    }
}

pub(super) fn sign(secret: &[u8], body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    format!("sha256={}", hex::encode(hmac::sign(&key, body)))
}

/// Puts a delivery on its way, with the faults that strike it. Called under the lock, so deliveries of one person
/// are numbered in the order of their causes. Gives back its number.
pub(super) fn enqueue(shared: &Arc<Shared>, world: &mut World, delivery: Delivery) -> u64 {
    let effect = strike(world, &delivery);
    let lane = delivery.citizen.clone().unwrap_or_default();
    let (number, turn) = world.lanes.enter(&lane);
    let generation = world.generation.clone();
    if effect == Some(Effect::WebhookDrop) {
        world.log(shared.now(), attempt_event(number, 0, &delivery, &Outcome::never(), effect.as_ref()));
        return number;
    }
    let copies = match effect {
        Some(Effect::WebhookDuplicate { copies }) => copies.min(1_000),
        _ => 0,
    };
    for _ in 0..copies {
        let (number, turn) = world.lanes.enter(&lane);
        let task =
            deliver(Arc::clone(shared), delivery.clone(), number, turn, effect.clone(), generation.clone());
        shared.tasks.spawn_on(task, &shared.runtime);
    }
    let task = deliver(Arc::clone(shared), delivery, number, turn, effect, generation);
    shared.tasks.spawn_on(task, &shared.runtime);
    number
}

fn strike(world: &mut World, delivery: &Delivery) -> Option<Effect> {
    let citizen = delivery.citizen.as_deref().and_then(|id| world.people.get(id));
    let people = citizen.map(|citizen| citizen.names()).unwrap_or_default();
    world.faults.strike(Subject {
        side: Side::Webhooks,
        phone_number_id: &delivery.phone_number_id,
        people: &people,
        kind: &delivery.update,
    })
}

/// How one attempt ended.
struct Outcome {
    status: Option<u16>,
    error: Option<String>,
    ms: u64,
}

impl Outcome {
    fn never() -> Self {
        Outcome { status: None, error: Some("dropped on purpose".to_owned()), ms: 0 }
    }
}

async fn deliver(
    shared: Arc<Shared>,
    delivery: Delivery,
    number: u64,
    turn: Turn,
    effect: Option<Effect>,
    generation: CancellationToken,
) {
    let until_answered = attempts(&shared, &delivery, number, turn, effect.as_ref(), &generation);
    // Dropping the attempts drops a request under way, too, so stopping never waits for a slow webhook.
    let _reset = generation.run_until_cancelled(until_answered).await;
}

async fn attempts(
    shared: &Arc<Shared>,
    delivery: &Delivery,
    number: u64,
    turn: Turn,
    effect: Option<&Effect>,
    generation: &CancellationToken,
) {
    let Turn { before, started, answered } = turn;
    if let Some(before) = before {
        // An error means that the one before is gone, which is as good as started.
        let _gone = before.await;
    }
    let mut started = Some(started);
    let mut hold_back = None;
    match effect {
        Some(Effect::WebhookDelay { ms }) => hold_back = Some((*ms, false)),
        Some(Effect::WebhookReorder { longest_ms }) => hold_back = Some((*longest_ms, true)),
        _ => {}
    }
    if let Some((longest_ms, until_overtaken)) = hold_back {
        started.take();
        let mut overtaken = answered.subscribe();
        let wait = async {
            if until_overtaken {
                let _lane_gone = overtaken.wait_for(|highest| *highest > number).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let _overtaken = tokio::time::timeout(Duration::from_millis(longest_ms), wait).await;
    }
    let mut wait_ms = None;
    for attempt in 1u32.. {
        let lose = attempt == 1 && effect == Some(&Effect::WebhookLose);
        let outcome = if lose {
            started.take();
            Outcome { status: None, error: Some("lost on purpose".to_owned()), ms: 0 }
        } else {
            post(shared, delivery, started.take()).await
        };
        let done = outcome.status == Some(200);
        let behaviour = shared.with_world(|world| {
            if !generation.is_cancelled() {
                note(world, delivery, attempt, &outcome);
                let struck = effect.filter(|_| attempt == 1);
                world.log(shared.now(), attempt_event(number, attempt, delivery, &outcome, struck));
            }
            world.behaviour.clone()
        });
        answered.send_modify(|highest| *highest = number.max(*highest));
        if done {
            return;
        }
        let longest = behaviour.webhook_retry_longest_ms;
        let next =
            wait_ms.map_or(behaviour.webhook_retry_first_ms, |ms: u64| ms.saturating_mul(2)).min(longest);
        wait_ms = Some(next);
        tracing::debug!(delivery = number, attempt, retry_in_ms = next, "webhook was not answered 200");
        tokio::time::sleep(Duration::from_millis(next)).await;
    }
}

/// One attempt. `started` fires once the request has its place on the wire.
async fn post(shared: &Shared, delivery: &Delivery, started: Option<oneshot::Sender<()>>) -> Outcome {
    // The semaphore is never closed.
    let _permit = shared.on_the_wire.acquire().await.ok();
    let (url, timeout_ms) =
        shared.with_world(|world| (world.webhook_url.clone(), world.behaviour.webhook_timeout_ms));
    let Some(url) = url else {
        return Outcome { status: None, error: Some("no webhook URL is set".to_owned()), ms: 0 };
    };
    let mut request = shared
        .http
        .post(url)
        .timeout(Duration::from_millis(timeout_ms))
        .header("content-type", "application/json")
        .header("user-agent", "facebookexternalua")
        .body(delivery.body.clone());
    let secret = shared.settings.app_secret.expose_secret().as_bytes();
    request = match delivery.signature {
        Signature::Valid => request.header("x-hub-signature-256", sign(secret, &delivery.body)),
        Signature::Wrong => request.header("x-hub-signature-256", sign(b"another secret", &delivery.body)),
        Signature::Missing => request,
    };
    let began = Instant::now();
    let mut sending = Box::pin(request.send());
    let first = futures::poll!(sending.as_mut());
    drop(started);
    let answer = match first {
        std::task::Poll::Ready(answer) => answer,
        std::task::Poll::Pending => sending.await,
    };
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match answer {
        Ok(response) => Outcome { status: Some(response.status().as_u16()), error: None, ms },
        Err(error) if error.is_timeout() => Outcome { status: None, error: Some("timed out".to_owned()), ms },
        Err(error) => Outcome { status: None, error: Some(error.without_url().to_string()), ms },
    }
}

/// Tells the phone how its message fares.
fn note(world: &mut World, delivery: &Delivery, attempt: u32, outcome: &Outcome) {
    if delivery.update == "status" {
        return;
    }
    let acked = outcome.status == Some(200);
    for wamid in &delivery.wamids {
        world.update_message(wamid, |message| {
            let Some(webhook) = &mut message.webhook else { return };
            webhook.attempts = webhook.attempts.max(attempt);
            webhook.last_status = outcome.status;
            webhook.answered_200 |= acked;
            if acked {
                message.progress = message.progress.max(Progress::Delivered);
            }
        });
    }
}

fn attempt_event(
    number: u64,
    attempt: u32,
    delivery: &Delivery,
    outcome: &Outcome,
    effect: Option<&Effect>,
) -> Event {
    Event::Webhook(Box::new(WebhookAttempt {
        delivery: number,
        attempt,
        citizen: delivery.citizen.clone(),
        wamids: delivery.wamids.clone(),
        update: delivery.update.clone(),
        state: delivery.state.clone(),
        status: outcome.status,
        error: outcome.error.clone(),
        ms: outcome.ms,
        fault: effect.map(|effect| effect.name().to_owned()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_published_hmac_of_the_raw_bytes() {
        // RFC 4231, test case 2.
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign(b"Jefe", b"what do ya want for nothing?"), expected);
        assert_ne!(sign(b"Jefe", b"what do ya want for nothing? "), expected);
    }
}
