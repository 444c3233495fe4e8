//! What failed for good is listed, can be tried again by an operator, and people who cannot be reached are marked.

use serde_json::{Value, json};

use super::{chat, has_status, notify, text};
use crate::support::office::{BROKEN_ROAD, Office, eventually};

async fn refuse_once(office: &Office, citizen: &str, kind: &str, code: i64) {
    office
        .fault(json!({"effect": {"graph_error": {"code": code}}, "count": 1, "match": {"person": citizen, "kind": kind}}))
        .await;
}

async fn retry(office: &Office, message: &str) -> crate::support::service::Answer {
    office.post(&format!("/internal/messages/{message}/retry"), json!({})).await
}

async fn listed(office: &Office, query: &str) -> Vec<String> {
    let page = office.get("channel", &format!("/internal/dead-letters?{query}")).await;
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["message_id"].as_str().unwrap().to_owned()).collect()
}

/// The conversation as the list shows it.
async fn conversation(office: &Office, id: &str) -> Value {
    let page = office.get("channel", "/internal/conversations").await;
    page["items"].as_array().unwrap().iter().find(|item| item["conversation_id"] == id).unwrap().clone()
}

#[tokio::test]
async fn a_person_who_cannot_be_reached_is_marked_until_they_write_and_the_message_can_be_sent_again() {
    let office = Office::open().await;
    let id = chat(&office, "hilang").await;
    refuse_once(&office, "hilang", "text", 131_026).await;
    let message = notify(&office, &id, text("Kabar")).await;
    let failed = has_status(&office, &id, &message, "failed").await;
    assert_eq!((&failed["error"]["class"], &failed["attempts"]), (&json!("unreachable"), &json!(1)));
    let marked = eventually("the person is marked", async || {
        Some(conversation(&office, &id).await).filter(|item| item["unreachable"].is_object())
    })
    .await;
    assert_eq!(marked["unreachable"]["code"], 131_026, "{marked}");
    assert_eq!(listed(&office, "").await, std::slice::from_ref(&message));

    office.says("hilang", "saya di sini").await;
    eventually("the mark is gone", async || {
        conversation(&office, &id).await["unreachable"].is_null().then_some(())
    })
    .await;
    retry(&office, &message).await.success(202);
    let item = has_status(&office, &id, &message, "delivered").await;
    assert_eq!(item["attempts"], 1, "counted anew: {item}");
    assert!(listed(&office, "").await.is_empty());
    let problem = retry(&office, &message).await.problem(409);
    assert_eq!(problem["message_status"], "delivered");
    assert_eq!(problem["type"], "urn:govconnect:problem:not-failed");
    retry(&office, "0190b0a0-0000-7000-8000-000000000000").await.problem(404);
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn the_list_is_paged_and_filtered() {
    let office = Office::open().await;
    let id = chat(&office, "banyak").await;
    let mut failed = Vec::new();
    for code in [100, 131_026, 132_000] {
        refuse_once(&office, "banyak", "text", code).await;
        let message = notify(&office, &id, text("Kabar")).await;
        has_status(&office, &id, &message, "failed").await;
        failed.push(message);
    }
    office.is_quiet().await;
    let latest_first: Vec<String> = failed.iter().rev().cloned().collect();
    assert_eq!(listed(&office, "").await, latest_first);
    assert_eq!(listed(&office, "class=unreachable").await, [failed[1].clone()]);
    assert_eq!(listed(&office, "class=message_wrong").await.len(), 2);
    assert!(listed(&office, "phone_number_id=1").await.is_empty());
    let mut paged = Vec::new();
    let mut query = "limit=1".to_owned();
    loop {
        let page = office.get("channel", &format!("/internal/dead-letters?{query}")).await;
        let items = page["items"].as_array().unwrap();
        paged.extend(items.iter().map(|item| item["message_id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("limit=1&cursor={cursor}");
    }
    assert_eq!(paged, latest_first);
    office.close().await;
}

#[tokio::test]
async fn what_the_bot_said_is_not_tried_again_after_a_person_took_over() {
    let office = Office::open().await;
    office.citizen("diambil").await;
    refuse_once(&office, "diambil", "interactive", 100).await;
    office.says("diambil", BROKEN_ROAD).await;
    let id = office.conversation("diambil").await;
    let failed = eventually("the bot's message fails", async || {
        super::newest(&office, &id, "bot").await.filter(|item| item["status"] == "failed")
    })
    .await;
    let message = failed["message_id"].as_str().unwrap();
    office.post(&format!("/internal/takeover/{id}/start"), json!({"admin_id": "rina"})).await.success(200);
    assert_eq!(retry(&office, message).await.problem(409)["type"], "urn:govconnect:problem:taken-over");
    office.post(&format!("/internal/takeover/{id}/end"), json!({"admin_id": "rina"})).await.success(204);
    assert_eq!(retry(&office, message).await.problem(409)["type"], "urn:govconnect:problem:taken-over");
    office.close().await;
}
