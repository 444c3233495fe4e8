//! Events from the outboxes to those who want them, on a real database: in order, again after a refusal, counted once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use govconnect::actors::relay::EventRelays;
use govconnect::ai::analytics::Analytics;
use govconnect::bus::events::{Event, InProcessBus, NotTaken, PublishEvents};
use govconnect::metrics::Metrics;
use govconnect::store::ai::analytics::{self, Counted};
use govconnect::store::outboxes::{self, Outbox};
use jiff::civil::date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use sqlx::PgPool;
use strum::IntoEnumIterator;
use uuid::Uuid;

use crate::support::database::TestDatabase;
use crate::support::office::eventually;

const POLL: Duration = Duration::from_millis(20);

/// Takes everything but one event, which it refuses with all that is handed over beside it.
#[derive(Default)]
struct Picky {
    taken: Mutex<Vec<Uuid>>,
    refused: Mutex<Option<Uuid>>,
}

impl PublishEvents for Picky {
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), NotTaken>> {
        Box::pin(async move {
            let refused = *self.refused.lock().unwrap();
            if events.iter().any(|event| Some(event.message_id) == refused) {
                return Err(NotTaken::Late { subscriber: "picky" });
            }
            self.taken.lock().unwrap().extend(events.iter().map(|event| event.message_id));
            Ok(())
        })
    }
}

async fn written(pool: &PgPool, count: usize) -> Vec<Uuid> {
    let mut ids = Vec::new();
    for _ in 0..count {
        // Ids that do not sort in the order of writing.
        let id = Uuid::new_v4();
        sqlx::query(
            "INSERT INTO gc_channel.event_outbox (event_id, routing_key, body) VALUES ($1, 'govconnect.takeover.ended', '{}')",
        )
        .bind(id)
        .execute(pool)
        .await
        .unwrap();
        ids.push(id);
    }
    ids
}

async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

const WAITING: &str = "SELECT count(*) FROM gc_channel.event_outbox WHERE published_at IS NULL";

#[tokio::test]
async fn events_leave_in_order_and_wait_behind_one_that_is_refused_until_it_is_taken() {
    let database = TestDatabase::create().await;
    let metrics = Metrics::new().unwrap();
    let picky = Arc::new(Picky::default());
    let ids = written(&database.pool, 6).await;
    *picky.refused.lock().unwrap() = Some(ids[3]);
    let bus: Arc<dyn PublishEvents> = picky.clone();
    let relays = EventRelays::start(&metrics, &database.pool, &bus, POLL, Outbox::iter());
    let refused = metrics.events_refused.with_label_values(&["channel"]);
    eventually("it is tried again and again", async || (refused.get() >= 4).then_some(())).await;
    assert_eq!(*picky.taken.lock().unwrap(), ids[..3], "what was before it has left");
    assert_eq!(count(&database.pool, WAITING).await, 3);

    *picky.refused.lock().unwrap() = None;
    let later = written(&database.pool, 2).await;
    eventually("all are published", async || (count(&database.pool, WAITING).await == 0).then_some(())).await;
    let all: Vec<Uuid> = ids.into_iter().chain(later).collect();
    assert_eq!(*picky.taken.lock().unwrap(), all);

    // A stop publishes what waits, without another look's pause.
    let last = written(&database.pool, 1).await;
    relays.drain().await;
    assert_eq!(count(&database.pool, WAITING).await, 0);
    assert_eq!(picky.taken.lock().unwrap().last(), last.last());
}

/// While it takes an event, another node writes one.
struct Busy {
    pool: PgPool,
    taken: Mutex<Vec<Uuid>>,
}

impl PublishEvents for Busy {
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), NotTaken>> {
        Box::pin(async move {
            written(&self.pool, 1).await;
            self.taken.lock().unwrap().extend(events.iter().map(|event| event.message_id));
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_stop_publishes_what_there_is_and_leaves_what_others_go_on_writing() {
    let database = TestDatabase::create().await;
    let busy = Arc::new(Busy { pool: database.pool.clone(), taken: Mutex::default() });
    let ids = written(&database.pool, 3).await;
    let bus: Arc<dyn PublishEvents> = busy.clone();
    let relays = EventRelays::start(&Metrics::new().unwrap(), &database.pool, &bus, POLL, Outbox::iter());
    tokio::time::timeout(Duration::from_secs(20), relays.drain()).await.expect("it ends");
    assert_eq!(busy.taken.lock().unwrap()[..3], ids);
    assert_eq!(count(&database.pool, WAITING).await, 1, "what was written last");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_somebody_who_refuses() {
    let database = TestDatabase::create().await;
    let picky = Arc::new(Picky::default());
    let ids = written(&database.pool, 2).await;
    *picky.refused.lock().unwrap() = Some(ids[0]);
    let bus: Arc<dyn PublishEvents> = picky.clone();
    let relays = EventRelays::start(
        &Metrics::new().unwrap(),
        &database.pool,
        &bus,
        Duration::from_secs(3600),
        Outbox::iter(),
    );
    tokio::time::timeout(Duration::from_secs(20), relays.drain()).await.expect("it ends");
    assert_eq!(count(&database.pool, WAITING).await, 2);
}

#[tokio::test]
async fn one_outbox_is_published_by_one_at_a_time() {
    let database = TestDatabase::create().await;
    let ids = written(&database.pool, 2).await;
    let mut held = outboxes::hold(&database.pool, Outbox::Channel).await.unwrap().expect("nobody holds it");
    assert!(outboxes::hold(&database.pool, Outbox::Channel).await.unwrap().is_none());
    assert!(outboxes::hold(&database.pool, Outbox::Case).await.unwrap().is_some());
    let first = held.first(1).await.unwrap();
    assert_eq!(first[0].event_id, ids[0]);
    // Whoever dies now has published without saying so: the next one finds the same.
    drop(held);
    let mut held = eventually("it is free again", async || {
        outboxes::hold(&database.pool, Outbox::Channel).await.unwrap()
    })
    .await;
    assert_eq!(held.first(10).await.unwrap().len(), 2);
    held.published(&ids[..1]).await.unwrap();
    assert_eq!(count(&database.pool, WAITING).await, 1);
}

fn event(routing_key: &str, body: Value) -> Event {
    Event {
        message_id: Uuid::now_v7(),
        routing_key: routing_key.into(),
        body,
        occurred_at: "2026-01-01T17:30:00Z".parse().unwrap(),
        from: "channel",
    }
}

#[tokio::test]
async fn analytics_count_once_what_comes_twice_also_at_the_same_time() {
    let database = TestDatabase::create().await;
    let zone = TimeZone::get("Asia/Jakarta").unwrap();
    let bus = InProcessBus::new(vec![Arc::new(Analytics::new(database.pool.clone(), zone))]);
    let message = Uuid::now_v7();
    let status = |key: &str, status: &str| event(key, json!({"message_id": message, "status": status}));
    let events = [
        event("govconnect.ai.reply", json!({"intent": "GREETING"})),
        event("govconnect.ai.reply", json!({"intent": "GREETING"})),
        event("govconnect.takeover.started", json!({})),
        // All three tell that it was sent.
        status("whatsapp.message.status", "sent"),
        status("whatsapp.message.sent", "sent"),
        status("whatsapp.message.status", "read"),
        event("govconnect.complaint.created", json!({})),
    ];
    let (one, other) = tokio::join!(bus.publish(&events), bus.publish(&events));
    one.unwrap();
    other.unwrap();
    bus.publish(&events[..3]).await.unwrap();
    let day = date(2026, 1, 2);
    let counted = analytics::between(&database.pool, day, day).await.unwrap();
    let counted: Vec<(Counted, &str, i64)> =
        counted.iter().map(|counted| (counted.what, &*counted.intent, counted.count)).collect();
    assert_eq!(
        counted,
        [
            (Counted::Delivered, "", 1),
            (Counted::Read, "", 1),
            (Counted::Reply, "GREETING", 2),
            (Counted::Sent, "", 1),
            (Counted::TakeoverStarted, "", 1),
        ]
    );
    assert!(analytics::between(&database.pool, date(2026, 1, 3), date(2027, 1, 3)).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_cannot_be_counted_is_refused_and_counted_later() {
    let database = TestDatabase::create().await;
    let bus = InProcessBus::new(vec![Arc::new(Analytics::new(database.pool.clone(), TimeZone::UTC))]);
    let events = [event("govconnect.takeover.ended", json!({}))];
    sqlx::query("ALTER TABLE gc_ai.daily_counts RENAME TO away").execute(&database.pool).await.unwrap();
    assert!(matches!(bus.publish(&events).await, Err(NotTaken::Refused { .. })));
    sqlx::query("ALTER TABLE gc_ai.away RENAME TO daily_counts").execute(&database.pool).await.unwrap();
    bus.publish(&events).await.unwrap();
    let day = date(2026, 1, 1);
    assert_eq!(analytics::between(&database.pool, day, day).await.unwrap()[0].count, 1);
}

#[tokio::test]
async fn what_is_old_is_deleted_in_bounded_steps_and_what_waits_never() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let ids = written(pool, 5).await;
    sqlx::query("UPDATE gc_channel.event_outbox SET occurred_at = now() - interval '30 days'")
        .execute(pool)
        .await
        .unwrap();
    for (id, days) in [(ids[0], 8), (ids[1], 9), (ids[2], 10), (ids[3], 6)] {
        sqlx::query("UPDATE gc_channel.event_outbox SET published_at = now() - make_interval(days => $2) WHERE event_id = $1")
            .bind(id)
            .bind(days)
            .execute(pool)
            .await
            .unwrap();
        sqlx::query("INSERT INTO gc_ai.seen_events VALUES ($1, now() - make_interval(days => $2))")
            .bind(id)
            .bind(days)
            .execute(pool)
            .await
            .unwrap();
    }
    let mut deleted = Vec::new();
    let mut forgotten = Vec::new();
    for _ in 0..3 {
        deleted.push(outboxes::delete_published(pool, Outbox::Channel, 7, 2).await.unwrap());
        forgotten.push(analytics::forget(pool, 7, 2).await.unwrap());
    }
    assert_eq!((&*deleted, &*forgotten), (&[2, 1, 0][..], &[2, 1, 0][..]));
    let left: Vec<Uuid> = sqlx::query_scalar("SELECT event_id FROM gc_channel.event_outbox ORDER BY seq")
        .fetch_all(pool)
        .await
        .unwrap();
    assert_eq!(left, ids[3..]);
    assert_eq!(count(pool, "SELECT count(*) FROM gc_ai.seen_events").await, 1);
}
