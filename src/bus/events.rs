//! Events: what happened, told to whoever wants to know, at least once.
//!
//! A publisher hands events over in order and is told whether **all** who want them have them on disk; if not, it hands
//! them over again later. So a subscriber may get an event twice, and knows it by its `message_id`. This is what a broker
//! with confirms promises too: [`InProcessBus`] is for one node, and what it stands behind knows no difference.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::timeout;
use uuid::Uuid;

use super::topics::TopicPattern;

/// Time for one subscriber to take what it is handed at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The routing keys that services publish (DESIGN §5).
pub const ROUTING_KEYS: [&str; 11] = [
    "whatsapp.message.received",
    "whatsapp.message.sent",
    "whatsapp.message.status",
    "govconnect.ai.reply",
    "govconnect.ai.error",
    "govconnect.complaint.created",
    "govconnect.complaint.updated",
    "govconnect.takeover.started",
    "govconnect.takeover.ended",
    "govconnect.notification.sent",
    "govconnect.notification.failed",
];

/// Something that happened in a service. Never put into logs: a body may carry what a citizen wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The same however often it is published.
    pub message_id: Uuid,
    pub routing_key: String,
    pub body: Value,
    pub occurred_at: Timestamp,
    /// The service that it is from, such as `channel`.
    pub from: &'static str,
}

/// Why events were not taken; they are to be published again. Says nothing of what is in them.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// A subscriber could not keep them.
    #[error("the subscriber {subscriber} did not take events")]
    Refused {
        subscriber: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A subscriber did not answer in time.
    #[error("the subscriber {subscriber} did not take events in time")]
    Late { subscriber: &'static str },
    /// The broker did not confirm that it keeps them.
    #[error("the broker did not confirm events")]
    NotConfirmed {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Where events are handed over.
pub trait PublishEvents: Send + Sync {
    /// Hands `events` over in their order. `Ok` only when everybody who wants them has them durably; after an error
    /// some may have some of them.
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), NotTaken>>;
}

/// Somebody who wants events.
pub trait Subscriber: Send + Sync {
    /// For logs; also what its queue is called at a broker.
    fn name(&self) -> &'static str;

    /// What it wants: anything that fits one of these.
    fn patterns(&self) -> &[TopicPattern];

    /// Takes events, in order: `Ok` only when all are on disk. The same may come again and must then change nothing.
    fn take(&self, events: Vec<Event>)
    -> BoxFuture<'_, Result<(), Box<dyn std::error::Error + Send + Sync>>>;
}

/// A subscriber's place at a broker, which is there whether or not the subscriber is: what happens before it has ever run
/// waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Subscription {
    pub queue: &'static str,
    pub patterns: &'static [TopicPattern],
}

/// Hands events to subscribers of this process.
pub struct InProcessBus {
    subscribers: Vec<Arc<dyn Subscriber>>,
    patience: Duration,
}

impl InProcessBus {
    /// With all who will ever want something.
    pub fn new(subscribers: Vec<Arc<dyn Subscriber>>) -> Self {
        InProcessBus { subscribers, patience: PATIENCE }
    }

    async fn deliver(&self, events: &[Event]) -> Result<(), NotTaken> {
        for subscriber in &self.subscribers {
            let wants = |event: &&Event| {
                subscriber.patterns().iter().any(|pattern| pattern.matches(&event.routing_key))
            };
            let wanted: Vec<Event> = events.iter().filter(wants).cloned().collect();
            if wanted.is_empty() {
                continue;
            }
            let name = subscriber.name();
            timeout(self.patience, subscriber.take(wanted))
                .await
                .map_err(|_| NotTaken::Late { subscriber: name })?
                .map_err(|source| NotTaken::Refused { subscriber: name, source })?;
        }
        Ok(())
    }
}

impl PublishEvents for InProcessBus {
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), NotTaken>> {
        Box::pin(self.deliver(events))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;

    struct Listener {
        patterns: Vec<TopicPattern>,
        got: Mutex<Vec<Uuid>>,
        answers: bool,
        willing: bool,
    }

    impl Subscriber for Listener {
        fn name(&self) -> &'static str {
            "listener"
        }
        fn patterns(&self) -> &[TopicPattern] {
            &self.patterns
        }
        fn take(
            &self,
            events: Vec<Event>,
        ) -> BoxFuture<'_, Result<(), Box<dyn std::error::Error + Send + Sync>>> {
            Box::pin(async move {
                if !self.answers {
                    std::future::pending::<()>().await;
                }
                if !self.willing {
                    return Err("no room".into());
                }
                self.got.lock().unwrap().extend(events.iter().map(|event| event.message_id));
                Ok(())
            })
        }
    }

    fn listener(patterns: &[&'static str], answers: bool, willing: bool) -> Arc<Listener> {
        let patterns = patterns.iter().map(|pattern| TopicPattern::new(pattern)).collect();
        Arc::new(Listener { patterns, got: Mutex::default(), answers, willing })
    }

    fn event(routing_key: &str) -> Event {
        Event {
            message_id: Uuid::now_v7(),
            routing_key: routing_key.into(),
            body: json!({}),
            occurred_at: Timestamp::UNIX_EPOCH,
            from: "channel",
        }
    }

    #[tokio::test]
    async fn everybody_gets_once_and_in_order_what_fits_any_of_their_patterns() {
        let (all, some) = (listener(&["#", "a.*"], true, true), listener(&["a.b", "c.#"], true, true));
        let bus = InProcessBus::new(vec![all.clone(), some.clone()]);
        let events = [event("a.b"), event("x.y"), event("c")];
        bus.publish(&events).await.unwrap();
        let ids: Vec<Uuid> = events.iter().map(|event| event.message_id).collect();
        assert_eq!(*all.got.lock().unwrap(), ids);
        assert_eq!(*some.got.lock().unwrap(), [ids[0], ids[2]]);
    }

    #[tokio::test]
    async fn one_who_refuses_or_is_late_fails_what_they_want_and_nothing_else() {
        for (answers, words) in [(true, "did not take events"), (false, "in time")] {
            let subscribers: Vec<Arc<dyn Subscriber>> = vec![listener(&["a.#"], answers, false)];
            let bus = InProcessBus { subscribers, patience: Duration::from_millis(1) };
            let error = bus.publish(&[event("a.b")]).await.unwrap_err();
            assert!(error.to_string().ends_with(words), "{error}");
            bus.publish(&[event("b.a")]).await.unwrap();
        }
    }
}
