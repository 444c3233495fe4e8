//! The notification service: recorded once, told from templates, forwards only.

use std::collections::BTreeSet;
use std::sync::Arc;

use govconnect::actors::notification::NotificationEvents;
use govconnect::bus::events::{Event, InProcessBus, NotTaken, PublishEvents};
use govconnect::clock::Clock;
use govconnect::http::notification::{self, NotificationState};
use govconnect::ids::PersonId;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::database::TestDatabase;
use crate::support::service::TestService;

fn start(database: &TestDatabase) -> TestService {
    let clock = Clock::fixed("2026-01-02T05:00:00Z".parse().unwrap());
    let state = NotificationState { pool: database.pool.clone(), clock };
    TestService::start(notification::service(state), database.pool.clone())
}

fn verified() -> Value {
    json!({
        "event_id": Uuid::now_v7(), "person_id": PersonId::new(), "wa_user_id": "6281200000001",
        "complaint_id": "LAP-20260102-001", "template": "complaint_verified",
        "variables": {"lap_id": "LAP-20260102-001", "kategori": "Jalan {{ lap_id }} rusak 🙏"},
    })
}

fn with(mut body: Value, field: &str, value: impl Into<Value>) -> Value {
    body[field] = value.into();
    body
}

#[actix_rt::test]
async fn a_notification_is_recorded_with_its_text_and_stays_queued() {
    let database = TestDatabase::create().await;
    let service = start(&database);
    let recorded = service.post("/internal/notifications", &verified()).await.success(201);
    assert_eq!((&recorded["status"], &recorded["language"]), (&json!("queued"), &json!("id")));
    let body = recorded["body"].as_str().unwrap();
    assert!(body.contains("LAP-20260102-001 (Jalan {{ lap_id }} rusak 🙏)"), "{body}");
    let path = format!("/internal/notifications/{}", recorded["notification_id"].as_str().unwrap());
    assert_eq!(service.get(&path).await.success(200), recorded);

    let english =
        service.post("/internal/notifications", &with(verified(), "language", "en")).await.success(201);
    assert!(english["body"].as_str().unwrap().starts_with("Report LAP-20260102-001"), "{english}");
    let nul = with(verified(), "variables", json!({"lap_id": "a\0b", "kategori": ""}));
    let nul = service.post("/internal/notifications", &nul).await.success(201);
    assert!(nul["body"].as_str().unwrap().contains("a\u{FFFD}b"));
}

#[actix_rt::test]
async fn an_event_or_a_key_is_recorded_once() {
    let database = TestDatabase::create().await;
    let service = start(&database);
    let body = verified();
    let first = service.post("/internal/notifications", &body).await.success(201);
    assert_eq!(service.post("/internal/notifications", &body).await.success(200), first);
    service.post("/internal/notifications", &with(body.clone(), "language", "en")).await.problem(409);
    // Another template of the same event is another notification.
    service.post("/internal/notifications", &with(body, "template", "complaint_received")).await.success(201);

    let (keyed, key) = (with(verified(), "event_id", Value::Null), ("idempotency-key", "k-1"));
    let path = "/internal/notifications";
    let first = service.with_header(Method::POST, path, key, &keyed).await.success(201);
    assert_eq!(service.with_header(Method::POST, path, key, &keyed).await.success(200), first);
    service.with_header(Method::POST, path, key, &with(keyed, "language", "en")).await.problem(409);

    let event = verified();
    let racers = (0..8).map(|_| service.post(path, &event));
    let answers = futures::future::join_all(racers).await;
    assert_eq!(answers.iter().filter(|answer| answer.status.as_u16() == 201).count(), 1);
    let ids: BTreeSet<String> =
        answers.iter().map(|answer| answer.body["notification_id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "{answers:?}");
}

#[actix_rt::test]
async fn statuses_go_forwards_only_and_tell_of_sent_and_failed() {
    let database = TestDatabase::create().await;
    let service = start(&database);
    let mut paths = Vec::new();
    for _ in 0..2 {
        let recorded = service.post("/internal/notifications", &verified()).await.success(201);
        paths.push(format!(
            "/internal/notifications/{}/status",
            recorded["notification_id"].as_str().unwrap()
        ));
    }
    for status in ["sent", "sent", "delivered", "read"] {
        assert_eq!(service.put(&paths[0], &json!({"status": status})).await.success(200)["status"], status);
    }
    let refused = service.put(&paths[0], &json!({"status": "sent"})).await.problem(409);
    assert_eq!((&refused["from"], &refused["allowed"]), (&json!("read"), &json!([])));

    let failed = json!({"status": "failed", "error": "131047 re-engagement"});
    assert_eq!(service.put(&paths[1], &failed).await.success(200)["error"], "131047 re-engagement");
    service.put(&paths[1], &json!({"status": "sent"})).await.problem(409);
    service.put(&paths[1], &json!({"status": "lost"})).await.problem_with_field("status");
    service.put(&paths[1], &json!({"status": "read", "error": "x"})).await.problem_with_field("error");
    let nobody = format!("/internal/notifications/{}/status", Uuid::now_v7());
    service.put(&nobody, &json!({"status": "sent"})).await.problem(404);

    let events: Vec<String> =
        sqlx::query_scalar("SELECT routing_key FROM gc_notification.event_outbox ORDER BY seq")
            .fetch_all(&database.pool)
            .await
            .unwrap();
    assert_eq!(events, ["govconnect.notification.sent", "govconnect.notification.failed"]);
}

#[actix_rt::test]
async fn what_cannot_be_accepted_is_named() {
    let database = TestDatabase::create().await;
    let service = start(&database);
    for (body, field) in [
        (with(verified(), "template", "nothing"), "template"),
        (with(verified(), "language", "su"), "language"),
        (with(verified(), "when", "now"), "when"),
        (with(verified(), "complaint_id", "LAP-1"), "complaint_id"),
        (with(verified(), "variables", json!({"lap_id": "x"})), "variables.kategori"),
        (with(verified(), "variables", json!({"lap_id": "", "kategori": "", "nik": ""})), "variables.nik"),
        (with(verified(), "variables", json!({"lap_id": "x".repeat(10_001)})), "variables"),
    ] {
        service.post("/internal/notifications", &body).await.problem_with_field(field);
    }
    for (query, field) in [("cursor=x", "cursor"), ("status=gone", "status"), ("limit=0", "limit")] {
        service.get(&format!("/internal/notifications?{query}")).await.problem_with_field(field);
    }
    // A cursor of another list is none of this one.
    use base64::Engine;
    let foreign = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode("1~LAP-20260102-001");
    service.get(&format!("/internal/notifications?cursor={foreign}")).await.problem_with_field("cursor");
    service.delete("/internal/notifications").await.problem(405);
    service.get("/internal/notifications/x").await.problem(404);
}

#[actix_rt::test]
async fn lists_are_filtered_and_paged() {
    let database = TestDatabase::create().await;
    let service = start(&database);
    let person = PersonId::new();
    for _ in 0..5 {
        let body = with(verified(), "person_id", json!(person));
        service.post("/internal/notifications", &body).await.success(201);
    }
    service.post("/internal/notifications", &verified()).await.success(201);
    let mut seen = BTreeSet::new();
    let mut path = format!("/internal/notifications?person_id={person}&limit=2");
    let first = path.clone();
    let mut pages = 0;
    loop {
        let page = service.get(&path).await.success(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["notification_id"].to_string()));
        pages += 1;
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{first}&cursor={cursor}");
    }
    assert_eq!((pages, seen.len()), (3, 5));
    let all =
        service.get("/internal/notifications?status=queued&complaint_id=lap-20260102-1").await.success(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 6);
}

#[actix_rt::test]
async fn an_erased_person_is_not_told_anything_any_more() {
    let database = TestDatabase::create().await;
    let service = start(&database);
    let person = PersonId::new();
    let body = with(verified(), "person_id", json!(person));
    let recorded = service.post("/internal/notifications", &body).await.success(201);
    let path = format!("/internal/people/{person}");
    assert_eq!(service.get(&path).await.success(200)["notifications"].as_array().unwrap().len(), 1);
    assert_eq!(service.delete(&path).await.success(200)["notifications"], 1);
    assert_eq!(service.delete(&path).await.success(200)["notifications"], 0);
    let path = format!("/internal/notifications/{}", recorded["notification_id"].as_str().unwrap());
    let erased = service.get(&path).await.success(200);
    assert_eq!((&erased["status"], &erased["body"]), (&json!("failed"), &json!("")));
    assert_eq!((&erased["person_id"], &erased["wa_user_id"]), (&Value::Null, &Value::Null));
}

/// The rules of a citizen's texts that can be checked without judgement.
#[actix_rt::test]
async fn the_templates_speak_as_the_office_does() {
    let database = TestDatabase::create().await;
    let templates: Vec<(String, String, String, Vec<String>)> = sqlx::query_as(
        "SELECT name, language, body, variables FROM gc_notification.notification_templates WHERE active",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let names: BTreeSet<(&str, &str)> =
        templates.iter().map(|(name, language, ..)| (name.as_str(), language.as_str())).collect();
    for name in ["received", "verified", "in_process", "done", "rejected"] {
        for language in ["id", "en"] {
            assert!(names.contains(&(&*format!("complaint_{name}"), language)), "{name} {language}");
        }
    }
    for (name, language, body, variables) in &templates {
        assert!(body.split_whitespace().count() <= 60, "{name} {language} is too long");
        let lower = body.to_lowercase();
        for banned in ["kamu", "segera", "besok", "salah", "soon", "tomorrow"] {
            assert!(
                !lower.split(|c: char| !c.is_alphabetic()).any(|word| word == banned),
                "{name} {language}: {banned}"
            );
        }
        assert!(body.contains("{{ lap_id }}"), "{name} {language} does not repeat the number");
        let values = variables.iter().map(|name| (name.clone(), "x".to_owned())).collect();
        govconnect::notification::render(body, &values)
            .unwrap_or_else(|error| panic!("{name} {language}: {error}"));
    }
}

fn told(routing_key: &str, body: Value) -> Event {
    let occurred_at = "2026-01-02T05:00:00Z".parse().unwrap();
    Event { message_id: Uuid::now_v7(), routing_key: routing_key.into(), body, occurred_at, from: "case" }
}

fn complaint(extra: Value) -> Value {
    let mut body = json!({"complaint_id": "LAP-20260102-001", "person_id": PersonId::new(),
        "wa_user_id": "6281200000001", "kategori": "jalan_rusak", "status": "baru"});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body
}

#[actix_rt::test]
async fn events_become_notifications_once_however_often_they_come() {
    let database = TestDatabase::create().await;
    let service = start(&database);
    let clock = Clock::fixed("2026-01-02T05:00:00Z".parse().unwrap());
    let bus = InProcessBus::new(vec![Arc::new(NotificationEvents::new(database.pool.clone(), clock))]);
    let done = json!({"status": "selesai", "from": "diproses", "note": "Sudah ditambal"});
    let events = [
        told("govconnect.complaint.created", complaint(json!({}))),
        told("govconnect.complaint.created", complaint(json!({"origin_conversation_id": Uuid::now_v7()}))),
        told("govconnect.complaint.updated", complaint(done)),
        told("govconnect.complaint.updated", complaint(json!({"status": "ditolak", "from": "baru"}))),
        told("govconnect.complaint.updated", complaint(json!({"note": "belum ada perubahan"}))),
        told("govconnect.takeover.started", json!({"conversation_id": Uuid::now_v7(), "admin_id": "rina"})),
    ];
    // Twice at once, and once more.
    let (one, other) = tokio::join!(bus.publish(&events), bus.publish(&events));
    one.unwrap();
    other.unwrap();
    bus.publish(&events[2..]).await.unwrap();
    let list = service.get("/internal/notifications").await.success(200);
    let mut bodies: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|item| item["body"].as_str().unwrap()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies.len(), 3, "{bodies:#?}");
    assert!(
        bodies[0].starts_with("Laporan Bapak/Ibu tentang jalan rusak sudah kami terima dengan nomor LAP-")
    );
    assert!(bodies[1].contains("Alasannya: - "), "{bodies:#?}");
    assert!(bodies[2].contains("Catatan petugas: Sudah ditambal"), "{bodies:#?}");
    assert!(list["items"].as_array().unwrap().iter().all(|item| item["status"] == "queued"));
}

#[actix_rt::test]
async fn what_whatsapp_tells_of_a_message_moves_the_notification_that_was_sent_as_it() {
    let database = TestDatabase::create().await;
    let service = start(&database);
    let (pool, clock) = (database.pool.clone(), Clock::fixed("2026-01-02T05:00:00Z".parse().unwrap()));
    let bus = InProcessBus::new(vec![Arc::new(NotificationEvents::new(pool.clone(), clock))]);
    let mut paths = Vec::new();
    let messages = [Uuid::now_v7(), Uuid::now_v7()];
    for message in messages {
        let recorded = service.post("/internal/notifications", &verified()).await.success(201);
        let id = recorded["notification_id"].as_str().unwrap().to_owned();
        sqlx::query(
            "UPDATE gc_notification.notifications SET message_id = $1 WHERE notification_id = $2::uuid",
        )
        .bind(message)
        .bind(&id)
        .execute(&pool)
        .await
        .unwrap();
        paths.push(format!("/internal/notifications/{id}"));
    }
    let status = |message: Uuid, status: &str| {
        let errors = json!({"class": "unreachable", "title": "Message undeliverable"});
        told("whatsapp.message.status", json!({"message_id": message, "status": status, "errors": errors}))
    };
    let events = [
        status(messages[0], "sent"),
        status(messages[0], "read"),
        status(messages[0], "delivered"),
        status(messages[1], "failed"),
        status(Uuid::now_v7(), "read"),
    ];
    bus.publish(&events).await.unwrap();
    bus.publish(&events).await.unwrap();
    let read = service.get(&paths[0]).await.success(200);
    assert_eq!(read["status"], "read");
    let failed = service.get(&paths[1]).await.success(200);
    assert_eq!((&failed["status"], &failed["error"]), (&json!("failed"), &json!("Message undeliverable")));
    let keys: Vec<String> =
        sqlx::query_scalar("SELECT routing_key FROM gc_notification.event_outbox ORDER BY seq")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(keys, ["govconnect.notification.sent", "govconnect.notification.failed"]);
}

#[actix_rt::test]
async fn what_cannot_be_recorded_now_comes_again_and_what_never_can_holds_up_nothing() {
    let database = TestDatabase::create().await;
    let service = start(&database);
    let clock = Clock::fixed("2026-01-02T05:00:00Z".parse().unwrap());
    let bus = InProcessBus::new(vec![Arc::new(NotificationEvents::new(database.pool.clone(), clock))]);
    let rename = async |from: &str, to: &str| {
        let statement = format!("ALTER TABLE gc_notification.{from} RENAME TO {to}");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&database.pool).await.unwrap();
    };
    let events = [
        told("govconnect.complaint.updated", complaint(json!({"status": "selesai", "from": "diproses"}))),
        told("govconnect.complaint.created", complaint(json!({}))),
    ];
    rename("notifications", "away").await;
    assert!(matches!(bus.publish(&events).await, Err(NotTaken::Refused { .. })));
    rename("away", "notifications").await;
    sqlx::query(
        "UPDATE gc_notification.notification_templates SET active = false WHERE name = 'complaint_done'",
    )
    .execute(&database.pool)
    .await
    .unwrap();
    bus.publish(&events).await.unwrap();
    let list = service.get("/internal/notifications").await.success(200);
    let templates: Vec<&Value> =
        list["items"].as_array().unwrap().iter().map(|item| &item["template"]).collect();
    assert_eq!(templates, ["complaint_received"]);
}
