//! An officer takes over: from the acknowledgement on the bot is silent (I7), the officer's words go out in order, and
//! the bot takes up again where the officer ended.

use serde_json::{Value, json};

use crate::support::office::{BROKEN_ROAD, Office};

pub(super) async fn take(
    office: &Office,
    id: &str,
    admin: &str,
    force: bool,
) -> crate::support::service::Answer {
    let body = json!({"admin_id": admin, "reason": "warga minta petugas", "force": force});
    office.post(&format!("/internal/takeover/{id}/start"), body).await
}

async fn officer_writes(
    office: &Office,
    id: &str,
    admin: &str,
    text: &str,
) -> crate::support::service::Answer {
    let content = json!({"type": "text", "text": text});
    let body = json!({"conversation_id": id, "origin": "officer", "admin_id": admin, "content": content});
    office.post("/internal/messages/send", body).await
}

#[tokio::test]
async fn an_officer_takes_over_writes_in_order_and_gives_back() {
    // Nothing of the bot's reaches Meta at first: its reply waits in the queue when the officer comes.
    let office = Office::open().await;
    office.citizen("lama").await;
    office
        .fault(json!({"effect": {"graph_error": {"code": 131_016}}, "count": 1, "match": {"person": "lama", "kind": "interactive"}}))
        .await;
    office.says("lama", BROKEN_ROAD).await;
    let id = office.conversation("lama").await;
    office
        .until_count("SELECT count(*) FROM gc_channel.messages WHERE status = 'queued' AND attempts = 1", 1)
        .await;

    let taken = take(&office, &id, "rina", false).await.success(200);
    assert_eq!((&taken["cancelled"], &taken["in_flight"]), (&json!(1), &json!([])), "{taken}");
    let refused = take(&office, &id, "joko", false).await.success(409);
    assert_eq!(refused["holder"], "rina", "{refused}");
    assert_eq!(officer_writes(&office, &id, "joko", "saya bukan pemegang").await.status.as_u16(), 409);

    office.says("lama", "halo, ada orang?").await;
    for number in 1..=5 {
        officer_writes(&office, &id, "rina", &format!("pesan petugas {number}")).await.success(202);
    }
    let replies = office.replies("lama", 5).await;
    let texts: Vec<&str> = replies.iter().map(|reply| reply.text.as_str()).collect();
    assert_eq!(
        texts,
        ["pesan petugas 1", "pesan petugas 2", "pesan petugas 3", "pesan petugas 4", "pesan petugas 5"]
    );

    // Another may take it when they say so; from then on the first one may not write.
    take(&office, &id, "joko", true).await.success(200);
    assert_eq!(officer_writes(&office, &id, "rina", "terlambat").await.status.as_u16(), 409);
    let status = office.get("channel", &format!("/internal/takeover/{id}/status")).await;
    assert_eq!((&status["mode"], &status["admin_id"]), (&json!("human"), &json!("joko")));

    // The citizen's number names the conversation just as well.
    let person = sqlx::query_scalar::<_, String>("SELECT phone FROM gc_channel.user_profiles")
        .fetch_one(&office.database.pool)
        .await
        .unwrap();
    let end = format!("/internal/takeover/{person}/end");
    assert_eq!(office.post(&end, json!({"admin_id": "rina"})).await.status.as_u16(), 409);
    office.post(&end, json!({"admin_id": "joko"})).await.success(204);
    assert_eq!(office.post(&end, json!({})).await.status.as_u16(), 409, "nobody holds it any more");

    // What the officer saw is not answered again; what comes now is.
    office.is_quiet().await;
    assert_eq!(office.accepted(Some("lama")).await.len(), 5);
    office.says("lama", "Lampu jalan mati di Jl. Kenanga No. 3, gelap sekali").await;
    let replies = office.replies("lama", 6).await;
    assert!(replies[5].text.contains("LAP-"), "{:?}", replies[5]);
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn what_came_after_the_officer_last_looked_is_answered_by_the_bot() {
    let office = Office::open().await;
    office.citizen("sela").await;
    office.says("sela", "halo").await;
    office.replies("sela", 1).await;
    office.is_quiet().await;
    let id = office.conversation("sela").await;
    take(&office, &id, "rina", false).await.success(200);
    office.says("sela", "apa kabar").await;
    office.until_count("SELECT count(*) FROM gc_channel.messages WHERE direction = 'in'", 2).await;
    let transcript = office.get("channel", &format!("/internal/messages?conversation_id={id}")).await;
    let seen = transcript["items"][0]["message_id"].clone();
    office.says("sela", BROKEN_ROAD).await;
    office.until_count("SELECT count(*) FROM gc_channel.messages WHERE direction = 'in'", 3).await;
    let end = json!({"admin_id": "rina", "last_seen_message_id": seen});
    office.post(&format!("/internal/takeover/{id}/end"), end).await.success(204);
    let replies = office.replies("sela", 2).await;
    assert!(replies[1].text.contains("LAP-"), "{replies:?}");
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn an_officer_can_write_although_a_bot_message_was_under_way_when_the_node_died() {
    let mut office = Office::open().await;
    office.citizen("putus").await;
    office
        .fault(json!({"effect": {"hang": {"ms": 60_000}}, "count": 1, "match": {"person": "putus", "kind": "interactive"}}))
        .await;
    office.says("putus", BROKEN_ROAD).await;
    let id = office.conversation("putus").await;
    office.until_count("SELECT count(*) FROM gc_channel.messages WHERE status = 'sending'", 1).await;
    let taken = take(&office, &id, "rina", false).await.success(200);
    assert_eq!(taken["in_flight"].as_array().unwrap().len(), 1, "{taken}");
    office.kill().await;
    office.restart().await;
    officer_writes(&office, &id, "rina", "saya bantu ya").await.success(202);
    let replies = office.replies("putus", 1).await;
    assert_eq!(replies[0].text, "saya bantu ya");
    // Nor is the bot's message repeated when the officer is done.
    office.post(&format!("/internal/takeover/{id}/end"), json!({"admin_id": "rina"})).await.success(204);
    office.let_a_minute_pass_for_unanswered_sends().await;
    office.says("putus", "terima kasih").await;
    office.check().await;
    assert!(office.accepted(Some("putus")).await.iter().all(|sent| !sent.text.contains("LAP-")));
    office.close().await;
}

#[tokio::test]
async fn a_takeover_whose_officer_went_away_goes_back_to_the_bot_with_a_notice() {
    let office = Office::open_with(&[("CONVERSATION__TAKEOVER_IDLE_S", "2")]).await;
    office.citizen("sepi").await;
    office.says("sepi", "halo").await;
    office.replies("sepi", 1).await;
    office.is_quiet().await;
    let id = office.conversation("sepi").await;
    take(&office, &id, "rina", false).await.success(200);
    office.says("sepi", "apa kabar laporan saya?").await;
    office.until_count("SELECT count(*) FROM gc_channel.messages WHERE direction = 'in'", 2).await;
    officer_writes(&office, &id, "rina", "Sebentar, saya cek LAP-20260101-001").await.success(202);
    office.replies("sepi", 2).await;
    // Nobody answers this one any more.
    office.says("sepi", BROKEN_ROAD).await;
    let replies = office.replies("sepi", 4).await;
    assert!(replies[2].text.contains("kembali dilayani asisten otomatis"), "{replies:?}");
    assert!(replies[3].text.contains("LAP-"), "what the officer did not see is answered: {replies:?}");
    assert!(!replies[3].text.contains("kembali dilayani"), "it is said once: {replies:?}");
    let status = office.get("channel", &format!("/internal/takeover/{id}/status")).await;
    assert_eq!((&status["mode"], &status["admin_id"]), (&json!("bot"), &Value::Null));
    assert_eq!(
        office
            .count(
                "SELECT count(*) FROM gc_channel.takeover_sessions WHERE end_reason = 'the officer was away'"
            )
            .await,
        1
    );
    assert_eq!(
        office
            .count(
                "SELECT count(*) FROM gc_channel.event_outbox WHERE routing_key = 'govconnect.takeover.ended'"
            )
            .await,
        1
    );
    office.check().await;
    assert_eq!(
        office.accepted(Some("sepi")).await.len(),
        4,
        "the question that the officer saw is not answered again"
    );
    office.close().await;
}

#[tokio::test]
async fn the_bot_goes_on_with_what_the_officer_said() {
    let office = Office::open().await;
    office.citizen("lanjut").await;
    office.says("lanjut", BROKEN_ROAD).await;
    let filed = office.replies("lanjut", 1).await;
    let number = filed[0].text.split_whitespace().find(|word| word.starts_with("LAP-")).unwrap();
    let number = number.trim_end_matches('.').to_owned();
    office.says("lanjut", "Lampu jalan mati di Jl. Kenanga No. 3, gelap sekali").await;
    office.replies("lanjut", 2).await;
    office.is_quiet().await;
    let id = office.conversation("lanjut").await;
    take(&office, &id, "rina", false).await.success(200);
    officer_writes(&office, &id, "rina", &format!("Laporan {number} sudah kami jadwalkan."))
        .await
        .success(202);
    office.replies("lanjut", 3).await;
    office.post(&format!("/internal/takeover/{id}/end"), json!({"admin_id": "rina"})).await.success(204);
    // Of their two complaints, the one that the officer spoke of.
    office.says("lanjut", "cek status laporan saya").await;
    let replies = office.replies("lanjut", 4).await;
    assert!(replies[3].text.starts_with("Percakapan kembali dilayani asisten otomatis."), "{replies:?}");
    assert!(replies[3].text.contains(&number), "{replies:?}");
    assert_eq!(replies[3].text.matches("LAP-").count(), 1, "{replies:?}");
    office.check().await;
    office.close().await;
}
