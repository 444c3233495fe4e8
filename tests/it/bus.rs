//! The bus: what every implementation must do, in one table, on the one of a process alone and on a real RabbitMQ.

mod bridge;
mod broker;
mod calls;
mod dead_letters;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use govconnect::bus::calls::{self as bus_calls, Call, NotAnswered, Poison, WorkQueue, Worker};
use govconnect::bus::case_calls::ListComplaints;
use govconnect::bus::events::{Event, Subscriber};
use govconnect::bus::in_process::LocalBus;
use govconnect::bus::live_chat::{LiveChange, LiveChangeKind, LiveChatListener};
use govconnect::bus::rabbitmq::RabbitBus;
use govconnect::bus::topics::TopicPattern;
use govconnect::bus::trace::Traceparent;
use govconnect::bus::{Bus, Duty, Receivers, WakeListener};
use govconnect::ids::{ConversationId, PartitionId, PersonId};
use govconnect::metrics::Metrics;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::support::broker::TestBroker;
use crate::support::office::eventually;

const LONG: Duration = Duration::from_secs(20);

/// A bus whose duties are done until it is dropped: then it is gone at once, as when its node dies.
pub struct Running {
    pub bus: Arc<dyn Bus>,
    metrics: Metrics,
    stop: watch::Sender<bool>,
    duties: Vec<JoinHandle<()>>,
}

impl Running {
    pub fn new(bus: Arc<dyn Bus>, metrics: Metrics) -> Self {
        let (stop, stopping) = watch::channel(false);
        let keep_doing = |duty: Duty| {
            let stopping = stopping.clone();
            tokio::spawn(async move { duty.keep_doing(stopping).await })
        };
        let duties = bus.duties().into_iter().map(keep_doing).collect();
        Running { bus, metrics, stop, duties }
    }

    pub fn over(broker: &TestBroker, receivers: Receivers) -> Self {
        let metrics = Metrics::new().unwrap();
        Self::new(Arc::new(RabbitBus::new(&broker.url(), &metrics, receivers).unwrap()), metrics)
    }
}

/// Does the same with each implementation; `receivers` is made anew for each.
async fn with_each<T>(receivers: impl Fn() -> (Receivers, T), test: impl AsyncFn(&Running, T)) {
    let (given, seen) = receivers();
    test(&Running::new(Arc::new(LocalBus::new(given)), Metrics::new().unwrap()), seen).await;
    let broker = TestBroker::create().await;
    let (given, seen) = receivers();
    test(&Running::over(&broker, given), seen).await;
}

struct Listener {
    name: &'static str,
    patterns: Vec<TopicPattern>,
    got: Mutex<Vec<Event>>,
    /// Batches that it still refuses.
    refusals: AtomicU32,
}

impl Listener {
    fn new(name: &'static str, patterns: &[&'static str]) -> Arc<Self> {
        let patterns = patterns.iter().map(|pattern| TopicPattern::new(pattern)).collect();
        Arc::new(Listener { name, patterns, got: Mutex::default(), refusals: AtomicU32::new(0) })
    }

    fn ids(&self) -> Vec<Uuid> {
        self.got.lock().unwrap().iter().map(|event| event.message_id).collect()
    }
}

impl Subscriber for Listener {
    fn name(&self) -> &'static str {
        self.name
    }
    fn patterns(&self) -> &[TopicPattern] {
        &self.patterns
    }
    fn take(
        &self,
        events: Vec<Event>,
    ) -> BoxFuture<'_, Result<(), Box<dyn std::error::Error + Send + Sync>>> {
        let refuses = |left: u32| left.checked_sub(1);
        Box::pin(async move {
            if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, refuses).is_ok() {
                return Err("not now".into());
            }
            self.got.lock().unwrap().extend(events);
            Ok(())
        })
    }
}

/// Answers by what it is asked; notes what it began.
struct Clerk {
    begun: Mutex<Vec<Value>>,
    traces: Mutex<Vec<Traceparent>>,
    noticed: Notify,
    /// Calls that were dropped where they waited.
    given_up: Arc<AtomicU32>,
    /// What calls of the kind `gate` wait for.
    gate: Notify,
}

struct GivenUp(Arc<AtomicU32>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Clerk {
    fn new() -> Arc<Self> {
        Arc::new(Clerk {
            begun: Mutex::default(),
            traces: Mutex::default(),
            noticed: Notify::new(),
            given_up: Arc::default(),
            gate: Notify::new(),
        })
    }

    fn begun(&self) -> Vec<Value> {
        self.begun.lock().unwrap().clone()
    }
}

impl Worker for Clerk {
    fn queue(&self) -> WorkQueue {
        WorkQueue::CaseCalls
    }
    fn concurrency(&self) -> u16 {
        4
    }
    fn answer(&self, call: Call, _within: Duration) -> BoxFuture<'_, Result<Value, Poison>> {
        Box::pin(async move {
            self.begun.lock().unwrap().push(call.body.clone());
            self.traces.lock().unwrap().push(call.trace);
            self.noticed.notify_one();
            match call.kind.as_str() {
                "double" => Ok(json!(call.body.as_i64().unwrap() * 2)),
                "refuse" => Err(Poison("no such kind".into())),
                "panic" => panic!("on purpose"),
                "gate" => {
                    self.gate.notified().await;
                    Ok(call.body)
                }
                _ => {
                    let _given_up = GivenUp(self.given_up.clone());
                    std::future::pending().await
                }
            }
        })
    }
}

#[derive(Default)]
struct Ear(Mutex<BTreeSet<ConversationId>>);

impl WakeListener for Ear {
    fn woken(&self, conversations: Vec<ConversationId>) {
        self.0.lock().unwrap().extend(conversations);
    }
}

fn event(routing_key: &str) -> Event {
    Event {
        message_id: Uuid::now_v7(),
        routing_key: routing_key.into(),
        body: json!({ "n": 1 }),
        occurred_at: "2026-01-02T03:04:05.678Z".parse::<Timestamp>().unwrap(),
        from: "channel",
    }
}

fn call(kind: &str, body: Value) -> Call {
    let id = Uuid::now_v7();
    let trace = Traceparent::beginning_with(id);
    Call { id, queue: WorkQueue::CaseCalls, kind: kind.into(), body, from: "channel", trace }
}

async fn publish(running: &Running, events: &[Event]) {
    eventually("the events are taken", async || running.bus.publish(events).await.ok()).await;
}

fn ids(events: &[Event]) -> Vec<Uuid> {
    events.iter().map(|event| event.message_id).collect()
}

#[tokio::test]
async fn each_subscriber_gets_what_it_wants_as_it_was_and_in_order_and_nobody_need_want_it() {
    let receivers = || {
        let all = Listener::new("all-service.#", &["#", "whatsapp.*.sent"]);
        let some = Listener::new("some-service.whatsapp", &["whatsapp.#"]);
        let subscribers: Vec<Arc<dyn Subscriber>> = vec![all.clone(), some.clone()];
        (Receivers { subscribers, ..Receivers::default() }, (all, some))
    };
    with_each(receivers, async |running, (all, some)| {
        // More than one window of confirms.
        let events: Vec<Event> = (0..250)
            .map(|n| event(if n % 2 == 0 { "whatsapp.message.sent" } else { "govconnect.ai.reply" }))
            .collect();
        publish(running, &events).await;
        eventually("all have come", async || (all.ids().len() >= 250).then_some(())).await;
        eventually("some have come", async || (some.ids().len() >= 125).then_some(())).await;
        assert_eq!(*all.got.lock().unwrap(), events);
        let whatsapp: Vec<Event> = events.iter().step_by(2).cloned().collect();
        assert_eq!(some.ids(), ids(&whatsapp));
    })
    .await;
    with_each(|| (Receivers::default(), ()), async |running, ()| publish(running, &[event("a.b")]).await)
        .await;
}

#[tokio::test]
async fn a_subscriber_that_refuses_gets_the_same_again() {
    let receivers = || {
        let listener = Listener::new("picky-service.#", &["#"]);
        listener.refusals.store(2, Ordering::SeqCst);
        let subscribers: Vec<Arc<dyn Subscriber>> = vec![listener.clone()];
        (Receivers { subscribers, ..Receivers::default() }, listener)
    };
    with_each(receivers, async |running, listener| {
        let events = [event("a"), event("b"), event("c")];
        publish(running, &events).await;
        eventually("they have come", async || (listener.ids().len() >= 3).then_some(())).await;
        assert_eq!(listener.ids(), ids(&events));
        assert_eq!(listener.refusals.load(Ordering::SeqCst), 0);
    })
    .await;
}

#[tokio::test]
async fn calls_are_answered_refused_or_late_and_one_does_not_hold_up_another() {
    let receivers = || {
        let clerk = Clerk::new();
        (Receivers { workers: vec![clerk.clone()], ..Receivers::default() }, clerk)
    };
    with_each(receivers, async |running, clerk| {
        let stuck = running.bus.call(call("wait", json!("stuck")), LONG);
        let rest = async {
            clerk.noticed.notified().await;
            for n in 0..20 {
                assert_eq!(running.bus.call(call("double", json!(n)), LONG).await, Ok(json!(n * 2)));
            }
            let refused = running.bus.call(call("refuse", json!(1)), LONG).await;
            assert_eq!(refused, Err(NotAnswered::Refused { reason: "no such kind".into() }));
            let panicked = running.bus.call(call("panic", json!(1)), LONG).await;
            assert_eq!(panicked, Err(NotAnswered::Refused { reason: "the worker panicked".into() }));
            let late = running.bus.call(call("wait", json!(1)), Duration::from_millis(50)).await;
            assert_eq!(late, Err(NotAnswered::Late));
            assert_eq!(running.bus.call(call("double", json!(21)), LONG).await, Ok(json!(42)));
        };
        tokio::select! {
            answer = stuck => panic!("it was answered: {answer:?}"),
            () = rest => {}
        }
    })
    .await;
}

#[tokio::test]
async fn a_call_that_nobody_does_is_not_answered() {
    with_each(
        || (Receivers::default(), ()),
        async |running, ()| {
            let answer = running.bus.call(call("double", json!(1)), Duration::from_millis(200)).await;
            assert!(matches!(answer, Err(NotAnswered::Late | NotAnswered::Unavailable)), "{answer:?}");
        },
    )
    .await;
}

#[tokio::test]
async fn whoever_does_a_call_gives_it_up_when_its_caller_goes_and_is_free_for_others() {
    let receivers = || {
        let clerk = Clerk::new();
        (Receivers { workers: vec![clerk.clone()], ..Receivers::default() }, clerk)
    };
    with_each(receivers, async |running, clerk| {
        // More than it does at once.
        for n in 1..=9 {
            tokio::select! {
                answer = running.bus.call(call("wait", json!(n)), LONG) => panic!("it was answered: {answer:?}"),
                () = clerk.noticed.notified() => {}
            }
            let given_up = async || (clerk.given_up.load(Ordering::SeqCst) == n).then_some(());
            eventually("it is given up", given_up).await;
        }
        assert_eq!(running.bus.call(call("double", json!(21)), LONG).await, Ok(json!(42)));
        assert_eq!(clerk.begun().len(), 10);
    })
    .await;
}

#[tokio::test]
async fn a_call_carries_the_trace_of_the_work_that_asks() {
    let receivers = || {
        let clerk = Clerk::new();
        (Receivers { workers: vec![clerk.clone()], ..Receivers::default() }, clerk)
    };
    with_each(receivers, async |running, clerk| {
        let trace = Traceparent::beginning_with(Uuid::now_v7());
        let asked = ListComplaints { person_id: PersonId::new(), limit: 5 };
        tokio::select! {
            _ = trace.clone().scope(bus_calls::ask(running.bus.as_ref(), &asked, "channel", LONG)) => panic!("answered"),
            () = clerk.noticed.notified() => {}
        }
        assert_eq!(*clerk.traces.lock().unwrap(), [trace]);
        assert_eq!(clerk.begun(), [serde_json::to_value(asked).unwrap()]);
    })
    .await;
}

#[tokio::test]
async fn hints_reach_the_owner_of_the_partition_and_no_longer_the_former_one() {
    let receivers = || {
        let ear = Arc::new(Ear::default());
        (Receivers { listener: Some(ear.clone()), ..Receivers::default() }, ear)
    };
    with_each(receivers, async |running, ear| {
        let ours = ConversationId::new();
        let elsewhere = |id: &ConversationId| PartitionId::of(*id) != PartitionId::of(ours);
        let theirs = std::iter::repeat_with(ConversationId::new).find(elsewhere).unwrap();
        running.bus.own([PartitionId::of(ours)].into());
        // Hints may be lost, so they are given until one has come.
        eventually("it is woken", async || {
            running.bus.wake(&[ours, theirs]);
            (!ear.0.lock().unwrap().is_empty()).then_some(())
        })
        .await;
        assert_eq!(*ear.0.lock().unwrap(), BTreeSet::from([ours]));

        running.bus.own([PartitionId::of(theirs)].into());
        eventually("the other is woken", async || {
            running.bus.wake(&[theirs]);
            ear.0.lock().unwrap().contains(&theirs).then_some(())
        })
        .await;
        ear.0.lock().unwrap().clear();
        eventually("the other is woken again", async || {
            running.bus.wake(&[ours, theirs]);
            ear.0.lock().unwrap().contains(&theirs).then_some(())
        })
        .await;
        assert_eq!(*ear.0.lock().unwrap(), BTreeSet::from([theirs]));
    })
    .await;
}

#[derive(Default)]
struct Screen(Mutex<BTreeSet<LiveChange>>);

impl LiveChatListener for Screen {
    fn changed(&self, changes: Vec<LiveChange>) {
        self.0.lock().unwrap().extend(changes);
    }
}

#[tokio::test]
async fn changes_reach_whoever_shows_conversations_also_many_at_once() {
    let receivers = || {
        let screen = Arc::new(Screen::default());
        (Receivers { live_chat: Some(screen.clone()), ..Receivers::default() }, screen)
    };
    with_each(receivers, async |running, screen| {
        let changes: Vec<LiveChange> = (0..2500)
            .map(|_| LiveChange { conversation_id: ConversationId::new(), kind: LiveChangeKind::Messages })
            .collect();
        // They may be lost, so they are announced until they have come.
        eventually("they have come", async || {
            running.bus.announce(&changes);
            (screen.0.lock().unwrap().len() == changes.len()).then_some(())
        })
        .await;
    })
    .await;
    with_each(
        || (Receivers::default(), ()),
        async |running, ()| {
            let conversation_id = ConversationId::new();
            running.bus.announce(&[LiveChange { conversation_id, kind: LiveChangeKind::Takeover }]);
        },
    )
    .await;
}
