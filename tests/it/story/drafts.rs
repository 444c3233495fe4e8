//! A complaint told in pieces, changed afterwards, cried out in danger, or left half told: what becomes of it, seen from
//! the phone, from the case service and from the officers' list.

use serde_json::{Value, json};

use crate::support::office::{BROKEN_ROAD, Office, eventually};

/// What the last message to a citizen was, as Meta got it.
async fn last_body(office: &Office, citizen: &str) -> Value {
    let log = office.log(&format!("kind=graph&person={citizen}")).await;
    let sent = |entry: &&Value| entry["body"]["type"].is_string();
    log.iter().rev().find(sent).expect("something was sent")["body"].clone()
}

fn button<'a>(body: &'a Value, title: &str) -> &'a str {
    let buttons = body.pointer("/interactive/action/buttons").and_then(Value::as_array).expect("buttons");
    let reply = buttons.iter().map(|button| &button["reply"]).find(|reply| reply["title"] == title);
    reply.and_then(|reply| reply["id"].as_str()).expect("the button")
}

async fn tap(office: &Office, citizen: &str, id: &str, title: &str) {
    office.says_kind(citizen, json!({"button_reply": {"id": id, "title": title}})).await;
}

#[tokio::test]
async fn a_filed_complaint_is_changed_and_withdrawn_by_its_buttons_and_old_ones_do_nothing() {
    let office = Office::open().await;
    office.citizen("ubah").await;
    office.says("ubah", BROKEN_ROAD).await;
    office.replies("ubah", 1).await;
    let first = last_body(&office, "ubah").await;
    tap(&office, "ubah", button(&first, "Ubah"), "Ubah").await;
    office.replied_with("ubah", "Apa yang ingin diubah").await;
    office.says("ubah", "Jl. Kenanga No. 3").await;
    office.replied_with("ubah", "sudah kami perbarui").await;
    let complaint = office.get("case", "/internal/complaints").await["items"][0].clone();
    assert!(complaint["alamat"].as_str().unwrap().contains("Kenanga"), "{complaint}");
    // The first message's button is of an older state.
    tap(&office, "ubah", button(&first, "Batalkan"), "Batalkan").await;
    office.replied_with("ubah", "Ini laporan LAP-").await;
    let shown = last_body(&office, "ubah").await;
    tap(&office, "ubah", button(&shown, "Batalkan"), "Batalkan").await;
    office.replied_with("ubah", "sudah dibatalkan").await;
    office.check().await;
    assert_eq!(office.count("SELECT count(*) FROM gc_case.complaints WHERE status = 'dibatalkan'").await, 1);
    office.close().await;
}

#[tokio::test]
async fn danger_is_filed_before_anything_is_asked_and_then_only_for_the_place() {
    let office = Office::open().await;
    office.citizen("darurat").await;
    office.says("darurat", "TOLONG rumah terbakar api membesar!!").await;
    let replies = office.replies("darurat", 1).await;
    let (numbers, number) = (replies[0].text.find("112"), replies[0].text.find("LAP-"));
    assert!(numbers.is_some() && numbers < number, "the numbers come first: {}", replies[0].text);
    let body = last_body(&office, "darurat").await;
    assert_eq!(body["interactive"]["type"], "location_request_message", "{body}");
    let waiting = office.get("channel", "/internal/conversations?waiting=true").await;
    assert_eq!(waiting["items"][0]["waiting_reason"], "emergency", "{waiting}");
    office.says_kind("darurat", json!({"location": {"latitude": -6.21, "longitude": 106.81}})).await;
    office.replies("darurat", 2).await;
    office.check().await;
    let complaints = office.get("case", "/internal/complaints").await;
    assert_eq!(complaints["items"].as_array().unwrap().len(), 1, "{complaints}");
    let id = complaints["items"][0]["complaint_id"].as_str().unwrap();
    let complaint = office.get("case", &format!("/internal/complaints/{id}")).await;
    assert_eq!(complaint["urgency"], "emergency", "{complaint}");
    assert_eq!(complaint["latitude"], -6.21, "{complaint}");
    office.close().await;
}

#[tokio::test]
async fn a_draft_is_seen_by_officers_and_reminded_of_once() {
    let office = Office::open_with(&[("CONVERSATION__SWEEP_MS", "200")]).await;
    office.citizen("lupa").await;
    office.says("lupa", "lampu jalan mati sudah tiga hari").await;
    office.replied_with("lupa", "lokasinya").await;
    let listed = office.get("channel", "/internal/conversations").await;
    assert_eq!(listed["items"][0]["draft"]["kategori"], "lampu_jalan", "{listed}");
    office.until_count("SELECT count(*) FROM gc_channel.conversations WHERE remind_at > now()", 1).await;
    // Four hours later.
    sqlx::query("UPDATE gc_channel.conversations SET remind_at = now()")
        .execute(&office.database.pool)
        .await
        .unwrap();
    office.replied_with("lupa", "belum terkirim").await;
    eventually("the reminder is done with", async || {
        (office.count("SELECT count(*) FROM gc_channel.conversations WHERE remind_at IS NOT NULL").await == 0)
            .then_some(())
    })
    .await;
    office.says("lupa", "di depan SDN 2 Sukamaju").await;
    office.replied_with("lupa", "LAP-").await;
    office.check().await;
    assert_eq!(office.accepted(Some("lupa")).await.len(), 3);
    let listed = office.get("channel", "/internal/conversations").await;
    assert_eq!(listed["items"][0]["draft"], Value::Null, "{listed}");
    office.close().await;
}

#[tokio::test]
async fn what_goes_from_hand_to_hand_is_answered_and_never_filed() {
    let office = Office::open().await;
    office.citizen("rantai").await;
    let message = json!({"text": {"body": BROKEN_ROAD}});
    let said = json!({"message": message, "frequently_forwarded": true});
    office.control("citizens/rantai/messages", said).await;
    office.replied_with("rantai", "Pesan berantai").await;
    office.check().await;
    assert_eq!(office.count("SELECT count(*) FROM gc_case.complaints").await, 0);
    office.close().await;
}

#[tokio::test]
async fn voices_are_put_into_the_queue_of_those_who_can_hear_them() {
    let office = Office::open().await;
    office.citizen("suara").await;
    let voice = json!({"audio": {}});
    office.says_kind("suara", voice.clone()).await;
    office.replied_with("suara", "Pesan suara sudah kami terima").await;
    office.says_kind("suara", voice).await;
    office.check().await;
    assert_eq!(office.accepted(Some("suara")).await.len(), 1, "acknowledged once");
    let waiting = office.get("channel", "/internal/conversations?waiting=true").await;
    assert_eq!(waiting["items"][0]["waiting_reason"], "perlu didengar", "{waiting}");
    office.close().await;
}
