//! A number stops when Meta says so, keeps its queue, tries again with one message, and shows all of it to operators.

use serde_json::{Value, json};

use super::{chat, has_status, notify, number, resume, text};
use crate::support::office::{Office, eventually};

#[tokio::test]
async fn a_number_that_the_operator_must_mend_keeps_its_queue_and_tries_with_one_message() {
    let office = Office::open_with(&[("WHATSAPP__CIRCUIT_PAUSE_MS", "400")]).await;
    let mut chats = Vec::new();
    for citizen in ["satu", "dua", "tiga"] {
        chats.push((citizen, chat(&office, citizen).await));
    }
    office.is_quiet().await;
    assert_eq!(
        (&number(&office).await["state"], &number(&office).await["queued"]),
        (&json!("closed"), &json!(0))
    );
    // Refused at the first call, and once more when it tries again.
    office
        .fault(json!({"effect": {"graph_error": {"code": 131_042}}, "count": 2, "match": {"kind": "text"}}))
        .await;
    let mut messages = vec![notify(&office, &chats[0].1, text("Kabar")).await];
    let open = eventually("the circuit opens", async || {
        Some(number(&office).await).filter(|number| number["state"] != "closed")
    })
    .await;
    assert_eq!(open["reason"]["code"], 131_042, "{open}");
    assert_eq!(open["reason"]["class"], "operator");
    for (_, id) in &chats[1..] {
        messages.push(notify(&office, id, text("Kabar")).await);
    }
    for ((_, id), message) in chats.iter().zip(&messages) {
        has_status(&office, id, message, "delivered").await;
    }
    let closed = number(&office).await;
    assert_eq!((&closed["state"], &closed["reason"]), (&json!("closed"), &Value::Null), "{closed}");
    let calls = office.log("kind=graph&call=text").await;
    let about = |message: &String| calls.iter().filter(|call| call["opaque"] == message.as_str()).count();
    let total: usize = messages.iter().map(about).sum();
    assert_eq!(total, 5, "two refusals and three messages, nothing else: {calls:#?}");
    assert_eq!(office.metric("govconnect_number_alerts_total").await, 2.0);
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn an_operator_who_has_acted_lets_a_number_go_on_at_once() {
    for code in [190, 131_048, 80_007] {
        let hour = "3600000";
        let office = Office::open_with(&[
            ("WHATSAPP__CIRCUIT_PAUSE_MS", hour),
            ("WHATSAPP__SPAM_PAUSE_MS", hour),
            ("WHATSAPP__ACCOUNT_PAUSE_MS", hour),
        ])
        .await;
        let id = chat(&office, "tunggu").await;
        office
            .fault(json!({"effect": {"graph_error": {"code": code}}, "count": 1, "match": {"kind": "text"}}))
            .await;
        let message = notify(&office, &id, text("Kabar")).await;
        let waiting = eventually("it waits with the reason", async || {
            let item = super::newest(&office, &id, "notification").await?;
            (item["status"] == "queued" && item["error"]["code"] == code).then_some(item)
        })
        .await;
        assert_eq!(waiting["attempts"], 1);
        let paused = number(&office).await;
        assert!(paused["paused_s"].as_f64().unwrap() > 500.0, "{paused}");
        assert_eq!(paused["queued"], 1);
        resume(&office).await.success(204);
        has_status(&office, &id, &message, "delivered").await;
        assert!(number(&office).await["paused_s"].is_null());
        office.check().await;
        office.close().await;
    }
    let office = Office::open().await;
    resume(&office).await.problem(404);
    office.close().await;
}

#[tokio::test]
async fn one_person_gets_messages_no_faster_than_meta_allows_and_the_others_do_not_wait() {
    let office =
        Office::open_with(&[("WHATSAPP__PAIR_BURST", "2"), ("WHATSAPP__PAIR_REFILL_MS", "600")]).await;
    office.control("settings", json!({"pair": {"burst": 2, "refill_ms": 550}})).await;
    let (busy, other) = (chat(&office, "ramai").await, chat(&office, "sepi").await);
    let mut last = String::new();
    for count in 0..5 {
        last = notify(&office, &busy, text(&format!("pesan {count}"))).await;
    }
    let elsewhere = notify(&office, &other, text("Kabar")).await;
    has_status(&office, &busy, &last, "delivered").await;
    office.check().await;
    let calls = office.log("kind=graph&call=text").await;
    assert!(calls.iter().all(|call| call["status"] == 200), "Meta never had to refuse: {calls:#?}");
    let place = |message: &str| calls.iter().position(|call| call["opaque"] == message).unwrap();
    assert!(place(&elsewhere) < place(&last), "the other did not wait");
    assert!(office.metric("govconnect_pair_waits_total").await >= 1.0);
    office.close().await;
}
