//! What citizens photograph, film, say and attach: fetched once, checked, cleaned, kept, and shown only to who may see it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::support::office::{INTERNAL_KEY, Office, eventually};
use crate::support::service::Answer;

pub(super) const JPEG: &[u8] = include_bytes!("../../fixtures/photos/turned.jpg");
const WEBP: &[u8] = include_bytes!("../../fixtures/photos/located.webp");
const OGG: &[u8] = b"OggS\x00\x02\x00\x00\x00\x00\x00\x00a spoken sentence";
const MP4: &[u8] = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom a film";
const PDF: &[u8] = b"%PDF-1.7\n1 0 obj << >> endobj\n%%EOF\n";

impl Office {
    /// A file on a citizen's phone; gives Meta's id of it.
    async fn file(&self, mime_type: &str, filename: Option<&str>, bytes: &[u8]) -> String {
        let query: Vec<_> = [("mime_type", Some(mime_type)), ("filename", filename)]
            .into_iter()
            .filter(|(_, value)| value.is_some())
            .collect();
        let url = self.simulator_url("/control/media");
        let sent = self.http.post(url).query(&query).body(bytes.to_vec()).send().await.unwrap();
        let answer: Value = sent.json().await.unwrap();
        answer["id"].as_str().expect("an id").to_owned()
    }

    pub(super) async fn sends_file(
        &self,
        citizen: &str,
        kind: &str,
        mime_type: &str,
        bytes: &[u8],
    ) -> String {
        let id = self.file(mime_type, None, bytes).await;
        let mut message = json!({});
        message[kind] = json!({ "id": id });
        self.says_kind(citizen, message).await
    }

    /// The `media` of the citizen's last message, once it is in one of these states.
    async fn media_in(&self, citizen: &str, states: &[&str]) -> Value {
        let conversation = self.conversation(citizen).await;
        eventually("the file is settled", async || {
            let page =
                self.get("channel", &format!("/internal/messages?conversation_id={conversation}")).await;
            let items = page["items"].as_array().unwrap();
            let media = items.iter().find(|item| item["direction"] == "in")?["media"].clone();
            states.contains(&media["state"].as_str()?).then_some(media)
        })
        .await
    }

    async fn look_at(&self, media: &Value, headers: &[(&str, &str)]) -> reqwest::Response {
        let id = media["media_id"].as_str().expect("an id");
        let mut request = self.http.get(self.url("channel", &format!("/internal/media/{id}")));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn bytes_of(&self, media: &Value) -> Vec<u8> {
        let answer = self.look_at(media, &[("x-internal-api-key", INTERNAL_KEY)]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.bytes().await.unwrap().to_vec()
    }

    /// All files of the node's media store, whole or begun.
    fn stored_files(&self) -> Vec<PathBuf> {
        files_below(&self.data_dir().join("media"))
    }

    /// As if the time had come at which whatever is not recorded is deleted.
    async fn let_writes_run_out(&self) {
        sqlx::query(
            "UPDATE gc_channel.media_objects SET delete_after = now() WHERE delete_after IS NOT NULL",
        )
        .execute(&self.database.pool)
        .await
        .unwrap();
        self.until_count("SELECT count(*) FROM gc_channel.media_objects WHERE delete_after IS NOT NULL", 0)
            .await;
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { files_below(&path) } else { vec![path] }
        })
        .collect()
}

#[tokio::test]
async fn every_kind_of_file_is_fetched_kept_and_shown_with_its_type() {
    let office = Office::open().await;
    for (kind, mime_type, bytes, found, shown) in [
        ("image", "image/jpeg", JPEG, "image/jpeg", "inline"),
        ("sticker", "image/webp", WEBP, "image/webp", "inline"),
        ("audio", "audio/ogg; codecs=opus", OGG, "audio/ogg", "inline"),
        ("video", "video/mp4", MP4, "video/mp4", "inline"),
        ("document", "application/pdf", PDF, "application/pdf", "attachment"),
    ] {
        office.citizen(kind).await;
        office.sends_file(kind, kind, mime_type, bytes).await;
        let media = office.media_in(kind, &["stored", "refused", "failed"]).await;
        assert_eq!((&media["state"], &media["mime_type"]), (&json!("stored"), &json!(found)), "{media}");
        let answer = office.look_at(&media, &[("x-internal-api-key", INTERNAL_KEY)]).await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), found);
        assert!(header("content-disposition").starts_with(shown), "{}", header("content-disposition"));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("content-security-policy"), "sandbox; default-src 'none'");
        assert_eq!(header("content-length"), media["size"].to_string());
        let kept = answer.bytes().await.unwrap();
        if !found.starts_with("image/") {
            assert_eq!(kept, bytes, "{kind} is kept as it came");
        }
    }
    assert_eq!(office.stored_files().len(), 5);
    assert!(office.metric("govconnect_media_downloads_total").await >= 5.0);
    assert!(office.metric("govconnect_media_bytes_total").await > 1000.0);
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn a_photo_loses_its_place_and_no_pixel_and_a_part_of_it_can_be_had() {
    let office = Office::open().await;
    office.citizen("foto").await;
    office.sends_file("foto", "image", "image/jpeg", JPEG).await;
    let media = office.media_in("foto", &["stored"]).await;
    let kept = office.bytes_of(&media).await;
    assert!(!kept.windows(6).any(|window| window == b"Secret"));
    let exif = exif::Reader::new().read_from_container(&mut std::io::Cursor::new(&kept)).unwrap();
    assert!(exif.get_field(exif::Tag::GPSLatitude, exif::In::PRIMARY).is_none());
    let pixels = |bytes: &[u8]| image::load_from_memory(bytes).unwrap().into_rgb8().into_raw();
    assert_eq!(pixels(&kept), pixels(JPEG));

    let key = ("x-internal-api-key", INTERNAL_KEY);
    let part = office.look_at(&media, &[key, ("range", "bytes=2-9")]).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"], format!("bytes 2-9/{}", kept.len()).as_str());
    assert_eq!(part.bytes().await.unwrap(), kept[2..10]);
    let beyond = office.look_at(&media, &[key, ("range", "bytes=99999999-")]).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    office.close().await;
}

#[tokio::test]
async fn nobody_without_the_key_sees_a_file_and_no_path_leads_to_one() {
    let office = Office::open().await;
    office.citizen("privat").await;
    office.sends_file("privat", "image", "image/jpeg", JPEG).await;
    let media = office.media_in("privat", &["stored"]).await;
    assert_eq!(office.look_at(&media, &[]).await.status(), StatusCode::UNAUTHORIZED);
    let wrong = office.look_at(&media, &[("x-internal-api-key", "wrong")]).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let upload = office.http.post(office.url("channel", "/internal/media")).body(PDF).send().await.unwrap();
    assert_eq!(upload.status(), StatusCode::UNAUTHORIZED);

    let files = office.stored_files();
    let root = office.data_dir().join("media");
    let key = files[0].strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    assert_eq!(key.len(), 65, "256 random bits in hexadecimal and a slash: {key}");
    for path in [format!("/internal/media/{key}"), format!("/media/{key}"), format!("/{key}")] {
        let url = office.url("channel", &path);
        let answer = office.http.get(url).header("x-internal-api-key", INTERNAL_KEY).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    for unknown in ["00000000-0000-7000-8000-000000000000", "1"] {
        office
            .internal(Method::GET, "channel", &format!("/internal/media/{unknown}"), None)
            .await
            .problem(404);
    }
    let text = serde_json::to_string(&media).unwrap();
    assert!(!text.contains(&key.replace('/', "")) && !office.node().log_text().contains(&key), "{text}");
    office.close().await;
}

#[tokio::test]
async fn what_is_not_what_it_says_or_too_large_is_refused_with_the_reason_and_not_kept() {
    const EXE: &[u8] = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00";
    const HTML: &[u8] = b"<!DOCTYPE html><html><script>alert(1)</script></html>";
    let office = Office::open().await;
    let large = [JPEG, &vec![0; 5 * 1024 * 1024]].concat();
    for (citizen, kind, mime_type, bytes, reason) in [
        ("exe", "image", "image/jpeg", EXE, "type_not_allowed"),
        ("html", "image", "image/jpeg", HTML, "type_not_allowed"),
        ("page", "document", "text/plain", HTML, "type_not_allowed"),
        ("pdf", "sticker", "image/webp", PDF, "type_not_allowed"),
        ("cut", "image", "image/jpeg", &JPEG[..600], "damaged"),
        ("large", "image", "image/jpeg", large.as_slice(), "too_large"),
    ] {
        office.citizen(citizen).await;
        office.sends_file(citizen, kind, mime_type, bytes).await;
        let media = office.media_in(citizen, &["stored", "refused", "failed"]).await;
        assert_eq!((&media["state"], &media["reason"]), (&json!("refused"), &json!(reason)), "{citizen}");
        let id = media["media_id"].as_str().unwrap();
        let gone = office
            .internal(Method::GET, "channel", &format!("/internal/media/{id}"), None)
            .await
            .problem(410);
        assert_eq!((&gone["state"], &gone["reason"]), (&json!("refused"), &json!(reason)), "{citizen}");
    }
    // The size is not told, and the file does not end.
    office
        .fault(json!({"effect": {"swollen": {"bytes": 0}}, "match": {"kind": "media_url"}, "count": 1}))
        .await;
    office
        .fault(json!({"effect": {"swollen": {"bytes": 17 * 1024 * 1024}}, "match": {"kind": "media_download"}, "count": 1}))
        .await;
    office.citizen("swollen").await;
    office.sends_file("swollen", "audio", "audio/ogg", OGG).await;
    let media = office.media_in("swollen", &["stored", "refused", "failed"]).await;
    assert_eq!(media["reason"], "too_large", "{media}");
    assert_eq!(office.stored_files(), Vec::<PathBuf>::new(), "nothing of them is kept");
    assert_eq!(office.count("SELECT count(*) FROM gc_channel.media_objects").await, 0);
    office.close().await;
}

#[tokio::test]
async fn links_that_ran_out_wrong_bytes_and_an_absent_meta_are_tried_again() {
    let office = Office::open_with(&[("MEDIA__RETRY_FIRST_MS", "50")]).await;
    for (citizen, fault) in [
        ("link", json!({"effect": "link_expired", "match": {"kind": "media_url"}, "count": 3})),
        ("bytes", json!({"effect": "altered", "match": {"kind": "media_download"}, "count": 2})),
        ("error", json!({"effect": {"http": {"status": 503}}, "match": {"kind": "media_url"}, "count": 3})),
        (
            "lost",
            json!({"effect": {"answer_lost": {"how": "drop"}}, "match": {"kind": "media_download"}, "count": 2}),
        ),
        (
            "token",
            json!({"effect": {"graph_error": {"code": 190, "status": 401}}, "match": {"kind": "media_url"}, "count": 4}),
        ),
    ] {
        office.fault(fault).await;
        office.citizen(citizen).await;
        office.sends_file(citizen, "document", "application/pdf", PDF).await;
        let media = office.media_in(citizen, &["stored", "refused", "failed"]).await;
        assert_eq!(media["state"], "stored", "{citizen}: {media}");
        assert_eq!(office.bytes_of(&media).await, PDF, "{citizen}");
    }
    // Meta never gives the announced bytes, or has forgotten the file: said so, and not asked for ever.
    office.fault(json!({"effect": "altered", "match": {"kind": "media_download"}})).await;
    office.citizen("never").await;
    office.sends_file("never", "document", "application/pdf", PDF).await;
    let media = office.media_in("never", &["refused", "failed"]).await;
    assert_eq!((&media["state"], &media["reason"]), (&json!("refused"), &json!("wrong_sha256")));
    office.citizen("forgotten").await;
    let raw = json!({"raw": {"type": "image", "image": {"id": "999", "mime_type": "image/jpeg"}}});
    office.says_kind("forgotten", raw).await;
    let media = office.media_in("forgotten", &["refused", "failed"]).await;
    assert_eq!((&media["state"], &media["reason"]), (&json!("failed"), &json!("gone_at_meta")));
    office.close().await;
}

#[tokio::test]
async fn a_file_waits_visibly_while_meta_is_away_and_is_given_up_when_meta_has_deleted_it() {
    let office = Office::open_with(&[("MEDIA__RETRY_FIRST_MS", "50")]).await;
    let down = json!({"effect": {"http": {"status": 503}}, "match": {"kind": "media_url"}});
    office.fault(down.clone()).await;
    office.citizen("sabar").await;
    office.sends_file("sabar", "document", "application/pdf", PDF).await;
    let media = office.media_in("sabar", &["pending"]).await;
    let id = media["media_id"].as_str().unwrap();
    let path = format!("/internal/media/{id}");
    let waiting = office.internal(Method::GET, "channel", &path, None).await.problem(409);
    assert_eq!(
        (&waiting["type"], &waiting["state"]),
        (&json!("urn:govconnect:problem:not-ready"), &json!("pending"))
    );
    eventually("the wait is shown", async || {
        (office.metric("govconnect_media_pending").await == 1.0).then_some(())
    })
    .await;
    office.clear_faults().await;
    office.media_in("sabar", &["stored"]).await;

    office.fault(down).await;
    office.citizen("lama").await;
    office.sends_file("lama", "document", "application/pdf", PDF).await;
    office.media_in("lama", &["pending"]).await;
    sqlx::query("UPDATE gc_channel.media SET expires_at = now() WHERE state = 'pending'")
        .execute(&office.database.pool)
        .await
        .unwrap();
    let media = office.media_in("lama", &["failed"]).await;
    assert_eq!(media["reason"], "expired");
    office.close().await;
}

#[tokio::test]
async fn a_forged_link_sends_no_request_and_no_token_to_anybody_else() {
    let elsewhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/latest/meta-data", elsewhere.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = elsewhere.accept().await.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 1024];
            let _ = socket.read(&mut request).await;
        }
    });
    let office = Office::open_with(&[("MEDIA__RETRY_FIRST_MS", "20")]).await;
    office
        .fault(json!({"effect": {"foreign_link": {"url": url}}, "match": {"kind": "media_url"}, "count": 2}))
        .await;
    office.citizen("palsu").await;
    office.sends_file("palsu", "document", "application/pdf", PDF).await;
    office.media_in("palsu", &["stored"]).await;
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let log = office.node().log_text();
    assert_eq!(log.matches("leads away from meta").count(), 2);
    office.close().await;
}

#[tokio::test]
async fn an_erased_person_leaves_no_file_and_an_upload_that_is_not_sent_goes_after_a_day() {
    let office = Office::open().await;
    for citizen in ["lupakan", "tetap"] {
        office.citizen(citizen).await;
        office.sends_file(citizen, "image", "image/jpeg", JPEG).await;
        office.media_in(citizen, &["stored"]).await;
    }
    office.is_quiet().await;
    let people = office.get("channel", "/internal/conversations").await;
    let person =
        people["items"].as_array().unwrap().iter().find(|item| item["display_name"] == "Warga lupakan");
    let person = person.unwrap()["person_id"].as_str().unwrap().to_owned();
    let path = format!("/internal/people/{person}");
    assert_eq!(office.get("channel", &path).await["media"], 1);
    let media = office.media_in("lupakan", &["stored"]).await;
    office.internal(Method::DELETE, "channel", &path, None).await.success(204);
    eventually("the erased person's file is gone", async || (office.stored_files().len() == 1).then_some(()))
        .await;
    let id = media["media_id"].as_str().unwrap();
    office.internal(Method::GET, "channel", &format!("/internal/media/{id}"), None).await.problem(404);
    office.media_in("tetap", &["stored"]).await;

    uploaded(&office, "application/pdf", "", PDF).await.success(201);
    assert_eq!(office.stored_files().len(), 2);
    sqlx::query(
        "UPDATE gc_channel.media SET created_at = now() - interval '25 hours' WHERE message_id IS NULL",
    )
    .execute(&office.database.pool)
    .await
    .unwrap();
    eventually("the unsent upload is gone", async || (office.stored_files().len() == 1).then_some(())).await;
    office.until_count("SELECT count(*) FROM gc_channel.media_objects", 1).await;
    office.close().await;
}

async fn uploaded(office: &Office, mime_type: &str, query: &str, bytes: &[u8]) -> Answer {
    let request = office
        .http
        .post(office.url("channel", &format!("/internal/media{query}")))
        .header("x-internal-api-key", INTERNAL_KEY)
        .header("content-type", mime_type)
        .body(bytes.to_vec());
    crate::support::service::send(request).await
}

#[tokio::test]
async fn an_officer_hands_in_a_file_and_only_what_can_be_sent_is_taken() {
    let office = Office::open().await;
    let photo = uploaded(&office, "image/jpeg", "", JPEG).await.success(201);
    assert_eq!((&photo["kind"], &photo["mime_type"]), (&json!("image"), &json!("image/jpeg")));
    let kept = office.bytes_of(&photo).await;
    assert_eq!(photo["size"], kept.len());
    assert!(!kept.windows(6).any(|window| window == b"Secret"), "officers' photos are cleaned too");
    let letter =
        uploaded(&office, "application/pdf", "?filename=Surat%20%E2%80%9Cpengantar%E2%80%9D.pdf", PDF).await;
    let letter = letter.success(201);
    let answer = office.look_at(&letter, &[("x-internal-api-key", INTERNAL_KEY)]).await;
    let disposition = answer.headers()["content-disposition"].to_str().unwrap();
    assert_eq!(disposition, "attachment; filename*=UTF-8''Surat%20%E2%80%9Cpengantar%E2%80%9D.pdf");

    let large = vec![0xFF; 5 * 1024 * 1024 + 1];
    for (mime_type, query, bytes, status, reason) in [
        ("image/jpeg", "", PDF, 415, "type_not_allowed"),
        ("image/jpeg", "", large.as_slice(), 413, "too_large"),
        ("image/jpeg", "", b"".as_slice(), 415, "empty"),
        ("application/pdf", "?kind=sticker", PDF, 415, "type_not_allowed"),
    ] {
        let problem = uploaded(&office, mime_type, query, bytes).await.problem(status);
        assert_eq!(problem["reason"], reason, "{mime_type}{query}");
    }
    uploaded(&office, "application/pdf", "?kind=letter", PDF).await.problem_with_field("kind");
    uploaded(&office, "application/pdf", "?name=x", PDF).await.problem_with_field("name");
    assert_eq!(office.stored_files().len(), 2);
    office.close().await;
}

#[tokio::test]
async fn a_message_that_comes_twice_has_one_file_and_ones_without_a_file_have_none() {
    let office = Office::open().await;
    office.citizen("ganda").await;
    office
        .fault(json!({"effect": {"webhook_duplicate": {"copies": 3}}, "match": {"kind": "document"}, "count": 1}))
        .await;
    office.sends_file("ganda", "document", "application/pdf", PDF).await;
    office.media_in("ganda", &["stored"]).await;
    office.says("ganda", "sudah saya kirim").await;
    office.check().await;
    assert_eq!(office.count("SELECT count(*) FROM gc_channel.media").await, 1);
    assert_eq!(office.stored_files().len(), 1);
    assert_eq!(office.log("kind=graph&call=media_download").await.len(), 1);
    office.close().await;
}

/// Kills the process at `step` while a file is fetched, and starts it again: the file is there once, and nothing else.
pub async fn survives_a_crash_at(step: &str) {
    let mut office = Office::open_with(&[("FAILPOINTS", &format!("{step}=1*return"))]).await;
    office.citizen("korban").await;
    office.sends_file("korban", "image", "image/jpeg", JPEG).await;
    let status = office.node_ends().await;
    assert_eq!(status.code(), None, "{step} killed the process");
    let left = office.stored_files().len();
    assert_eq!(left, usize::from(step == "media::after_store"), "{step}");
    office.disarm();
    // As if the half minute of the dead node's claim had passed.
    sqlx::query("UPDATE gc_channel.media SET next_attempt_at = now()")
        .execute(&office.database.pool)
        .await
        .unwrap();
    office.restart().await;
    let media = office.media_in("korban", &["stored", "refused", "failed"]).await;
    assert_eq!(media["state"], "stored", "{step}");
    assert!(!office.bytes_of(&media).await.is_empty());
    office.let_writes_run_out().await;
    let files: BTreeSet<_> = office.stored_files().into_iter().collect();
    assert_eq!(files.len(), 1, "{step}: {files:?}");
    assert!(!office.bytes_of(&media).await.is_empty(), "{step}: the recorded one is left");
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn a_store_that_fails_is_tried_again() {
    let office = Office::open_with(&[("MEDIA__RETRY_FIRST_MS", "50")]).await;
    let root = office.data_dir().join("media");
    // A file where the store's folders would be.
    std::fs::remove_dir(&root).unwrap();
    std::fs::write(&root, b"in the way").unwrap();
    office.citizen("penuh").await;
    office.sends_file("penuh", "document", "application/pdf", PDF).await;
    office.until_count("SELECT count(*) FROM gc_channel.media WHERE reason = 'store'", 1).await;
    std::fs::remove_file(&root).unwrap();
    std::fs::create_dir(&root).unwrap();
    office.media_in("penuh", &["stored"]).await;
    office.let_writes_run_out().await;
    assert_eq!(office.stored_files().len(), 1);
    office.close().await;
}
