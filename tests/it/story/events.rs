//! What happened is told: a day's turns, takeovers and messages are in the analytics a moment later, each once, whoever
//! dies in between.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::support::office::{BROKEN_ROAD, Office, eventually};

const WAITING: &str = "SELECT (SELECT count(*) FROM gc_channel.event_outbox WHERE published_at IS NULL)
                            + (SELECT count(*) FROM gc_case.event_outbox WHERE published_at IS NULL)";

impl Office {
    /// The analytics of today, and of the days beside it lest midnight passes, added up.
    async fn analytics(&self) -> Value {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        #[expect(clippy::disallowed_methods, reason = "the node's clock is the machine's")]
        let today = Timestamp::now().to_zoned(zone).date();
        let (from, to) = (today - 1.day(), today + 1.day());
        let body = self.get("ai", &format!("/internal/analytics?from={from}&to={to}")).await;
        let days = body["days"].as_array().unwrap();
        assert_eq!(days.len(), 3);
        let sum = |path: &str| -> i64 {
            days.iter().filter_map(|day| day.pointer(path)).filter_map(Value::as_i64).sum()
        };
        json!({
            "complaints": sum("/replies/CREATE_COMPLAINT"),
            "greetings": sum("/replies/GREETING"),
            "called": sum("/hand_overs"),
            "started": sum("/takeovers_started"),
            "ended": sum("/takeovers_ended"),
            "sent": sum("/messages/sent"),
            "delivered": sum("/messages/delivered"),
            "failed": sum("/messages/failed"),
        })
    }
}

#[tokio::test]
async fn a_turn_a_call_for_a_person_and_a_takeover_show_up_in_the_analytics() {
    let office = Office::open().await;
    office.citizen("hitung").await;
    office.says("hitung", BROKEN_ROAD).await;
    office.replies("hitung", 1).await;
    office.says("hitung", "halo").await;
    office.replies("hitung", 2).await;
    office.says("hitung", "saya mau bicara dengan petugas").await;
    office.replies("hitung", 3).await;
    office.is_quiet().await;
    let id = office.conversation("hitung").await;
    office.post(&format!("/internal/takeover/{id}/start"), json!({"admin_id": "rina"})).await.success(200);
    office.post(&format!("/internal/takeover/{id}/end"), json!({"admin_id": "rina"})).await.success(204);
    let expected = json!({"complaints": 1, "greetings": 1, "called": 1, "started": 1, "ended": 1,
                          "sent": 3, "delivered": 3, "failed": 0});
    office.until_count(WAITING, 0).await;
    assert_eq!(office.analytics().await, expected);
    let published = eventually("they are counted", async || {
        let published = office.metric("govconnect_events_published_total").await;
        (published > 0.0).then_some(published)
    })
    .await;
    // Three messages and replies, three sent, their statuses, a takeover's two, a complaint.
    assert!(published >= 12.0, "{published}");
    office.check().await;
    office.close().await;
}

/// A node that never looks for events publishes them when it is stopped: then it dies between publishing and saying so.
pub async fn survives_a_crash_before_the_mark(step: &str) {
    let failpoint = format!("{step}=1*return");
    let mut office = Office::open_with(&[("FAILPOINTS", &failpoint), ("EVENTS__POLL_MS", "3600000")]).await;
    office.citizen("korban").await;
    office.says("korban", BROKEN_ROAD).await;
    office.replies("korban", 1).await;
    office.check().await;
    let events = office.count("SELECT count(*) FROM gc_channel.event_outbox").await;
    // What a citizen said is told to others, and counted nowhere.
    let received =
        "SELECT count(*) FROM gc_channel.event_outbox WHERE routing_key = 'whatsapp.message.received'";
    assert_eq!(office.count(received).await, 1);
    assert!(events >= 2, "{events}");
    assert_eq!(office.count(WAITING).await, events + 1, "nothing is published yet");
    let (status, _) = office.terminate().await;
    assert_eq!(status.code(), None, "{step} killed the process");
    assert!(office.count(WAITING).await > 0, "something was not marked");

    office.disarm();
    office.set("EVENTS__POLL_MS", "100");
    office.restart().await;
    office.until_count(WAITING, 0).await;
    let expected = json!({"complaints": 1, "greetings": 0, "called": 0, "started": 0, "ended": 0,
                          "sent": 1, "delivered": 1, "failed": 0});
    assert_eq!(office.analytics().await, expected);
    assert_eq!(office.count("SELECT count(*) FROM gc_ai.seen_events").await, events - 1);
    office.check().await;
    office.close().await;
}
