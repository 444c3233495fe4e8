//! The five services as processes of their own, one or two of each, work exactly as one.

use reqwest::Method;
use serde_json::json;

use crate::support::dashboard::{Browser, FIRST_PASSWORD, OWN_PASSWORD};
use crate::support::nodes::Shape;
use crate::support::office::{BROKEN_ROAD, Office, eventually};

/// A citizen complains and gets a number, officers see it in the browser, and one of them takes the conversation over.
pub(super) async fn a_complaint_goes_its_way(office: &Office) {
    office.citizen("lestari").await;
    office.says("lestari", BROKEN_ROAD).await;
    office.replied_with("lestari", "LAP-").await;

    let mut browser = Browser::at(&office.url("dashboard", ""));
    assert_eq!(browser.sign_in("admin", FIRST_PASSWORD).await.status, 200);
    let changed = browser.change_password(FIRST_PASSWORD, OWN_PASSWORD).await;
    assert!(changed.status.is_success(), "{}", changed.body);
    let complaints = browser.get("/api/complaints").await;
    assert_eq!(complaints.status, 200, "{}", complaints.body);
    let number = complaints.body["items"][0]["complaint_id"].as_str().expect("a complaint").to_owned();
    office.replied_with("lestari", &number).await;

    let id = office.conversation("lestari").await;
    let take = json!({"admin_id": "rina", "reason": "warga minta petugas"});
    office.post(&format!("/internal/takeover/{id}/start"), take).await.success(200);
    office.says("lestari", "apakah ada orang?").await;
    let said = json!({"conversation_id": id, "origin": "officer", "admin_id": "rina",
        "content": {"type": "text", "text": "Petugas di sini"}});
    office.internal(Method::POST, "channel", "/internal/messages/send", Some(said)).await.success(202);
    office.replied_with("lestari", "Petugas di sini").await;
    let conversations = browser.get("/api/conversations").await;
    assert_eq!(conversations.body["items"][0]["mode"], "human", "{}", conversations.body);
    office.post(&format!("/internal/takeover/{id}/end"), json!({"admin_id": "rina"})).await.success(204);
    office.says("lestari", "halo").await;
    eventually("the bot is back", async || {
        let replies = office.accepted(Some("lestari")).await;
        let officers = replies.iter().position(|reply| reply.text == "Petugas di sini")?;
        (replies.len() > officers + 1).then_some(())
    })
    .await;
    office.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_for_each_service_works_as_one() {
    let office = Office::open_as(Shape::Split { of_each: 1 }, &[]).await;
    a_complaint_goes_its_way(&office).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_for_each_service_work_as_one() {
    let office = Office::open_as(Shape::Split { of_each: 2 }, &[]).await;
    a_complaint_goes_its_way(&office).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_whole_nodes_work_as_one() {
    let office = Office::open_as(Shape::Whole { nodes: 3 }, &[]).await;
    a_complaint_goes_its_way(&office).await;
    office.close().await;
}

/// The same story of one process, so that it is the shape that the others change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_does_it_by_itself() {
    let office = Office::open_as(Shape::OneProcess, &[]).await;
    a_complaint_goes_its_way(&office).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_of_each_service_is_killed_and_the_others_go_on() {
    let mut office = Office::open_as(Shape::Split { of_each: 2 }, &[]).await;
    for service in ["channel", "ai", "case", "notification", "dashboard"] {
        let first = office.nodes.with_role(service)[0];
        office.nodes.kill(first).await;
    }
    a_complaint_goes_its_way(&office).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_nodes_are_restarted_one_by_one_under_load() {
    const CITIZENS: usize = 6;
    let mut office = Office::open_as(Shape::Whole { nodes: 3 }, &[]).await;
    for number in 0..CITIZENS {
        office.citizen(&format!("warga{number}")).await;
        office.says(&format!("warga{number}"), BROKEN_ROAD).await;
    }
    for node in 0..office.nodes.count() {
        let (status, _) = office.nodes.terminate(node).await;
        assert!(status.success(), "{status}");
        for number in 0..CITIZENS {
            office.says(&format!("warga{number}"), "sudah lama begitu").await;
        }
        office.start_node(node).await;
    }
    for number in 0..CITIZENS {
        office.replied_with(&format!("warga{number}"), "LAP-").await;
    }
    office.check().await;
    office.close().await;
}
