//! The Graph API: tokens, the window, rates, media.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::harness::{Harness, NUMBER, TOKEN};

fn code(answer: &Value) -> i64 {
    answer["error"]["code"].as_i64().unwrap_or_default()
}

#[tokio::test]
async fn a_call_needs_the_token_a_known_number_and_json() {
    let sim = Harness::start().await;
    let path = |number: &str| sim.url(&format!("/v25.0/{number}/messages"));
    let post = |number: &str| sim.http.post(path(number));
    let cases = [
        (post(NUMBER).body("{}"), 401, 190),
        (post(NUMBER).bearer_auth("guess").body("{}"), 401, 190),
        (post("1").bearer_auth(TOKEN).body("{}"), 400, 100),
        (post(NUMBER).bearer_auth(TOKEN).body("{"), 400, 100),
        (post(NUMBER).bearer_auth(TOKEN).body("{}"), 400, 131_008),
    ];
    for (request, status, expected) in cases {
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        let answer: Value = response.json().await.unwrap();
        assert_eq!(code(&answer), expected, "{answer}");
        assert_eq!(answer["error"]["type"], "OAuthException");
        assert_eq!(answer["error"]["error_data"]["messaging_product"], "whatsapp");
    }
    assert_eq!(sim.log("kind=graph&call=invalid", 5).await.len(), 5);
    sim.stop().await;
}

#[tokio::test]
async fn the_window_opens_with_a_message_and_closes_after_a_day() {
    let sim = Harness::start().await;
    assert_eq!(code(&sim.send_text("terlalu dini", "1").await.1), 131_047);
    sim.siti_says("halo").await;
    let (status, answer) = sim.send_text("baik", "2").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["contacts"][0]["wa_id"], "6281234567801");

    let later = sim.now.lock().unwrap().checked_add(SignedDuration::from_hours(25)).unwrap();
    *sim.now.lock().unwrap() = later;
    assert_eq!(code(&sim.send_text("terlambat", "3").await.1), 131_047);
    let template = json!({"messaging_product": "whatsapp", "to": "6281234567801", "type": "template",
        "template": {"name": "lap_selesai", "language": {"code": "id"}}});
    assert_eq!(sim.graph(&template).await.0, 200);

    sim.control("settings", json!({"window": "status"})).await;
    let (status, answer) = sim.send_text("diterima dulu", "4").await;
    assert_eq!(status, 200);
    let wamid = answer["messages"][0]["id"].as_str().unwrap();
    let failed = sim.log(&format!("kind=webhook&wamid={wamid}"), 1).await;
    assert_eq!(failed[0]["state"], "failed");
    sim.stop().await;
}

#[tokio::test]
async fn a_number_and_a_pair_have_their_rates() {
    let sim = Harness::start().await;
    sim.siti_says("halo").await;
    sim.control("settings", json!({"pair": {"burst": 2, "refill_ms": 3_600_000}})).await;
    let mut codes = Vec::new();
    for number in 0..3 {
        codes.push(code(&sim.send_text("a", &number.to_string()).await.1));
    }
    assert_eq!(codes, [0, 0, 131_056]);
    sim.control("settings", json!({"pair": null, "number_per_second": 1})).await;
    assert_eq!(code(&sim.send_text("a", "4").await.1), 0);
    let (status, answer) = sim.send_text("a", "5").await;
    assert_eq!((status, code(&answer)), (429, 130_429));
    sim.stop().await;
}

#[tokio::test]
async fn reading_with_typing_shows_on_the_phone_until_the_reply() {
    let sim = Harness::start().await;
    let wamid = sim.siti_says("halo").await;
    let read = json!({"messaging_product": "whatsapp", "status": "read", "message_id": wamid,
        "typing_indicator": {"type": "text"}});
    assert_eq!(sim.graph(&read).await, (200, json!({"success": true})));
    let chat = sim.get("/control/citizens/siti/chat").await;
    assert_eq!((&chat["typing"], &chat["typing_ms_left"]), (&json!(true), &json!(25_000)));
    assert_eq!(chat["messages"][0]["progress"], "read");
    sim.send_text("baik", "1").await;
    assert_eq!(sim.get("/control/citizens/siti/chat").await["typing"], false);
    sim.stop().await;
}

#[tokio::test]
async fn media_come_down_with_their_hash_for_five_minutes_and_only_with_the_token() {
    let sim = Harness::start().await;
    let upload = sim.http.post(sim.url("/control/media?mime_type=image/jpeg&filename=a.jpg"));
    let uploaded: Value = upload.body("bytes of a photo").send().await.unwrap().json().await.unwrap();
    let id = uploaded["id"].as_str().unwrap();
    let message = json!({"message": {"image": {"id": id, "caption": "lubang"}}});
    let wamid = sim.control("citizens/siti/messages", message).await["wamid"].clone();
    sim.log(&format!("kind=webhook&wamid={}", wamid.as_str().unwrap()), 1).await;
    let image = sim.received()[0].body["entry"][0]["changes"][0]["value"]["messages"][0]["image"].clone();
    assert_eq!((&image["id"], &image["caption"]), (&json!(id), &json!("lubang")));

    let media_url = sim.url(&format!("/v23.0/{id}"));
    assert_eq!(sim.http.get(&media_url).send().await.unwrap().status(), 401);
    let info: Value = sim.http.get(&media_url).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
    assert_eq!(info["sha256"], uploaded["sha256"]);
    assert_eq!(info["file_size"], 16);
    let link = info["url"].as_str().unwrap();
    assert_eq!(sim.http.get(link).send().await.unwrap().status(), 401);
    let bytes = sim.http.get(link).bearer_auth(TOKEN).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, "bytes of a photo");
    let later = sim.now.lock().unwrap().checked_add(SignedDuration::from_secs(301)).unwrap();
    *sim.now.lock().unwrap() = later;
    assert_eq!(sim.http.get(link).bearer_auth(TOKEN).send().await.unwrap().status(), 404);
    sim.stop().await;
}

#[tokio::test]
async fn media_go_up_by_form_and_are_sent_by_id() {
    let sim = Harness::start().await;
    sim.siti_says("halo").await;
    let form = |extra: bool| {
        let file =
            reqwest::multipart::Part::bytes(vec![1u8; 64]).file_name("a.png").mime_str("image/png").unwrap();
        let form = reqwest::multipart::Form::new()
            .text("messaging_product", "whatsapp")
            .text("type", "image/png")
            .part("file", file);
        if extra { form.text("surprise", "1") } else { form }
    };
    let upload = |form| {
        sim.http.post(sim.url(&format!("/v23.0/{NUMBER}/media"))).bearer_auth(TOKEN).multipart(form).send()
    };
    assert_eq!(upload(form(true)).await.unwrap().status(), 400);
    let id = upload(form(false)).await.unwrap().json::<Value>().await.unwrap()["id"].clone();
    let send = |kind: &str, id: &Value| {
        let mut body = json!({"messaging_product": "whatsapp", "to": "6281234567801", "type": kind});
        body[kind] = json!({ "id": id });
        body
    };
    assert_eq!(sim.graph(&send("image", &id)).await.0, 200);
    assert_eq!(code(&sim.graph(&send("audio", &id)).await.1), 131_053);
    assert_eq!(code(&sim.graph(&send("image", &json!("1"))).await.1), 131_009);
    let path = sim.url(&format!("/v23.0/{}", id.as_str().unwrap()));
    assert_eq!(sim.http.delete(&path).bearer_auth(TOKEN).send().await.unwrap().status(), 200);
    assert_eq!(sim.http.get(&path).bearer_auth(TOKEN).send().await.unwrap().status(), 400);
    sim.stop().await;
}

#[tokio::test]
async fn control_errors_name_the_field() {
    let sim = Harness::start().await;
    let cases = [
        ("citizens", json!({"name": "A", "phone": "12"}), 409, "phone"),
        ("citizens", json!({"name": "A", "colour": 1}), 400, "colour"),
        ("citizens/siti/messages", json!({"message": {"text": {"body": 5}}}), 400, "message.text.body"),
        ("settings", json!({"sent_after_ms": "soon"}), 400, "sent_after_ms"),
        ("faults", json!({"effect": {"hang": {}}}), 400, "effect.hang"),
        ("webhook", json!({}), 400, "body"),
    ];
    for (path, body, status, field) in cases {
        let (found, answer) = sim.try_control(path, body).await;
        assert_eq!((found, answer["field"].as_str()), (status, Some(field)), "{answer}");
    }
    assert_eq!(sim.try_control("citizens/nobody/read", json!({})).await.0, 404);
    sim.stop().await;
}

#[tokio::test]
async fn stopping_waits_for_nobody_who_only_listens() {
    let sim = Harness::start().await;
    let mut events = sim.http.get(sim.url("/phone/events")).send().await.unwrap();
    assert!(events.chunk().await.unwrap().is_some());
    let poll = tokio::spawn(sim.http.get(sim.url("/control/log?wait_ms=60000")).send());
    sim.control("faults", json!({"effect": {"hang": {"ms": 60_000}}})).await;
    let hung = tokio::spawn(sim.http.get(sim.url("/v23.0/1")).bearer_auth(TOKEN).send());
    // The hang is in the log, so the call is under way.
    sim.log("kind=graph", 1).await;
    let began = Instant::now();
    sim.stop().await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(poll.await.unwrap().is_ok());
    let answer = hung.await.unwrap();
    assert!(answer.is_err() || answer.unwrap().bytes().await.is_err());
}
