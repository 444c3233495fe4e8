//! Every fault a script can ask for, as the other side sees it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::harness::{Harness, text_to_siti};

async fn with_fault(fault: Value) -> Harness {
    let sim = Harness::start().await;
    sim.siti_says("halo").await;
    sim.log("kind=webhook", 1).await;
    sim.control("faults", fault).await;
    sim
}

#[tokio::test]
async fn refusals_have_their_code_and_status_and_accept_nothing() {
    let table = [
        (json!("rate_limit"), 429, json!(130_429)),
        (json!("pair_rate"), 429, json!(131_056)),
        (json!("closed_window"), 400, json!(131_047)),
        (json!({"graph_error": {"code": 131_016}}), 500, json!(131_016)),
        (json!({"graph_error": {"code": 4, "status": 400, "subcode": 7}}), 400, json!(4)),
        (json!({"http": {"status": 503}}), 503, Value::Null),
    ];
    for (effect, status, code) in table {
        let sim =
            with_fault(json!({"effect": effect, "count": 1, "match": {"kind": "text", "person": "siti"}}))
                .await;
        let (found, answer) = sim.send_text("a", "1").await;
        assert_eq!((found, &answer["error"]["code"]), (status, &code), "{effect}");
        assert_eq!(sim.log("kind=graph", 1).await[0]["wamid"], Value::Null);
        assert_eq!(sim.send_text("a", "1").await.0, 200, "only once");
        sim.stop().await;
    }
}

#[tokio::test]
async fn a_lost_answer_is_a_message_that_arrived() {
    for how in ["drop", "server_error"] {
        let sim = with_fault(json!({"effect": {"answer_lost": {"how": how}}, "count": 1})).await;
        match sim.call_graph(&text_to_siti("a", "ours")).await {
            Err(_) => assert_eq!(how, "drop"),
            Ok(response) if response.status() == 500 => assert_eq!(how, "server_error"),
            Ok(response) => assert!(response.bytes().await.is_err(), "{how} gave a whole answer"),
        }
        let entry = sim.log("kind=graph&opaque=ours", 1).await.remove(0);
        let wamid = entry["wamid"].as_str().unwrap();
        assert_eq!(entry["fault"], "answer_lost");
        sim.log(&format!("kind=webhook&wamid={wamid}"), 2).await;
        sim.stop().await;
    }
}

#[tokio::test]
async fn a_hang_gives_no_answer_and_accepts_nothing() {
    let sim = with_fault(json!({"effect": {"hang": {"ms": 50}}, "count": 1})).await;
    let began = Instant::now();
    let answer = sim.call_graph(&text_to_siti("a", "ours")).await;
    assert!(answer.is_err() || answer.unwrap().bytes().await.is_err());
    assert!(began.elapsed() >= Duration::from_millis(50));
    let entry = sim.log("kind=graph", 1).await.remove(0);
    assert_eq!((&entry["wamid"], &entry["status"]), (&Value::Null, &Value::Null));
    sim.stop().await;
}

#[tokio::test]
async fn a_late_answer_is_late_and_whole() {
    let sim = with_fault(json!({"effect": {"delay_answer": {"ms": 60}}})).await;
    let began = Instant::now();
    assert_eq!(sim.send_text("a", "1").await.0, 200);
    assert!(began.elapsed() >= Duration::from_millis(60));
    sim.stop().await;
}

#[tokio::test]
async fn a_failed_status_follows_an_acceptance() {
    let sim = with_fault(json!({"effect": {"failed_status": {"code": 131_026}}})).await;
    let (status, answer) = sim.send_text("a", "ours").await;
    assert_eq!(status, 200);
    let wamid = answer["messages"][0]["id"].as_str().unwrap();
    assert_eq!(sim.log(&format!("kind=webhook&wamid={wamid}"), 1).await[0]["state"], "failed");
    let body = sim.received().pop().unwrap().body;
    let status = &body["entry"][0]["changes"][0]["value"]["statuses"][0];
    assert_eq!(
        (&status["errors"][0]["code"], &status["biz_opaque_callback_data"]),
        (&json!(131_026), &json!("ours"))
    );
    sim.stop().await;
}

#[tokio::test]
async fn webhooks_can_be_dropped_lost_and_doubled() {
    let table = [
        (json!("webhook_drop"), 1, 0),
        (json!("webhook_lose"), 2, 1),
        (json!({"webhook_duplicate": {"copies": 2}}), 3, 3),
    ];
    for (effect, logged, arrived) in table {
        let sim = with_fault(json!({"effect": effect, "count": 1, "match": {"kind": "text"}})).await;
        let wamid = sim.siti_says("sial").await;
        sim.log(&format!("wamid={wamid}"), logged).await;
        let times = sim.received().iter().filter(|one| one.body.to_string().contains(&wamid)).count();
        assert_eq!(times, arrived, "{effect}");
        sim.stop().await;
    }
}

#[tokio::test]
async fn held_back_webhooks_are_overtaken() {
    let reorder = json!({"webhook_reorder": {"longest_ms": 30_000}});
    for effect in [reorder, json!({"webhook_delay": {"ms": 300}})] {
        let sim = with_fault(json!({"effect": effect, "count": 1})).await;
        let first = sim.siti_says("satu").await;
        let second = sim.siti_says("dua").await;
        let entries = sim.log("kind=webhook&person=siti", 3).await;
        let order: Vec<_> = entries[1..].iter().map(|entry| entry["wamids"][0].as_str().unwrap()).collect();
        assert_eq!(order, [&second, &first], "{effect}");
        sim.stop().await;
    }
}

#[tokio::test]
async fn faults_can_be_listed_and_removed() {
    let sim = with_fault(json!({"effect": "rate_limit", "probability": 1.0, "seed": 3})).await;
    assert_eq!(sim.send_text("a", "1").await.0, 429);
    let fault = sim.get("/control/faults").await["faults"][0].clone();
    assert_eq!((&fault["hits"], &fault["effect"]), (&json!(1), &json!("rate_limit")));
    let path = sim.url(&format!("/control/faults/{}", fault["id"]));
    assert_eq!(sim.http.delete(path).send().await.unwrap().status(), 204);
    assert_eq!(sim.send_text("a", "1").await.0, 200);
    sim.stop().await;
}
