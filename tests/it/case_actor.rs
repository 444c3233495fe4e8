//! The case actor: calls are answered, repetitions find the first one, refusals are told from outages.

use actix::{Addr, AsyncContext, Context};
use govconnect::actors::case::Case;
use govconnect::bus::case_calls::{
    AmendComplaint, CancelComplaint, CaseCallError, CreateComplaint, FindComplaint, ListComplaints,
    PersonMerged, Refusal,
};
use govconnect::clock::Clock;
use govconnect::complaint::{ComplaintStatus, Urgency};
use govconnect::ids::{CallId, ConversationId, DraftId, LapId, PersonId};
use govconnect::metrics::Metrics;
use govconnect::store::case::change::{self, Change};
use govconnect::store::case::{By, read};
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

fn amended(lap_id: LapId, person_id: PersonId) -> AmendComplaint {
    AmendComplaint {
        key: CallId::new(),
        lap_id,
        person_id,
        kategori: None,
        alamat: None,
        rt_rw: None,
        addition: None,
        latitude: None,
        longitude: None,
    }
}

#[actix_rt::test]
async fn a_reporter_changes_a_new_complaint_and_adds_to_one_that_is_worked_on() {
    let database = TestDatabase::create().await;
    let case = spawn(&database, 4);
    let person_id = PersonId::new();
    let lap_id = case.send(broken_lamp(person_id)).await.unwrap().unwrap().lap_id;
    let place = AmendComplaint {
        alamat: Some("Jl. Mawar 3".into()),
        addition: Some("dua tiang".into()),
        ..amended(lap_id, person_id)
    };
    for _ in 0..2 {
        let changed = case.send(place.clone()).await.unwrap().unwrap();
        assert_eq!((&*changed.alamat, &*changed.kategori), ("Jl. Mawar 3", "lampu_jalan"));
        assert_eq!(changed.last_note, None, "the reporter's own words are no word of the office");
    }
    let updates = read::updates(&database.pool, lap_id).await.unwrap();
    let notes: Vec<_> = updates.iter().filter_map(|update| update.note.as_deref()).collect();
    assert_eq!(notes, ["dua tiang"], "the same key is the same change");

    let seen = Change { status: Some(ComplaintStatus::Terverifikasi), ..Change::default() };
    let (by, now) = (By::Officer("petugas-1".into()), "2026-01-02T06:00:00Z".parse().unwrap());
    change::update(&database.pool, lap_id, None, &seen, &by, now).await.unwrap();
    let late = AmendComplaint { alamat: Some("Jl. Anggrek".into()), ..amended(lap_id, person_id) };
    assert_eq!(case.send(late).await.unwrap().unwrap().alamat, "Jl. Mawar 3", "an officer has looked at it");
    let updates = read::updates(&database.pool, lap_id).await.unwrap();
    assert_eq!(updates.last().unwrap().note.as_deref(), Some("Lokasi: Jl. Anggrek"));

    let theirs = AmendComplaint { addition: Some("x".into()), ..amended(lap_id, PersonId::new()) };
    let refused = case.send(theirs).await.unwrap().unwrap_err();
    assert_eq!(refused, Refusal::NotFound.into(), "somebody else's looks like none");
    let cancel = CancelComplaint { key: CallId::new(), lap_id, person_id };
    case.send(cancel).await.unwrap().unwrap();
    let over = AmendComplaint { addition: Some("x".into()), ..amended(lap_id, person_id) };
    let refused = case.send(over).await.unwrap().unwrap_err();
    assert_eq!(refused, Refusal::NotAllowed { status: ComplaintStatus::Dibatalkan }.into());
}

#[actix_rt::test]
async fn the_place_of_an_emergency_is_taken_whoever_has_looked_at_it() {
    let database = TestDatabase::create().await;
    let case = spawn(&database, 4);
    let person_id = PersonId::new();
    let fire = CreateComplaint {
        urgency: Urgency::Emergency,
        alamat: "Lokasi belum diketahui".into(),
        latitude: None,
        longitude: None,
        ..broken_lamp(person_id)
    };
    let lap_id = case.send(fire).await.unwrap().unwrap().lap_id;
    let seen = Change { status: Some(ComplaintStatus::Terverifikasi), ..Change::default() };
    let (by, now) = (By::Officer("petugas-1".into()), "2026-01-02T06:00:00Z".parse().unwrap());
    change::update(&database.pool, lap_id, None, &seen, &by, now).await.unwrap();
    let place = AmendComplaint {
        alamat: Some("Jl. Kenanga 1".into()),
        latitude: Some(-6.2),
        longitude: Some(106.8),
        ..amended(lap_id, person_id)
    };
    assert_eq!(case.send(place).await.unwrap().unwrap().alamat, "Jl. Kenanga 1");
    assert!(read::get(&database.pool, lap_id).await.unwrap().coordinates.is_some());
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
