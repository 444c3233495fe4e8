//! Meta stumbles, refuses, or takes a message and does not say so: nothing is sent twice, nothing is dropped unseen.

use serde_json::{Value, json};

use crate::support::office::{BROKEN_ROAD, Office, eventually};

async fn breaks_for(office: &Office, citizen: &str, effect: Value, count: Option<u32>) {
    office.citizen(citizen).await;
    // The reply to a complete report has buttons; read receipts are let through.
    office
        .fault(json!({"effect": effect, "count": count, "match": {"person": citizen, "kind": "interactive"}}))
        .await;
    office.says(citizen, BROKEN_ROAD).await;
}

/// The newest outbound message of a citizen as officers see it.
async fn last_sent(office: &Office, citizen: &str) -> Option<Value> {
    let id = office.conversation(citizen).await;
    let transcript = office.get("channel", &format!("/internal/messages?conversation_id={id}")).await;
    transcript["items"].as_array().unwrap().iter().find(|item| item["direction"] == "out").cloned()
}

async fn becomes(office: &Office, citizen: &str, what: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("the message of {citizen} is as expected"), async || {
        last_sent(office, citizen).await.filter(|item| what(item))
    })
    .await
}

#[tokio::test]
async fn whatever_meta_answers_a_citizen_gets_each_message_at_most_once() {
    let office = Office::open_with(&[("WHATSAPP__CALL_TIMEOUT_MS", "1500")]).await;
    for (citizen, effect) in [
        ("tersandung", json!({"graph_error": {"code": 131_000}})),
        ("sibuk", json!({"graph_error": {"code": 131_016}})),
        ("putus", json!({"answer_lost": {"how": "drop"}})),
        ("salah", json!({"answer_lost": {"how": "server_error"}})),
        ("lambat", json!({"delay_answer": {"ms": 3_000}})),
        ("cepat", json!("pair_rate")),
    ] {
        breaks_for(&office, citizen, effect, Some(1)).await;
    }
    office.check().await;
    for citizen in ["tersandung", "sibuk", "putus", "salah", "lambat", "cepat"] {
        let sent = office.accepted(Some(citizen)).await;
        assert_eq!(sent.len(), 1, "{citizen}");
        assert_eq!(last_sent(&office, citizen).await.unwrap()["status"], "delivered", "{citizen}");
    }
    office.close().await;
}

#[tokio::test]
async fn a_call_without_any_answer_is_repeated_only_after_a_minute_without_a_status() {
    let office = Office::open_with(&[("WHATSAPP__CALL_TIMEOUT_MS", "500")]).await;
    breaks_for(&office, "hening", json!({"hang": {"ms": 60_000}}), Some(1)).await;
    let unknown = becomes(&office, "hening", |item| item["status"] == "unknown").await;
    assert!(unknown["error"]["title"].is_string(), "{unknown}");
    assert_eq!(office.log("kind=graph&call=interactive&person=hening").await.len(), 1);
    office.let_a_minute_pass_for_unanswered_sends().await;
    office.replies("hening", 1).await;
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn what_can_never_be_sent_fails_with_a_reason_that_officers_see() {
    let office = Office::open().await;
    for (citizen, effect, code) in [
        ("tertutup", json!("closed_window"), 131_047),
        ("hilang", json!({"graph_error": {"code": 131_026}}), 131_026),
        ("ditolak", json!({"graph_error": {"code": 100}}), 100),
    ] {
        breaks_for(&office, citizen, effect, Some(1)).await;
        let failed = becomes(&office, citizen, |item| item["status"] == "failed").await;
        assert_eq!(failed["error"]["code"], code, "{failed}");
    }
    breaks_for(&office, "gagal", json!({"failed_status": {"code": 131_026}}), Some(1)).await;
    let failed = becomes(&office, "gagal", |item| item["status"] == "failed").await;
    assert_eq!(failed["error"]["code"], 131_026, "{failed}");

    // A window that we know to be closed is not even tried.
    sqlx::query("UPDATE gc_channel.conversations SET window_expires_at = now() - interval '1 minute'")
        .execute(&office.database.pool)
        .await
        .unwrap();
    let id = office.conversation("hilang").await;
    office.post(&format!("/internal/takeover/{id}/start"), json!({"admin_id": "rina"})).await.success(200);
    let content = json!({"type": "text", "text": "selamat pagi"});
    let body = json!({"conversation_id": id, "origin": "officer", "admin_id": "rina", "content": content});
    let refused = office.post("/internal/messages/send", body).await.problem(409);
    assert_eq!(refused["type"], "urn:govconnect:problem:window-closed");
    assert_eq!(office.log("kind=graph&call=text&person=hilang").await.len(), 0);
    office.close().await;
}

#[tokio::test]
async fn a_refused_token_keeps_the_queue_says_why_and_does_not_hold_up_a_stop() {
    let mut office = Office::open().await;
    breaks_for(&office, "terkunci", json!({"graph_error": {"code": 190}}), Some(1)).await;
    let waiting = becomes(&office, "terkunci", |item| item["error"].is_object()).await;
    assert_eq!((&waiting["status"], &waiting["error"]["code"]), (&json!("queued"), &json!(190)));
    // Another of the same number waits with it, for the token is the number's.
    office.citizen("antre").await;
    office.says("antre", BROKEN_ROAD).await;
    let queued = becomes(&office, "antre", |item| item["status"] == "queued").await;
    assert_eq!(queued["error"], Value::Null);
    assert_eq!(office.accepted(None).await.len(), 0);

    let (status, took) = office.terminate().await;
    assert!(status.success(), "{status}");
    assert!(took.as_secs_f64() < 3.0, "the stop waited for the circuit: {took:?}");
    // With a new start the token is tried again.
    sqlx::query("UPDATE gc_channel.messages SET next_attempt_at = now() WHERE next_attempt_at > now()")
        .execute(&office.database.pool)
        .await
        .unwrap();
    office.start().await;
    office.check().await;
    assert_eq!(office.accepted(None).await.len(), 2);
    office.close().await;
}
