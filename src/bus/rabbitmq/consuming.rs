//! What comes from the broker: events for subscribers, calls for workers, hints. Everything that belongs to a consumer
//! ends with its channel; whoever keeps the duty begins it anew.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Confirmation, Consumer};
use tokio::sync::watch;
use tokio::time::timeout;

use super::links::Links;
use super::message;
use super::publishing::MANDATORY;
use crate::bus::calls::{Poison, Worker};
use crate::bus::duty::Broken;
use crate::bus::events::{Event, PATIENCE, Subscriber};
use crate::bus::topology::{CALL_DELIVERIES, CONVERSATIONS, DEAD_LETTERS, hint_key};
use crate::bus::{PANICKED, WakeListener};
use crate::ids::{ConversationId, PartitionId};
use crate::metrics::Metrics;
use crate::retry;

/// Events handed to a subscriber at once.
const LARGEST_BATCH: usize = 200;
/// The pause when the policy's own have run out.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The duty of handing events to a subscriber, in their order: they are acknowledged when it has taken them.
pub async fn take_events(
    links: &Links,
    metrics: &Metrics,
    subscriber: &Arc<dyn Subscriber>,
) -> Result<(), Broken> {
    let queue = subscriber.name();
    let channel = links.consuming_channel().await?;
    channel.basic_qos(LARGEST_BATCH as u16, BasicQosOptions::default()).await?;
    let mut consumer = consume(&channel, queue, BasicConsumeOptions::default()).await?;
    loop {
        let mut deliveries = vec![consumer.next().await.ok_or(Broken::Cancelled)??];
        while deliveries.len() < LARGEST_BATCH
            && let Some(ready) = consumer.next().now_or_never()
        {
            deliveries.push(ready.ok_or(Broken::Cancelled)??);
        }
        let mut events = Vec::with_capacity(deliveries.len());
        for delivery in &deliveries {
            match message::event(delivery) {
                Ok(event) => events.push(event),
                Err(poison) => dead_letter(&channel, metrics, delivery, queue, &poison).await?,
            }
        }
        if !events.is_empty() {
            hand_over(subscriber.as_ref(), events).await;
        }
        if let Some(last) = deliveries.last() {
            last.ack(BasicAckOptions { multiple: true }).await?;
        }
    }
}

/// Until they are taken: giving them back to the broker would only have it hand them out again, and count.
async fn hand_over(subscriber: &dyn Subscriber, events: Vec<Event>) {
    let mut pauses = retry::until_it_works().build();
    loop {
        match timeout(PATIENCE, subscriber.take(events.clone())).await {
            Ok(Ok(())) => return,
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
        tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
    }
}

/// The duty of having a worker do calls, as many at once as it does.
pub async fn do_calls(links: &Links, metrics: &Metrics, worker: &Arc<dyn Worker>) -> Result<(), Broken> {
    let channel = links.consuming_channel().await?;
    channel.basic_qos(worker.concurrency(), BasicQosOptions::default()).await?;
    let mut consumer = consume(&channel, worker.queue().into(), BasicConsumeOptions::default()).await?;
    let mut at_work = FuturesUnordered::new();
    loop {
        tokio::select! {
            delivery = consumer.next() => {
                let delivery = delivery.ok_or(Broken::Cancelled)??;
                at_work.push(do_call(&channel, metrics, worker.as_ref(), delivery));
            }
            Some(done) = at_work.next() => done?,
        }
    }
}

async fn do_call(
    channel: &Channel,
    metrics: &Metrics,
    worker: &dyn Worker,
    delivery: Delivery,
) -> Result<(), Broken> {
    let answer = match message::call(&delivery, worker.queue()) {
        Err(poison) => Err(poison),
        Ok(_) if message::earlier_deliveries(&delivery) >= CALL_DELIVERIES => {
            Err(Poison("those who did it died, again and again".into()))
        }
        Ok((call, within)) => {
            let answering = AssertUnwindSafe(worker.answer(call, within)).catch_unwind();
            match timeout(within, answering).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_panic)) => Err(Poison(PANICKED.into())),
                // Its caller has gone.
                Err(_) => return Ok(delivery.ack(BasicAckOptions::default()).await.map(drop)?),
            }
        }
    };
    if let Err(poison) = &answer {
        dead_letter(channel, metrics, &delivery, worker.queue().into(), poison).await?;
    }
    if let Some(reply_to) = delivery.properties.reply_to().clone() {
        let (properties, body) = message::of_answer(&delivery, &answer);
        // Never mandatory: to the broker such an address is not a queue. A caller that has gone does not matter.
        let options = BasicPublishOptions::default();
        channel.basic_publish("".into(), reply_to, options, &body, properties).await?.await?;
    }
    delivery.ack(BasicAckOptions::default()).await?;
    Ok(())
}

/// The duty of listening for hints: a queue that goes with its connection, bound to what this node owns.
pub async fn hear_hints(
    links: &Links,
    listener: &Arc<dyn WakeListener>,
    mut owned: watch::Receiver<BTreeSet<PartitionId>>,
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
                changed = owned.changed() => match changed {
                    Ok(()) => break,
                    // The bus is gone.
                    Err(_) => return Ok(()),
                },
                delivery = consumer.next() => {
                    let delivery = delivery.ok_or(Broken::Cancelled)??;
                    match serde_json::from_slice::<Vec<ConversationId>>(&delivery.data) {
                        Ok(conversations) => listener.woken(conversations),
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

async fn consume(channel: &Channel, queue: &str, options: BasicConsumeOptions) -> Result<Consumer, Broken> {
    Ok(channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?)
}

/// Keeps what can never be dealt with, with the reason, before it is acknowledged by the caller.
async fn dead_letter(
    channel: &Channel,
    metrics: &Metrics,
    delivery: &Delivery,
    queue: &str,
    poison: &Poison,
) -> Result<(), Broken> {
    tracing::error!(
        queue,
        reason = poison.0,
        "a message can never be dealt with; it is kept as a dead letter"
    );
    let properties = message::of_dead_letter(delivery, queue, &poison.0);
    let key = delivery.routing_key.clone();
    let confirm =
        channel.basic_publish(DEAD_LETTERS.into(), key, MANDATORY, &delivery.data, properties).await?;
    if confirm.await? != Confirmation::Ack(None) {
        return Err(Broken::DeadLetterNotKept);
    }
    metrics.bus_dead_lettered.with_label_values(&[queue]).inc();
    Ok(())
}
