//! An officer answers from the office's own phone, in the WhatsApp Business app: the bot is silent from then on.

use serde_json::{Value, json};

use crate::support::office::{BROKEN_ROAD, Office};

async fn echo(office: &Office, citizen: &str, body: Value) -> String {
    let told = office.control(&format!("citizens/{citizen}/echoes"), body).await;
    let delivery = told["delivery"].as_u64().unwrap();
    office
        .wait_for_log("kind=webhook", 1, |entry| entry["delivery"] == delivery && entry["status"] == 200)
        .await;
    told["wamid"].as_str().unwrap().to_owned()
}

async fn mode(office: &Office, id: &str) -> Value {
    office.get("channel", &format!("/internal/takeover/{id}/status")).await
}

#[tokio::test]
async fn an_answer_from_the_offices_phone_stops_the_bot_that_is_thinking() {
    // The turn takes so long that the officer is faster.
    let office = Office::open_with(&[("FAILPOINTS", "ai::slow=1*return(15000)")]).await;
    office.citizen("cepat").await;
    office.says("cepat", BROKEN_ROAD).await;
    let id = office.conversation("cepat").await;
    office.wait_for_log("kind=graph&person=cepat", 1, |entry| entry["call"] != "messages").await;
    let wamid = echo(&office, "cepat", json!({"text": "Halo, saya Rina dari kantor desa"})).await;
    let status = mode(&office, &id).await;
    assert_eq!((&status["mode"], &status["admin_id"]), (&json!("human"), &json!("whatsapp-business-app")));
    let transcript = office.get("channel", &format!("/internal/messages?conversation_id={id}")).await;
    let shown = transcript["items"].as_array().unwrap().iter().find(|item| item["wamid"] == wamid.as_str());
    let shown = shown.expect("the officer's words are in the transcript");
    assert_eq!(
        (&shown["origin"], &shown["status"], &shown["text"], &shown["author"]),
        (
            &json!("officer"),
            &json!("sent"),
            &json!("Halo, saya Rina dari kantor desa"),
            &json!("whatsapp-business-app")
        )
    );
    // What else they write, and what Meta repeats, is the same takeover.
    echo(&office, "cepat", json!({"text": "Ada yang bisa dibantu?"})).await;
    echo(&office, "cepat", json!({"text": "Halo, saya Rina dari kantor desa", "wamid": wamid})).await;
    assert_eq!(office.count("SELECT count(*) FROM gc_channel.takeover_sessions").await, 1);
    assert_eq!(office.count("SELECT count(*) FROM gc_channel.messages WHERE direction = 'out'").await, 2);

    office.post(&format!("/internal/takeover/{id}/end"), json!({})).await.success(204);
    // A repetition after the end starts nothing, nor does one that was sent before it and comes late.
    echo(&office, "cepat", json!({"text": "Halo, saya Rina dari kantor desa", "wamid": wamid})).await;
    echo(&office, "cepat", json!({"text": "terlambat", "timestamp": "2026-01-01T00:00:00Z"})).await;
    assert_eq!(mode(&office, &id).await["mode"], "bot");
    office.says("cepat", "Lampu jalan mati di Jl. Kenanga No. 3, gelap sekali").await;
    let replies = office.replies("cepat", 1).await;
    assert!(replies[0].text.contains("LAP-"), "{replies:?}");
    office.check().await;
    assert_eq!(office.accepted(Some("cepat")).await.len(), 1, "nothing of the turn that was stopped");
    office.close().await;
}

#[tokio::test]
async fn an_officer_may_write_first_and_an_echo_of_our_own_message_takes_nothing_over() {
    let office = Office::open().await;
    office.citizen("disapa").await;
    echo(&office, "disapa", json!({"text": "Selamat pagi, KTP Ibu sudah jadi"})).await;
    let named = "SELECT count(*) FROM gc_channel.conversations WHERE holder = 'whatsapp-business-app'";
    assert_eq!(office.count(named).await, 1);

    office.citizen("gema").await;
    office.says("gema", BROKEN_ROAD).await;
    office.replies("gema", 1).await;
    office.is_quiet().await;
    let (wamid, text): (String, String) = sqlx::query_as(
        "SELECT wamid, text FROM gc_channel.messages WHERE direction = 'out' AND origin = 'bot' LIMIT 1",
    )
    .fetch_one(&office.database.pool)
    .await
    .unwrap();
    echo(&office, "gema", json!({"text": text, "wamid": wamid})).await;
    assert_eq!(office.count(named).await, 1, "only the first one is held");
    assert_eq!(office.count("SELECT count(*) FROM gc_channel.takeover_sessions").await, 1);
    office.check().await;
    office.close().await;
}
