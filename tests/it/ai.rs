//! The AI service against a real PostgreSQL: documents in and out, search, understanding, the actor and HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix::Context;
use actix_web::web;
use govconnect::actors::ai::{Ai, Understand};
use govconnect::ai::chunking::DocumentKind;
use govconnect::ai::documents::Documents;
use govconnect::ai::service::{AiError, AiService, Document};
use govconnect::bus::Receivers;
use govconnect::bus::in_process::LocalBus;
use govconnect::dialogue::understanding::{Intent, UnderstandRequest};
use govconnect::http::extract::BodyLimit;
use govconnect::http::guard::InternalKeys;
use govconnect::http::health::Readiness;
use govconnect::http::listener::{Listening, Shared, listen};
use govconnect::http_client;
use govconnect::metrics::Metrics;
use govconnect::samples;
use govconnect::store::ai::{self as store, PutOutcome};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::database::TestDatabase;

const KEY: &str = "test-key-0123456789";

fn service(pool: &PgPool) -> AiService {
    AiService::new(pool.clone(), Duration::from_secs(5))
}

fn asking(text: &str) -> UnderstandRequest {
    UnderstandRequest { texts: vec![text.to_owned()], asked_for: None, ..UnderstandRequest::default() }
}

fn document(source_id: Uuid, version: i32, content: &str) -> Document {
    Document {
        source_id,
        version,
        kind: DocumentKind::Markdown,
        title: "Izin keramaian".into(),
        content: content.into(),
        kategori: None,
    }
}

#[actix_web::test]
async fn the_sample_office_is_loaded_once() {
    let database = TestDatabase::create().await;
    let first = samples::load(&database.pool).await.unwrap();
    assert_eq!((first.added, first.left_alone), (9, 0));
    let counts = store::counts(&database.pool).await.unwrap();
    assert_eq!(counts.sources, 9);
    let again = samples::load(&database.pool).await.unwrap();
    assert_eq!((again.added, again.left_alone), (0, 9));
    assert_eq!(store::counts(&database.pool).await.unwrap(), counts);

    // What the office deleted does not come back.
    let deleted = samples::profile().unwrap().knowledge[0].source_id;
    assert!(service(&database.pool).delete_document(deleted).await.unwrap());
    assert_eq!(samples::load(&database.pool).await.unwrap().added, 0);
}

/// Question → the title of the document and a word of the passage that must come first.
const QUESTIONS: &[(&str, &str, &str)] = &[
    ("Apa syarat membuat KTP?", "KTP elektronik", "Surat pengantar"),
    ("ktp saya hilang gimana ya", "KTP elektronik", "kehilangan"),
    ("biaya bikin ktp berapa", "KTP elektronik", "Gratis"),
    ("syarat bikin KK baru apa aja min", "Kartu Keluarga", "buku nikah"),
    ("gimana cara nambah anggota keluarga di kk, anak saya baru lahir", "Kartu Keluarga", "bayi"),
    ("mau bikin akta kelahiran anak", "Akta kelahiran", "akt"),
    ("batas waktu akta kelahiran berapa hari?", "Akta kelahiran", "60 hari"),
    ("syarat surat domisili buat anak kos", "Surat keterangan domisili", "kos"),
    ("surat domisili berlaku berapa lama", "Surat keterangan domisili", "6 bulan"),
    ("kalau mau pindah alamat keluar gimana", "Surat keterangan domisili", "pindah"),
    ("surat keterangan usaha buat pinjaman bank syaratnya apa", "Surat keterangan usaha", "PBB"),
    ("syarat sktm apa aja kak", "Surat keterangan tidak mampu", "pernyataan"),
    ("jam buka kantor kelurahan?", "Jadwal pelayanan", "08.00"),
    ("hari sabtu buka ga?", "Jadwal pelayanan", "Sabtu"),
    ("alamat kantornya di mana?", "Jadwal pelayanan", "Jl. Raya Sukamaju"),
    ("jadwal pengangkutan sampah hari apa?", "Jadwal pengangkutan sampah", "RW 01"),
    ("mau buang kasur bekas gimana", "Jadwal pengangkutan sampah", "Kasur"),
    ("bank sampah buka kapan", "Jadwal pengangkutan sampah", "Bank sampah"),
    ("bagaimana cara melapor lewat whatsapp?", "Cara melapor", "lokasi"),
    ("sering banjir apa yang harus saya lakukan?", "Cara melapor", "112"),
];

#[actix_web::test]
async fn questions_find_the_passage_that_answers_them() {
    let database = TestDatabase::create().await;
    samples::load(&database.pool).await.unwrap();
    let service = service(&database.pool);
    let mut wrong = Vec::new();
    for (question, title, words) in QUESTIONS {
        let traced = service.understand_traced(&asking(question)).await.unwrap();
        let best = traced.reading.understanding.passages.first();
        let right = best.is_some_and(|best| {
            best.source_title.starts_with(title)
                && best.text.contains(words)
                && (0.0..=1.0).contains(&best.score)
        });
        if !right {
            let found: Vec<_> =
                traced.found.iter().map(|found| (&found.source_title, &found.heading, found.score)).collect();
            wrong.push(format!("{question} {:?}: {found:?}", traced.terms));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[actix_web::test]
async fn what_the_documents_do_not_know_is_not_answered() {
    let database = TestDatabase::create().await;
    samples::load(&database.pool).await.unwrap();
    let service = service(&database.pool);
    for question in [
        "berapa gaji lurah?",
        "siapa nama camat sekarang?",
        "bagaimana cara daftar beasiswa kuliah?",
        "kapan vaksin rabies untuk kucing?",
        "apakah ada lowongan kerja?",
        "syarat bikin paspor apa?",
        "jam tayang bioskop?",
        "asdfgh qwerty",
        "?",
    ] {
        let traced = service.understand_traced(&asking(question)).await.unwrap();
        let found: Vec<_> = traced.found.iter().map(|found| (&found.heading, found.score)).collect();
        assert!(traced.reading.understanding.passages.is_empty(), "{question}: {found:?}");
    }
}

#[actix_web::test]
async fn a_newer_version_replaces_an_older_one_and_never_the_other_way_round() {
    let database = TestDatabase::create().await;
    let service = service(&database.pool);
    let id = Uuid::now_v7();
    let found = async |words: &str| service.search(words, None, 5).await.unwrap().len();

    let first = document(id, 1, "# Syarat\nBawa proposal acara.");
    assert_eq!(service.put_document(&first).await.unwrap(), PutOutcome::Stored);
    assert_eq!(service.put_document(&first).await.unwrap(), PutOutcome::Unchanged);
    assert_eq!(service.put_document(&document(id, 1, "Lain.")).await.unwrap(), PutOutcome::Conflict);
    assert_eq!(found("proposal").await, 1);

    let third = document(id, 3, "# Syarat\nBawa denah lokasi.\n# Biaya\nGratis.");
    assert_eq!(service.put_document(&third).await.unwrap(), PutOutcome::Stored);
    assert_eq!(service.put_document(&first).await.unwrap(), PutOutcome::Stale { current: 3 });
    assert_eq!((found("proposal").await, found("denah").await), (0, 1));
    assert_eq!(service.document(id).await.unwrap().map(|row| (row.version, row.passages)), Some((3, 2)));

    assert!(service.delete_document(id).await.unwrap());
    assert!(!service.delete_document(id).await.unwrap());
    assert_eq!(service.put_document(&third).await.unwrap(), PutOutcome::Stale { current: 3 });
    assert_eq!(found("denah").await, 0);
    assert!(service.document(id).await.unwrap().is_none());
    let fourth = document(id, 4, "Bawa denah lokasi.");
    assert_eq!(service.put_document(&fourth).await.unwrap(), PutOutcome::Stored);
    assert_eq!(found("denah").await, 1);
}

#[actix_web::test]
async fn writers_at_once_leave_the_passages_of_one_version_the_newest() {
    let database = TestDatabase::create().await;
    let service = service(&database.pool);
    let id = Uuid::now_v7();
    let writes = (1..=12).map(|version| {
        let service = service.clone();
        async move {
            service.put_document(&document(id, version, &format!("# Versi\nIsi nomor {version}."))).await
        }
    });
    for outcome in futures::future::join_all(writes).await {
        assert!(matches!(outcome.unwrap(), PutOutcome::Stored | PutOutcome::Stale { .. }));
    }
    assert_eq!(service.document(id).await.unwrap().map(|row| (row.version, row.passages)), Some((12, 1)));
    let found = service.search("versi", None, 5).await.unwrap();
    assert_eq!(found.iter().map(|passage| passage.content.as_str()).collect::<Vec<_>>(), ["Isi nomor 12."]);
}

#[actix_web::test]
async fn a_misspelt_question_and_hostile_characters_are_searched_safely() {
    let database = TestDatabase::create().await;
    let service = service(&database.pool);
    let hostile =
        document(Uuid::now_v7(), 1, "Syarat\u{0} perpanjangan reklame' OR 1=1; DROP TABLE x; -- <b>");
    assert_eq!(service.put_document(&hostile).await.unwrap(), PutOutcome::Stored);
    for query in ["perpanjngan", "reklame", "' OR \"reklame\" -x & | ! <-> :*", "reklame\u{0}"] {
        assert_eq!(service.search(query, None, 5).await.unwrap().len(), 1, "{query:?}");
    }
    assert!(service.search("", None, 5).await.unwrap().is_empty());
    assert!(service.search("zzzz", None, 5).await.unwrap().is_empty());
}

#[actix_web::test]
async fn the_actor_understands_within_its_deadline_and_stops_when_nobody_waits() {
    let database = TestDatabase::create().await;
    samples::load(&database.pool).await.unwrap();
    let spawn = |service: AiService, concurrency| {
        let context: Context<Ai> = Context::new();
        let address = actix::AsyncContext::address(&context);
        actix::spawn(context.into_future(Ai::new(service, concurrency)));
        address
    };
    let ai = spawn(service(&database.pool), 4);
    let answers =
        futures::future::join_all((0..20).map(|_| ai.send(Understand(asking("jam buka kantor?"))))).await;
    for answer in answers {
        assert!(answer.unwrap().unwrap().wants(Intent::KnowledgeQuery));
    }

    // All connections are taken: a question cannot be answered, and says so in time.
    let mut held = Vec::new();
    while let Some(connection) = database.pool.try_acquire() {
        held.push(connection);
    }
    while held.len() < database.pool.options().get_max_connections() as usize {
        held.push(database.pool.acquire().await.unwrap());
    }
    let hurried = spawn(AiService::new(database.pool.clone(), Duration::from_millis(50)), 1);
    let answer = hurried.send(Understand(asking("jam buka kantor?"))).await.unwrap();
    assert!(matches!(answer, Err(AiError::Deadline)), "{answer:?}");

    // One turn at once: a caller who leaves gives way to the next, long before the deadline.
    let patient = spawn(AiService::new(database.pool.clone(), Duration::from_secs(600)), 1);
    let left =
        tokio::time::timeout(Duration::from_millis(50), patient.send(Understand(asking("jam buka kantor?"))))
            .await;
    assert!(left.is_err());
    let next = patient.send(Understand(asking("terima kasih")));
    let answer =
        tokio::time::timeout(Duration::from_secs(10), next).await.expect("the place is free").unwrap();
    assert!(answer.unwrap().wants(Intent::Thanks));
}

struct Running {
    client: reqwest::Client,
    base: String,
    _listening: Listening,
    _database: TestDatabase,
}

async fn running() -> Running {
    let database = TestDatabase::create().await;
    samples::load(&database.pool).await.unwrap();
    let shared = Shared {
        keys: web::Data::new(InternalKeys::new(&[KEY.into()])),
        metrics: web::Data::new(Metrics::new().unwrap()),
        readiness: web::Data::new(Readiness {
            pool: database.pool.clone(),
            draining: Arc::new(AtomicBool::new(false)),
            bus: Arc::new(LocalBus::new(Receivers::default())),
        }),
        body_limit: BodyLimit(2 * 1024 * 1024),
        shutdown_grace: Duration::from_secs(1),
    };
    let documents = Documents::new(database.pool.clone(), 1024 * 1024);
    let service = govconnect::http::ai::service(service(&database.pool), documents);
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let listening = listen(service, any, 1, shared).unwrap();
    let base = format!("http://{}/internal", listening.address);
    let client = http_client::builder(Duration::from_secs(30)).build().unwrap();
    Running { client, base, _listening: listening, _database: database }
}

impl Running {
    async fn call(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let mut request =
            self.client.request(method, format!("{}{path}", self.base)).header("x-internal-api-key", KEY);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap_or(Value::Null))
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(reqwest::Method::POST, path, Some(&body)).await
    }
}

#[actix_web::test]
async fn a_dry_run_tells_what_was_understood_and_why() {
    let running = running().await;
    let text = "Saya mau lapor jalan rusak di Jl. Melati No. 15, banyak lubang";
    let (status, body) = running.post("/process-message", json!({"texts": [text]})).await;
    assert_eq!(status, 200, "{body}");
    let slots = &body["understanding"]["slots"];
    assert_eq!(
        slots,
        &json!({"kategori": "jalan_rusak", "alamat": "Jl. Melati No. 15", "deskripsi": "jalan rusak, banyak lubang"})
    );
    assert_eq!(body["understanding"]["intents"], json!(["CREATE_COMPLAINT"]));
    assert_eq!(body["trace"]["model"], "builtin");
    assert!(body["trace"]["intents"][0]["score"].as_f64().unwrap() >= 2.0);

    let question = json!({"texts": ["syarat bikin ktp apa aja?"], "asked_for": null});
    let (_, body) = running.post("/process-message", question).await;
    assert_eq!(body["understanding"]["passages"][0]["source_title"], "KTP elektronik (Kartu Tanda Penduduk)");
    assert!(
        body["trace"]["passages"][0]["score"].as_f64().unwrap()
            >= body["trace"]["threshold"].as_f64().unwrap()
    );
    assert!(body["trace"]["terms"].as_array().unwrap().contains(&json!("ktp")));
}

#[actix_web::test]
async fn documents_are_taken_in_found_and_taken_out() {
    let running = running().await;
    let id = Uuid::now_v7();
    let body = json!({
        "source_id": id, "version": 1, "kind": "faq", "title": "Tanya jawab perpustakaan", "kategori": "fasilitas_umum",
        "content": "Tanya: Perpustakaan keliling datang kapan?\nJawab: Setiap Rabu pukul 09.00 di balai warga.",
    });
    let (status, stored) = running.post("/documents/process", body.clone()).await;
    assert_eq!(
        (status.as_u16(), &stored["status"], &stored["passages"]),
        (200, &json!("ready"), &json!(1)),
        "{stored}"
    );
    assert_eq!(running.post("/documents/process", body).await.0, 200);

    let search = json!({"query": "perpustakaan keliling", "kategori": "fasilitas_umum", "limit": 1});
    let (_, found) = running.post("/knowledge/search", search).await;
    assert_eq!(found["passages"][0]["text"], "Setiap Rabu pukul 09.00 di balai warga.");
    assert_eq!(found["passages"][0]["heading"], "Perpustakaan keliling datang kapan?");

    let path = format!("/documents/{id}");
    assert_eq!(running.call(reqwest::Method::GET, &path, None).await.0, 200);
    assert_eq!(running.call(reqwest::Method::DELETE, &path, None).await.0, 204);
    assert_eq!(running.call(reqwest::Method::DELETE, &path, None).await.0, 204);
    assert_eq!(running.call(reqwest::Method::GET, &path, None).await.0, 404);
    let (_, found) = running.post("/knowledge/search", json!({"query": "perpustakaan keliling"})).await;
    assert!(!found.to_string().contains("Rabu pukul 09.00"), "{found}");
}

#[actix_web::test]
async fn bad_requests_are_refused_naming_the_field() {
    let running = running().await;
    let id = Uuid::now_v7();
    let document = |changes: Value| {
        let mut body =
            json!({"source_id": id, "version": 1, "kind": "text", "title": "Judul", "content": "Isi."});
        for (key, value) in changes.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };
    for (path, body, field) in [
        ("/documents/process", document(json!({"kind": "pdf"})), "kind"),
        ("/documents/process", document(json!({"version": 0})), "version"),
        ("/documents/process", document(json!({"title": "  "})), "title"),
        ("/documents/process", document(json!({"content": ""})), "content"),
        ("/documents/process", document(json!({"source_id": "x"})), "source_id"),
        ("/documents/process", document(json!({"upload": "x"})), "upload"),
        ("/process-message", json!({"texts": []}), "texts"),
        ("/process-message", json!({"texts": ["x"], "asked_for": "nik"}), "asked_for"),
        ("/knowledge/search", json!({"query": "x", "limit": 0}), "limit"),
        ("/knowledge/search", json!({"query": " "}), "query"),
    ] {
        let (status, problem) = running.post(path, body.clone()).await;
        assert_eq!(status, 422, "{body}: {problem}");
        assert_eq!(problem["errors"][0]["field"], field, "{body}: {problem}");
    }
    let (status, problem) = running.call(reqwest::Method::GET, "/process-message", None).await;
    assert_eq!((status.as_u16(), &problem["status"]), (405, &json!(405)));
    let without_key = running.client.get(format!("{}/documents/{id}", running.base)).send().await.unwrap();
    assert_eq!(without_key.status(), 401);
}

#[actix_web::test]
async fn analytics_are_asked_for_by_days_and_quiet_days_are_there() {
    let running = running().await;
    let get =
        async |query: &str| running.call(reqwest::Method::GET, &format!("/analytics?{query}"), None).await;
    let (status, body) = get("from=2024-02-28&to=2024-03-01").await;
    assert_eq!(status, 200, "{body}");
    let days: Vec<&Value> = body["days"].as_array().unwrap().iter().map(|day| &day["day"]).collect();
    assert_eq!(days, ["2024-02-28", "2024-02-29", "2024-03-01"]);
    assert_eq!(body["days"][0]["replies"], json!({}));
    assert_eq!(body["days"][0]["messages"], json!({"sent": 0, "delivered": 0, "read": 0, "failed": 0}));
    for (query, days) in [
        ("from=2024-01-01&to=2024-12-31", 366),
        ("from=2025-01-01&to=2025-01-01", 1),
        ("from=9999-12-30&to=9999-12-31", 2),
    ] {
        let (status, body) = get(query).await;
        assert_eq!((status.as_u16(), body["days"].as_array().map(Vec::len)), (200, Some(days)), "{query}");
    }
    for (query, field) in [
        ("from=2024-01-01&to=2025-01-01", "to"),
        ("from=2024-01-02&to=2024-01-01", "to"),
        ("from=-009999-01-01&to=-009999-01-02", "from"),
        ("from=2024-01-01", "to"),
        ("to=2024-01-01", "from"),
        ("from=yesterday&to=2024-01-01", "from"),
        ("from=2024-02-30&to=2024-03-01", "from"),
        ("from=2024-01-01&to=2024-01-02&zone=UTC", "zone"),
    ] {
        let (status, problem) = get(query).await;
        assert_eq!(status, 422, "{query}: {problem}");
        assert_eq!(problem["errors"][0]["field"], field, "{query}: {problem}");
    }
    let without_key = running.client.get(format!("{}/analytics", running.base)).send().await.unwrap();
    assert_eq!(without_key.status(), 401);
}

#[actix_web::test]
async fn nothing_is_held_of_people() {
    let running = running().await;
    let path = format!("/people/{}", Uuid::now_v7());
    let (status, held) = running.call(reqwest::Method::GET, &path, None).await;
    assert_eq!((status.as_u16(), &held["records"]), (200, &json!([])));
    let (status, erased) = running.call(reqwest::Method::DELETE, &path, None).await;
    assert_eq!((status.as_u16(), &erased["erased"]), (200, &json!(0)));
    assert_eq!(running.call(reqwest::Method::GET, "/people/nobody", None).await.0, 404);
}

#[actix_web::test]
async fn files_are_queued_listed_and_told_of() {
    let running = running().await;
    let data = |bytes: &[u8]| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes);
    let id = Uuid::now_v7();
    let body = |changes: Value| {
        let upload = json!({"file_name": "panduan.pdf", "data": data(b"%PDF-1.4")});
        let mut body =
            json!({"source_id": id, "version": 1, "kind": "pdf", "title": "Panduan", "upload": upload});
        for (key, value) in changes.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };
    let (status, queued) = running.post("/documents/process", body(json!({}))).await;
    assert_eq!((status.as_u16(), &queued["status"]), (202, &json!("queued")), "{queued}");
    assert_eq!(queued["file_name"], "panduan.pdf");
    let (status, same) = running.post("/documents/process", body(json!({}))).await;
    assert_eq!((status.as_u16(), &same["status"]), (202, &json!("queued")), "{same}");
    for (changes, field) in [
        (json!({"content": "Isi."}), "upload"),
        (json!({"upload": null}), "content"),
        (json!({"upload": {"file_name": "x", "data": "%%%"}}), "upload.data"),
        (json!({"upload": {"file_name": " ", "data": "eA=="}}), "upload.file_name"),
        (json!({"kind": "exe"}), "kind"),
    ] {
        let (status, problem) = running.post("/documents/process", body(changes.clone())).await;
        assert_eq!(
            (status.as_u16(), &problem["errors"][0]["field"]),
            (422, &json!(field)),
            "{changes}: {problem}"
        );
    }
    // Larger than a usual body may be, but not than a file; and one byte more than a file.
    for (length, expected) in [(1024 * 1024, 202), (1024 * 1024 + 1, 413), (4 * 1024 * 1024, 413)] {
        let upload = json!({"file_name": "x", "data": data(&vec![b'x'; length])});
        let request = body(json!({"source_id": Uuid::now_v7(), "upload": upload}));
        assert_eq!(running.post("/documents/process", request).await.0, expected, "{length}");
    }

    let mut seen = Vec::new();
    let mut path = "/documents?limit=4".to_owned();
    loop {
        let (status, page) = running.call(reqwest::Method::GET, &path, None).await;
        assert_eq!(status, 200, "{page}");
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["source_id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/documents?limit=4&cursor={cursor}");
    }
    assert_eq!(seen.len(), 9 + 2, "the sample office and two files, each once");
    assert!(seen.contains(&json!(id)));
    let (_, queued) = running.call(reqwest::Method::GET, "/documents?status=queued", None).await;
    assert_eq!(queued["items"].as_array().map(Vec::len), Some(2));
    for (query, field) in [("status=lost", "status"), ("cursor=x", "cursor"), ("limit=0", "limit")] {
        let (status, problem) =
            running.call(reqwest::Method::GET, &format!("/documents?{query}"), None).await;
        assert_eq!(
            (status.as_u16(), &problem["errors"][0]["field"]),
            (422, &json!(field)),
            "{query}: {problem}"
        );
    }
}
