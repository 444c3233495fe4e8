//! Webhooks: signature, repetition, order, statuses, people with and without numbers.

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::harness::{Harness, NUMBER, SECRET};

fn value(body: &Value) -> &Value {
    &body["entry"][0]["changes"][0]["value"]
}

#[tokio::test]
async fn a_message_arrives_signed_over_its_raw_bytes_in_metas_envelope() {
    let sim = Harness::start().await;
    let wamid = sim.siti_says("jalan rusak \u{1f6a7}").await;
    sim.log(&format!("kind=webhook&wamid={wamid}"), 1).await;
    let received = sim.received().remove(0);
    let signature = received.signature.unwrap();
    let tag = hex::decode(signature.strip_prefix("sha256=").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::verify(&key, &received.raw, &tag).unwrap();
    assert_eq!(received.body["object"], "whatsapp_business_account");
    let value = value(&received.body);
    assert_eq!(value["metadata"]["phone_number_id"], NUMBER);
    assert_eq!(value["contacts"][0]["wa_id"], "6281234567801");
    let message = &value["messages"][0];
    assert_eq!(message["id"], wamid);
    assert_eq!(message["from"], "6281234567801");
    assert_eq!(message["timestamp"], "1795402800");
    assert_eq!(message["text"], json!({"body": "jalan rusak \u{1f6a7}"}));
    sim.stop().await;
}

#[tokio::test]
async fn people_come_with_what_they_have() {
    let sim = Harness::start().await;
    let say = json!({"message": {"text": {"body": "halo"}}});
    for (citizen, from, user_id) in [
        ("siti", Some("6281234567801"), None),
        ("budi", Some("6281234567802"), Some("ID.7c2f0b54a91e4d3388")),
        ("wayan", None, Some("ID.1f6ad90c2b7745e0aa")),
    ] {
        sim.control(&format!("citizens/{citizen}/messages"), say.clone()).await;
        sim.log(&format!("kind=webhook&person={citizen}"), 1).await;
        let body = sim.received().pop().unwrap().body;
        let value = value(&body);
        assert_eq!(value["messages"][0]["from"].as_str(), from);
        assert_eq!(value["messages"][0]["from_user_id"].as_str(), user_id);
        assert_eq!(value["contacts"][0]["wa_id"].as_str(), from);
        assert_eq!(value["contacts"][0]["user_id"].as_str(), user_id);
    }
    let reply = json!({"messaging_product": "whatsapp", "recipient": "ID.1f6ad90c2b7745e0aa", "type": "text",
        "text": {"body": "halo"}});
    let (status, answer) = sim.graph(&reply).await;
    assert_eq!((status, &answer["contacts"][0]["user_id"]), (200, &json!("ID.1f6ad90c2b7745e0aa")));
    sim.stop().await;
}

#[tokio::test]
async fn whatever_is_not_answered_200_comes_again_unchanged() {
    let sim = Harness::start().await;
    sim.refuse_next(&[503, 204, 401]);
    let wamid = sim.siti_says("halo").await;
    let attempts = sim.log(&format!("kind=webhook&wamid={wamid}"), 4).await;
    let statuses: Vec<_> = attempts.iter().map(|attempt| attempt["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [503, 204, 401, 200]);
    assert_eq!(attempts[3]["attempt"], 4);
    let received = sim.received();
    assert!(received.iter().all(|one| one.raw == received[0].raw && one.signature == received[0].signature));
    let chat = sim.get("/control/citizens/siti/chat").await;
    assert_eq!(
        chat["messages"][0]["webhook"],
        json!({"attempts": 4, "answered_200": true, "last_status": 200})
    );
    sim.stop().await;
}

#[tokio::test]
async fn statuses_come_in_order_and_echo_our_id() {
    let sim = Harness::start().await;
    sim.siti_says("halo").await;
    let (_, answer) = sim.send_text("baik", "our-message-id").await;
    let wamid = answer["messages"][0]["id"].as_str().unwrap().to_owned();
    sim.log(&format!("kind=webhook&wamid={wamid}"), 2).await;
    sim.control("citizens/siti/read", json!({})).await;
    let entries = sim.log(&format!("kind=webhook&wamid={wamid}"), 3).await;
    let mut states: Vec<_> = entries.iter().map(|entry| entry["state"].as_str().unwrap()).collect();
    states[..2].sort_unstable_by_key(|state| *state != "sent");
    assert_eq!(states, ["sent", "delivered", "read"]);
    for received in sim.received() {
        for status in value(&received.body)["statuses"].as_array().into_iter().flatten() {
            assert_eq!(status["id"], wamid);
            assert_eq!(status["biz_opaque_callback_data"], "our-message-id");
            assert_eq!(status["recipient_id"], "6281234567801");
            assert_eq!(status["pricing"]["category"], "service");
        }
    }
    let graph = sim.log("kind=graph&opaque=our-message-id", 1).await;
    assert_eq!(graph[0]["wamid"], wamid);
    sim.stop().await;
}

#[tokio::test]
async fn a_phone_that_is_off_gets_its_messages_when_it_is_on_again() {
    let sim = Harness::start().await;
    sim.siti_says("halo").await;
    sim.control("citizens/siti/presence", json!({"online": false})).await;
    let (_, answer) = sim.send_text("baik", "1").await;
    let query = format!("kind=webhook&wamid={}", answer["messages"][0]["id"].as_str().unwrap());
    assert_eq!(sim.log(&query, 1).await[0]["state"], "sent");
    sim.control("citizens/siti/presence", json!({"online": true})).await;
    assert_eq!(sim.log(&query, 2).await[1]["state"], "delivered");
    sim.stop().await;
}

#[tokio::test]
async fn the_first_attempts_of_one_person_start_in_order() {
    let sim = Harness::start().await;
    let mut wamids = Vec::new();
    for number in 0..20 {
        wamids.push(sim.siti_says(&number.to_string()).await);
    }
    let entries = sim.log("kind=webhook&person=siti", 20).await;
    let mut deliveries: Vec<_> = entries
        .iter()
        .map(|entry| (entry["delivery"].as_u64().unwrap(), entry["wamids"][0].as_str().unwrap().to_owned()))
        .collect();
    deliveries.sort_unstable();
    assert_eq!(deliveries.into_iter().map(|(_, wamid)| wamid).collect::<Vec<_>>(), wamids);
    sim.stop().await;
}

#[tokio::test]
async fn a_batch_is_one_body_and_can_come_twice() {
    let sim = Harness::start().await;
    let item = |citizen: &str, number: &str, text: &str| json!({"citizen": citizen, "say": {"phone_number_id": number, "message": {"text": {"body": text}}}});
    let other = "109876543210002";
    let batch = json!({"copies": 2, "messages": [
        item("siti", NUMBER, "a"), item("budi", other, "b"), item("siti", NUMBER, "c"),
    ]});
    let answer = sim.control("batch", batch).await;
    assert_eq!(answer["wamids"].as_array().unwrap().len(), 3);
    sim.log("kind=webhook&call=batch", 2).await;
    let received = sim.received();
    assert_eq!(received[0].raw, received[1].raw);
    let changes = received[0].body["entry"][0]["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[0]["value"]["messages"].as_array().unwrap().len(), 2);
    assert_eq!(changes[0]["value"]["contacts"].as_array().unwrap().len(), 1);
    assert_eq!(changes[1]["value"]["metadata"]["phone_number_id"], other);
    sim.stop().await;
}

#[tokio::test]
async fn raw_messages_and_bodies_go_out_as_given() {
    let sim = Harness::start().await;
    let raw = json!({"message": {"raw": {"type": "hologram", "from": null, "hologram": {"depth": 3}}}});
    let wamid = sim.control("citizens/siti/messages", raw).await["wamid"].clone();
    sim.log("kind=webhook", 1).await;
    let message = value(&sim.received()[0].body)["messages"][0].clone();
    assert_eq!((&message["id"], &message["hologram"]), (&wamid, &json!({"depth": 3})));
    assert!(message.get("from").is_none());

    sim.control("webhook", json!({"text": "not json", "signature": "wrong"})).await;
    sim.control("webhook", json!({"body": {"a": 1}, "signature": "missing"})).await;
    sim.log("kind=webhook&call=raw", 2).await;
    let received = sim.received();
    assert!(received.iter().any(|one| one.raw == "not json" && one.signature.is_some()));
    assert!(received.iter().any(|one| one.raw == r#"{"a":1}"# && one.signature.is_none()));
    sim.stop().await;
}

#[tokio::test]
async fn the_handshake_shows_the_verify_token() {
    let sim = Harness::start().await;
    let answer = sim.control("verify", json!({})).await;
    assert_eq!(answer, json!({"verified": true, "status": 200, "challenge_echoed": true}));
    sim.stop().await;
}

#[tokio::test]
async fn a_reset_ends_deliveries_and_the_log_counts_on() {
    let sim = Harness::start().await;
    sim.refuse_next(&[500; 1_000]);
    sim.siti_says("halo").await;
    sim.log("kind=webhook", 2).await;
    let index = sim.control("reset", json!({})).await["log_index"].as_u64().unwrap();
    sim.refuse_next(&[]);
    sim.siti_says("lagi").await;
    let entries = sim.log("kind=webhook", 1).await;
    assert_eq!(entries[0]["index"].as_u64().unwrap(), index + 1);
    assert_eq!(sim.get("/control/citizens/siti/chat").await["messages"].as_array().unwrap().len(), 1);
    sim.stop().await;
}
