//! The bus between nodes, over RabbitMQ ([`super::topology`]). It never holds up a start: everything connects when it is
//! first needed, and again when the broker returns.
//!
//! - [`links`]: the two connections
//! - [`message`]: what is in a message
//! - [`publishing`]: events and hints out · [`gathering`]: what waits for it
//! - [`calling`]: calls out, answers in
//! - [`working`]: calls in, answers out
//! - [`consuming`]: events and hints in
//! - [`announcing`]: changes for live chat, out and in
//! - [`dead_letters`]: what can never be dealt with, kept for people

mod announcing;
mod calling;
mod consuming;
pub mod dead_letters;
mod gathering;
mod links;
mod message;
mod publishing;
mod working;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::watch;

use self::announcing::Announcements;
use self::calling::Calls;
use self::links::Links;
use self::publishing::{EventPublisher, Hints};
use super::calls::{Call, NotAnswered};
use super::duty::Stop;
use super::events::{Event, NotTaken, PublishEvents};
use super::live_chat::LiveChange;
use super::{Broken, Bus, Duty, Receivers};
use crate::ids::{ConversationId, PartitionId};
use crate::metrics::Metrics;

/// See the module.
pub struct RabbitBus {
    inner: Arc<Inner>,
    receivers: Receivers,
}

struct Inner {
    links: Links,
    metrics: Metrics,
    events: EventPublisher,
    hints: Hints,
    announcements: Announcements,
    calls: Calls,
    owned: watch::Sender<BTreeSet<PartitionId>>,
}

impl RabbitBus {
    /// With all who will ever want something on this node. The broker may be away.
    ///
    /// # Errors
    /// `url` is not the address of a broker.
    pub fn new(url: &SecretString, metrics: &Metrics, receivers: Receivers) -> Result<Self, Broken> {
        let inner = Inner {
            links: Links::new(url, receivers.subscribers.clone(), receivers.subscriptions.clone())?,
            metrics: metrics.clone(),
            events: EventPublisher::default(),
            hints: publishing::hints(),
            announcements: announcing::announcements(),
            calls: Calls::new(),
            owned: watch::Sender::default(),
        };
        Ok(RabbitBus { inner: Arc::new(inner), receivers })
    }
}

impl PublishEvents for RabbitBus {
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), NotTaken>> {
        let Inner { links, metrics, events: publisher, .. } = &*self.inner;
        Box::pin(publisher.publish(links, metrics, events))
    }
}

impl Bus for RabbitBus {
    fn call(&self, call: Call, within: Duration) -> BoxFuture<'_, Result<Value, NotAnswered>> {
        Box::pin(self.inner.calls.ask(call, within))
    }

    fn wake(&self, conversations: &[ConversationId]) {
        let dropped = self.inner.hints.add(conversations);
        self.inner.metrics.bus_hints.with_label_values(&["dropped"]).inc_by(dropped);
    }

    fn own(&self, partitions: BTreeSet<PartitionId>) {
        self.inner.owned.send_replace(partitions);
    }

    fn is_up(&self) -> bool {
        self.inner.links.are_up()
    }

    fn announce(&self, changes: &[LiveChange]) {
        let dropped = self.inner.announcements.add(changes);
        self.inner.metrics.bus_announcements.with_label_values(&["dropped"]).inc_by(dropped);
    }

    fn duties(&self) -> Vec<Duty> {
        let inner = &self.inner;
        let mut duties = vec![
            duty("bus_calls", inner, |inner, stop| async move {
                calling::send_calls(&inner.links, &inner.metrics, &inner.calls, stop).await
            }),
            duty("bus_hints", inner, |inner, stop| async move {
                publishing::send_hints(&inner.links, &inner.metrics, &inner.hints, stop).await
            }),
            duty("bus_announcements", inner, |inner, stop| async move {
                announcing::announce(&inner.links, &inner.metrics, &inner.announcements, stop).await
            }),
        ];
        for subscriber in &self.receivers.subscribers {
            let subscriber = subscriber.clone();
            duties.push(duty(subscriber.name(), inner, move |inner, stop| {
                let subscriber = subscriber.clone();
                async move { consuming::take_events(&inner.links, &inner.metrics, &subscriber, stop).await }
            }));
        }
        for worker in &self.receivers.workers {
            let worker = worker.clone();
            duties.push(duty(worker.queue().into(), inner, move |inner, stop| {
                let worker = worker.clone();
                async move { working::do_calls(&inner.links, &inner.metrics, &worker, stop).await }
            }));
        }
        if let Some(listener) = &self.receivers.listener {
            let listener = listener.clone();
            duties.push(duty("bus_wakes", inner, move |inner, stop| {
                let listener = listener.clone();
                let owned = inner.owned.subscribe();
                async move { consuming::hear_hints(&inner.links, &listener, owned, stop).await }
            }));
        }
        if let Some(listener) = &self.receivers.live_chat {
            let listener = listener.clone();
            duties.push(duty("bus_live_chat", inner, move |inner, stop| {
                let listener = listener.clone();
                async move { announcing::hear_announcements(&inner.links, &listener, stop).await }
            }));
        }
        duties
    }
}

fn duty<F>(
    name: &'static str,
    inner: &Arc<Inner>,
    run: impl Fn(Arc<Inner>, Stop) -> F + Send + Sync + 'static,
) -> Duty
where
    F: Future<Output = Result<(), Broken>> + Send + 'static,
{
    let inner = inner.clone();
    Duty::new(name, move |stop| run(inner.clone(), stop))
}
