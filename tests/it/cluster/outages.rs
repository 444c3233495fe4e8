//! What nodes share goes away for a while: the broker for all of them, the database for one. Webhooks are taken as long as there
//! is a database, nothing acts on what it cannot know, nobody is handed to a person for it, and all of it resumes by itself.

use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::database::TestDatabase;
use crate::support::nodes::Shape;
use crate::support::office::{BROKEN_ROAD, Office, eventually};
use crate::support::proxy::Proxy;

/// An office whose nodes all reach the broker through one proxy.
async fn behind_one_way_to_the_broker(shape: Shape, settings: &[(&str, &str)]) -> (Office, Proxy) {
    let database = TestDatabase::with_connections(4).await;
    let mut office = Office::closed_as(shape, database, settings).await;
    let url = office.nodes.broker().url();
    let (proxy, through) = Proxy::before(url.expose_secret(), 0).await;
    office.set("BROKER__URL", &through);
    office.start().await;
    (office, proxy)
}

async fn readiness(office: &Office, node: usize) -> (u16, Value) {
    let role = if office.nodes.with_role("channel").contains(&node) { "channel" } else { "ai" };
    let answer = office.http.get(office.nodes.url_at(node, role, "/ready")).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

async fn until_all_are(office: &Office, wanted: &str) {
    for node in 0..office.nodes.count() {
        if !["channel", "ai"].iter().any(|role| office.nodes.with_role(role).contains(&node)) {
            continue;
        }
        eventually(wanted, async || {
            let (status, body) = readiness(office, node).await;
            (status == 200 && body["status"] == wanted).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_broker_whole_nodes_answer_everybody_and_tell_of_it_later() {
    const CITIZENS: usize = 12;
    let (office, broker) = behind_one_way_to_the_broker(Shape::Whole { nodes: 2 }, &[]).await;
    until_all_are(&office, "ready").await;
    // The exchange is there now: somebody outside listens.
    office.nodes.broker().listen("outside", "govconnect.events", "govconnect.complaint.created").await;
    broker.cut();
    until_all_are(&office, "degraded").await;
    for number in 0..CITIZENS {
        office.citizen(&format!("warga{number}")).await;
        office.says(&format!("warga{number}"), BROKEN_ROAD).await;
    }
    // Those of the other node's partitions are found by its sweeper.
    for number in 0..CITIZENS {
        office.replied_with(&format!("warga{number}"), "LAP-").await;
    }
    let refused = office.log("kind=webhook").await.iter().filter(|entry| entry["status"] != 200).count();
    assert_eq!(refused, 0, "every webhook was taken at once");
    assert_eq!(readiness(&office, 0).await.1["dependencies"]["bus"], "away");
    broker.pass();
    until_all_are(&office, "ready").await;
    eventually("what happened is told", async || {
        let told = office.nodes.broker().messages("outside").await;
        (told.len() >= CITIZENS).then_some(())
    })
    .await;
    office.check().await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_broker_split_services_wait_and_catch_up_and_nobody_is_handed_to_a_person() {
    const CITIZENS: usize = 6;
    // So that turns fail more often than a person would be called for, were it not an outage.
    let settings = [("AI__TURN_DEADLINE_MS", "300"), ("CONVERSATION__TURN_ATTEMPTS", "2")];
    let (office, broker) = behind_one_way_to_the_broker(Shape::Split { of_each: 1 }, &settings).await;
    until_all_are(&office, "ready").await;
    broker.cut();
    until_all_are(&office, "degraded").await;
    for number in 0..CITIZENS {
        office.citizen(&format!("warga{number}")).await;
        office.says(&format!("warga{number}"), BROKEN_ROAD).await;
    }
    office
        .until_count("SELECT count(*) FROM gc_channel.conversations WHERE failed_turns >= 3", CITIZENS as i64)
        .await;
    assert_eq!(office.accepted(None).await.len(), 0);
    broker.pass();
    for number in 0..CITIZENS {
        office.replied_with(&format!("warga{number}"), "LAP-").await;
    }
    assert_eq!(office.count("SELECT count(*) FROM gc_case.complaints").await, CITIZENS as i64);
    office.check().await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_way_to_the_database_is_half_open_is_replaced_and_comes_back() {
    const CITIZENS: usize = 16;
    let database = TestDatabase::with_connections(4).await;
    let (way, through) = Proxy::before(&database.url(), 0).await;
    let mut office = Office::closed_as(Shape::Whole { nodes: 2 }, database, &[]).await;
    office.nodes.set(0, "DATABASE__URL", &through);
    office.start().await;
    let owners = "SELECT count(DISTINCT owner) FROM gc_channel.partition_leases WHERE expires_at > now()";
    office.until_count(owners, 2).await;
    way.hold_all();
    for number in 0..CITIZENS {
        office.citizen(&format!("warga{number}")).await;
        office.says(&format!("warga{number}"), BROKEN_ROAD).await;
    }
    // By the other node, when the leases of the first have run out.
    for number in 0..CITIZENS {
        office.replied_with(&format!("warga{number}"), "LAP-").await;
    }
    office.until_count(owners, 1).await;
    way.pass();
    office.until_count(owners, 2).await;
    eventually("each has its half", async || {
        let status = office.get("channel", "/internal/cluster").await;
        let halves = status["nodes"].as_array()?.iter().all(|node| node["partitions"] == 32);
        halves.then_some(())
    })
    .await;
    for number in 0..CITIZENS {
        office.says(&format!("warga{number}"), "terima kasih").await;
    }
    office.check().await;
    let created = "SELECT count(*) FROM gc_case.complaints";
    assert_eq!(office.count(created).await, CITIZENS as i64);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_nodes_and_partitions_by_http_and_on_the_command_line() {
    let roles = ["channel,ai,case,notification,dashboard", "channel", "ai"];
    let shape = Shape::Roles(roles.map(str::to_owned).to_vec());
    let office = Office::open_as(shape, &[]).await;
    let status = eventually("both own their half", async || {
        let status = office.get("channel", "/internal/cluster").await;
        let mut shares: Vec<u64> =
            status["nodes"].as_array()?.iter().filter_map(|node| node["partitions"].as_u64()).collect();
        shares.sort_unstable();
        (shares == [0, 32, 32]).then_some(status)
    })
    .await;
    for node in status["nodes"].as_array().unwrap() {
        assert_eq!(node["state"], "up", "{node}");
        let owns = node["roles"].as_array().unwrap().contains(&json!("channel"));
        assert_eq!(node["partitions"] == 32, owns, "{node}");
    }
    assert_eq!(status["partitions"].as_array().unwrap().len(), 64);
    for partition in status["partitions"].as_array().unwrap() {
        assert!(partition["owner"].is_string() && partition["epoch"].as_i64() > Some(0), "{partition}");
        assert_eq!((&partition["inbox"], &partition["outbox"]), (&json!(0), &json!(0)), "{partition}");
    }
    let told = office.command(&["cluster", "status", "--json"]).output().await.expect("the binary runs");
    assert!(told.status.success(), "{told:?}");
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!(told["nodes"], status["nodes"]);
    let shown = office.command(&["cluster", "status"]).output().await.expect("the binary runs");
    let shown = String::from_utf8(shown.stdout).expect("UTF-8");
    for node in status["nodes"].as_array().unwrap() {
        assert!(shown.contains(node["node"].as_str().unwrap()), "{shown}");
    }
    assert!(shown.contains("p63") && !shown.contains("nobody"), "{shown}");
    let refused = office.internal(Method::POST, "channel", "/internal/cluster", None).await;
    assert_eq!(refused.status.as_u16(), 405);
    office.close().await;
}
