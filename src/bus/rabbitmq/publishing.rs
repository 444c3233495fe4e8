//! Events and hints to the broker, confirmed a window at a time.

use std::collections::BTreeSet;
use std::time::Duration;

use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::gathering::Gathering;
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
/// Conversations named in one hint.
const MOST_IN_ONE: usize = 1_000;
/// What comes within so long after a hint goes together: nothing against the time for which a conversation waits for its
/// citizen's next words, and much for the broker.
const GATHERED: Duration = Duration::from_millis(20);

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

/// Conversations that wait to be told of.
pub type Hints = Gathering<ConversationId>;

/// Nobody waits yet.
pub fn hints() -> Hints {
    Gathering::new(MOST_HINTED)
}

/// The duty of sending hints. What is on its way when it breaks is lost.
pub async fn send_hints(links: &Links, metrics: &Metrics, hints: &Hints, stop: Stop) -> Result<(), Broken> {
    let channel = links.publishing_channel().await?;
    let mut batches = hints.batches(GATHERED, stop);
    while let Some(batch) = batches.next().await {
        for conversations in batch.chunks(MOST_IN_ONE) {
            let sent = timeout(PATIENCE, send_hint(&channel, conversations)).await;
            let count = |outcome| metrics.bus_hints.with_label_values(&[outcome]).inc();
            match sent.unwrap_or(Err(Broken::Late)) {
                // Nobody owns the partitions just now; their next owner sweeps.
                Ok(returned) => {
                    count("sent");
                    metrics.bus_returned.with_label_values(&["hint"]).inc_by(u64::from(returned));
                }
                Err(broken) => {
                    count("dropped");
                    return Err(broken);
                }
            }
        }
    }
    Ok(())
}

/// One message for all of them: the broker gives it once to each node that owns any of the partitions, which takes what
/// is its own. `CC` is RabbitMQ's way to name further routing keys. Whether nobody at all wanted it.
async fn send_hint(channel: &Channel, conversations: &[ConversationId]) -> Result<bool, Broken> {
    let partitions: BTreeSet<PartitionId> = conversations.iter().copied().map(PartitionId::of).collect();
    let mut keys = partitions.into_iter().map(hint_key);
    let Some(first) = keys.next() else { return Ok(false) };
    let body = serde_json::json!(conversations).to_string();
    let hint = message::of_hint(keys);
    let published =
        channel.basic_publish(CONVERSATIONS.into(), first.into(), MANDATORY, body.as_bytes(), hint).await?;
    Ok(published.await?.take_message().is_some())
}
