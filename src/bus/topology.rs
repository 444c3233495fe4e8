//! The exchanges and queues of DESIGN §5 at the broker, in its virtual host. Declared by every node on every connection:
//! what is there already is left as it is, and a difference is an error of the declaration.
//!
//! Only what RabbitMQ 3.10 and 4 both know. A delivery limit stands on every quorum queue, as 4 would set its own.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};
use strum::IntoEnumIterator;

use super::calls::WorkQueue;
use super::topics::TopicPattern;
use crate::ids::PartitionId;

/// Where everything is, unless `broker.url` names another.
pub const VIRTUAL_HOST: &str = "/govconnect";
/// Events, by routing key.
pub const EVENTS: &str = "govconnect.events";
/// Hints, by partition.
pub const CONVERSATIONS: &str = "govconnect.conversations";
/// Which conversations have changed, to every node that shows them.
pub const LIVE_CHAT: &str = "govconnect.live-chat";
/// Calls whose callers have gone, by work queue.
pub const CANCELLATIONS: &str = "govconnect.cancellations";
/// What can never be dealt with; the exchange and its one queue have the same name.
pub const DEAD_LETTERS: &str = "govconnect.dead-letters";

/// Times that a call is handed out before it is held to be what kills those who do it.
pub const CALL_DELIVERIES: i64 = 5;
/// The broker's own limit on calls, in case that nobody gets as far as counting.
const CALL_DELIVERY_LIMIT: i64 = 20;
/// Of an event: every lost connection counts as one, so only what goes on for ever reaches it.
const EVENT_DELIVERY_LIMIT: i64 = 1000;
/// Each look at the dead letters counts as a delivery, and 3.10 knows no word for no limit.
const UNLIMITED: i64 = 1_000_000_000;
/// Calls that may wait; above it callers are told at once that nobody has time.
const CALLS_WAITING: i64 = 10_000;
/// Events that may wait for one subscriber; above it they wait in the outboxes.
const EVENTS_WAITING: i64 = 1_000_000;

/// Announcements that wait for one node; above it the oldest are forgotten, as the node looks by itself.
const ANNOUNCEMENTS_WAITING: i64 = 1_000;

/// The arguments of a node's queue of announcements.
pub(super) fn announcements_kept() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(ANNOUNCEMENTS_WAITING));
    arguments
}

/// The routing key of hints for a partition.
pub fn hint_key(partition: PartitionId) -> String {
    format!("conversation.{partition}")
}

/// Declares everything but the queues that belong to one connection.
///
/// # Errors
/// The broker has something of that name that differs, or is away. The channel is then closed.
pub async fn declare<'a>(
    channel: &Channel,
    subscriptions: impl Iterator<Item = (&'static str, &'a [TopicPattern])>,
) -> lapin::Result<()> {
    exchange(channel, EVENTS, ExchangeKind::Topic).await?;
    exchange(channel, CONVERSATIONS, ExchangeKind::Direct).await?;
    exchange(channel, LIVE_CHAT, ExchangeKind::Fanout).await?;
    exchange(channel, CANCELLATIONS, ExchangeKind::Direct).await?;
    exchange(channel, DEAD_LETTERS, ExchangeKind::Fanout).await?;
    queue(channel, DEAD_LETTERS, quorum(UNLIMITED)).await?;
    bind(channel, DEAD_LETTERS, DEAD_LETTERS, "").await?;
    for work in WorkQueue::iter() {
        // Without the broker's own dead-lettering, which would also keep what has merely expired.
        queue(channel, work.into(), bounded(quorum(CALL_DELIVERY_LIMIT), CALLS_WAITING)).await?;
    }
    for (name, patterns) in subscriptions {
        let mut arguments = bounded(quorum(EVENT_DELIVERY_LIMIT), EVENTS_WAITING);
        arguments.insert("x-dead-letter-exchange".into(), text(DEAD_LETTERS));
        // Several nodes may run the service: one at a time is handed events, or their order would be lost between them.
        arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
        queue(channel, name, arguments).await?;
        for pattern in patterns {
            bind(channel, name, EVENTS, pattern.as_str()).await?;
        }
    }
    Ok(())
}

async fn exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await
}

async fn queue(channel: &Channel, name: &str, arguments: FieldTable) -> lapin::Result<()> {
    channel.queue_declare(name.into(), QueueDeclareOptions::durable(), arguments).await.map(drop)
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> lapin::Result<()> {
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default()).await
}

fn quorum(delivery_limit: i64) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(delivery_limit));
    arguments
}

/// A full queue refuses rather than forget.
fn bounded(mut arguments: FieldTable, length: i64) -> FieldTable {
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(length));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// Names that are longer than AMQP allows would end the process.
pub(super) fn short(value: &str) -> Option<ShortString> {
    ShortString::try_new(value).ok()
}
