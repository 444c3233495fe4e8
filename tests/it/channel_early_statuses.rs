//! What Meta tells of a message before its send was recorded has the effect that it would have had a moment later.

use govconnect::ids::{ConversationId, Epoch, MessageId};
use govconnect::store::channel::aftermath::{self, Aftermath, Outcome};
use govconnect::store::channel::claims;
use govconnect::store::channel::intake::{self, IntakeBatch};
use govconnect::store::channel::statuses::IncomingStatus;
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::channel_store::{claimed, conversation, count, load, rules, status_of, turn};
use crate::support::database::TestDatabase;
use crate::support::store;

fn status(name: &str) -> IncomingStatus {
    IncomingStatus {
        wamid: "wamid.sent".into(),
        status: name.into(),
        at: Timestamp::from_second(1_767_225_601).unwrap(),
        our_id: None,
        errors: None,
        owed: None,
        pricing: None,
        wa_conversation: None,
    }
}

fn failed(owed: Option<Aftermath>) -> IncomingStatus {
    let errors = Some(json!({"code": 131_000, "class": "transient", "title": "stumbled"}));
    IncomingStatus { errors, owed, ..status("failed") }
}

fn priced(name: &str) -> IncomingStatus {
    let pricing = Some(json!({"billable": true, "category": "service", "pricing_model": "PMP"}));
    IncomingStatus { pricing, wa_conversation: Some(json!({"id": "c1"})), ..status(name) }
}

/// Statuses come together, in this order.
async fn told(pool: &PgPool, statuses: Vec<IncomingStatus>) {
    intake::write(pool, &IntakeBatch { statuses, ..IntakeBatch::default() }).await.unwrap();
}

async fn under_way(pool: &PgPool) -> (ConversationId, MessageId) {
    let id = conversation(pool).await;
    let loaded = load(pool, id, 1).await.unwrap();
    store::commit_turn(pool, &turn(&loaded, 1)).await.unwrap();
    (id, claimed(pool, id, 1).await.unwrap())
}

/// All that statuses leave on a message, and the events that tell of them.
async fn left_on(pool: &PgPool, id: MessageId) -> Value {
    sqlx::query_scalar(
        "SELECT jsonb_build_object('status', m.status, 'wamid', m.wamid, 'error', m.error, 'aftermath', m.aftermath,
                    'pricing', m.pricing, 'wa_conversation', m.wa_conversation,
                    'at', CASE m.status WHEN 'sent' THEN NULL ELSE m.status_at END,
                    'told', (SELECT jsonb_agg(jsonb_build_array(e.routing_key, e.body - 'message_id' - 'conversation_id')
                                              ORDER BY e.seq)
                             FROM gc_channel.event_outbox e WHERE e.body ->> 'message_id' = m.message_id::text))
         FROM gc_channel.messages m WHERE m.message_id = $1",
    )
    .bind(id.0)
    .fetch_one(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_status_that_came_early_leaves_what_one_that_came_in_time_leaves() {
    for statuses in [
        vec![status("delivered")],
        vec![priced("sent")],
        vec![priced("sent"), status("delivered"), priced("read")],
        vec![failed(Some(Aftermath::Retry))],
        vec![failed(Some(Aftermath::Window))],
        vec![failed(None)],
        vec![status("delivered"), failed(Some(Aftermath::Retry))],
    ] {
        let in_time = TestDatabase::create().await;
        let (_, row) = under_way(&in_time.pool).await;
        store::mark_sent(&in_time.pool, row, "wamid.sent").await.unwrap();
        told(&in_time.pool, statuses.clone()).await;
        let expected = left_on(&in_time.pool, row).await;

        let early = TestDatabase::create().await;
        let (_, row) = under_way(&early.pool).await;
        for one in &statuses {
            told(&early.pool, vec![one.clone()]).await;
        }
        store::mark_sent(&early.pool, row, "wamid.sent").await.unwrap();
        assert_eq!(left_on(&early.pool, row).await, expected, "{statuses:?}");
        assert_eq!(count(&early.pool, "SELECT count(*) FROM gc_channel.early_statuses").await, 0);
    }
}

#[tokio::test]
async fn a_failure_that_was_told_early_is_followed_by_what_is_owed() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let (id, row) = under_way(pool).await;
    told(pool, vec![failed(Some(Aftermath::Retry))]).await;
    store::mark_sent(pool, row, "wamid.sent").await.unwrap();
    assert_eq!(status_of(pool, row).await, "failed");
    let followed = aftermath::resolve(pool, id, Epoch(1), &rules()).await.unwrap();
    assert_eq!((followed[0].message_id, followed[0].outcome), (row, Outcome::Again));
    assert_eq!(claimed(pool, id, 1).await, Some(row));
    // What is told of the first attempt later says nothing about the second.
    claims::mark_sent(pool, &[(row, "wamid.again".into())]).await.unwrap();
    told(pool, vec![failed(None)]).await;
    assert_eq!(status_of(pool, row).await, "sent");
}
