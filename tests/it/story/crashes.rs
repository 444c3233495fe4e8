//! The process is killed: at random moments under load, and once at every named step. Nothing is lost, nothing is done
//! or told twice.

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine as _;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::json;

use super::{events, media};
use crate::support::office::{BROKEN_ROAD, Office, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_moments_lose_no_message_and_double_no_reply() {
    const CITIZENS: usize = 20;
    const KILLS: usize = 5;
    let seed: u64 = rand::rng().random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut office = Office::open().await;
    for number in 0..CITIZENS {
        office.citizen(&format!("warga{number}")).await;
    }
    for kill in 0..KILLS {
        for number in (0..CITIZENS).skip(kill).step_by(KILLS) {
            office.says(&format!("warga{number}"), BROKEN_ROAD).await;
        }
        // The moment is the point of the test: between the 200 and the reply, and around both.
        tokio::time::sleep(Duration::from_millis(random.random_range(0..600))).await;
        office.kill().await;
        office.restart().await;
    }
    // A send that was under way at a kill is told of by a status, or, never made, is made after a minute.
    office.let_a_minute_pass_for_unanswered_sends().await;
    for number in 0..CITIZENS {
        let replies = office.replies(&format!("warga{number}"), 1).await;
        assert!(replies[0].text.contains("LAP-"), "{replies:?}, seed {seed}");
    }
    office.check().await;
    for number in 0..CITIZENS {
        assert_eq!(office.accepted(Some(&format!("warga{number}"))).await.len(), 1, "seed {seed}");
    }
    assert_eq!(office.count("SELECT count(*) FROM gc_case.complaints").await, CITIZENS as i64, "seed {seed}");
    office.close().await;
}

/// Kills the process at `step` while one citizen is served, then starts it again.
async fn survives_a_crash_at(step: &str) {
    let mut office = Office::open_with(&[("FAILPOINTS", &format!("{step}=1*return"))]).await;
    office.citizen("korban").await;
    office.says("korban", BROKEN_ROAD).await;
    let status = office.node_ends().await;
    assert_eq!(status.code(), None, "{step} killed the process");
    office.disarm();
    office.restart().await;
    if step == "send::after_claim" {
        // The claim is on disk and the call was never made: only a minute without a status tells.
        office.is_claimed_still("korban").await;
        office.let_a_minute_pass_for_unanswered_sends().await;
    }
    let replies = office.replies("korban", 1).await;
    assert!(replies[0].text.contains("LAP-"), "{step}: {replies:?}");
    office.check().await;
    assert_eq!(office.accepted(Some("korban")).await.len(), 1, "{step}");
    assert_eq!(office.count("SELECT count(*) FROM gc_case.complaints").await, 1, "{step}");
    office.close().await;
}

macro_rules! crash_sweep {
    ($($name:ident: $step:literal,)*) => {
        $(#[tokio::test]
        async fn $name() {
            survives_a_crash_at($step).await;
        })*

        /// The steps that are swept here, or elsewhere in this file.
        const SWEPT: &[&str] =
            &[$($step,)* "takeover::before_answer", "media::before_store", "media::after_store", "merge::before_commit",
              "merge::after_commit", "events::published_before_mark", "cluster::before_release", "documents::claimed",
              "documents::read"];
    };
}

crash_sweep! {
    a_crash_before_the_intake_commits_loses_nothing: "intake::before_commit",
    a_crash_after_the_intake_committed_loses_nothing: "intake::after_commit",
    a_crash_before_the_200_loses_nothing: "webhook::before_200",
    a_crash_at_the_wake_up_loses_nothing: "conversation::wake",
    a_crash_with_the_turn_decided_loses_nothing: "conversation::turn",
    a_crash_while_thinking_loses_nothing: "ai::understand",
    a_crash_before_the_turn_commits_loses_nothing: "turn::before_commit",
    a_crash_after_the_turn_committed_loses_nothing: "turn::after_commit",
    a_crash_before_the_call_loses_nothing: "call::before",
    a_crash_between_the_call_and_its_answer_files_one_complaint: "call::after",
    a_crash_before_the_answer_commits_files_one_complaint: "answer::before_commit",
    a_crash_between_claim_and_send_sends_once: "send::after_claim",
    a_crash_between_send_and_its_record_sends_once: "send::before_record",
}

#[tokio::test]
async fn a_crash_before_a_file_is_stored_fetches_it_again() {
    media::survives_a_crash_at("media::before_store").await;
}

#[tokio::test]
async fn a_crash_between_a_file_and_its_record_keeps_it_once_and_leaves_nothing_behind() {
    media::survives_a_crash_at("media::after_store").await;
}

/// The process dies with a file in its hands; the next one reads it, once its claim has run out.
async fn survives_a_crash_over_a_file_at(step: &str) {
    let mut office = Office::open_with(&[("FAILPOINTS", &format!("{step}=1*return"))]).await;
    let id = uuid::Uuid::now_v7();
    let data = base64::engine::general_purpose::STANDARD.encode("# Denah\nLoket tiga ada di lantai dua.");
    let file = json!({"file_name": "denah.md", "data": data});
    let body = json!({"source_id": id, "version": 1, "kind": "markdown", "title": "Denah", "upload": file});
    // Whether it is still answered does not matter: what counts is that it is queued.
    let asked = office.http.post(office.url("ai", "/internal/documents/process"));
    drop(asked.header("x-internal-api-key", crate::support::office::INTERNAL_KEY).json(&body).send().await);
    office.node_ends().await;
    office.disarm();
    office.restart().await;
    sqlx::query("UPDATE gc_ai.sources SET due_at = now() WHERE source_id = $1")
        .bind(id)
        .execute(&office.database.pool)
        .await
        .unwrap();
    eventually("the file is read", async || {
        let standing = office.get("ai", &format!("/internal/documents/{id}")).await;
        (standing["status"] == "ready" && standing["passages"] == 1).then_some(())
    })
    .await;
    assert_eq!(office.count("SELECT count(*) FROM gc_ai.uploads").await, 0, "{step}");
    office.close().await;
}

#[tokio::test]
async fn a_crash_before_a_document_is_read_reads_it_again() {
    survives_a_crash_over_a_file_at("documents::claimed").await;
}

#[tokio::test]
async fn a_crash_after_a_document_was_read_keeps_it_once() {
    survives_a_crash_over_a_file_at("documents::read").await;
}

#[tokio::test]
async fn a_crash_between_publishing_and_saying_so_counts_every_event_once() {
    events::survives_a_crash_before_the_mark("events::published_before_mark").await;
}

#[tokio::test]
async fn a_crash_between_handing_over_and_giving_back_the_lease_loses_nothing() {
    let mut office = Office::open_with(&[("FAILPOINTS", "cluster::before_release=1*return")]).await;
    office.citizen("pindah").await;
    office.says("pindah", BROKEN_ROAD).await;
    let (status, _) = office.terminate().await;
    assert!(!status.success(), "it ends at the step: {status}");
    let held = office.count("SELECT count(*) FROM gc_channel.partition_leases WHERE owner IS NOT NULL").await;
    assert!(held > 0);
    office.disarm();
    office.restart().await;
    office.replied_with("pindah", "LAP-").await;
    office.check().await;
    office.close().await;
}

#[test]
fn every_crash_point_of_the_source_is_swept() {
    let mut named = HashSet::new();
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                let steps = source.split("crash_point!(\"").skip(1);
                named.extend(steps.map(|rest| rest.split('"').next().unwrap().to_owned()));
            }
        }
    }
    let swept: HashSet<String> = SWEPT.iter().map(|step| (*step).to_owned()).collect();
    assert_eq!(named, swept);
}

#[tokio::test]
async fn a_crash_between_a_takeover_and_its_acknowledgement_leaves_it_taken_over() {
    let mut office = Office::open_with(&[("FAILPOINTS", "takeover::before_answer=1*return")]).await;
    office.citizen("dipegang").await;
    office.says("dipegang", "halo").await;
    office.replies("dipegang", 1).await;
    office.is_quiet().await;
    let id = office.conversation("dipegang").await;
    let start = office
        .http
        .post(office.url("channel", &format!("/internal/takeover/{id}/start")))
        .header("x-internal-api-key", crate::support::office::INTERNAL_KEY)
        .json(&json!({"admin_id": "rina"}))
        .send()
        .await;
    assert!(start.is_err(), "nobody acknowledged");
    office.node_ends().await;
    office.disarm();
    office.restart().await;
    let status = office.get("channel", &format!("/internal/takeover/{id}/status")).await;
    assert_eq!((status["mode"].as_str(), status["admin_id"].as_str()), (Some("human"), Some("rina")));
    office.says("dipegang", BROKEN_ROAD).await;
    // The officer asks again, as anybody would, and gets the same session.
    let again = office.post(&format!("/internal/takeover/{id}/start"), json!({"admin_id": "rina"})).await;
    again.success(200);
    office
        .internal(Method::POST, "channel", &format!("/internal/takeover/{id}/end"), Some(json!({})))
        .await
        .success(204);
    office.says("dipegang", BROKEN_ROAD).await;
    office.replies("dipegang", 2).await;
    office.check().await;
    office.close().await;
}

/// Somebody changes their number after the new one wrote already; the process dies while the two become one.
async fn survives_a_crash_of_a_merge_at(step: &str) {
    let mut office = Office::open_with(&[("FAILPOINTS", &format!("{step}=1*return"))]).await;
    for (id, phone) in [("lama", "6281300000011"), ("baru", "6281300000012")] {
        office.control("citizens", json!({"id": id, "name": format!("Warga {id}"), "phone": phone})).await;
        office.says(id, BROKEN_ROAD).await;
        office.replies(id, 1).await;
    }
    office.is_quiet().await;
    let changed = json!({"type": "user_changed_number", "body": "ganti", "wa_id": "6281300000012"});
    office.says_kind("lama", json!({"raw": {"type": "system", "system": changed}})).await;
    let status = office.node_ends().await;
    assert_eq!(status.code(), None, "{step} killed the process");
    office.disarm();
    // Written while nobody is there; Meta comes again.
    office.says("baru", "Lampu jalan mati di Jl. Kenanga No. 3, gelap sekali").await;
    office.restart().await;
    let replies = office.replies("baru", 2).await;
    assert!(replies[1].text.contains("LAP-"), "{step}: {replies:?}");
    let open = "SELECT count(*) FROM gc_channel.commands WHERE kind = 'merge' AND done_at IS NULL";
    office.until_count(open, 0).await;
    office.check().await;
    assert_eq!(office.accepted(Some("baru")).await.len(), 2, "{step}");
    assert_eq!(office.count("SELECT count(*) FROM gc_case.complaints").await, 3, "{step}");
    assert_eq!(office.count("SELECT count(DISTINCT person_id) FROM gc_case.complaints").await, 1, "{step}");
    let merges = "SELECT count(*) FROM gc_channel.person_log WHERE kind = 'merged'";
    assert_eq!(office.count(merges).await, 1, "{step}");
    assert_eq!(office.count("SELECT count(*) FROM gc_channel.calls WHERE kind = 'person.merged'").await, 1);
    let left = "SELECT count(*) FROM gc_channel.conversations WHERE merged_into IS NULL";
    assert_eq!(office.count(left).await, 1, "{step}");
    office.close().await;
}

#[tokio::test]
async fn a_crash_before_a_merge_commits_loses_nothing() {
    survives_a_crash_of_a_merge_at("merge::before_commit").await;
}

#[tokio::test]
async fn a_crash_after_a_merge_committed_loses_nothing() {
    survives_a_crash_of_a_merge_at("merge::after_commit").await;
}
