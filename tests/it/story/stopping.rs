//! Stopping, and two nodes on one database: a stop drains and waits for nothing (I10), a second node waits its turn, and
//! one that has lost its lease ends.

use std::time::Duration;

use crate::support::office::{BROKEN_ROAD, Office, eventually};

#[tokio::test]
async fn an_idle_node_stops_at_once() {
    let mut office = Office::open().await;
    // A conversation and some requests before, so that connections are open on both sides.
    office.citizen("terakhir").await;
    office.says("terakhir", BROKEN_ROAD).await;
    office.replies("terakhir", 1).await;
    office.check().await;
    for service in ["channel", "ai", "case", "notification", "dashboard"] {
        office.http.get(office.url(service, "/health")).send().await.unwrap();
    }
    let (status, took) = office.terminate().await;
    eprintln!("an idle node stopped in {took:?}");
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    office.close().await;
}

#[tokio::test]
async fn a_stop_under_load_loses_nothing_and_the_next_start_goes_on() {
    let mut office = Office::open().await;
    for number in 0..30 {
        office.citizen(&format!("ramai{number}")).await;
    }
    for number in 0..30 {
        office.says(&format!("ramai{number}"), BROKEN_ROAD).await;
    }
    office.wait_for_log("kind=webhook", 10, |entry| entry["status"] == 200).await;
    let (status, took) = office.terminate().await;
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let leased =
        office.count("SELECT count(*) FROM gc_channel.partition_leases WHERE owner IS NOT NULL").await;
    assert_eq!(leased, 0, "the leases are given back");
    assert_eq!(
        office.count("SELECT count(*) FROM gc_channel.messages WHERE status IN ('sending', 'unknown')").await,
        0,
        "no send was cut short"
    );
    office.start().await;
    office.check().await;
    for number in 0..30 {
        assert_eq!(office.accepted(Some(&format!("ramai{number}"))).await.len(), 1);
    }
    office.close().await;
}

#[tokio::test]
async fn a_second_node_waits_can_be_stopped_while_it_waits_and_takes_over_when_the_first_ends() {
    let mut office = Office::open().await;
    let (waiting, _folder) = office.second_node();
    eventually("it says that it waits", async || {
        waiting.log_text().contains("waiting until it stops").then_some(())
    })
    .await;
    let (status, took) = waiting.terminate().await;
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(2), "{took:?}");

    let (mut second, _folder) = office.second_node();
    eventually("it says that it waits", async || {
        second.log_text().contains("waiting until it stops").then_some(())
    })
    .await;
    office.citizen("sabar").await;
    office.says("sabar", BROKEN_ROAD).await;
    office.replies("sabar", 1).await;
    let (status, _) = office.terminate().await;
    assert!(status.success(), "{status}");
    let addresses = second.up().await;
    let webhook = format!("http://{}/webhook/whatsapp", addresses["channel"]);
    office.control("webhook-url", serde_json::json!({ "url": webhook })).await;
    office.says("sabar", "Lampu jalan mati di Jl. Kenanga No. 3, gelap sekali").await;
    office.replies("sabar", 2).await;
    office.check().await;
    second.kill().await;
    office.close().await;
}

#[tokio::test]
async fn a_node_that_has_lost_its_lease_ends_and_says_why() {
    let mut office = Office::open().await;
    sqlx::query(
        "UPDATE gc_channel.partition_leases
         SET owner = gen_random_uuid(), epoch = epoch + 1, expires_at = now() + interval '1 hour'",
    )
    .execute(&office.database.pool)
    .await
    .unwrap();
    let log = office.log_path();
    let status = office.node_ends().await;
    assert_eq!(status.code(), Some(1));
    let text = std::fs::read_to_string(log).unwrap();
    assert!(text.contains("another process took over this database"), "{text}");
    office.close().await;
}
