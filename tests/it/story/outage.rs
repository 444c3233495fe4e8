//! What comes late, and what keeps failing: the citizen is told so, and a person is called; never silence.

use govconnect::clock::Clock;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::office::{BROKEN_ROAD, Office};

#[tokio::test]
async fn messages_held_up_by_an_outage_become_one_turn_whose_reply_names_their_time() {
    // Longer than the three messages take to arrive, however busy the machine is.
    let office = Office::open_with(&[("CONVERSATION__QUIET_MS", "3000")]).await;
    office.citizen("tunda").await;
    let now = Clock::system().now();
    let ago = |minutes: i64| now.checked_sub(SignedDuration::from_mins(minutes)).unwrap();
    // They come in any order, and something fresh in between: the fresh one is a turn of its own.
    office.says_at("tunda", "di Jl. Melati No. 15", ago(55)).await;
    office.says("tunda", "halo").await;
    office.says_at("tunda", "Saya mau lapor jalan rusak, banyak lubang", ago(60)).await;
    let replies = office.replies("tunda", 2).await;
    office.check().await;
    let zone = jiff::tz::TimeZone::get("Asia/Jakarta").unwrap();
    let first = ago(60).to_zoned(zone).strftime("%H.%M WIB").to_string();
    assert!(
        replies[0].text.contains("baru dapat kami balas") && replies[0].text.contains(&first),
        "{replies:?}"
    );
    assert!(replies[0].text.contains("LAP-") && replies[0].text.contains("Melati No. 15"), "{replies:?}");
    assert!(!replies[1].text.contains("baru dapat") && !replies[1].text.contains("LAP-"), "{replies:?}");
    assert_eq!(office.accepted(Some("tunda")).await.len(), 2);
    assert_eq!(
        office.count("SELECT count(DISTINCT turn_id) FROM gc_channel.messages WHERE direction = 'in'").await,
        2
    );
    office.close().await;
}

#[tokio::test]
async fn a_model_that_never_answers_in_time_ends_in_an_apology_and_a_person() {
    let office = Office::open_with(&[
        ("AI__TURN_DEADLINE_MS", "50"),
        ("CONVERSATION__TURN_ATTEMPTS", "2"),
        ("FAILPOINTS", "ai::slow=return(60000)"),
    ])
    .await;
    office.citizen("gagal").await;
    office.says("gagal", BROKEN_ROAD).await;
    let replies = office.replies("gagal", 1).await;
    assert!(replies[0].text.contains("mengalami kendala"), "{replies:?}");
    let list = office.get("channel", "/internal/conversations").await;
    let item = &list["items"][0];
    assert_eq!(
        (&item["mode"], &item["waiting_reason"]),
        (&json!("bot"), &json!("the bot failed several times"))
    );
    assert!(item["waiting_since"].is_string(), "{item}");
    assert_eq!(office.node().log_text().matches("turn failed").count(), 2, "tried twice");
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_on_the_way_holds_nobody_up() {
    let office = Office::open_with(&[("FAILPOINTS", "claim::answer=2*return->off")]).await;
    office.citizen("putus").await;
    office.says("putus", BROKEN_ROAD).await;
    // Far sooner than the minute after which a call that may have been made is made again.
    office.replied_with("putus", "LAP-").await;
    assert_eq!(office.accepted(Some("putus")).await.len(), 1);
    assert_eq!(office.count("SELECT max(attempts)::bigint FROM gc_channel.messages").await, 1);
    office.check().await;
    office.close().await;
}
