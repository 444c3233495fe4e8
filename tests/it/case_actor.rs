//! The case actor: calls are answered, repetitions find the first one, refusals are told from outages.

use actix::{Addr, AsyncContext, Context};
use govconnect::actors::case::Case;
use govconnect::bus::case_calls::{
    CancelComplaint, CaseCallError, CreateComplaint, FindComplaint, ListComplaints, PersonMerged, Refusal,
};
use govconnect::clock::Clock;
use govconnect::complaint::{ComplaintStatus, Urgency};
use govconnect::ids::{CallId, ConversationId, DraftId, PersonId};
use govconnect::metrics::Metrics;
use jiff::tz::TimeZone;

use crate::support::database::TestDatabase;

fn spawn(database: &TestDatabase, concurrency: usize) -> Addr<Case> {
    let clock = Clock::fixed("2026-01-02T05:00:00Z".parse().unwrap());
    let zone = TimeZone::get("Asia/Jakarta").unwrap();
    let case = Case::new(database.pool.clone(), clock, zone, Metrics::new().unwrap(), concurrency);
    let context = Context::<Case>::new();
    let address = context.address();
    actix_rt::spawn(context.into_future(case));
    address
}

fn broken_lamp(person_id: PersonId) -> CreateComplaint {
    CreateComplaint {
        key: DraftId::new(),
        person_id,
        wa_user_id: Some("6281200000002".into()),
        kategori: "lampu_jalan".into(),
        alamat: "depan masjid Al-Ikhlas".into(),
        rt_rw: None,
        deskripsi: "Lampu mati \0 🙏".into(),
        latitude: Some(-6.2),
        longitude: Some(106.8),
        urgency: Urgency::Normal,
        origin_conversation_id: Some(ConversationId::new()),
    }
}

#[actix_rt::test]
async fn calls_are_answered_and_repetitions_find_the_first() {
    let database = TestDatabase::create().await;
    // One at a time, so that waiting for a permit is part of it.
    let case = spawn(&database, 1);
    let person_id = PersonId::new();
    let call = broken_lamp(person_id);
    let filed = case.send(call.clone()).await.unwrap().unwrap();
    assert_eq!(filed.lap_id.to_string(), "LAP-20260102-001");
    assert_eq!(filed.kategori_name, "Lampu jalan");
    assert_eq!(filed.deskripsi, "Lampu mati \u{FFFD} 🙏");
    let again = futures::future::join_all((0..8).map(|_| case.send(call.clone()))).await;
    assert!(again.into_iter().all(|answer| answer.unwrap().unwrap() == filed));

    let lap_id = filed.lap_id;
    assert_eq!(case.send(FindComplaint { lap_id, person_id }).await.unwrap().unwrap(), filed);
    let listed = case.send(ListComplaints { person_id, limit: 5 }).await.unwrap().unwrap();
    assert_eq!(listed, [filed]);

    let cancel = CancelComplaint { key: CallId::new(), lap_id, person_id };
    for _ in 0..2 {
        let cancelled = case.send(cancel.clone()).await.unwrap().unwrap();
        assert_eq!(cancelled.status, ComplaintStatus::Dibatalkan);
    }
}

#[actix_rt::test]
async fn refusals_say_why_and_outages_ask_to_come_again() {
    let database = TestDatabase::create().await;
    let case = spawn(&database, 4);
    let person_id = PersonId::new();
    let call = broken_lamp(person_id);
    let lap_id = case.send(call.clone()).await.unwrap().unwrap().lap_id;

    let other_body = CreateComplaint { deskripsi: "lain".into(), ..call.clone() };
    let unknown = CreateComplaint { kategori: "tidak_ada".into(), ..broken_lamp(person_id) };
    let long = CreateComplaint { deskripsi: "x".repeat(10_001), ..broken_lamp(person_id) };
    let half = CreateComplaint { longitude: None, ..broken_lamp(person_id) };
    for (call, reason) in
        [(other_body, "key_reused"), (unknown, "kategori"), (long, "deskripsi"), (half, "longitude")]
    {
        let error = case.send(call).await.unwrap().unwrap_err();
        let text = serde_json::to_string(&error).unwrap();
        assert!(matches!(error, CaseCallError::Refused { .. }) && text.contains(reason), "{text}");
    }
    let stranger = FindComplaint { lap_id, person_id: PersonId::new() };
    assert_eq!(case.send(stranger).await.unwrap().unwrap_err(), Refusal::NotFound.into());

    sqlx::query("UPDATE gc_case.complaints SET status = 'selesai'").execute(&database.pool).await.unwrap();
    let cancel = CancelComplaint { key: CallId::new(), lap_id, person_id };
    let refused = case.send(cancel).await.unwrap().unwrap_err();
    assert_eq!(refused, Refusal::NotAllowed { status: ComplaintStatus::Selesai }.into());

    database.pool.close().await;
    let away = case.send(FindComplaint { lap_id, person_id }).await.unwrap().unwrap_err();
    assert_eq!(away, CaseCallError::Unavailable);
}

#[actix_rt::test]
async fn two_people_who_are_one_own_what_either_filed_also_what_is_filed_late() {
    let database = TestDatabase::create().await;
    let case = spawn(&database, 4);
    let (older, younger, oldest) = (PersonId::new(), PersonId::new(), PersonId::new());
    let first = case.send(broken_lamp(younger)).await.unwrap().unwrap();
    let merged = PersonMerged { key: CallId::new(), from: younger, into: older };
    for complaints in [1, 0] {
        assert_eq!(case.send(merged.clone()).await.unwrap().unwrap().complaints, complaints);
    }
    // A call that was frozen before they were one.
    let late = broken_lamp(younger);
    let filed = case.send(late.clone()).await.unwrap().unwrap();
    assert_eq!(case.send(late).await.unwrap().unwrap(), filed, "a repetition finds the first");
    let further = PersonMerged { key: CallId::new(), from: older, into: oldest };
    assert_eq!(case.send(further).await.unwrap().unwrap().complaints, 2);
    for person_id in [younger, older, oldest] {
        let listed = case.send(ListComplaints { person_id, limit: 5 }).await.unwrap().unwrap();
        assert_eq!(listed.len(), 2, "whichever name is used");
        let found = case.send(FindComplaint { lap_id: first.lap_id, person_id }).await.unwrap().unwrap();
        assert_eq!(found.lap_id, first.lap_id);
    }
    let cancel = CancelComplaint { key: CallId::new(), lap_id: first.lap_id, person_id: younger };
    assert_eq!(case.send(cancel).await.unwrap().unwrap().status, ComplaintStatus::Dibatalkan);
    let stranger = FindComplaint { lap_id: first.lap_id, person_id: PersonId::new() };
    assert_eq!(case.send(stranger).await.unwrap().unwrap_err(), Refusal::NotFound.into());
}
