//! The 24 h window: outside it a template goes, or the refusal is seen; nothing is lost in silence.

use serde_json::{Value, json};

use super::{chat, has_status, newest, notify, resume, text, transcript, try_notify};
use crate::support::office::{Office, eventually};

async fn close_window(office: &Office) {
    sqlx::query("UPDATE gc_channel.conversations SET window_expires_at = now() - interval '1 minute'")
        .execute(&office.database.pool)
        .await
        .unwrap();
}

/// A number that sends nothing until it is told to.
async fn stopped_office(settings: &[(&str, &str)]) -> Office {
    let mut all = vec![("WHATSAPP__CIRCUIT_PAUSE_MS", "3600000")];
    all.extend_from_slice(settings);
    Office::open_with(&all).await
}

async fn stop_number(office: &Office) {
    office
        .fault(json!({"effect": {"graph_error": {"code": 190}}, "count": 1, "match": {"kind": "text"}}))
        .await;
    let id = chat_of_operator(office).await;
    notify(office, &id, text("berhenti")).await;
    eventually("the number stops", async || (super::number(office).await["state"] == "open").then_some(()))
        .await;
}

/// Somebody whose message finds out that the token has expired.
async fn chat_of_operator(office: &Office) -> String {
    office.conversation("operator").await
}

#[tokio::test]
async fn free_text_outside_the_window_is_refused_when_it_is_written() {
    let office = Office::open().await;
    let id = chat(&office, "lama").await;
    office.post(&format!("/internal/takeover/{id}/start"), json!({"admin_id": "rina"})).await.success(200);
    close_window(&office).await;
    let officer =
        json!({"conversation_id": id, "origin": "officer", "admin_id": "rina", "content": text("halo")});
    for answer in
        [office.post("/internal/messages/send", officer).await, try_notify(&office, &id, text("halo")).await]
    {
        let problem = answer.problem(409);
        assert_eq!(problem["type"], "urn:govconnect:problem:window-closed");
        assert!(problem["closed_at"].is_string(), "{problem}");
    }
    assert_eq!(office.metric("govconnect_window_closed_total").await, 2.0);
    let template = notify(&office, &id, json!({"type": "template", "name": "kabar", "language": "id"})).await;
    has_status(&office, &id, &template, "delivered").await;
    office.close().await;
}

#[tokio::test]
async fn a_window_that_closes_while_messages_wait_fails_them_with_the_reason() {
    let office = stopped_office(&[]).await;
    chat(&office, "operator").await;
    let id = chat(&office, "lama").await;
    stop_number(&office).await;
    let message = notify(&office, &id, text("terlambat")).await;
    close_window(&office).await;
    resume(&office).await.success(204);
    let failed = has_status(&office, &id, &message, "failed").await;
    assert_eq!(failed["error"]["code"], 131_047, "{failed}");
    assert_eq!(office.log(&format!("kind=graph&opaque={message}")).await.len(), 0, "it was not even tried");
    office.check().await;
    assert!(transcript(&office, &id).await.iter().all(|item| item["kind"] != "template"));
    office.close().await;
}

#[tokio::test]
async fn where_a_template_is_set_it_goes_once_in_place_of_what_the_window_kept_back() {
    let office = stopped_office(&[
        ("WHATSAPP__WINDOW_TEMPLATE__NAME", "ada_kabar"),
        ("WHATSAPP__WINDOW_TEMPLATE__ORIGINS", "notification"),
    ])
    .await;
    chat(&office, "operator").await;
    let id = chat(&office, "lama").await;
    stop_number(&office).await;
    let first = notify(&office, &id, text("terlambat satu")).await;
    let second = notify(&office, &id, text("terlambat dua")).await;
    close_window(&office).await;
    resume(&office).await.success(204);
    for message in [&first, &second] {
        has_status(&office, &id, message, "failed").await;
    }
    office.is_quiet().await;
    let templates: Vec<Value> =
        transcript(&office, &id).await.into_iter().filter(|item| item["kind"] == "template").collect();
    assert_eq!(templates.len(), 1, "{templates:?}");
    assert_eq!(templates[0]["replaces"], first.as_str());
    assert_eq!(templates[0]["status"], "delivered");
    office.check().await;

    // When the citizen writes again, what was kept back can be sent.
    office.says("lama", "ada kabar apa?").await;
    eventually("the window is open", async || {
        let answer = office.post(&format!("/internal/messages/{first}/retry"), json!({})).await;
        (answer.status.as_u16() == 202).then_some(())
    })
    .await;
    has_status(&office, &id, &first, "delivered").await;
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn the_template_of_one_origin_does_not_go_for_another_nor_after_a_takeover() {
    let office = stopped_office(&[
        ("WHATSAPP__WINDOW_TEMPLATE__NAME", "ada_kabar"),
        ("WHATSAPP__WINDOW_TEMPLATE__ORIGINS", "officer"),
    ])
    .await;
    chat(&office, "operator").await;
    let id = chat(&office, "lama").await;
    stop_number(&office).await;
    let message = notify(&office, &id, text("terlambat")).await;
    close_window(&office).await;
    resume(&office).await.success(204);
    has_status(&office, &id, &message, "failed").await;
    office.is_quiet().await;
    assert_eq!(newest(&office, &id, "notification").await.unwrap()["kind"], "text");
    office.close().await;
}
