//! The case store: numbers without gaps under any concurrency and across midnight, one complaint a key, history that
//! cannot be rewritten.

use std::collections::BTreeMap;

use futures::future::join_all;
use govconnect::complaint::{ComplaintStatus, ReportChannel, Urgency};
use govconnect::ids::{CallId, ConversationId, LapId, PersonId};
use govconnect::store::case::change::{self, Change};
use govconnect::store::case::create::{NewComplaint, create};
use govconnect::store::case::{By, CaseError, people, read};
use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;
use sqlx::PgPool;
use strum::IntoEnumIterator;

use crate::support::database::TestDatabase;

pub fn pothole(person: PersonId) -> NewComplaint {
    NewComplaint {
        person_id: Some(person),
        wa_user_id: Some("6281200000001".into()),
        kategori: "jalan_rusak".into(),
        alamat: "Jl. Melati No. 15".into(),
        rt_rw: Some("03/05".into()),
        deskripsi: "Banyak lubang".into(),
        coordinates: None,
        urgency: Urgency::Normal,
        channel: ReportChannel::Whatsapp,
        origin_conversation_id: Some(ConversationId::new()),
    }
}

fn jakarta() -> TimeZone {
    TimeZone::get("Asia/Jakarta").unwrap()
}

fn noon() -> Timestamp {
    "2026-01-02T05:00:00Z".parse().unwrap()
}

async fn events(pool: &PgPool) -> Vec<(String, Value)> {
    sqlx::query_as("SELECT routing_key, body FROM gc_case.event_outbox ORDER BY seq")
        .fetch_all(pool)
        .await
        .unwrap()
}

#[actix_rt::test]
async fn a_complaint_comes_with_its_first_update_and_its_event() {
    let database = TestDatabase::create().await;
    let person = PersonId::new();
    let new = pothole(person);
    let filed = create(&database.pool, None, &new, noon(), &jakarta()).await.unwrap();
    assert!(filed.new);
    let complaint = filed.complaint;
    assert_eq!(complaint.id, LapId::new(date(2026, 1, 2), 1).unwrap());
    assert_eq!((complaint.status, complaint.version), (ComplaintStatus::Baru, 1));
    assert_eq!(read::get(&database.pool, complaint.id).await.unwrap(), complaint);

    let updates = read::updates(&database.pool, complaint.id).await.unwrap();
    assert_eq!(updates.len(), 1);
    assert_eq!((updates[0].from, updates[0].to), (None, ComplaintStatus::Baru));
    assert_eq!(updates[0].by, By::Citizen(Some(person)));

    let events = events(&database.pool).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].0, "govconnect.complaint.created");
    assert_eq!(
        events[0].1,
        serde_json::json!({
            "complaint_id": "LAP-20260102-001", "person_id": person, "wa_user_id": "6281200000001",
            "kategori": "jalan_rusak", "status": "baru", "origin_conversation_id": new.origin_conversation_id,
        })
    );
}

#[actix_rt::test]
async fn sixty_four_creators_leave_no_gap_also_across_midnight() {
    let database = TestDatabase::with_connections(64).await;
    let zone = jakarta();
    let midnight: Timestamp = "2026-01-02T17:00:00Z".parse().unwrap();
    let creators = (0..64).map(|creator| {
        let (pool, zone) = (database.pool.clone(), zone.clone());
        tokio::spawn(async move {
            let mut ids = Vec::new();
            for round in 0..8_i64 {
                let now = midnight + ((creator + round) % 2 * 2 - 1).milliseconds();
                let filed = create(&pool, None, &pothole(PersonId::new()), now, &zone).await.unwrap();
                ids.push(filed.complaint.id);
            }
            ids
        })
    });
    let mut days: BTreeMap<_, Vec<u32>> = BTreeMap::new();
    for ids in join_all(creators).await {
        for id in ids.unwrap() {
            days.entry(id.day()).or_default().push(id.number());
        }
    }
    assert_eq!(days.keys().copied().collect::<Vec<_>>(), [date(2026, 1, 2), date(2026, 1, 3)]);
    for numbers in days.values_mut() {
        numbers.sort_unstable();
        assert_eq!(*numbers, (1..=256).collect::<Vec<_>>());
    }
}

#[actix_rt::test]
async fn the_number_counts_by_the_local_day_of_the_office() {
    let database = TestDatabase::create().await;
    for (zone, midnight) in [
        ("Asia/Jakarta", "2026-03-01T17:00:00Z"),
        ("Asia/Makassar", "2026-04-01T16:00:00Z"),
        ("Asia/Jayapura", "2026-05-01T15:00:00Z"),
    ] {
        let time_zone = TimeZone::get(zone).unwrap();
        let midnight: Timestamp = midnight.parse().unwrap();
        let mut ids = Vec::new();
        for now in [midnight - 1.millisecond(), midnight - 1.microsecond(), midnight, midnight + 1.second()] {
            let filed =
                create(&database.pool, None, &pothole(PersonId::new()), now, &time_zone).await.unwrap();
            ids.push((filed.complaint.id.day().day(), filed.complaint.id.number()));
        }
        assert_eq!(ids, [(1, 1), (1, 2), (2, 1), (2, 2)], "{zone}");
    }
}

#[actix_rt::test]
async fn the_thousandth_number_grows_by_a_digit_and_the_millionth_is_refused() {
    let database = TestDatabase::create().await;
    let mut given = Vec::new();
    for last in [998, 9_998, 999_998] {
        sqlx::query("INSERT INTO gc_case.daily_numbers VALUES ('2026-01-02', $1) ON CONFLICT (day) DO UPDATE SET last = $1")
            .bind(last)
            .execute(&database.pool)
            .await
            .unwrap();
        for _ in 0..2 {
            given.push(
                create(&database.pool, None, &pothole(PersonId::new()), noon(), &jakarta())
                    .await
                    .map(|filed| filed.complaint.id.to_string())
                    .map_err(|error| error.to_string()),
            );
        }
    }
    let written: Vec<&str> = given.iter().map(|id| id.as_deref().unwrap_or("refused")).collect();
    assert_eq!(
        written,
        [
            "LAP-20260102-999",
            "LAP-20260102-1000",
            "LAP-20260102-9999",
            "LAP-20260102-10000",
            "LAP-20260102-999999",
            "refused"
        ]
    );
}

#[actix_rt::test]
async fn one_key_is_one_complaint_and_burns_no_number_however_many_ask_at_once() {
    let database = TestDatabase::with_connections(32).await;
    let new = pothole(PersonId::new());
    // On both sides of midnight, where two counters are at stake.
    let midnight: Timestamp = "2026-01-02T17:00:00Z".parse().unwrap();
    let retries = (0..32_i64).map(|retry| {
        let (pool, new) = (database.pool.clone(), new.clone());
        let now = midnight + (retry % 2 * 2 - 1).milliseconds();
        tokio::spawn(async move { create(&pool, Some("draft-1"), &new, now, &jakarta()).await.unwrap() })
    });
    let filed: Vec<_> = join_all(retries).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(filed.iter().filter(|filed| filed.new).count(), 1);
    assert!(filed.iter().all(|other| other.complaint == filed[0].complaint));

    // Repeated a week later it is still that one.
    let later = midnight + 168.hours();
    let again = create(&database.pool, Some("draft-1"), &new, later, &jakarta()).await.unwrap();
    assert!(!again.new);
    let given = filed[0].complaint.id;
    assert_eq!((again.complaint.id, given.number()), (given, 1));

    let now = given.day().at(12, 0, 0, 0).to_zoned(jakarta()).unwrap().timestamp();
    let next = create(&database.pool, Some("draft-2"), &new, now, &jakarta()).await.unwrap();
    assert_eq!(next.complaint.id, LapId::new(given.day(), 2).unwrap());
    assert_eq!(events(&database.pool).await.len(), 2);
}

#[actix_rt::test]
async fn a_key_with_another_body_is_a_conflict_also_when_both_race() {
    let database = TestDatabase::with_connections(16).await;
    let racers = (0..16).map(|number| {
        let pool = database.pool.clone();
        let new = NewComplaint { deskripsi: format!("Lubang nomor {number}"), ..pothole(PersonId::new()) };
        tokio::spawn(async move { create(&pool, Some("key"), &new, noon(), &jakarta()).await })
    });
    let outcomes: Vec<_> = join_all(racers).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let conflicts = outcomes.iter().filter(|outcome| matches!(outcome, Err(CaseError::KeyReused))).count();
    assert_eq!(conflicts, 15);
    let next = create(&database.pool, None, &pothole(PersonId::new()), noon(), &jakarta()).await.unwrap();
    assert_eq!(next.complaint.id.number(), 2);
}

#[actix_rt::test]
async fn what_is_refused_burns_no_number() {
    let database = TestDatabase::create().await;
    sqlx::query("UPDATE gc_case.categories SET active = false WHERE code = 'sampah'")
        .execute(&database.pool)
        .await
        .unwrap();
    for kategori in ["tidak_ada", "sampah", "a\0b"] {
        let new = NewComplaint { kategori: kategori.into(), ..pothole(PersonId::new()) };
        let refused = create(&database.pool, None, &new, noon(), &jakarta()).await;
        assert!(matches!(refused, Err(CaseError::UnknownCategory)), "{kategori:?}: {refused:?}");
    }
    let filed = create(&database.pool, None, &pothole(PersonId::new()), noon(), &jakarta()).await.unwrap();
    assert_eq!(filed.complaint.id.number(), 1);
    assert_eq!(events(&database.pool).await.len(), 1);
}

#[actix_rt::test]
async fn the_database_writes_numbers_as_we_do() {
    let database = TestDatabase::create().await;
    for number in [1, 42, 999, 1000, 54_321] {
        let written: String = sqlx::query_scalar("SELECT gc_case.lap_id('2026-01-02', $1)")
            .bind(number)
            .fetch_one(&database.pool)
            .await
            .unwrap();
        assert_eq!(written, LapId::new(date(2026, 1, 2), number as u32).unwrap().to_string());
    }
}

#[actix_rt::test]
async fn concurrent_changes_are_all_in_the_history_in_one_order() {
    let database = TestDatabase::with_connections(16).await;
    let filed = create(&database.pool, None, &pothole(PersonId::new()), noon(), &jakarta()).await.unwrap();
    let id = filed.complaint.id;
    let writers = (0..16).map(|number| {
        let pool = database.pool.clone();
        tokio::spawn(async move {
            let change = Change { note: Some(format!("catatan {number}")), ..Change::default() };
            change::update(&pool, id, None, &change, &By::Officer("petugas-1".into()), noon()).await.unwrap()
        })
    });
    let mut versions: Vec<i64> =
        join_all(writers).await.into_iter().map(|outcome| outcome.unwrap().version).collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=17).collect::<Vec<_>>());
    let history: Vec<i64> =
        read::updates(&database.pool, id).await.unwrap().iter().map(|update| update.version).collect();
    assert_eq!(history, (1..=17).collect::<Vec<_>>());
}

#[actix_rt::test]
async fn no_sequence_of_changes_leaves_the_table_and_counts_equal_a_recount() {
    let database = TestDatabase::create().await;
    let mut complaints = Vec::new();
    for _ in 0..6 {
        let filed =
            create(&database.pool, None, &pothole(PersonId::new()), noon(), &jakarta()).await.unwrap();
        complaints.push((filed.complaint.id, ComplaintStatus::Baru));
    }
    let statuses: Vec<ComplaintStatus> = ComplaintStatus::iter().collect();
    // A fixed walk (a linear congruence), so that a failure can be repeated.
    let mut state = 20_260_102_u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..200 {
        let (id, status) = &mut complaints[draw(6)];
        let next = statuses[draw(statuses.len())];
        let change = Change { status: Some(next), ..Change::default() };
        match change::update(&database.pool, *id, None, &change, &By::Service, noon()).await {
            Ok(complaint) => {
                assert!(*status == next || status.allows(next), "{status} → {next} was let through");
                assert_eq!(complaint.status, next);
                *status = next;
            }
            Err(CaseError::IllegalMove { from, to }) => {
                assert_eq!((from, to), (*status, next));
                assert!(!status.allows(next), "{status} → {next} was refused");
            }
            Err(error) => panic!("{error}"),
        }
    }
    let stats = read::stats(&database.pool, noon(), &jakarta()).await.unwrap();
    for status in statuses {
        let recount = complaints.iter().filter(|(_, is)| *is == status).count() as i64;
        assert_eq!(stats.by_status[&status], recount, "{status}");
    }
    assert_eq!((stats.total, stats.today), (6, 6));
    for (id, status) in complaints {
        let history = read::updates(&database.pool, id).await.unwrap();
        assert!(history.windows(2).all(|pair| pair[1].from == Some(pair[0].to)), "{id} has a broken history");
        assert_eq!(history.last().unwrap().to, status);
    }
}

#[actix_rt::test]
async fn history_cannot_be_rewritten() {
    let database = TestDatabase::create().await;
    create(&database.pool, None, &pothole(PersonId::new()), noon(), &jakarta()).await.unwrap();
    for statement in [
        "UPDATE gc_case.complaint_updates SET note = 'lain'",
        "DELETE FROM gc_case.complaint_updates",
        "TRUNCATE gc_case.complaint_updates",
        // Erasing may empty a row, not change what happened or remove it.
        "SELECT set_config('gc_case.erasing', 'on', true); UPDATE gc_case.complaint_updates SET to_status = 'selesai'",
        "SELECT set_config('gc_case.erasing', 'on', true); DELETE FROM gc_case.complaint_updates",
    ] {
        let error = sqlx::raw_sql(statement).execute(&database.pool).await.expect_err(statement);
        assert!(error.to_string().contains("append-only"), "{statement}: {error}");
    }
}

#[actix_rt::test]
async fn withdrawing_is_for_the_reporter_and_happens_once() {
    let database = TestDatabase::create().await;
    let (person, key) = (PersonId::new(), CallId::new());
    let id = create(&database.pool, None, &pothole(person), noon(), &jakarta()).await.unwrap().complaint.id;
    let stranger = change::cancel(&database.pool, key, id, PersonId::new(), noon()).await;
    assert!(matches!(stranger, Err(CaseError::NotFound)), "{stranger:?}");
    for _ in 0..3 {
        let cancelled = change::cancel(&database.pool, key, id, person, noon()).await.unwrap();
        assert_eq!((cancelled.status, cancelled.version), (ComplaintStatus::Dibatalkan, 2));
    }
    assert_eq!(read::updates(&database.pool, id).await.unwrap().len(), 2);
    let last = events(&database.pool).await.pop().unwrap();
    assert_eq!(last.0, "govconnect.complaint.updated");
    assert_eq!((&last.1["from"], &last.1["status"]), (&Value::from("baru"), &Value::from("dibatalkan")));
}

#[actix_rt::test]
async fn an_erased_person_is_nowhere_in_the_schema() {
    let database = TestDatabase::create().await;
    let person = PersonId::new();
    let new = NewComplaint {
        deskripsi: "rahasia sekali".into(),
        alamat: "rumah rahasia".into(),
        ..pothole(person)
    };
    let id = create(&database.pool, Some("key"), &new, noon(), &jakarta()).await.unwrap().complaint.id;
    let change = Change {
        note: Some("rahasia juga".into()),
        deskripsi: Some("lebih rahasia".into()),
        visibility: govconnect::store::case::Visibility::Public,
        ..Change::default()
    };
    change::update(&database.pool, id, None, &change, &By::Service, noon()).await.unwrap();
    assert_eq!(people::complaints_of(&database.pool, person).await.unwrap().len(), 1);

    assert_eq!(people::erase(&database.pool, person, noon()).await.unwrap(), 1);
    assert_eq!(people::erase(&database.pool, person, noon()).await.unwrap(), 0);
    let everything: String = sqlx::query_scalar(
        "SELECT concat((SELECT json_agg(c) FROM gc_case.complaints c), (SELECT json_agg(u) FROM gc_case.complaint_updates u),
             (SELECT json_agg(e) FROM gc_case.event_outbox e))",
    )
    .fetch_one(&database.pool)
    .await
    .unwrap();
    for secret in ["rahasia", &person.to_string(), "6281200000001"] {
        assert!(!everything.contains(secret), "{secret} in {everything}");
    }
    assert_eq!(read::get(&database.pool, id).await.unwrap().kategori, "jalan_rusak");
    assert_eq!(read::updates(&database.pool, id).await.unwrap().len(), 3);
    // A late repetition does not bring it back.
    let late = create(&database.pool, Some("key"), &new, noon(), &jakarta()).await;
    assert!(matches!(late, Err(CaseError::KeyReused)), "{late:?}");
}
