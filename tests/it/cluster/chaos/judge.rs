//! When all is mended: everything becomes quiet, and every invariant held all the time.

use std::collections::BTreeSet;
use std::time::Duration;

use govconnect::cluster::status::ClusterStatus;
use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use super::load::Takeover;
use super::plan::NODES;
use super::told::Consumer;
use super::witness;
use crate::support::checker::{self, OPEN_WORK};
use crate::support::office::{Office, eventually_within};

/// I8: a lease of 10 s, a sweep of a second, and the work of all who waited, on a machine that others use as well.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until nothing is owed and every node has its share.
pub async fn all_becomes_quiet(office: &Office, said: Vec<String>) {
    let begun = Instant::now();
    let pool = &office.database.pool;
    office.expect_to_hear(said);
    // Whoever took over and could not be told so would go home now.
    for id in held(office).await {
        office.post(&format!("/internal/takeover/{id}/end"), json!({})).await.success(204);
    }
    everybody_has_their_share(office).await;
    eprintln!("        shares are exact after {:?}", begun.elapsed());
    // Nodes that died left claims behind whose outcome nobody knows; their new owners find them.
    eventually_within(PATIENCE, "no claim is left behind", async || {
        let claimed = "SELECT count(*) FROM gc_channel.messages WHERE status = 'sending'";
        (office.count(claimed).await == 0).then_some(())
    })
    .await;
    office.let_a_minute_pass_for_unanswered_sends().await;
    eprintln!("        no send is under way after {:?}", begun.elapsed());
    eventually_within(PATIENCE, "nothing is owed", async || {
        let open = office.count(OPEN_WORK).await;
        (open == 0).then_some(())
    })
    .await;
    office.is_quiet().await;
    eprintln!("        quiet after {:?}", begun.elapsed());
    eventually_within(PATIENCE, "all events are published", async || {
        (Consumer::waiting(pool).await == 0).then_some(())
    })
    .await;
    eprintln!("        all is told after {:?}", begun.elapsed());
}

async fn held(office: &Office) -> Vec<String> {
    sqlx::query_scalar("SELECT conversation_id::text FROM gc_channel.conversations WHERE mode = 'human'")
        .fetch_all(&office.database.pool)
        .await
        .expect("the database answers")
}

/// I9, and exact shares.
async fn everybody_has_their_share(office: &Office) {
    eventually_within(PATIENCE, "every node has its share", async || {
        let status = ClusterStatus::read(&office.database.pool).await.expect("the database answers");
        let up: Vec<_> = status.nodes.iter().filter(|node| node.state == "up").collect();
        let mut shares: Vec<usize> = up.iter().map(|node| node.partitions).collect();
        shares.sort_unstable();
        (up.len() == NODES && shares == [21, 21, 22]).then_some(())
    })
    .await;
}

/// Everything that must not be.
pub async fn violations(office: &Office, told: &Consumer, takeovers: &[Takeover]) -> Vec<String> {
    let pool = &office.database.pool;
    let page = office.log_page("limit=1").await;
    assert!(
        page["oldest"].as_u64().is_some_and(|oldest| oldest <= 1),
        "the log has forgotten entries: say less"
    );
    let mut found = witness::report(pool).await;
    found.extend(checker::violations(office).await);
    found.extend(told.violations(office.nodes.broker(), pool).await);
    found.extend(bot_messages_after_takeovers(office, takeovers).await);
    found.extend(officers_were_heard(office, takeovers).await);
    for (what, sql) in [
        ("an update was parked", "SELECT parked_id::text || ' ' || reason FROM gc_channel.parked_updates"),
        ("gave up", "SELECT body::text FROM gc_channel.event_outbox WHERE routing_key = 'govconnect.ai.error'"),
        ("failed", "SELECT message_id::text || ' ' || coalesce(error::text, '') FROM gc_channel.messages WHERE status = 'failed'"),
        // Claims whose outcome is never known are the bot's of before a takeover (I6).
        (
            "unknown for good without a takeover",
            "SELECT message_id::text FROM gc_channel.messages m WHERE status = 'unknown'
             AND NOT EXISTS (SELECT FROM gc_channel.takeover_sessions s WHERE s.conversation_id = m.conversation_id)",
        ),
    ] {
        let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(pool).await.expect(what);
        found.extend(rows.into_iter().map(|row| format!("{what}: {row}")));
    }
    found
}

/// I7.
async fn bot_messages_after_takeovers(office: &Office, takeovers: &[Takeover]) -> Vec<String> {
    let bots: Vec<String> = sqlx::query_scalar(
        "SELECT message_id::text FROM gc_channel.messages WHERE direction = 'out' AND origin = 'bot'",
    )
    .fetch_all(&office.database.pool)
    .await
    .expect("the bot's messages");
    let bots: BTreeSet<String> = bots.into_iter().collect();
    let mut found = Vec::new();
    let (mut before, mut in_flight) = (0, 0);
    let log = office.log("kind=graph").await;
    for takeover in takeovers {
        for entry in log.iter().filter(|entry| entry["citizen"] == takeover.citizen.as_str()) {
            let Some(id) = entry["opaque"].as_str().filter(|id| bots.contains(*id)) else { continue };
            let at: Timestamp = entry["at"].as_str().expect("a time").parse().expect("a time");
            if at <= takeover.from {
                before += 1;
            } else if takeover.in_flight.iter().any(|named| named == id) {
                in_flight += 1;
            } else if at < takeover.until {
                found.push(format!(
                    "I7: {} got {id} at {at}, acknowledged at {}",
                    takeover.citizen, takeover.from
                ));
            }
        }
    }
    eprintln!(
        "        {} takeovers: {before} bot messages before, {in_flight} in flight at the acknowledgement",
        takeovers.len()
    );
    found
}

/// What an officer was told is queued reached the citizen.
async fn officers_were_heard(office: &Office, takeovers: &[Takeover]) -> Vec<String> {
    let said: Vec<String> = takeovers.iter().flat_map(|takeover| takeover.said.clone()).collect();
    sqlx::query_scalar::<_, String>(
        "SELECT 'an officer was not heard: ' || said.id || ' ' || coalesce(m.status, 'no row')
         FROM unnest($1::text[]) AS said (id) LEFT JOIN gc_channel.messages m ON m.message_id = said.id::uuid
         WHERE m.status IS DISTINCT FROM 'delivered'",
    )
    .bind(said)
    .fetch_all(&office.database.pool)
    .await
    .expect("the officers' messages")
}
