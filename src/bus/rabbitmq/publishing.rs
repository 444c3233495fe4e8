//! Events and hints to the broker, confirmed a window at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex as ShortMutex, PoisonError};

use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation};
use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;

use super::links::Links;
use super::message;
use crate::bus::duty::{Broken, Stop};
use crate::bus::events::{Event, NotTaken, PATIENCE};
use crate::bus::topology::{CONVERSATIONS, EVENTS, hint_key, short};
use crate::ids::{ConversationId, PartitionId};
use crate::metrics::Metrics;

/// Messages that may be on their way unconfirmed.
const WINDOW: usize = 100;
/// What an event may be about, as bodies name it. Events about the same thing keep their order; those that name nothing
/// are about one thing, too.
const SUBJECTS: [&str; 4] = ["conversation_id", "origin_conversation_id", "complaint_id", "notification_id"];
/// Conversations that a hint is kept for; above it the sweeper finds them.
const MOST_HINTED: usize = 50_000;

/// A message that no queue wants is given back rather than forgotten.
pub const MANDATORY: BasicPublishOptions = BasicPublishOptions { mandatory: true, immediate: false };

/// Publishes events, one batch after the other so that none overtakes.
#[derive(Default)]
pub struct EventPublisher {
    channel: Mutex<Option<Channel>>,
}

impl EventPublisher {
    pub async fn publish(&self, links: &Links, metrics: &Metrics, events: &[Event]) -> Result<(), NotTaken> {
        let mut slot = self.channel.lock().await;
        let published = timeout(PATIENCE, publish(&mut slot, links, metrics, events)).await;
        let source: Box<dyn std::error::Error + Send + Sync> = match published {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.into(),
            Err(_) => Broken::Late.into(),
        };
        // Confirms may still come for it; one that is being restored keeps its place.
        slot.take_if(|channel| !channel.status().reconnecting());
        Err(NotTaken::NotConfirmed { source })
    }
}

#[derive(Debug, thiserror::Error)]
enum NotConfirmed {
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("a queue refused an event, as one that is full does")]
    Refused,
    #[error("a routing key is longer than AMQP allows")]
    RoutingKey,
}

impl From<lapin::Error> for NotConfirmed {
    fn from(error: lapin::Error) -> Self {
        NotConfirmed::Broken(error.into())
    }
}

async fn publish(
    slot: &mut Option<Channel>,
    links: &Links,
    metrics: &Metrics,
    events: &[Event],
) -> Result<(), NotConfirmed> {
    if slot.is_none() {
        slot.replace(links.publishing_channel().await?);
    }
    let Some(channel) = slot else { return Ok(()) };
    for window in windows(events) {
        let mut confirms = Vec::with_capacity(window.len());
        for event in window {
            let properties = message::of_event(event).ok_or(NotConfirmed::RoutingKey)?;
            let key = short(&event.routing_key).ok_or(NotConfirmed::RoutingKey)?;
            let body = event.body.to_string();
            confirms.push(
                channel.basic_publish(EVENTS.into(), key, MANDATORY, body.as_bytes(), properties).await?,
            );
        }
        for confirm in confirms {
            match confirm.await? {
                // Wanted by nobody: as it may be in a process alone.
                Confirmation::Ack(Some(_returned)) => {
                    metrics.bus_returned.with_label_values(&["event"]).inc()
                }
                Confirmation::Ack(None) => {}
                Confirmation::Nack(_) | Confirmation::NotRequested => return Err(NotConfirmed::Refused),
            }
        }
    }
    Ok(())
}

/// The events in runs that may be on their way at once: a queue that is full may refuse one and take the next, which
/// must then not be about the same thing.
fn windows(events: &[Event]) -> impl Iterator<Item = &[Event]> {
    let mut rest = events;
    std::iter::from_fn(move || {
        let mut subjects = BTreeSet::new();
        let mut length = 0;
        for event in rest.iter().take(WINDOW) {
            let mut about: Vec<&str> =
                SUBJECTS.iter().filter_map(|name| event.body.get(name)?.as_str()).collect();
            if about.is_empty() {
                about.push("");
            }
            if about.iter().any(|subject| subjects.contains(subject)) {
                break;
            }
            subjects.extend(about);
            length += 1;
        }
        let (window, later) = rest.split_at(length);
        rest = later;
        (length > 0).then_some(window)
    })
}

/// Hints that wait to be sent: whatever comes while some are on their way becomes one message a partition.
#[derive(Default)]
pub struct Hints {
    waiting: ShortMutex<BTreeMap<PartitionId, BTreeSet<ConversationId>>>,
    some: Notify,
}

impl Hints {
    pub fn add(&self, conversations: &[ConversationId], metrics: &Metrics) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held: usize = waiting.values().map(BTreeSet::len).sum();
        for conversation in conversations {
            if held >= MOST_HINTED {
                metrics.bus_hints.with_label_values(&["dropped"]).inc();
                continue;
            }
            held +=
                usize::from(waiting.entry(PartitionId::of(*conversation)).or_default().insert(*conversation));
        }
        drop(waiting);
        self.some.notify_one();
    }

    fn take(&self) -> BTreeMap<PartitionId, BTreeSet<ConversationId>> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The duty of sending hints. What is on its way when it breaks is lost. Asked to stop, it sends what waits.
pub async fn send_hints(
    links: &Links,
    metrics: &Metrics,
    hints: &Hints,
    mut stop: Stop,
) -> Result<(), Broken> {
    let channel = links.publishing_channel().await?;
    let mut stopping = false;
    while !stopping {
        tokio::select! {
            () = hints.some.notified() => {}
            () = stop.asked() => stopping = true,
        }
        let waiting = hints.take();
        let count = waiting.len() as u64;
        if let Err(broken) = send_window(&channel, metrics, waiting).await {
            metrics.bus_hints.with_label_values(&["dropped"]).inc_by(count);
            return Err(broken);
        }
        metrics.bus_hints.with_label_values(&["sent"]).inc_by(count);
    }
    Ok(())
}

/// At most one a partition, so it is a window by itself.
async fn send_window(
    channel: &Channel,
    metrics: &Metrics,
    waiting: BTreeMap<PartitionId, BTreeSet<ConversationId>>,
) -> Result<(), Broken> {
    let mut confirms = Vec::with_capacity(waiting.len());
    for (partition, conversations) in waiting {
        let body = serde_json::json!(conversations).to_string();
        let key = hint_key(partition).into();
        let hint = message::of_hint();
        confirms
            .push(channel.basic_publish(CONVERSATIONS.into(), key, MANDATORY, body.as_bytes(), hint).await?);
    }
    for confirm in confirms {
        let confirmed = timeout(PATIENCE, confirm).await.map_err(|_| Broken::Late)??;
        // Nobody owns the partition just now; its next owner sweeps.
        if confirmed.take_message().is_some() {
            metrics.bus_returned.with_label_values(&["hint"]).inc();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(body: Value) -> Event {
        Event {
            message_id: uuid::Uuid::now_v7(),
            routing_key: "a".into(),
            body,
            occurred_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            from: "channel",
        }
    }

    #[test]
    fn events_about_the_same_are_never_on_their_way_together_and_all_are_published_in_order() {
        let conversation = |id: &str| event(json!({ "conversation_id": id, "message_id": "m" }));
        let complaint =
            |origin: &str| event(json!({ "complaint_id": "l", "origin_conversation_id": origin }));
        for (events, lengths) in [
            (vec![], vec![]),
            (vec![conversation("a"), conversation("b"), conversation("c")], vec![3]),
            (vec![conversation("a"), conversation("b"), conversation("a"), conversation("b")], vec![2, 2]),
            (vec![conversation("a"), complaint("b"), complaint("c")], vec![2, 1]),
            (vec![conversation("a"), complaint("a"), conversation("b")], vec![1, 2]),
            (vec![event(json!({})), conversation("a"), event(json!({}))], vec![2, 1]),
            ((0..250).map(|n| conversation(&n.to_string())).collect(), vec![100, 100, 50]),
        ] {
            let published: Vec<&[Event]> = windows(&events).collect();
            assert_eq!(published.iter().map(|window| window.len()).collect::<Vec<_>>(), lengths);
            assert_eq!(published.concat(), events);
        }
    }
}
