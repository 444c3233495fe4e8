//! A conversation that goes well: from the citizen's words to the number of the complaint.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::office::{BROKEN_ROAD, Office, eventually};

#[tokio::test]
async fn a_citizen_reports_a_broken_road_and_gets_its_number_in_one_reply() {
    let office = Office::open().await;
    office.citizen("siti-r").await;
    let wamid = office.says("siti-r", BROKEN_ROAD).await;
    let replies = office.replies("siti-r", 1).await;
    office.check().await;
    assert_eq!(office.accepted(Some("siti-r")).await.len(), 1, "one reply");

    let complaints = office.get("case", "/internal/complaints").await;
    let complaint = &complaints["items"][0];
    assert_eq!(complaints["items"].as_array().unwrap().len(), 1);
    assert_eq!(complaint["kategori"], "jalan_rusak", "{complaint}");
    assert!(complaint["alamat"].as_str().unwrap().contains("Melati No. 15"), "{complaint}");
    let number = complaint["id"].as_str().or(complaint["complaint_id"].as_str()).unwrap();
    assert!(replies[0].text.contains(number), "{} names {number}", replies[0].text);

    let seen = office.log("kind=graph&call=read&person=siti-r").await;
    let receipt = seen.first().expect("a read receipt");
    assert_eq!(receipt["body"]["message_id"], Value::String(wamid));
    assert_eq!(receipt["body"]["typing_indicator"], json!({"type": "text"}));
    assert!(receipt["index"].as_u64().unwrap() < replies[0].index, "the ticks turn blue before the reply");
    office.close().await;
}

#[tokio::test]
async fn five_fragments_become_one_turn_and_one_reply() {
    let office = Office::open_with(&[("CONVERSATION__QUIET_MS", "1000")]).await;
    office.citizen("budi-f").await;
    for fragment in ["Saya mau lapor", "jalan rusak", "di Jl. Melati No. 15", "banyak lubang", "sudah lama"] {
        office.says("budi-f", fragment).await;
    }
    office.replies("budi-f", 1).await;
    office.check().await;
    assert_eq!(
        office.count("SELECT count(DISTINCT turn_id) FROM gc_channel.messages WHERE direction = 'in'").await,
        1
    );
    assert_eq!(office.accepted(Some("budi-f")).await.len(), 1);
    assert_eq!(office.count("SELECT count(*) FROM gc_case.complaints").await, 1);
    office.close().await;
}

#[tokio::test]
async fn a_correction_at_any_moment_of_a_turn_gives_one_complaint_and_is_never_overheard() {
    const CITIZENS: usize = 12;
    // Each step of the turn takes long enough to be met by somebody.
    let steps = ["turn::before_commit", "call::before", "answer::before_commit", "send::after_claim"];
    let armed = steps.map(|step| format!("{step}=sleep(15)")).join(";");
    let office = Office::open_with(&[("FAILPOINTS", &armed)]).await;
    let mut citizens = Vec::new();
    for number in 0..CITIZENS {
        let citizen = format!("ralat{number}");
        office.citizen(&citizen).await;
        citizens.push(citizen);
    }
    let stories = citizens.iter().enumerate().map(async |(number, citizen)| {
        office.says(citizen, BROKEN_ROAD).await;
        // The moment is the point of the test: from within the quiet time to after the reply.
        tokio::time::sleep(Duration::from_millis(60 * number as u64)).await;
        office.says(citizen, "eh bukan, Jl. Mawar").await;
    });
    join_all(stories).await;
    office.check().await;
    for citizen in &citizens {
        let conversation = office.conversation(citizen).await;
        let places: Vec<String> = sqlx::query_scalar(
            "SELECT alamat FROM gc_case.complaints WHERE origin_conversation_id = $1::uuid",
        )
        .bind(&conversation)
        .fetch_all(&office.database.pool)
        .await
        .unwrap();
        let replies = office.accepted(Some(citizen)).await;
        assert_eq!(places.len(), 1, "{citizen}: {places:?} {replies:#?}");
        // In time: the right address. Too late: a reply of its own, for it must not be passed over.
        assert!(places[0].contains("Mawar") || replies.len() == 2, "{citizen}: {places:?} {replies:#?}");
    }
    office.close().await;
}

#[tokio::test]
async fn an_idle_conversation_leaves_memory_and_answers_when_it_is_written_to_again() {
    let office = Office::open_with(&[("CONVERSATION__IDLE_S", "1")]).await;
    office.citizen("dewi-i").await;
    office.says("dewi-i", BROKEN_ROAD).await;
    office.replies("dewi-i", 1).await;
    eventually("nobody is in memory", async || {
        (office.metric("govconnect_conversations_active").await == 0.0).then_some(())
    })
    .await;
    office.says("dewi-i", "Lampu jalan mati di Jl. Kenanga No. 3, gelap sekali").await;
    office.replies("dewi-i", 2).await;
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn wake_ups_that_come_faster_than_a_conversation_can_look_do_not_silence_it() {
    let office = Office::open_with(&[("CONVERSATION__SWEEP_MS", "1")]).await;
    for number in 0..20 {
        office.citizen(&format!("sapu{number}")).await;
        office.says(&format!("sapu{number}"), BROKEN_ROAD).await;
    }
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn somebody_who_writes_on_and_on_is_answered_by_a_model_slower_than_their_pauses() {
    const MOST: usize = 60;
    // A tenth of life: a message every 0.3 s, a model of 0.8 s, at most 2.5 s of waiting.
    let office = Office::open_with(&[
        ("CONVERSATION__QUIET_MS", "200"),
        ("CONVERSATION__GREETING_QUIET_MS", "200"),
        ("CONVERSATION__MAX_WAIT_MS", "2500"),
        ("FAILPOINTS", "ai::slow=return(800)"),
    ])
    .await;
    office.citizen("cerewet").await;
    let mut said = 0;
    while office.accepted(Some("cerewet")).await.is_empty() {
        assert!(said < MOST, "no answer while {MOST} messages came");
        office.says("cerewet", &format!("lubang nomor {said} di Jl. Melati")).await;
        said += 1;
        // Their pace is the point of the test.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(office.metric("govconnect_turns_total{outcome=\"restarted\"}").await <= 2.0);
    office.check().await;
    // Nothing of what came meanwhile was passed over.
    assert_eq!(
        office
            .count("SELECT count(*) FROM gc_channel.messages WHERE direction = 'in' AND turn_id IS NOT NULL")
            .await,
        said as i64
    );
    office.close().await;
}
