//! Every kind of message reaches the citizen as it was meant, and what Meta would refuse is refused by us first.

use serde_json::{Value, json};

use super::{chat, has_status, notify, text, transcript, try_notify};
use crate::support::office::{INTERNAL_KEY, Office};
use crate::support::service::send;

#[tokio::test]
async fn every_kind_of_content_is_taken_and_priced() {
    let office = Office::open().await;
    let id = chat(&office, "semua").await;
    let asked = office.says("semua", "apakah kantor buka hari ini?").await;
    office.replies("semua", 2).await;
    office.is_quiet().await;
    let rows = |from: usize| -> Vec<Value> {
        (from..from + 5)
            .map(|number| json!({"id": format!("r{number}"), "title": format!("Layanan {number}"), "description": "Senin"}))
            .collect()
    };
    for (content, call) in [
        (text("Baik"), "text"),
        (
            json!({"type": "buttons", "text": "Lanjut?", "buttons": [{"id": "y", "title": "Ya"}, {"id": "n", "title": "Tidak"}]}),
            "interactive",
        ),
        (
            json!({"type": "list", "text": "Pilih layanan", "button": "Buka",
                "sections": [{"title": "Umum", "rows": rows(0)}, {"title": "Lain", "rows": rows(5)}]}),
            "interactive",
        ),
        (json!({"type": "location_request", "text": "Di mana?"}), "interactive"),
        (
            json!({"type": "location", "latitude": -6.2, "longitude": 106.8, "name": "Kantor", "address": "Jl. Melati 1"}),
            "location",
        ),
        (
            json!({"type": "template", "name": "kabar_laporan", "language": "id", "parameters": ["LAP-1", "selesai"],
                "header": {"text": "Kabar"},
                "buttons": [{"index": 0, "kind": "quick_reply", "value": "ya"}, {"index": 1, "kind": "url", "value": "lap-1"}]}),
            "template",
        ),
    ] {
        let message = notify(&office, &id, content).await;
        let item = has_status(&office, &id, &message, "delivered").await;
        assert_eq!(item["kind"], call);
        assert_eq!(item["attempts"], 1, "{item}");
        let category = if call == "template" { "utility" } else { "service" };
        assert_eq!(item["pricing"]["category"], category, "{item}");
    }
    let calls = office.log("kind=graph&person=semua").await;
    let location = calls.iter().find(|call| call["call"] == "location").unwrap();
    assert_eq!(location["body"]["location"]["address"], "Jl. Melati 1");

    // A quote, and a reaction given and taken back; each by our id or by Meta's.
    let heard = transcript(&office, &id).await;
    let heard = heard.iter().find(|item| item["wamid"] == asked.as_str()).unwrap();
    let body = json!({"conversation_id": id, "origin": "notification", "content": text("Ya, buka"),
        "reply_to": heard["message_id"]});
    office.post("/internal/messages/send", body).await.success(202);
    office
        .wait_for_log("kind=graph&person=semua&call=text", 1, |entry| {
            entry["body"]["context"]["message_id"] == asked.as_str()
        })
        .await;
    for (name, emoji) in [(heard["message_id"].as_str().unwrap(), "👍"), (asked.as_str(), "")] {
        notify(&office, &id, json!({"type": "reaction", "message_id": name, "emoji": emoji})).await;
        office
            .wait_for_log("kind=graph&person=semua&call=reaction", 1, |entry| {
                entry["body"]["reaction"] == json!({"message_id": asked, "emoji": emoji})
                    && entry["wamid"].is_string()
            })
            .await;
    }
    office.check().await;
    assert!(office.metric("govconnect_messages_priced_total").await >= 6.0);
    assert!(office.metric("govconnect_messages_sent_total").await >= 9.0);
    office.close().await;
}

#[tokio::test]
async fn what_meta_would_refuse_names_the_field() {
    let office = Office::open().await;
    let id = chat(&office, "keliru").await;
    for (content, field) in [
        (json!({"type": "list", "text": "a", "button": "b", "sections": []}), "content.sections"),
        (
            json!({"type": "buttons", "text": "a", "buttons": [{"id": "1", "title": "A"}, {"id": "2", "title": "A"}]}),
            "content.buttons",
        ),
        (json!({"type": "location", "latitude": 0.0, "longitude": 200.0}), "content.longitude"),
        (json!({"type": "reaction", "message_id": "wamid.unknown", "emoji": "👍"}), "content.message_id"),
    ] {
        try_notify(&office, &id, content).await.problem_with_field(field);
    }
    let body =
        json!({"conversation_id": id, "origin": "notification", "content": text("x"), "reply_to": "wamid.x"});
    office.post("/internal/messages/send", body).await.problem_with_field("reply_to");
    // A message of another conversation cannot be quoted.
    chat(&office, "lain").await;
    let other = office.conversation("lain").await;
    let theirs = transcript(&office, &other).await[0]["message_id"].clone();
    let body =
        json!({"conversation_id": id, "origin": "notification", "content": text("x"), "reply_to": theirs});
    office.post("/internal/messages/send", body).await.problem_with_field("reply_to");
    office.close().await;
}

/// Stores a file as an officer's browser does; gives its id.
async fn store(office: &Office, filename: &str, bytes: &'static [u8]) -> String {
    let request = office
        .http
        .post(office.url("channel", &format!("/internal/media?filename={filename}")))
        .header("x-internal-api-key", INTERNAL_KEY)
        .header("content-type", "application/pdf")
        .body(bytes);
    let stored = send(request).await.success(201);
    stored["media_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_file_is_uploaded_once_sent_and_uploaded_again_when_meta_has_lost_it() {
    let office = Office::open_with(&[("WHATSAPP__RETRY_FIRST_MS", "20")]).await;
    let id = chat(&office, "berkas").await;
    let missing =
        json!({"type": "media", "media_id": "0190b0a0-0000-7000-8000-000000000000", "kind": "document"});
    try_notify(&office, &id, missing).await.problem_with_field("content.media_id");
    office
        .fault(json!({"effect": {"graph_error": {"code": 131_053}}, "count": 1, "match": {"person": "berkas", "kind": "document"}}))
        .await;
    office
        .fault(json!({"effect": {"graph_error": {"code": 131_000}}, "count": 1, "match": {"kind": "media_upload"}}))
        .await;
    let stored = store(&office, "surat.pdf", b"%PDF-1.4\n%%EOF\n").await;
    let caption = "Surat jawaban. ".repeat(100);
    let content = json!({"type": "media", "media_id": stored, "kind": "document", "caption": caption, "filename": "surat.pdf"});
    let file = notify(&office, &id, content.clone()).await;
    has_status(&office, &id, &file, "delivered").await;
    office.check().await;
    // Meta stumbled at the first upload and refused the file of the second.
    assert_eq!(office.log("kind=graph&call=media_upload").await.len(), 3);
    let sent = office.accepted(Some("berkas")).await;
    assert_eq!(sent.last().unwrap().text.trim(), caption.trim(), "a long caption follows as text");
    // A file belongs to one message.
    try_notify(&office, &id, content).await.problem_with_field("content.media_id");
    office.close().await;
}

#[tokio::test]
async fn parts_and_retries_of_a_conversation_arrive_in_the_order_they_were_written() {
    let office =
        Office::open_with(&[("WHATSAPP__RETRY_FIRST_MS", "5"), ("WHATSAPP__SEND_TRIES", "30")]).await;
    let id = chat(&office, "urut").await;
    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    office
        .fault(json!({"effect": {"graph_error": {"code": 131_000}}, "probability": 0.3, "seed": seed,
            "match": {"person": "urut", "kind": "text"}}))
        .await;
    office
        .fault(json!({"effect": {"answer_lost": {"how": "drop"}}, "probability": 0.1, "seed": seed ^ 1,
            "match": {"person": "urut", "kind": "text"}}))
        .await;
    let mut expected = String::new();
    for number in 0..12 {
        let words = match number % 4 {
            3 => format!("pesan {number}. {}", "Kalimat yang panjang sekali. ".repeat(400)),
            _ => format!("pesan {number}"),
        };
        notify(&office, &id, text(&words)).await;
        expected.push_str(&words.replace(char::is_whitespace, ""));
    }
    office.check().await;
    let mut accepted = office.accepted(Some("urut")).await;
    accepted.sort_by_key(|sent| sent.index);
    let said: String = accepted[1..].iter().map(|sent| sent.text.replace(char::is_whitespace, "")).collect();
    assert!(said == expected, "something was lost, doubled or disordered");
    office.close().await;
}
