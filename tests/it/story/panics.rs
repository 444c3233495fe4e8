//! An actor panics: its conversation answers all the same, the others never notice, and one that keeps panicking is put
//! aside where people see it.

use reqwest::Method;

use crate::support::office::{BROKEN_ROAD, Office, eventually};

#[tokio::test]
async fn a_conversation_that_panics_answers_after_its_restart_and_others_never_notice() {
    let office = Office::open_with(&[("FAILPOINTS", "turn::before_commit=1*panic->off")]).await;
    for citizen in ["panik", "tenang"] {
        office.citizen(citizen).await;
    }
    office.says("panik", BROKEN_ROAD).await;
    eventually("the panic", async || office.node().log_text().contains("actor panicked").then_some(())).await;
    office.says("tenang", BROKEN_ROAD).await;
    office.replies("panik", 1).await;
    office.replies("tenang", 1).await;
    office.check().await;
    for citizen in ["panik", "tenang"] {
        assert_eq!(office.accepted(Some(citizen)).await.len(), 1, "{citizen}");
    }
    assert_eq!(office.node().log_text().matches("actor panicked").count(), 1);
    office.close().await;
}

#[tokio::test]
async fn a_panic_at_any_step_of_a_conversation_is_survived() {
    // One node, one citizen a step, all at once: whoever meets the step first pays for it.
    let steps =
        ["conversation::wake", "conversation::turn", "turn::after_commit", "call::before", "call::after"];
    let armed = steps.map(|step| format!("{step}=1*panic->off")).join(";");
    let office = Office::open_with(&[("FAILPOINTS", &armed)]).await;
    for step in 0..steps.len() {
        let citizen = format!("langkah{step}");
        office.citizen(&citizen).await;
        office.says(&citizen, BROKEN_ROAD).await;
    }
    office.check().await;
    for step in 0..steps.len() {
        assert_eq!(office.accepted(Some(&format!("langkah{step}"))).await.len(), 1);
    }
    assert_eq!(office.node().log_text().matches("actor panicked").count(), steps.len());
    office.close().await;
}

#[tokio::test]
async fn a_panic_while_understanding_costs_that_turn_and_not_the_actor_that_serves_everybody() {
    let office = Office::open_with(&[("FAILPOINTS", "ai::understand=1*panic->off")]).await;
    for citizen in ["panik", "tenang"] {
        office.citizen(citizen).await;
        office.says(citizen, BROKEN_ROAD).await;
    }
    office.check().await;
    for citizen in ["panik", "tenang"] {
        assert_eq!(office.accepted(Some(citizen)).await.len(), 1, "{citizen}");
    }
    assert_eq!(office.node().log_text().matches("a call panicked").count(), 1);
    assert!(!office.node().log_text().contains("actor panicked"));
    office.close().await;
}

#[tokio::test]
async fn a_conversation_that_keeps_panicking_is_parked_until_somebody_retries_it() {
    let office = Office::open_with(&[
        ("CONVERSATION__RESTART_BUDGET", "2"),
        ("FAILPOINTS", "turn::before_commit=3*panic->off"),
    ])
    .await;
    office.citizen("macet").await;
    office.says("macet", BROKEN_ROAD).await;
    let id = office.conversation("macet").await;
    let parked = eventually("it is listed as parked", async || {
        let listed = office.get("channel", "/internal/conversations?parked=true").await;
        listed["items"].get(0).cloned()
    })
    .await;
    assert_eq!(parked["conversation_id"], id.as_str());
    assert!(parked["parked"].as_str().unwrap().contains("crash"), "{parked}");
    assert_eq!(parked["unprocessed"], 1);
    // Never silence: the citizen is told, and a person is wanted.
    let told = office.replies("macet", 1).await;
    assert!(told[0].text.contains("mengalami kendala"), "{told:?}");
    assert!(parked["waiting_since"].is_string(), "{parked}");
    // What comes meanwhile waits with it, and others go on.
    office.says("macet", "tolong ya").await;
    office.citizen("lancar").await;
    office.says("lancar", BROKEN_ROAD).await;
    office.replies("lancar", 1).await;
    assert_eq!(office.accepted(Some("macet")).await.len(), 1);

    let retry = format!("/internal/conversations/{id}/retry");
    office.internal(Method::POST, "channel", &retry, None).await.success(204);
    office.internal(Method::POST, "channel", &retry, None).await.success(409);
    office.replies("macet", 2).await;
    office.check().await;
    office.close().await;
}
