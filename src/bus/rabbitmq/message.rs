//! Events, calls and answers as AMQP messages and back. What comes back may be from anybody: every field is looked at.

use std::time::Duration;

use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde_json::Value;
use uuid::Uuid;

use crate::bus::calls::{Call, NotAnswered, Poison, WorkQueue};
use crate::bus::events::Event;
use crate::bus::topology::short;
use crate::bus::trace::Traceparent;

const SERVICES: [&str; 5] = ["channel", "ai", "case", "notification", "dashboard"];
/// RFC 3339; the property of AMQP knows only seconds.
const OCCURRED_AT: &str = "occurred-at";
const TRACEPARENT: &str = "traceparent";
/// On answers: what became of the call.
const OUTCOME: &str = "outcome";
const ANSWERED: &str = "answered";
const REFUSED: &str = "refused";
/// On dead letters: why, where it was, and an id that also says when.
const REASON: &str = "x-reason";
const QUEUE: &str = "x-queue";
const LETTER: &str = "x-letter";
/// On an event that was put back: what its routing key was, as it comes by the name of its queue.
const ROUTING_KEY: &str = "x-routing-key";
/// What the broker writes on messages that it dead-letters or hands out again.
const BROKERS_OWN: [&str; 9] = [
    "x-death",
    "x-first-death-queue",
    "x-first-death-reason",
    "x-first-death-exchange",
    "x-last-death-queue",
    "x-last-death-reason",
    "x-last-death-exchange",
    "x-delivery-count",
    "x-acquired-count",
];
/// What a call that is put back is given, as it has no caller who would say.
const REPLAYED_WITHIN: &str = "60000";
const PERSISTENT: u8 = 2;
const TRANSIENT: u8 = 1;

/// The properties of an event; `None` when its routing key is longer than AMQP allows.
pub fn of_event(event: &Event) -> Option<BasicProperties> {
    let mut headers = FieldTable::default();
    headers.insert(OCCURRED_AT.into(), text(&event.occurred_at.to_string()));
    headers.insert(TRACEPARENT.into(), text(&Traceparent::beginning_with(event.message_id).to_string()));
    Some(
        json()
            .with_delivery_mode(PERSISTENT)
            .with_message_id(event.message_id.to_string().into())
            .with_type(short(&event.routing_key)?)
            .with_app_id(event.from.into())
            .with_timestamp(event.occurred_at.as_second().try_into().unwrap_or_default())
            .with_headers(headers),
    )
}

/// The event in a message.
pub fn event(delivery: &Delivery) -> Result<Event, Poison> {
    let properties = &delivery.properties;
    let occurred_at = match header(properties, OCCURRED_AT) {
        Some(exact) => exact.parse().ok(),
        None => {
            properties.timestamp().and_then(|seconds| Timestamp::from_second(seconds.try_into().ok()?).ok())
        }
    };
    Ok(Event {
        message_id: id(properties.message_id()).ok_or_else(|| poison("no message_id that is a UUID"))?,
        routing_key: routing_key(delivery),
        body: body(delivery)?,
        occurred_at: occurred_at.ok_or_else(|| poison("no time at which it happened"))?,
        from: service(properties)?,
    })
}

/// The routing key that an event was published with.
pub fn routing_key(delivery: &Delivery) -> String {
    // Only the default exchange delivers by the name of the queue; elsewhere the header is somebody else's.
    let put_back = delivery.exchange.as_str().is_empty();
    let header = put_back.then(|| header(&delivery.properties, ROUTING_KEY)).flatten();
    header.unwrap_or_else(|| delivery.routing_key.to_string())
}

/// The properties of a call; `None` when its kind is longer than AMQP allows.
pub fn of_call(call: &Call, reply_to: &'static str, within: Duration) -> Option<BasicProperties> {
    let mut headers = FieldTable::default();
    headers.insert(TRACEPARENT.into(), text(&call.trace.to_string()));
    Some(
        json()
            .with_delivery_mode(PERSISTENT)
            .with_message_id(call.id.to_string().into())
            .with_correlation_id(call.id.to_string().into())
            .with_reply_to(reply_to.into())
            .with_expiration(within.as_millis().max(1).to_string().into())
            .with_type(short(&call.kind)?)
            .with_app_id(call.from.into())
            .with_headers(headers),
    )
}

/// The call in a message, and what its caller gave it.
pub fn call(delivery: &Delivery, queue: WorkQueue) -> Result<(Call, Duration), Poison> {
    let properties = &delivery.properties;
    let id = id(properties.message_id()).ok_or_else(|| poison("no message_id that is a UUID"))?;
    let millis = properties.expiration().as_ref().and_then(|text| text.as_str().parse().ok());
    let kind = properties.kind().as_ref().ok_or_else(|| poison("no type"))?.to_string();
    let trace = header(properties, TRACEPARENT).and_then(|text| Traceparent::parse(&text));
    let call = Call {
        id,
        queue,
        kind,
        body: body(delivery)?,
        from: service(properties)?,
        trace: trace.unwrap_or_else(|| Traceparent::beginning_with(id)),
    };
    Ok((call, Duration::from_millis(millis.ok_or_else(|| poison("no expiration"))?)))
}

/// An answer as properties and bytes.
pub fn of_answer(asked: &Delivery, answer: &Result<Value, Poison>) -> (BasicProperties, Vec<u8>) {
    let (outcome, body) = match answer {
        Ok(body) => (ANSWERED, body.to_string()),
        Err(poison) => (REFUSED, Value::from(poison.0.as_str()).to_string()),
    };
    let mut headers = FieldTable::default();
    headers.insert(OUTCOME.into(), text(outcome));
    let mut properties = json().with_delivery_mode(TRANSIENT).with_headers(headers);
    if let Some(correlation) = asked.properties.correlation_id().clone() {
        properties = properties.with_correlation_id(correlation);
    }
    (properties, body.into_bytes())
}

/// The answer in a message, and to what; `None` when it is no answer.
pub fn answer(delivery: &Delivery) -> Option<(Uuid, Result<Value, NotAnswered>)> {
    let to = id(delivery.properties.correlation_id())?;
    let body = body(delivery).ok()?;
    match header(&delivery.properties, OUTCOME)?.as_str() {
        ANSWERED => Some((to, Ok(body))),
        REFUSED => Some((to, Err(NotAnswered::Refused { reason: body.as_str()?.to_owned() }))),
        _ => None,
    }
}

/// The properties of the word that nobody waits for a call any longer.
pub fn of_cancellation(call: Uuid) -> BasicProperties {
    let id: ShortString = call.to_string().into();
    BasicProperties::default()
        .with_delivery_mode(TRANSIENT)
        .with_correlation_id(id)
        .with_expiration("10000".into())
}

/// The properties of a hint, which is worth nothing once a sweeper has come by.
/// `others`: routing keys beside the message's own.
pub fn of_hint(others: impl Iterator<Item = String>) -> BasicProperties {
    let others: Vec<AMQPValue> = others.map(|key| text(&key)).collect();
    let mut headers = FieldTable::default();
    if !others.is_empty() {
        headers.insert("CC".into(), AMQPValue::FieldArray(others.into()));
    }
    json().with_delivery_mode(TRANSIENT).with_expiration("10000".into()).with_headers(headers)
}

/// The properties of a message that becomes a dead letter: its own, with the reason and where it was.
pub fn of_dead_letter(delivery: &Delivery, queue: &str, reason: &str) -> BasicProperties {
    let mut headers = delivery.properties.headers().clone().unwrap_or_default();
    headers.insert(REASON.into(), text(reason));
    headers.insert(QUEUE.into(), text(queue));
    headers.insert(LETTER.into(), text(&Uuid::now_v7().to_string()));
    let properties = delivery.properties.clone().with_headers(headers).with_delivery_mode(PERSISTENT);
    // Kept for people, for as long as it takes.
    without_expiration(properties)
}

/// What a dead letter says of its end: its id, when, the queue it was in, and why.
pub fn end_of_life(letter: &Delivery) -> (Option<Uuid>, Option<Timestamp>, Option<String>, Option<String>) {
    let properties = &letter.properties;
    let ours: Option<Uuid> = header(properties, LETTER).and_then(|text| text.parse().ok());
    let when = match ours {
        Some(letter) => letter.get_timestamp().and_then(|at| {
            let (seconds, nanoseconds) = at.to_unix();
            Timestamp::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?).ok()
        }),
        None => brokers_time(properties),
    };
    let queue = header(properties, QUEUE).or_else(|| header(properties, "x-first-death-queue"));
    let reason = header(properties, REASON).or_else(|| header(properties, "x-first-death-reason"));
    (ours.or_else(|| id(properties.message_id())), when, queue, reason)
}

/// When the broker itself made a dead letter of it.
fn brokers_time(properties: &BasicProperties) -> Option<Timestamp> {
    let AMQPValue::FieldArray(deaths) = properties.headers().as_ref()?.inner().get("x-death")? else {
        return None;
    };
    let AMQPValue::FieldTable(last) = deaths.as_slice().first()? else { return None };
    let AMQPValue::Timestamp(seconds) = last.inner().get("time")? else { return None };
    Timestamp::from_second((*seconds).try_into().ok()?).ok()
}

/// The properties of a dead letter that is put back where it was: those of before its end.
pub fn of_replay(letter: &Delivery, is_call: bool) -> BasicProperties {
    let mut headers = FieldTable::default();
    if let Some(all) = letter.properties.headers() {
        for (name, value) in all.inner() {
            let name_of_end = [REASON, QUEUE, LETTER].contains(&name.as_str());
            if !name_of_end && !BROKERS_OWN.contains(&name.as_str()) {
                headers.insert(name.clone(), value.clone());
            }
        }
    }
    if is_call {
        let properties = letter.properties.clone().with_headers(headers);
        return properties.with_expiration(REPLAYED_WITHIN.into());
    }
    headers.insert(ROUTING_KEY.into(), text(&routing_key(letter)));
    letter.properties.clone().with_headers(headers)
}

/// How often it was handed out before, as quorum queues count.
pub fn earlier_deliveries(delivery: &Delivery) -> i64 {
    let headers = delivery.properties.headers().as_ref();
    match headers.and_then(|headers| headers.inner().get("x-delivery-count")) {
        Some(AMQPValue::LongLongInt(count)) => *count,
        Some(AMQPValue::LongInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortShortInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortShortUInt(count)) => i64::from(*count),
        _ => 0,
    }
}

/// An id of ours in a property.
pub fn id(property: &Option<ShortString>) -> Option<Uuid> {
    property.as_ref()?.as_str().parse().ok()
}

/// There is no way to take a single property away.
fn without_expiration(from: BasicProperties) -> BasicProperties {
    let mut to = BasicProperties::default();
    if let Some(value) = from.content_type().clone() {
        to = to.with_content_type(value);
    }
    if let Some(value) = from.headers().clone() {
        to = to.with_headers(value);
    }
    if let Some(value) = *from.delivery_mode() {
        to = to.with_delivery_mode(value);
    }
    if let Some(value) = from.message_id().clone() {
        to = to.with_message_id(value);
    }
    if let Some(value) = *from.timestamp() {
        to = to.with_timestamp(value);
    }
    if let Some(value) = from.kind().clone() {
        to = to.with_type(value);
    }
    if let Some(value) = from.app_id().clone() {
        to = to.with_app_id(value);
    }
    to
}

fn json() -> BasicProperties {
    BasicProperties::default().with_content_type("application/json".into())
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn poison(reason: &str) -> Poison {
    Poison(reason.to_owned())
}

fn header(properties: &BasicProperties, name: &str) -> Option<String> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(value) => String::from_utf8(value.as_bytes().to_vec()).ok(),
        _ => None,
    }
}

fn body(delivery: &Delivery) -> Result<Value, Poison> {
    // The words of the error may quote what is in it.
    serde_json::from_slice(&delivery.data).map_err(|_| poison("the body is not JSON"))
}

fn service(properties: &BasicProperties) -> Result<&'static str, Poison> {
    let named = properties.app_id().as_ref().map(ShortString::as_str);
    SERVICES
        .into_iter()
        .find(|service| Some(*service) == named)
        .ok_or_else(|| poison("no app_id of one of our services"))
}
