//! The judge: reads the database and Meta's log, and names every invariant of the design that does not hold. It knows
//! nothing of how the node works.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sqlx::PgPool;

use super::office::{Office, Sent};

/// What is still owed: messages nobody dealt with, sends without an end, calls without an answer.
pub const OPEN_WORK: &str = "
    SELECT (SELECT count(*) FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
            WHERE m.direction = 'in' AND m.processed_at IS NULL AND c.mode = 'bot' AND c.parked_at IS NULL)
         + (SELECT count(*) FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
            WHERE m.direction = 'out' AND m.raw IS NULL
              -- Meta tells nothing more of a reaction.
              AND (m.status IN ('queued', 'sending', 'unknown') OR (m.status = 'sent' AND m.kind <> 'reaction')
                   OR m.aftermath IS NOT NULL)
              AND m.next_attempt_at IS DISTINCT FROM 'infinity')
         + (SELECT count(*) FROM gc_channel.calls WHERE answered_at IS NULL)";

/// Statements that find what must not be; each row is a text about one violation.
const MUST_BE_EMPTY: [(&str, &str); 7] = [
    (
        "I2: one row a wamid",
        "SELECT wamid FROM gc_channel.messages WHERE wamid IS NOT NULL GROUP BY wamid HAVING count(*) > 1",
    ),
    (
        "I3: every message is processed",
        "SELECT m.wamid FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
         WHERE m.direction = 'in' AND m.processed_at IS NULL AND c.mode = 'bot' AND c.parked_at IS NULL",
    ),
    (
        "I3: by a turn, unless an officer saw it",
        "SELECT m.wamid FROM gc_channel.messages m
         WHERE m.direction = 'in' AND m.processed_at IS NOT NULL AND m.turn_id IS NULL
           AND NOT EXISTS (SELECT FROM gc_channel.takeover_sessions s WHERE s.conversation_id = m.conversation_id)",
    ),
    (
        "I5: a call has one complaint",
        "SELECT k.key::text FROM gc_channel.calls k
         WHERE k.kind = 'complaint.create' AND k.answered_at IS NOT NULL
           AND (SELECT count(*) FROM gc_case.complaints c WHERE c.idempotency_key = k.key::text) <> 1",
    ),
    (
        "I5: a complaint of WhatsApp has a call",
        "SELECT c.complaint_id FROM gc_case.complaints c WHERE c.origin_conversation_id IS NOT NULL
           AND NOT EXISTS (SELECT FROM gc_channel.calls k WHERE k.key::text = c.idempotency_key)",
    ),
    (
        "I6: every outbound row ends",
        "SELECT message_id::text || ' ' || status FROM gc_channel.messages
         WHERE direction = 'out' AND (status IN ('queued', 'sending')
            OR (status = 'unknown' AND next_attempt_at IS DISTINCT FROM 'infinity'))",
    ),
    (
        "I6: what failed has a reason",
        "SELECT message_id::text FROM gc_channel.messages WHERE status = 'failed' AND error IS NULL",
    ),
];

/// Every violation, in words; none when all holds.
pub async fn violations(office: &Office) -> Vec<String> {
    let pool = &office.database.pool;
    let mut found = Vec::new();
    for (invariant, sql) in MUST_BE_EMPTY {
        let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(pool).await.expect(invariant);
        found.extend(rows.into_iter().map(|row| format!("{invariant}: {row}")));
    }
    committed(office, &mut found).await;
    in_order(office, &mut found).await;
    let accepted = office.accepted(None).await;
    sent_once_and_in_order(pool, &accepted, &mut found).await;
    told_once(pool, &accepted, &mut found).await;
    found
}

/// I1: what was answered with 200 is in the database, as a message or parked.
async fn committed(office: &Office, found: &mut Vec<String>) {
    let entries = office.log("kind=webhook").await;
    let answered: BTreeSet<String> = entries
        .iter()
        .filter(|entry| entry["status"] == 200 && entry["update"] != "status")
        .flat_map(|entry| entry["wamids"].as_array().expect("wamids"))
        .map(|wamid| wamid.as_str().expect("text").to_owned())
        .collect();
    let answered: Vec<String> = answered.into_iter().collect();
    let missing: Vec<String> = sqlx::query_scalar(
        "SELECT wamid FROM unnest($1::text[]) AS answered (wamid)
         WHERE NOT EXISTS (SELECT FROM gc_channel.messages m WHERE m.wamid = answered.wamid)
           AND NOT EXISTS (SELECT FROM gc_channel.parked_updates p
                           WHERE position(convert_to(answered.wamid, 'UTF8') IN p.raw) > 0)",
    )
    .bind(&answered)
    .fetch_all(&office.database.pool)
    .await
    .expect("I1");
    found.extend(missing.into_iter().map(|wamid| format!("I1: {wamid} was answered with 200 and is lost")));
}

/// I3: a conversation's messages are processed in their order. Two nodes may commit two messages at the same time; which of them
/// is seen first is open until the first is answered.
async fn in_order(office: &Office, found: &mut Vec<String>) {
    let pairs: Vec<(String, String, f64, String)> = sqlx::query_as(
        "SELECT earlier.wamid, later.wamid, extract(epoch FROM later.received_at)::float8,
                format('received %s and %s, processed %s (%s) and %s (%s)', earlier.received_at, later.received_at,
                       earlier.processed_at, earlier.turn_id, later.processed_at, later.turn_id)
         FROM gc_channel.messages earlier JOIN gc_channel.messages later USING (conversation_id)
         WHERE earlier.direction = 'in' AND later.direction = 'in' AND earlier.seq < later.seq
           AND earlier.sent_at <= later.sent_at AND earlier.processed_at > later.processed_at",
    )
    .fetch_all(&office.database.pool)
    .await
    .expect("I3");
    if pairs.is_empty() {
        return;
    }
    let mut answered: BTreeMap<String, Timestamp> = BTreeMap::new();
    for entry in office.log("kind=webhook").await.iter().filter(|entry| entry["status"] == 200) {
        let at: Timestamp = entry["at"].as_str().expect("a time").parse().expect("a time");
        for wamid in entry["wamids"].as_array().expect("wamids") {
            answered.entry(wamid.as_str().expect("text").to_owned()).or_insert(at);
        }
    }
    for (earlier, later, received_at, times) in pairs {
        if office.nodes.count() == 1
            || answered.get(&earlier).is_some_and(|at| at.as_microsecond() as f64 / 1e6 < received_at)
        {
            found.push(format!("I3: {later} was processed before {earlier}: {times}"));
        }
    }
}

/// I6: a row that was sent was accepted once, others never; a conversation's messages leave in the order of their rows.
async fn sent_once_and_in_order(pool: &PgPool, accepted: &[Sent], found: &mut Vec<String>) {
    let rows: Vec<(String, String, i64, String)> = sqlx::query_as(
        "SELECT message_id::text, conversation_id::text, seq, status FROM gc_channel.messages
         WHERE direction = 'out' AND raw IS NULL ORDER BY seq",
    )
    .fetch_all(pool)
    .await
    .expect("outbound rows");
    let mut times: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    // What Meta reported as failed may be sent again.
    for sent in accepted.iter().filter(|sent| !sent.fails_later) {
        times.entry(&sent.opaque).or_default().push(sent.index);
    }
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for (id, conversation, _, status) in &rows {
        let indexes = times.remove(id.as_str()).unwrap_or_default();
        let must_have_arrived = ["sent", "delivered", "read"].contains(&status.as_str());
        if indexes.len() > 1 {
            found.push(format!("I6: {id} was accepted {} times", indexes.len()));
        }
        if must_have_arrived && indexes.is_empty() {
            found.push(format!("I6: {id} is {status} and Meta never accepted it"));
        }
        if status == "cancelled" && !indexes.is_empty() {
            found.push(format!("I6: {id} is cancelled and Meta accepted it"));
        }
        let Some(index) = indexes.first() else { continue };
        if last.get(conversation.as_str()).is_some_and(|before| before > index) {
            found.push(format!("order: {id} overtook an earlier message of {conversation}"));
        }
        last.insert(conversation, *index);
    }
    found.extend(times.into_keys().map(|id| format!("I6: Meta accepted {id}, which is no row of ours")));
}

/// I5: a citizen learns the number of a new complaint once.
async fn told_once(pool: &PgPool, accepted: &[Sent], found: &mut Vec<String>) {
    let numbers: Vec<(String, bool)> = sqlx::query_as(
        "SELECT c.complaint_id, EXISTS (SELECT FROM gc_channel.takeover_sessions s
                                        WHERE s.conversation_id = c.origin_conversation_id)
         FROM gc_case.complaints c WHERE c.origin_conversation_id IS NOT NULL",
    )
    .fetch_all(pool)
    .await
    .expect("complaints");
    for (number, taken_over) in numbers {
        let told = accepted.iter().filter(|sent| sent.text.contains(&format!("nomor {number}"))).count();
        // After a takeover the officer sees the number instead.
        if told > 1 || (told == 0 && !taken_over) {
            found.push(format!("I5: complaint {number} was told {told} times"));
        }
    }
}
