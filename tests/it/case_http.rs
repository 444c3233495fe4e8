//! The case service over HTTP: what callers send and get, and every way of being told no.

use govconnect::clock::Clock;
use govconnect::http::case::{self, CaseState};
use govconnect::ids::PersonId;
use jiff::tz::TimeZone;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::database::TestDatabase;
use crate::support::service::{BODY_LIMIT, TestService, send};

fn start(database: &TestDatabase) -> (TestService, Clock) {
    let clock = Clock::fixed("2026-01-02T05:00:00Z".parse().unwrap());
    let state = CaseState {
        pool: database.pool.clone(),
        clock: clock.clone(),
        time_zone: TimeZone::get("Asia/Jakarta").unwrap(),
    };
    (TestService::start(case::service(state), database.pool.clone()), clock)
}

fn pothole() -> Value {
    json!({
        "person_id": PersonId::new(), "wa_user_id": "6281200000001", "kategori": "jalan_rusak",
        "alamat": "Jl. Melati No. 15", "deskripsi": "Banyak lubang",
    })
}

fn with(mut body: Value, field: &str, value: impl Into<Value>) -> Value {
    body[field] = value.into();
    body
}

#[actix_rt::test]
async fn a_complaint_is_filed_read_listed_changed_and_counted() {
    let database = TestDatabase::create().await;
    let (service, clock) = start(&database);
    let answer = service.post("/internal/complaints", &pothole()).await;
    assert_eq!(answer.header("etag"), "\"1\"");
    assert_eq!(answer.header("location"), "/internal/complaints/LAP-20260102-001");
    let filed = answer.success(201);
    assert_eq!((&filed["complaint_id"], &filed["status"]), (&json!("LAP-20260102-001"), &json!("baru")));
    assert_eq!(filed["created_at"], "2026-01-02T05:00:00Z");

    // Numbers are read as people type them.
    assert_eq!(service.get("/internal/complaints/lap%2020260102%201").await.success(200), filed);

    clock.set("2026-01-02T06:00:00Z".parse().unwrap());
    let change =
        json!({"status": "terverifikasi", "note": "Sudah dicek", "visibility": "public", "rt_rw": "03/05"});
    let answer = service.put("/internal/complaints/LAP-20260102-001", &change).await;
    assert_eq!(answer.header("etag"), "\"2\"");
    let changed = answer.success(200);
    assert_eq!((&changed["status"], &changed["version"]), (&json!("terverifikasi"), &json!(2)));
    assert_eq!(changed["updated_at"], "2026-01-02T06:00:00Z");

    let updates = service.get("/internal/complaints/LAP-20260102-001/updates").await.success(200);
    let last = &updates["items"][1];
    assert_eq!((&last["from_status"], &last["to_status"]), (&json!("baru"), &json!("terverifikasi")));
    assert_eq!((&last["note"], &last["visibility"]), (&json!("Sudah dicek"), &json!("public")));
    assert_eq!(last["changes"], json!({"rt_rw": {"from": null, "to": "03/05"}}));

    let stats = service.get("/internal/complaints/stats").await.success(200);
    assert_eq!((&stats["total"], &stats["today"]), (&json!(1), &json!(1)));
    assert_eq!((&stats["by_status"]["terverifikasi"], &stats["by_status"]["baru"]), (&json!(1), &json!(0)));
    assert_eq!(stats["by_kategori"], json!({"jalan_rusak": 1}));
    clock.set("2026-01-02T17:00:00Z".parse().unwrap());
    assert_eq!(service.get("/internal/complaints/stats").await.success(200)["today"], 0);

    let categories = service.get("/internal/categories").await.success(200);
    let codes: Vec<&str> =
        categories["items"].as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap()).collect();
    assert!(codes.len() >= 10 && codes.first() == Some(&"jalan_rusak") && codes.last() == Some(&"lainnya"));
}

#[actix_rt::test]
async fn lists_are_filtered_and_paged_without_losing_or_repeating_anything() {
    let database = TestDatabase::create().await;
    let (service, clock) = start(&database);
    let person = PersonId::new();
    for number in 0..9 {
        // Several at one moment: the cursor must break ties.
        clock.set(format!("2026-01-02T05:00:0{}Z", number / 3).parse().unwrap());
        let kategori = if number % 2 == 0 { "jalan_rusak" } else { "sampah" };
        let body = with(with(pothole(), "kategori", kategori), "person_id", json!(person));
        let body = if number == 4 { with(body, "deskripsi", "Pohon beringin miring") } else { body };
        service.post("/internal/complaints", &body).await.success(201);
    }
    let mut seen = Vec::new();
    let mut path = "/internal/complaints?limit=2".to_owned();
    loop {
        let page = service.get(&path).await.success(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["complaint_id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/internal/complaints?limit=2&cursor={cursor}");
        // What is filed meanwhile is newer than what is still to come.
        service.post("/internal/complaints", &with(pothole(), "kategori", "kebisingan")).await.success(201);
    }
    let expected: Vec<Value> =
        (1..=9).rev().map(|number| json!(format!("LAP-20260102-00{number}"))).collect();
    assert_eq!(seen, expected);

    for (query, count) in [
        ("kategori=sampah", 4),
        ("status=baru&kategori=jalan_rusak", 5),
        ("status=selesai", 0),
        (&*format!("person_id={person}&limit=100"), 9),
        ("q=pohon+miring", 1),
        ("q=melati&kategori=sampah", 4),
        ("q=lap-20260102-3", 1),
        ("q=%00", 0),
        ("q=%27%3B+DROP+TABLE", 0),
    ] {
        let page = service.get(&format!("/internal/complaints?{query}")).await.success(200);
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{query}: {page}");
    }
    for (query, field) in [
        ("cursor=nonsense", "cursor"),
        ("cursor=", "cursor"),
        ("status=open", "status"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("person_id=somebody", "person_id"),
        ("sort=up", "sort"),
    ] {
        service.get(&format!("/internal/complaints?{query}")).await.problem_with_field(field);
    }
}

#[actix_rt::test]
async fn a_key_is_one_complaint_and_another_body_is_a_conflict() {
    let database = TestDatabase::create().await;
    let (service, _) = start(&database);
    let body = pothole();
    let key = ("idempotency-key", "form-77");
    let first = service.with_header(Method::POST, "/internal/complaints", key, &body).await.success(201);
    let again = service.with_header(Method::POST, "/internal/complaints", key, &body).await.success(200);
    assert_eq!(first, again);
    let other = with(body.clone(), "deskripsi", "Lain");
    let refused = service.with_header(Method::POST, "/internal/complaints", key, &other).await.problem(409);
    assert_eq!(refused["type"], "urn:govconnect:problem:key-reused");
    service
        .with_header(Method::POST, "/internal/complaints", ("idempotency-key", ""), &body)
        .await
        .problem(400);
    assert_eq!(
        service.post("/internal/complaints", &body).await.success(201)["complaint_id"],
        "LAP-20260102-002"
    );
}

#[actix_rt::test]
async fn illegal_moves_and_stale_versions_are_refused_with_what_would_work() {
    let database = TestDatabase::create().await;
    let (service, _) = start(&database);
    service.post("/internal/complaints", &pothole()).await.success(201);
    let path = "/internal/complaints/LAP-20260102-001";
    let refused = service.put(path, &json!({"status": "selesai"})).await.problem(409);
    assert_eq!(
        refused["allowed"],
        json!(["terverifikasi", "menunggu_warga", "ditolak", "dibatalkan", "diteruskan"])
    );
    assert_eq!((&refused["from"], &refused["to"]), (&json!("baru"), &json!("selesai")));

    let verify = json!({"status": "terverifikasi"});
    service.with_header(Method::PUT, path, ("if-match", "\"1\""), &verify).await.success(200);
    let note = json!({"note": "terlambat"});
    let stale = service.with_header(Method::PUT, path, ("if-match", "\"1\""), &note).await.problem(412);
    assert_eq!(stale["current_version"], 2);
    service.with_header(Method::PUT, path, ("if-match", "W/\"2\""), &note).await.problem(412);
    service.with_header(Method::PUT, path, ("if-match", "2"), &note).await.problem(400);
    service.put(path, &with(note.clone(), "version", 1)).await.problem(412);
    service.with_header(Method::PUT, path, ("if-match", "*"), &note).await.success(200);
    // The same status again and nothing said: nothing happens.
    assert_eq!(service.put(path, &verify).await.success(200)["version"], 3);
    service.put(path, &json!({"kategori": "tidak_ada"})).await.problem_with_field("kategori");
    service.put("/internal/complaints/LAP-20260102-999", &verify).await.problem(404);
}

#[actix_rt::test]
async fn what_cannot_be_accepted_is_named() {
    let database = TestDatabase::create().await;
    let (service, _) = start(&database);
    for (body, field) in [
        (with(pothole(), "prioritas", "tinggi"), "prioritas"),
        (with(pothole(), "kategori", "tidak_ada"), "kategori"),
        (with(pothole(), "kategori", ""), "kategori"),
        (with(pothole(), "alamat", "  "), "alamat"),
        (with(pothole(), "alamat", "a".repeat(1_001)), "alamat"),
        (with(pothole(), "deskripsi", "🙏".repeat(10_001)), "deskripsi"),
        (with(pothole(), "deskripsi", 5), "deskripsi"),
        (with(pothole(), "person_id", "x"), "person_id"),
        (with(pothole(), "urgency", "very"), "urgency"),
        (with(pothole(), "latitude", 1.0), "longitude"),
        (with(with(pothole(), "latitude", 91.0), "longitude", 1.0), "latitude"),
    ] {
        let message = service.post("/internal/complaints", &body).await.problem_with_field(field);
        assert!(!message.is_empty());
    }
    let message = service
        .post("/internal/complaints", &with(pothole(), "deskripsi", "a".repeat(10_001)))
        .await
        .problem_with_field("deskripsi");
    assert!(message.contains("10000"), "{message}");
    let missing = json!({"kategori": "sampah", "alamat": "Jl. Mawar"});
    let problem = service.post("/internal/complaints", &missing).await.problem(422);
    assert!(problem.to_string().contains("deskripsi"), "{problem}");
}

#[actix_rt::test]
async fn long_texts_emoji_and_nul_lose_nothing_else() {
    let database = TestDatabase::create().await;
    let (service, _) = start(&database);
    let long = "🙏".repeat(10_000);
    let filed =
        service.post("/internal/complaints", &with(pothole(), "deskripsi", long.clone())).await.success(201);
    assert_eq!(filed["deskripsi"], long);
    let mut body = with(pothole(), "deskripsi", "a\0b👨‍👩‍👧");
    for field in ["alamat", "rt_rw", "wa_user_id"] {
        body[field] = json!("x\0y");
    }
    let filed = service.post("/internal/complaints", &body).await.success(201);
    assert_eq!(filed["deskripsi"], "a\u{FFFD}b👨‍👩‍👧");
    assert_eq!(
        (&filed["alamat"], &filed["rt_rw"], &filed["wa_user_id"]),
        (&json!("x\u{FFFD}y"), &json!("x\u{FFFD}y"), &json!("x\u{FFFD}y"))
    );
    let path = format!("/internal/complaints/{}", filed["complaint_id"].as_str().unwrap());
    service.put(&path, &json!({"note": "\0", "visibility": "public", "deskripsi": "\0c"})).await.success(200);
    let updates = service.get(&format!("{path}/updates")).await.success(200);
    assert_eq!(updates["items"][1]["note"], "\u{FFFD}");
}

#[actix_rt::test]
async fn every_no_has_the_one_shape() {
    let database = TestDatabase::create().await;
    let (service, _) = start(&database);
    for path in ["/nowhere", "/internal/nowhere", "/internal/complaints/not-a-number", "/internal/people/x"] {
        service.get(path).await.problem(404);
    }
    service.get("/internal/complaints/LAP-20260102-001").await.problem(404);
    service.get("/internal/complaints/LAP-20260102-001/updates").await.problem(404);
    for (method, path, allow) in [
        (Method::DELETE, "/internal/complaints", "GET, POST"),
        (Method::POST, "/internal/complaints/stats", "GET"),
        (Method::PATCH, "/internal/complaints/LAP-20260102-001", "GET, PUT"),
        (Method::PUT, "/internal/categories", "GET"),
    ] {
        let answer = send(service.request(method, path)).await;
        assert_eq!(answer.header("allow"), allow, "{path}");
        answer.problem(405);
    }
    let post = || service.request(Method::POST, "/internal/complaints");
    let json_type = ("content-type", "application/json");
    send(post().header(json_type.0, json_type.1).body("{\"kategori\": ")).await.problem(400);
    send(post().header(json_type.0, json_type.1).body("")).await.problem(400);
    send(post().header(json_type.0, json_type.1).body(vec![0xff, 0xfe])).await.problem(400);
    send(post().header("content-type", "text/plain").body("{}")).await.problem(415);
    send(post().body("{}")).await.problem(415);
    let large = with(pothole(), "deskripsi", "x".repeat(BODY_LIMIT));
    let problem = service.post("/internal/complaints", &large).await.problem(413);
    assert_eq!(problem["max_bytes"], BODY_LIMIT);
}

#[actix_rt::test]
async fn internal_paths_need_the_key_however_they_are_spelt() {
    let database = TestDatabase::create().await;
    let (service, _) = start(&database);
    for path in [
        "/internal/complaints",
        "/%69nternal/complaints",
        "/internal/%63omplaints",
        "/internal/nowhere",
        "/internal/categories",
    ] {
        send(service.bare(Method::GET, path)).await.problem(401);
        send(service.bare(Method::GET, path).header("x-internal-api-key", "wrong")).await.problem(401);
        send(service.bare(Method::POST, path).json(&pothole())).await.problem(401);
    }
    service.get("/%69nternal/complaints").await.success(200);
    let filed: i64 = sqlx::query_scalar("SELECT count(*) FROM gc_case.complaints")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(filed, 0);
}

#[actix_rt::test]
async fn a_person_can_see_and_erase_what_is_held_of_them() {
    let database = TestDatabase::create().await;
    let (service, _) = start(&database);
    let person = PersonId::new();
    service.post("/internal/complaints", &with(pothole(), "person_id", json!(person))).await.success(201);
    service.post("/internal/complaints", &pothole()).await.success(201);
    let path = format!("/internal/people/{person}");
    assert_eq!(service.get(&path).await.success(200)["complaints"].as_array().unwrap().len(), 1);
    assert_eq!(service.delete(&path).await.success(200)["complaints"], 1);
    assert_eq!(service.get(&path).await.success(200)["complaints"], json!([]));
    let erased = service.get("/internal/complaints/LAP-20260102-001").await.success(200);
    assert_eq!((&erased["person_id"], &erased["deskripsi"]), (&Value::Null, &json!("")));
    let other = service.get("/internal/complaints/LAP-20260102-002").await.success(200);
    assert_eq!(other["deskripsi"], "Banyak lubang");
}

#[actix_rt::test]
async fn the_description_of_the_service_names_every_path() {
    let database = TestDatabase::create().await;
    let (service, _) = start(&database);
    let document = service.get("/openapi.json").await.success(200);
    for (path, methods) in [
        ("/internal/complaints", vec!["get", "post"]),
        ("/internal/complaints/stats", vec!["get"]),
        ("/internal/complaints/{id}", vec!["get", "put"]),
        ("/internal/complaints/{id}/updates", vec!["get"]),
        ("/internal/categories", vec!["get"]),
        ("/internal/people/{person_id}", vec!["get", "delete"]),
    ] {
        for method in methods {
            assert!(document["paths"][path][method].is_object(), "{method} {path}");
        }
    }
}
