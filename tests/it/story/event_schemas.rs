//! What others are told is what `docs/events/` says: a day of the office, and every event of it held against its schema.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use govconnect::bus::events::ROUTING_KEYS;
use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use super::media::JPEG;
use crate::support::office::{BROKEN_ROAD, Office};

const EVENTS: &str = "SELECT routing_key, body FROM gc_channel.event_outbox
    UNION ALL SELECT routing_key, body FROM gc_ai.event_outbox
    UNION ALL SELECT routing_key, body FROM gc_case.event_outbox
    UNION ALL SELECT routing_key, body FROM gc_notification.event_outbox
    UNION ALL SELECT routing_key, body FROM gc_dashboard.event_outbox";

/// Every schema in `docs/events/`, by routing key.
fn schemas() -> BTreeMap<String, Validator> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/events");
    let mut schemas = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let schema: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let key = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert_eq!(schema["title"], key.as_str());
        assert_eq!(schema["additionalProperties"], false, "{key}: what is not described must not be told");
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .build(&schema)
            .unwrap();
        schemas.insert(key, validator);
    }
    schemas
}

#[test]
fn every_routing_key_has_a_schema_and_is_in_the_page_for_consumers() {
    let keys: BTreeSet<String> = ROUTING_KEYS.iter().map(ToString::to_string).collect();
    assert_eq!(schemas().into_keys().collect::<BTreeSet<_>>(), keys);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/events/README.md");
    let page = std::fs::read_to_string(page).unwrap();
    for key in keys {
        assert!(page.contains(&format!("[`{key}`]({key}.json)")), "{key}");
    }
}

/// Everything that is ever told of, once: the citizen complains, sends a file and writes what the bot fails over; an
/// officer takes over, by force from a colleague too, gives back and changes the complaint; notifications go and fail.
async fn a_day(office: &Office) {
    office.citizen("hari").await;
    office.says("hari", BROKEN_ROAD).await;
    office.replies("hari", 1).await;
    let pin = json!({"location": {"latitude": -6.2, "longitude": 106.8}});
    office.says_kind("hari", pin).await;
    let undeliverable =
        json!({"effect": {"failed_status": {"code": 131_026}}, "count": 1, "match": {"person": "hari"}});
    office.fault(undeliverable).await;
    office.says("hari", "saya mau bicara dengan petugas").await;
    office.is_quiet().await;

    let id = office.conversation("hari").await;
    for (admin, force) in [("rina", false), ("budi", true)] {
        let body = json!({"admin_id": admin, "force": force});
        office.post(&format!("/internal/takeover/{id}/start"), body).await.success(200);
    }
    office.post(&format!("/internal/takeover/{id}/end"), json!({"admin_id": "budi"})).await.success(204);

    let complaints = office.get("case", "/internal/complaints").await;
    let complaint = complaints["items"][0]["complaint_id"].as_str().unwrap().to_owned();
    let change = json!({"status": "terverifikasi", "note": "Sudah dicek", "visibility": "public"});
    let path = format!("/internal/complaints/{complaint}");
    office.internal(Method::PUT, "case", &path, Some(change)).await.success(200);

    for status in [json!({"status": "sent"}), json!({"status": "failed", "error": "tidak terkirim"})] {
        let body = json!({
            "template": "complaint_verified", "wa_user_id": "6281200000001",
            "variables": {"lap_id": complaint, "kategori": "jalan rusak"},
        });
        let new = office.internal(Method::POST, "notification", "/internal/notifications", Some(body)).await;
        let id = new.success(201)["notification_id"].as_str().unwrap().to_owned();
        let path = format!("/internal/notifications/{id}/status");
        office.internal(Method::PUT, "notification", &path, Some(status)).await.success(200);
    }
}

#[tokio::test]
async fn every_kind_of_event_is_told_as_its_schema_says() {
    let mut office = Office::open().await;
    a_day(&office).await;
    office.check().await;
    // A bot that never gets done gives up.
    office.set("FAILPOINTS", "ai::slow=return(60000)");
    office.set("AI__TURN_DEADLINE_MS", "100");
    office.terminate().await;
    office.restart().await;
    office.citizen("lama").await;
    office.says("lama", "halo").await;
    office.replies("lama", 1).await;
    office.is_quiet().await;

    let told: Vec<(String, Value)> = sqlx::query_as(EVENTS).fetch_all(&office.database.pool).await.unwrap();
    let schemas = schemas();
    let mut seen = BTreeSet::new();
    for (key, body) in &told {
        let schema = schemas.get(key).unwrap_or_else(|| panic!("{key} has no schema"));
        if let Err(error) = schema.validate(body) {
            panic!("{key} at {}: {error}\n{body:#}", error.instance_path());
        }
        seen.insert(key.as_str());
    }
    assert_eq!(seen, BTreeSet::from(ROUTING_KEYS), "nothing else, and nothing that never happens");
    office.close().await;
}

#[tokio::test]
async fn each_message_is_told_once_with_its_file_and_before_what_comes_of_it() {
    let office = Office::open().await;
    office.citizen("foto").await;
    // Meta delivers it three times: it is filed, and told of, once.
    office
        .fault(
            json!({"effect": {"webhook_duplicate": {"copies": 3}}, "match": {"kind": "image"}, "count": 1}),
        )
        .await;
    let wamid = office.sends_file("foto", "image", "image/jpeg", JPEG).await;
    office.is_quiet().await;
    let told: Vec<(String, Value)> =
        sqlx::query_as("SELECT routing_key, body FROM gc_channel.event_outbox ORDER BY seq")
            .fetch_all(&office.database.pool)
            .await
            .unwrap();
    let received: Vec<&Value> =
        told.iter().filter(|(key, _)| key == "whatsapp.message.received").map(|(_, body)| body).collect();
    let [body] = &received[..] else { panic!("{received:?}") };
    let (message, conversation, person): (uuid::Uuid, uuid::Uuid, uuid::Uuid) = sqlx::query_as(
        "SELECT message_id, conversation_id, person_id
         FROM gc_channel.messages JOIN gc_channel.conversations USING (conversation_id) WHERE wamid = $1",
    )
    .bind(&wamid)
    .fetch_one(&office.database.pool)
    .await
    .unwrap();
    assert_eq!(body["message_id"], message.to_string());
    assert_eq!(body["conversation_id"], conversation.to_string());
    assert_eq!(body["person_id"], person.to_string());
    assert_eq!((&body["type"], &body["message"]), (&json!("image"), &Value::Null));
    let file: uuid::Uuid = sqlx::query_scalar("SELECT media_id FROM gc_channel.media WHERE message_id = $1")
        .bind(message)
        .fetch_one(&office.database.pool)
        .await
        .unwrap();
    assert_eq!(body["media"], json!({"media_id": file, "mime_type": "image/jpeg"}));
    assert_eq!(told[0].0, "whatsapp.message.received", "{told:?}");
    office.close().await;
}
