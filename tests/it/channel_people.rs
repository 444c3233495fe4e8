//! Who is who, in the store: names that pass on, names that change, and two people who become one while they write.

use govconnect::ids::{PartitionId, PersonId};
use govconnect::store::channel::conversation::NewCall;
use govconnect::store::channel::intake::{
    self, IdentityChange, IncomingMessage, IntakeBatch, IntakeOutcome, Names,
};
use govconnect::store::channel::merges::{self, Outcome, Rules};
use govconnect::store::channel::people;
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::database::TestDatabase;

const LATER: i64 = 1_767_225_600;

fn names(phone: Option<&str>, bsuid: Option<&str>) -> Names {
    Names { phone: phone.map(str::to_owned), bsuid: bsuid.map(str::to_owned), ..Names::default() }
}

/// A text from somebody, `second` seconds after a certain moment.
fn text(wamid: &str, second: i64, sender: Names) -> IncomingMessage {
    IncomingMessage {
        phone_number_id: "100".into(),
        wamid: wamid.into(),
        sender,
        sent_at: Timestamp::from_second(LATER + second).unwrap(),
        kind: "text".into(),
        text: Some("halo".into()),
        content: json!({"type": "text"}),
        raw: b"{}".to_vec(),
        opens_window: true,
        changes: None,
        identity: None,
    }
}

fn system(wamid: &str, second: i64, sender: Names, identity: IdentityChange) -> IncomingMessage {
    IncomingMessage {
        kind: "system".into(),
        opens_window: false,
        identity: Some(identity),
        ..text(wamid, second, sender)
    }
}

fn renamed(wamid: &str, second: i64, before: Names, after: Names) -> IncomingMessage {
    system(
        wamid,
        second,
        before.clone(),
        IdentityChange::Renamed { before: Box::new(before), after: Box::new(after) },
    )
}

async fn take_in(pool: &PgPool, messages: Vec<IncomingMessage>) -> IntakeOutcome {
    intake::write(pool, &IntakeBatch { messages, ..IntakeBatch::default() }).await.unwrap()
}

async fn count(pool: &PgPool, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement).fetch_one(pool).await.unwrap()
}

/// The person whose message this is.
pub(crate) async fn author(pool: &PgPool, wamid: &str) -> PersonId {
    let person = sqlx::query_scalar::<_, Uuid>(
        "SELECT c.person_id FROM gc_channel.messages JOIN gc_channel.conversations c USING (conversation_id)
         WHERE wamid = $1",
    )
    .bind(wamid)
    .fetch_one(pool)
    .await
    .unwrap();
    PersonId(person)
}

async fn phone_of(pool: &PgPool, person: PersonId) -> Option<String> {
    sqlx::query_scalar("SELECT phone FROM gc_channel.user_profiles WHERE person_id = $1")
        .bind(person.0)
        .fetch_one(pool)
        .await
        .unwrap()
}

pub(crate) fn rules() -> Rules {
    fn combine(older: &Value, _: &Value) -> Value {
        older.clone()
    }
    fn tell_case(key: Uuid, from: PersonId, into: PersonId) -> NewCall {
        NewCall { kind: "person.merged".into(), key, body: json!({"from": from, "into": into}) }
    }
    Rules { combine, tell_case }
}

/// Carries out whatever is queued, as if enough time had passed, until nothing is left.
pub(crate) async fn merge_all(pool: &PgPool) {
    let all: Vec<PartitionId> = PartitionId::all().collect();
    loop {
        sqlx::query("UPDATE gc_channel.commands SET due_at = now() WHERE done_at IS NULL")
            .execute(pool)
            .await
            .unwrap();
        let due = merges::due(pool, &all, 10).await.unwrap();
        if due.is_empty() {
            return;
        }
        for merge in due {
            assert_ne!(merges::execute(pool, &merge, &rules()).await.unwrap(), Outcome::Waiting);
        }
    }
}

#[tokio::test]
async fn a_resold_number_passes_to_its_new_owner_and_not_back_by_what_comes_late() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let (ani, budi) = (|| names(Some("6281"), Some("ID.ani")), || names(Some("6281"), Some("ID.budi")));
    take_in(pool, vec![text("ani", 0, ani())]).await;
    take_in(pool, vec![text("budi", 100, budi())]).await;
    let (first, second) = (author(pool, "ani").await, author(pool, "budi").await);
    assert_ne!(first, second);
    assert_eq!(phone_of(pool, first).await, None, "nothing of hers is sent to his number");
    assert_eq!(phone_of(pool, second).await.as_deref(), Some("6281"));
    take_in(pool, vec![text("alone", 200, names(Some("6281"), None))]).await;
    assert_eq!(author(pool, "alone").await, second);
    // Meta repeats what she wrote when the number was hers, and delivers late what she wrote then.
    take_in(pool, vec![text("ani", 0, ani()), text("late", 50, ani())]).await;
    assert_eq!(author(pool, "late").await, first);
    assert_eq!(phone_of(pool, second).await.as_deref(), Some("6281"));
    assert_eq!(phone_of(pool, first).await, None);
    let held = people::held(pool, second).await.unwrap().unwrap();
    assert_eq!(held.suggestions.len(), 1);
    assert_eq!(held.log[0].kind, "number_moved");
}

#[tokio::test]
async fn changes_of_names_take_effect_between_what_came_before_and_after_them_and_once() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let (old, new) = (|| names(Some("6281"), None), || names(Some("6282"), None));
    let change = || renamed("change", 10, old(), new());
    take_in(
        pool,
        vec![text("before", 0, old()), change(), text("after", 20, new()), text("resold", 30, old())],
    )
    .await;
    let ani = author(pool, "before").await;
    assert_eq!(author(pool, "after").await, ani, "the same person by the new number");
    assert_eq!(author(pool, "change").await, ani);
    assert_ne!(author(pool, "resold").await, ani, "the number that was left is somebody else's");
    assert_eq!(phone_of(pool, ani).await.as_deref(), Some("6282"));
    // A week later it comes again, when the new number, too, has passed on.
    take_in(pool, vec![renamed("next", 40, new(), names(Some("6283"), None))]).await;
    let again = take_in(pool, vec![change(), text("third", 50, names(Some("6283"), None))]).await;
    assert_eq!((again.duplicates, again.new_messages), (1, 1));
    assert_eq!(author(pool, "third").await, ani);
    assert_eq!(phone_of(pool, ani).await.as_deref(), Some("6283"));
    let window = "SELECT count(*) FROM gc_channel.conversations
                  WHERE window_expires_at = to_timestamp(1767225600 + 50) + interval '24 hours'";
    assert_eq!(count(pool, window).await, 1, "system messages open no window");
}

#[tokio::test]
async fn a_new_business_scoped_id_keeps_the_person_and_leaves_a_number_that_is_not_told() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    take_in(pool, vec![text("1", 0, names(Some("6281"), Some("ID.a")))]).await;
    take_in(pool, vec![renamed("2", 10, names(None, Some("ID.a")), names(None, Some("ID.b")))]).await;
    take_in(pool, vec![text("3", 20, names(None, Some("ID.b"))), text("4", 30, names(Some("6281"), None))])
        .await;
    let ani = author(pool, "1").await;
    assert_eq!((author(pool, "2").await, author(pool, "3").await), (ani, ani));
    assert_ne!(author(pool, "4").await, ani);
    assert_eq!(phone_of(pool, ani).await, None);
}

#[tokio::test]
async fn whoever_answers_at_a_number_after_its_identity_changed_is_new() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let number = || names(Some("6281"), None);
    let change = || system("change", 10, number(), IdentityChange::Replaced);
    take_in(pool, vec![text("before", 0, number()), change(), text("after", 20, number())]).await;
    take_in(pool, vec![change(), text("later", 30, number())]).await;
    let (first, second) = (author(pool, "before").await, author(pool, "after").await);
    assert_ne!(first, second);
    assert_eq!(author(pool, "later").await, second, "the repetition changes nothing");
    assert_eq!((phone_of(pool, first).await, phone_of(pool, second).await.as_deref()), (None, Some("6281")));
    assert_eq!(people::held(pool, first).await.unwrap().unwrap().suggestions.len(), 1);
    assert_eq!(
        count(pool, "SELECT count(*) FROM gc_channel.commands").await,
        0,
        "only an officer links them"
    );
    people::link(pool, second, first, "rina", "KTP sama").await.unwrap();
    merge_all(pool).await;
    take_in(pool, vec![text("linked", 40, number())]).await;
    assert_eq!(author(pool, "linked").await, first);
    assert_eq!(phone_of(pool, first).await.as_deref(), Some("6281"));
}

#[tokio::test]
async fn a_number_that_was_known_long_before_the_change_was_somebody_elses() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    take_in(pool, vec![text("ani", 0, names(Some("6281"), None))]).await;
    take_in(pool, vec![text("budi", 0, names(Some("6282"), None))]).await;
    // Budi has been here for a year when Ani gets his number.
    sqlx::query("UPDATE gc_channel.user_profiles SET created_at = '2025-01-01' WHERE phone = '6282'")
        .execute(pool)
        .await
        .unwrap();
    let (ani, budi) = (author(pool, "ani").await, author(pool, "budi").await);
    take_in(pool, vec![renamed("change", 10, names(Some("6281"), None), names(Some("6282"), None))]).await;
    take_in(pool, vec![text("after", 20, names(Some("6282"), None))]).await;
    assert_eq!(author(pool, "after").await, ani);
    assert_eq!(count(pool, "SELECT count(*) FROM gc_channel.commands").await, 0, "they are not merged");
    assert_eq!(phone_of(pool, budi).await, None);
    assert_eq!(people::held(pool, budi).await.unwrap().unwrap().suggestions.len(), 1);
}

#[tokio::test]
async fn everything_that_comes_while_two_people_become_one_ends_in_what_is_left() {
    const ROUNDS: usize = 12;
    const WRITERS: usize = 6;
    let database = TestDatabase::with_connections(10).await;
    let pool = &database.pool;
    for round in 0..ROUNDS {
        let (one, other) = (format!("62{round}1"), format!("62{round}2"));
        take_in(pool, vec![text(&format!("{round}.one"), 0, names(Some(&one), None))]).await;
        take_in(pool, vec![text(&format!("{round}.other"), 0, names(Some(&other), None))]).await;
        let pair =
            (author(pool, &format!("{round}.one")).await, author(pool, &format!("{round}.other")).await);
        people::link(pool, pair.0, pair.1, "rina", "orang yang sama").await.unwrap();
        let writers = (0..WRITERS).map(|writer| {
            let (pool, numbers) = (pool.clone(), [one.clone(), other.clone()]);
            tokio::spawn(async move {
                for message in 0..4 {
                    let wamid = format!("{round}.{writer}.{message}");
                    let sender = names(Some(&numbers[(writer + message) % 2]), None);
                    take_in(&pool, vec![text(&wamid, 10, sender)]).await;
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        merge_all(pool).await;
        for writer in writers {
            writer.await.unwrap();
        }
    }
    let total = (ROUNDS * (2 + WRITERS * 4)) as i64;
    assert_eq!(
        count(pool, "SELECT count(*) FROM gc_channel.messages WHERE processed_at IS NULL").await,
        total
    );
    let left_behind =
        "SELECT count(*) FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
                       WHERE c.merged_into IS NOT NULL";
    assert_eq!(count(pool, left_behind).await, 0);
    let strays =
        "SELECT count(*) FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
                  WHERE c.partition <> m.partition";
    assert_eq!(count(pool, strays).await, 0);
    let open = "SELECT count(*) FROM gc_channel.conversations WHERE merged_into IS NULL";
    assert_eq!(count(pool, open).await, ROUNDS as i64);
    let calls = "SELECT count(*) FROM gc_channel.calls WHERE kind = 'person.merged'";
    assert_eq!(count(pool, calls).await, ROUNDS as i64);
}

#[tokio::test]
async fn chains_of_merges_lead_to_one_person_whatever_the_order_and_the_log_is_append_only() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    for phone in ["1", "2", "3"] {
        take_in(pool, vec![text(phone, 0, names(Some(phone), None))]).await;
    }
    let (one, two, three) = (author(pool, "1").await, author(pool, "2").await, author(pool, "3").await);
    people::link(pool, three, two, "rina", "a").await.unwrap();
    merge_all(pool).await;
    assert!(matches!(people::link(pool, two, three, "rina", "b").await, Err(people::LinkError::SamePerson)));
    people::link(pool, three, one, "rina", "c").await.unwrap();
    assert!(matches!(people::link(pool, one, two, "rina", "d").await, Err(people::LinkError::Pending)));
    merge_all(pool).await;
    for person in [one, two, three] {
        let held = people::held(pool, person).await.unwrap().unwrap();
        assert_eq!((held.person_id, held.merged.len(), held.messages), (one, 2, 3));
    }
    let rewritten = sqlx::query("UPDATE gc_channel.person_log SET actor = 'x'").execute(pool).await;
    let removed = sqlx::query("DELETE FROM gc_channel.person_log").execute(pool).await;
    assert!(rewritten.is_err() && removed.is_err());
    assert!(people::erase(pool, two).await.unwrap());
    assert_eq!(count(pool, "SELECT count(*) FROM gc_channel.user_profiles").await, 0);
}
