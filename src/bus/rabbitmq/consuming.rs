//! What comes from the broker: events for subscribers, and hints. Everything that belongs to a consumer ends with its
//! channel; whoever keeps the duty begins it anew.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;
use futures::{FutureExt, StreamExt};
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::sync::watch;
use tokio::time::timeout;

use super::links::Links;
use super::{dead_letters, message};
use crate::bus::WakeListener;
use crate::bus::duty::{Broken, Stop};
use crate::bus::events::{Event, PATIENCE, Subscriber};
use crate::bus::topology::{CONVERSATIONS, hint_key};
use crate::ids::{ConversationId, PartitionId};
use crate::metrics::Metrics;
use crate::retry;

/// Events handed to a subscriber at once.
const LARGEST_BATCH: usize = 200;
/// The pause when the policy's own have run out.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The duty of handing events to a subscriber, in their order: they are acknowledged when it has taken them. Asked to
/// stop, it hands over what it was handed, unless that is refused.
pub async fn take_events(
    links: &Links,
    metrics: &Metrics,
    subscriber: &Arc<dyn Subscriber>,
    mut stop: Stop,
) -> Result<(), Broken> {
    let queue = subscriber.name();
    let channel = links.consuming_channel().await?;
    channel.basic_qos(LARGEST_BATCH as u16, BasicQosOptions::default()).await?;
    let mut consumer = consume(&channel, queue, BasicConsumeOptions::default()).await?;
    let mut stopping = false;
    let mut more = true;
    while more {
        let first = tokio::select! {
            () = stop.asked(), if !stopping => {
                stopping = true;
                cancel(&channel, &consumer).await?;
                continue;
            }
            first = consumer.next() => first,
        };
        let mut deliveries = Vec::new();
        let mut next = Some(first);
        while let Some(delivery) = next {
            match delivery {
                Some(delivery) => deliveries.push(delivery?),
                None if stopping => more = false,
                None => return Err(Broken::Cancelled),
            }
            next = match more && deliveries.len() < LARGEST_BATCH {
                true => consumer.next().now_or_never(),
                false => None,
            };
        }
        let mut events = Vec::with_capacity(deliveries.len());
        for delivery in &deliveries {
            match message::event(delivery) {
                Ok(event) => events.push(event),
                Err(poison) => dead_letters::keep(&channel, metrics, delivery, queue, &poison).await?,
            }
        }
        if !events.is_empty() && !hand_over(subscriber.as_ref(), events, &mut stop).await {
            break;
        }
        if let Some(last) = deliveries.last() {
            last.ack(BasicAckOptions { multiple: true }).await?;
        }
    }
    // Answered when everything before it has been dealt with, acknowledgements, too.
    channel.close(200, "stopped".into()).await?;
    Ok(())
}

/// Until they are taken: giving them back to the broker would only have it hand them out again, and count. False when
/// they were refused and there is to be no other time.
async fn hand_over(subscriber: &dyn Subscriber, events: Vec<Event>, stop: &mut Stop) -> bool {
    let mut pauses = retry::until_it_works().build();
    loop {
        match timeout(PATIENCE, subscriber.take(events.clone())).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => {
                tracing::warn!(subscriber = subscriber.name(), %error, "a subscriber did not take events; it is handed them again");
            }
            Err(_) => {
                tracing::warn!(
                    subscriber = subscriber.name(),
                    "a subscriber did not take events in time; it is handed them again"
                );
            }
        }
        if timeout(pauses.next().unwrap_or(LONGEST_PAUSE), stop.asked()).await.is_ok() {
            return false;
        }
    }
}

/// The duty of listening for hints: a queue that goes with its connection, bound to what this node owns.
pub async fn hear_hints(
    links: &Links,
    listener: &Arc<dyn WakeListener>,
    mut owned: watch::Receiver<BTreeSet<PartitionId>>,
    mut stop: Stop,
) -> Result<(), Broken> {
    let channel = links.consuming_channel().await?;
    let options = QueueDeclareOptions::exclusive().auto_delete();
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?.name().clone();
    let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut consumer = consume(&channel, queue.as_str(), no_ack).await?;
    let mut bound = BTreeSet::new();
    loop {
        let wanted = owned.borrow_and_update().clone();
        rebind(&channel, queue.as_str(), &bound, &wanted).await?;
        bound = wanted;
        loop {
            tokio::select! {
                // A hint that nobody hears is not missed.
                () = stop.asked() => return Ok(()),
                changed = owned.changed() => match changed {
                    Ok(()) => break,
                    // The bus is gone.
                    Err(_) => return Ok(()),
                },
                delivery = consumer.next() => {
                    let delivery = delivery.ok_or(Broken::Cancelled)??;
                    match serde_json::from_slice::<Vec<ConversationId>>(&delivery.data) {
                        // A hint names conversations of several owners.
                        Ok(mut conversations) => {
                            conversations.retain(|id| bound.contains(&PartitionId::of(*id)));
                            if !conversations.is_empty() {
                                listener.woken(conversations);
                            }
                        }
                        Err(_) => tracing::warn!("a hint that is none was ignored"),
                    }
                }
            }
        }
    }
}

async fn rebind(
    channel: &Channel,
    queue: &str,
    bound: &BTreeSet<PartitionId>,
    wanted: &BTreeSet<PartitionId>,
) -> Result<(), Broken> {
    for gone in bound.difference(wanted) {
        let key = hint_key(*gone).into();
        channel.queue_unbind(queue.into(), CONVERSATIONS.into(), key, FieldTable::default()).await?;
    }
    for new in wanted.difference(bound) {
        let key = hint_key(*new).into();
        let options = QueueBindOptions::default();
        channel.queue_bind(queue.into(), CONVERSATIONS.into(), key, options, FieldTable::default()).await?;
    }
    Ok(())
}

pub async fn consume(
    channel: &Channel,
    queue: &str,
    options: BasicConsumeOptions,
) -> Result<Consumer, Broken> {
    Ok(channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?)
}

/// Nothing more is handed out. What has been handed out already still comes, and then the end.
pub async fn cancel(channel: &Channel, consumer: &Consumer) -> Result<(), Broken> {
    Ok(channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await?)
}
