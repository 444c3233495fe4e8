//! What people and Meta really send: every byte is kept, the bad is put aside with its bytes, and the rest goes on.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use govconnect::clock::Clock;
use rand::RngExt;
use serde_json::{Value, json};

use crate::support::office::{NUMBER, Office, eventually};

const FAMILY: &str = "👩‍👩‍👧‍👦 jalan 🕳️ rusak 🇮🇩 é e\u{301} \u{202e}balik\u{202c} ﷽";

/// A body with this one change, as Meta wraps it.
fn envelope(value: Value) -> Value {
    json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]})
}

fn message(wamid: &str, text: &str) -> Value {
    json!({"from": "6281200000009", "id": wamid, "timestamp": now(), "type": "text", "text": {"body": text}})
}

fn now() -> String {
    Clock::system().now().as_second().to_string()
}

fn metadata() -> Value {
    json!({"display_phone_number": "62", "phone_number_id": NUMBER})
}

async fn deliver(office: &Office, body: Value) {
    let posted = office.control("webhook", json!({ "body": body })).await;
    let delivery = posted["deliveries"][0].as_u64().unwrap();
    office
        .wait_for_log("kind=webhook", 1, |entry| entry["delivery"] == delivery && entry["status"] == 200)
        .await;
}

#[tokio::test]
async fn odd_texts_are_stored_whole_and_answered() {
    let office = Office::open().await;
    let long = "lubang besar sekali ".repeat(400);
    for (number, text) in ["a\u{0}b", FAMILY, &long, " ", "'; DROP TABLE gc_channel.messages; --", "{{7*7}}"]
        .into_iter()
        .enumerate()
    {
        let citizen = format!("aneh{number}");
        office.citizen(&citizen).await;
        let wamid = office.says(&citizen, text).await;
        let (stored, raw): (String, Vec<u8>) = eventually("it is stored", async || {
            sqlx::query_as("SELECT text, raw FROM gc_channel.messages WHERE wamid = $1")
                .bind(&wamid)
                .fetch_optional(&office.database.pool)
                .await
                .unwrap()
        })
        .await;
        assert_eq!(stored, text.replace('\0', "\u{FFFD}"));
        let raw: Value = serde_json::from_slice(&raw).unwrap();
        assert_eq!(raw["text"]["body"], text, "the bytes are as they came");
        office.replies(&citizen, 1).await;
    }
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn kinds_and_fields_that_nobody_knows_yet_are_stored_and_processed() {
    let office = Office::open().await;
    office.citizen("masa-depan").await;
    let raws = [
        json!({"type": "hologram", "hologram": {"id": "1", "depth": 3}}),
        json!({"type": "text", "text": {"body": "halo", "mood": "baik"}, "new_field": {"a": [1, null]}}),
        json!({"type": "unsupported", "errors": [{"code": 131_051, "title": "Message type unknown"}]}),
        json!({"type": "edit", "edit": {"original_message_id": "wamid.x", "message": {"type": "text"}}}),
        json!({"type": "system", "system": {"body": "ganti nomor", "type": "user_changed_number"}}),
        json!({"type": "order", "order": {"catalog_id": "c", "product_items": []}}),
        json!({"type": 7}),
        json!({"type": "text", "text": "bukan objek"}),
    ];
    for raw in &raws {
        office.says_kind("masa-depan", json!({ "raw": raw })).await;
    }
    let everything = raws.len() as i64;
    office.until_count("SELECT count(*) FROM gc_channel.messages WHERE direction = 'in'", everything).await;
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn photos_locations_buttons_and_reactions_are_processed() {
    let office = Office::open().await;
    office.citizen("lengkap").await;
    for kind in [
        json!({"image": {"caption": "lubang di jalan"}}),
        json!({"audio": {}}),
        json!({"location": {"latitude": -6.2, "longitude": 106.8, "name": "Pasar"}}),
        json!({"contacts": [{"name": {"formatted_name": "Budi"}}]}),
        json!({"button_reply": {"id": "x", "title": "Ya"}}),
        json!({"list_reply": {"id": "y", "title": "Jalan"}}),
        json!({"reaction": {"message_id": "wamid.none", "emoji": "👍"}}),
    ] {
        office.says_kind("lengkap", kind).await;
    }
    office.until_count("SELECT count(*) FROM gc_channel.messages WHERE direction = 'in'", 7).await;
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn a_body_of_three_megabytes_with_a_thousand_messages_lands_whole() {
    let office = Office::open().await;
    let mut messages = Vec::new();
    for citizen in 0..10 {
        office.citizen(&format!("ramai{citizen}")).await;
    }
    for number in 0..1_000 {
        let body = format!("laporan {number} {}", "panjang ".repeat(340));
        messages.push(
            json!({"citizen": format!("ramai{}", number % 10), "say": {"message": {"text": {"body": body}}}}),
        );
    }
    let posted = office.control("batch", json!({ "messages": messages })).await;
    assert_eq!(posted["wamids"].as_array().unwrap().len(), 1_000);
    office.until_count("SELECT count(*) FROM gc_channel.messages WHERE direction = 'in'", 1_000).await;
    assert!(office.count("SELECT sum(length(raw))::bigint FROM gc_channel.messages").await > 2_700_000);
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn a_webhook_that_comes_again_and_again_gives_one_row_and_one_reply() {
    let office = Office::open().await;
    office.citizen("ganda").await;
    let say = json!({"message": {"text": {"body": crate::support::office::BROKEN_ROAD}}});
    let batch = json!({"messages": [{"citizen": "ganda", "say": say}], "copies": 40});
    let posted = office.control("batch", batch).await;
    office.wait_for_log("kind=webhook&call=batch", 40, |entry| entry["status"] == 200).await;
    office.check().await;
    // And once more when all is over.
    let wamid = posted["wamids"][0].as_str().unwrap();
    deliver(&office, envelope(json!({"metadata": metadata(), "messages": [message(wamid, "lagi")]}))).await;
    office.check().await;
    assert_eq!(office.count("SELECT count(*) FROM gc_channel.messages WHERE direction = 'in'").await, 1);
    assert_eq!(office.accepted(Some("ganda")).await.len(), 1);
    office.close().await;
}

#[tokio::test]
async fn what_cannot_be_filed_is_parked_with_its_bytes_and_the_rest_lands() {
    let office = Office::open().await;
    let mut random = rand::rng();
    // Random, because PostgreSQL compresses what repeats.
    let endless: String = (0..9_000).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect();
    let bodies = [
        envelope(json!({"metadata": metadata(), "messages": [
            message("wamid.good1", "satu"),
            {"from": "6281200000009", "timestamp": now(), "type": "text", "text": {"body": "tanpa id"}},
            message(&endless, "id panjang"),
            {"from": "6281200000009", "id": "wamid.later", "timestamp": "253402207200000", "type": "text",
                "text": {"body": "dari tahun 9999"}},
            message("wamid.good2", "dua")]})),
        envelope(json!({"metadata": metadata(), "statuses": [
            {"id": endless, "status": "delivered", "timestamp": now()},
            {"id": "wamid.ours", "status": "read", "timestamp": "253402207200000"}]})),
        envelope(
            json!({"metadata": {"phone_number_id": "nul \u{0}"}, "messages": [message("wamid.nul", "x")]}),
        ),
        json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "account_update", "value": {}}]}]}),
    ];
    for body in bodies {
        deliver(&office, body).await;
    }
    office
        .until_count(
            "SELECT count(*) FROM gc_channel.messages WHERE direction = 'in' AND wamid LIKE 'wamid.good%'",
            2,
        )
        .await;
    let parked = office.get("channel", "/internal/parked-updates?limit=100").await;
    let raws: Vec<String> = parked["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            String::from_utf8(STANDARD.decode(item["raw_base64"].as_str().unwrap()).unwrap()).unwrap()
        })
        .collect();
    for piece in ["tanpa id", "id panjang", "dari tahun 9999", "delivered", "wamid.nul", "account_update"] {
        assert!(raws.iter().any(|raw| raw.contains(piece)), "{piece} is parked: {parked}");
    }
    office.check().await;
    assert!(!office.accepted(None).await.is_empty(), "the good ones are answered");
    office.close().await;
}
