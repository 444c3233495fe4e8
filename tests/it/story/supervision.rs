//! Actors watched from outside: one that stands still is begun anew and nobody else notices, and operators see what each
//! is doing and why it is stuck.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::office::{BROKEN_ROAD, Office, eventually};

/// A turn and a call to Meta end well before an actor counts as standing still.
const SHORT: [(&str, &str); 3] = [
    ("CONVERSATION__FROZEN_S", "2"),
    ("AI__TURN_DEADLINE_MS", "1500"),
    ("WHATSAPP__CALL_TIMEOUT_MS", "1500"),
];

async fn office_that_stands_still_at(step: &str, more: &[(&str, &str)]) -> Office {
    Office::open_with(&[&SHORT, [("FAILPOINTS", step)].as_slice(), more].concat()).await
}

impl Office {
    async fn actor(&self, citizen: &str) -> Value {
        let id = self.conversation(citizen).await;
        self.get("channel", &format!("/internal/conversations/{id}/actor")).await
    }

    async fn metrics_text(&self) -> String {
        let answer = self.http.get(self.url("channel", "/metrics")).send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// The value of one line, name and labels, or zero.
    async fn exact_metric(&self, line: &str) -> f64 {
        let text = self.metrics_text().await;
        let found = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
        found.unwrap_or_default()
    }
}

async fn is_begun_anew_and_others_never_notice(step: &str) {
    let office = office_that_stands_still_at(&format!("{step}=1*return(600000)"), &[]).await;
    for citizen in ["beku", "lancar"] {
        office.citizen(citizen).await;
    }
    office.says("beku", BROKEN_ROAD).await;
    eventually("it stands still", async || {
        let actor = office.actor("beku").await;
        (actor["actor"]["activity"] == "committing").then_some(())
    })
    .await;
    office.says("lancar", BROKEN_ROAD).await;
    office.replies("lancar", 1).await;
    assert!(!office.node().log_text().contains("stands still"), "{step}: the neighbour was answered before");
    let replies = office.replies("beku", 1).await;
    assert!(replies[0].text.contains("LAP-"), "{replies:?}");
    office.check().await;
    for citizen in ["beku", "lancar"] {
        assert_eq!(office.accepted(Some(citizen)).await.len(), 1, "{step}: {citizen}");
    }
    assert_eq!(office.node().log_text().matches("stands still").count(), 1, "{step}");
    let ended = r#"govconnect_actors_ended_total{actor="conversation",cause="frozen"}"#;
    assert_eq!(office.exact_metric(ended).await, 1.0, "{step}");
    let restarts = r#"govconnect_conversation_restarts_total{cause="frozen"}"#;
    assert_eq!(office.exact_metric(restarts).await, 1.0, "{step}");
    office.close().await;
}

#[tokio::test]
async fn a_conversation_whose_commit_never_ends_is_begun_anew() {
    // It hears nothing: the commit holds its mailbox.
    is_begun_anew_and_others_never_notice("turn::commit").await;
}

#[tokio::test]
async fn a_conversation_whose_call_never_ends_is_begun_anew() {
    // It hears every wake-up and gets nowhere.
    is_begun_anew_and_others_never_notice("call::slow").await;
}

#[tokio::test]
async fn a_send_that_never_ends_is_unknown_and_made_again_only_after_its_minute() {
    let office = office_that_stands_still_at("send::post=1*return(600000)", &[]).await;
    office.citizen("macet").await;
    office.says("macet", BROKEN_ROAD).await;
    office.is_claimed_still("macet").await;
    assert!(office.node().log_text().contains("stands still"));
    assert_eq!(office.accepted(Some("macet")).await.len(), 0);
    office.let_a_minute_pass_for_unanswered_sends().await;
    office.replies("macet", 1).await;
    office.check().await;
    assert_eq!(office.accepted(Some("macet")).await.len(), 1);
    office.close().await;
}

#[tokio::test]
async fn one_that_stands_still_again_and_again_is_parked_where_operators_see_why() {
    let office =
        office_that_stands_still_at("turn::commit=return(600000)", &[("CONVERSATION__RESTART_BUDGET", "1")])
            .await;
    office.citizen("batu").await;
    office.says("batu", BROKEN_ROAD).await;
    let actor = eventually("it is parked", async || {
        let actor = office.actor("batu").await;
        actor["parked_at"].is_string().then_some(actor)
    })
    .await;
    assert!(actor["parked_reason"].as_str().unwrap().contains("crash"), "{actor}");
    assert_eq!((&actor["crashes"], &actor["restart_budget"]), (&json!(2), &json!(1)), "{actor}");
    assert_eq!(actor["inbox"]["count"], 1, "nothing is lost: {actor}");
    eventually("the gauge shows it", async || {
        (office.exact_metric("govconnect_conversations_parked ").await == 1.0).then_some(())
    })
    .await;
    office.close().await;
}

#[tokio::test]
async fn an_operator_sees_what_a_conversation_is_doing_and_what_is_before_it() {
    let office =
        Office::open_with(&[("FAILPOINTS", "ai::slow=1*return(3000)"), ("CONVERSATION__IDLE_S", "2")]).await;
    office.citizen("lihat").await;
    office.says("lihat", BROKEN_ROAD).await;
    let thinking = eventually("it thinks", async || {
        let actor = office.actor("lihat").await;
        (actor["actor"]["activity"] == "thinking").then_some(actor)
    })
    .await;
    assert_eq!(
        (&thinking["in_memory"], &thinking["actor"]["batch"]),
        (&json!(true), &json!(1)),
        "{thinking}"
    );
    assert_eq!((&thinking["owned_here"], &thinking["mode"]), (&json!(true), &json!("bot")), "{thinking}");
    assert_eq!((&thinking["inbox"]["count"], &thinking["crashes"]), (&json!(1), &json!(0)), "{thinking}");
    assert!(thinking["inbox"]["oldest_at"].is_string() && thinking["owner"].is_string(), "{thinking}");
    assert_eq!(thinking["owner_epoch"], thinking["lease_epoch"], "{thinking}");
    let text = thinking.to_string();
    assert!(!text.contains("Melati") && !text.contains("Warga"), "nothing personal: {text}");
    office.check().await;
    let gone = eventually("it leaves memory", async || {
        let actor = office.actor("lihat").await;
        (actor["in_memory"] == false).then_some(actor)
    })
    .await;
    assert_eq!(
        (&gone["inbox"]["count"], &gone["outbox"]["count"], &gone["calls"]["count"]),
        (&json!(0), &json!(0), &json!(0))
    );
    assert!(gone["actor"].is_null() && gone["parked_at"].is_null(), "{gone}");

    // A message that Meta will not take yet: how often it was tried, when it is tried next, and why.
    let refused =
        json!({"effect": {"graph_error": {"code": 131000, "status": 500}}, "match": {"kind": "text"}});
    office.fault(refused).await;
    office.says("lihat", "halo").await;
    let waiting = eventually("a send was refused", async || {
        let actor = office.actor("lihat").await;
        (actor["outbox"]["attempts"].as_i64()? >= 1 && actor["outbox"]["last_error"].is_object())
            .then_some(actor)
    })
    .await;
    assert_eq!(
        (&waiting["outbox"]["count"], &waiting["outbox"]["last_error"]["code"]),
        (&json!(1), &json!(131000))
    );
    assert!(waiting["outbox"]["next_attempt_at"].is_string(), "{waiting}");
    eventually("its age is shown", async || {
        (office.exact_metric("govconnect_outbox_oldest_pending_seconds ").await > 0.0).then_some(())
    })
    .await;
    office.clear_faults().await;
    office.check().await;
    office
        .internal(Method::GET, "channel", "/internal/conversations/628000000000/actor", None)
        .await
        .problem(404);
    office.close().await;
}

#[tokio::test]
async fn a_turn_that_fails_shows_its_attempts_and_when_it_is_tried_again() {
    let office =
        office_that_stands_still_at("ai::slow=return(60000)", &[("AI__TURN_DEADLINE_MS", "100")]).await;
    office.citizen("gagal").await;
    office.says("gagal", BROKEN_ROAD).await;
    let failing = eventually("a turn failed", async || {
        let actor = office.actor("gagal").await;
        (actor["failed_turns"].as_i64()? >= 1).then_some(actor)
    })
    .await;
    assert!(failing["retry_at"].is_string(), "{failing}");
    eventually("its age is shown", async || {
        let age = office.exact_metric("govconnect_inbox_oldest_pending_seconds ").await;
        (age > 0.0 || !office.accepted(Some("gagal")).await.is_empty()).then_some(())
    })
    .await;
    // Never silence: after the last attempt it is handed over with an apology.
    office.replies("gagal", 1).await;
    office.close().await;
}

#[tokio::test]
async fn work_in_flight_is_bounded_and_what_is_over_the_bound_waits_and_is_done() {
    const CITIZENS: usize = 24;
    let office = Office::open_with(&[
        ("CONVERSATION__MAX_ACTIVE_PER_PARTITION", "1"),
        ("CONVERSATION__IDLE_S", "1"),
        ("CONVERSATION__SWEEP_MS", "200"),
        // Long enough for all of them to be in memory at once, were they let.
        ("FAILPOINTS", "ai::slow=return(2000)"),
    ])
    .await;
    for number in 0..CITIZENS {
        office.citizen(&format!("antre{number}")).await;
    }
    for number in 0..CITIZENS {
        office.says(&format!("antre{number}"), BROKEN_ROAD).await;
    }
    let mut most = 0.0_f64;
    let watching = async {
        loop {
            most = most.max(office.metric("govconnect_conversations_active").await);
        }
    };
    tokio::select! {
        () = office.check() => {}
        () = watching => {}
    }
    let partitions =
        office.count("SELECT count(DISTINCT partition) FROM gc_channel.conversations").await as f64;
    assert!(most > 1.0 && most <= partitions, "{most} in memory at once, of {partitions} partitions");
    for number in 0..CITIZENS {
        assert_eq!(office.accepted(Some(&format!("antre{number}"))).await.len(), 1);
    }
    office.close().await;
}

#[tokio::test]
async fn every_metric_of_the_page_is_exposed_and_every_exposed_one_is_on_the_page() {
    let page = include_str!("../../../docs/metrics.md");
    let documented: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let office = Office::open_with(&[("FAILPOINTS", "turn::before_commit=1*panic->off")]).await;
    office.citizen("ukur").await;
    office.says("ukur", BROKEN_ROAD).await;
    office.check().await;
    let bad = office.http.post(office.webhook()).body("{}").send().await.unwrap();
    assert_eq!(bad.status(), 401);
    let text = office.metrics_text().await;
    let exposed: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(documented, exposed);
    office.close().await;
}
