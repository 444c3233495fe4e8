//! What an outside consumer of the bus was told: everything at least once, and of each conversation in its order.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, PgPool};

use crate::support::broker::TestBroker;

const QUEUE: &str = "chaos-judge";
const EXCHANGE: &str = "govconnect.events";

/// Every schema's outbox, each event with what it is about. Events about the same are written one after the other, under the lock
/// of a row: a conversation's turns and takeovers, a message of ours, a complaint. What a citizen writes meanwhile is neither before
/// nor after them.
const OUTBOXES: &str = "
    SELECT service, seq, event_id::text, routing_key, published_at,
           CASE WHEN routing_key = 'whatsapp.message.received' THEN 'heard ' || (body->>'conversation_id')
                WHEN routing_key LIKE 'whatsapp.message.%' THEN 'message ' || (body->>'message_id')
                WHEN routing_key LIKE 'govconnect.complaint.%' THEN 'complaint ' || (body->>'complaint_id')
                ELSE 'conversation ' || (body->>'conversation_id') END AS subject
    FROM (SELECT 'channel' AS service, event_id, seq, routing_key, body, published_at FROM gc_channel.event_outbox
          UNION ALL SELECT 'ai', event_id, seq, routing_key, body, published_at FROM gc_ai.event_outbox
          UNION ALL SELECT 'case', event_id, seq, routing_key, body, published_at FROM gc_case.event_outbox
          UNION ALL SELECT 'notification', event_id, seq, routing_key, body, published_at FROM gc_notification.event_outbox
          UNION ALL SELECT 'dashboard', event_id, seq, routing_key, body, published_at FROM gc_dashboard.event_outbox) AS outboxes";

/// A consumer of everything, from now on.
pub struct Consumer {
    /// Events of before.
    missed: BTreeSet<String>,
}

impl Consumer {
    /// The nodes have declared the exchange.
    pub async fn listen(broker: &TestBroker, pool: &PgPool) -> Self {
        broker.listen(QUEUE, EXCHANGE, "#").await;
        let sql = format!("SELECT event_id FROM ({OUTBOXES}) AS events");
        let missed = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(pool).await.expect("the outboxes");
        Consumer { missed: missed.into_iter().collect() }
    }

    /// Events that are not published yet.
    pub async fn waiting(pool: &PgPool) -> i64 {
        let sql = format!("SELECT count(*) FROM ({OUTBOXES}) AS events WHERE published_at IS NULL");
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.expect("the outboxes")
    }

    /// Every event that did not arrive, or not in its order.
    pub async fn violations(&self, broker: &TestBroker, pool: &PgPool) -> Vec<String> {
        let mut first: BTreeMap<String, usize> = BTreeMap::new();
        let messages = broker.take_all(QUEUE).await;
        for (place, message) in messages.iter().enumerate() {
            let id = message["properties"]["message_id"].as_str().expect("an id").to_owned();
            first.entry(id).or_insert(place);
        }
        let sql = format!(
            "SELECT service, event_id, routing_key, subject FROM ({OUTBOXES}) AS events ORDER BY service, seq"
        );
        let rows: Vec<(String, String, String, Option<String>)> =
            sqlx::query_as(AssertSqlSafe(sql)).fetch_all(pool).await.expect("the outboxes");
        eprintln!("        {} events arrived {} times", rows.len(), messages.len());
        let mut found = Vec::new();
        let mut latest: BTreeMap<(&str, &str), (usize, &str)> = BTreeMap::new();
        for (service, id, key, subject) in &rows {
            let Some(place) = first.remove(id) else {
                if !self.missed.contains(id) {
                    found.push(format!("events: {key} {id} was published and did not arrive"));
                }
                continue;
            };
            let Some(subject) = subject else { continue };
            if let Some((before, earlier)) = latest.insert((service, subject), (place, key))
                && before > place
            {
                found.push(format!("events: {key} {id} overtook {earlier} of {subject}"));
            }
        }
        found.extend(first.into_keys().map(|id| format!("events: {id} is in no outbox")));
        found
    }
}
