//! Nothing of somebody who was erased is left, and nobody who writes meanwhile is left without a profile.

use govconnect::actors::intake as intake_actor;
use govconnect::metrics::Metrics;
use govconnect::store::channel::intake::{self, IntakeBatch, ParkedUpdate};
use govconnect::store::channel::people;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::channel_people::author;
use crate::channel_seams::until_somebody_waits;
use crate::channel_store::{count, message, take_in};
use crate::support::database::TestDatabase;

async fn put_aside(pool: &PgPool, reason: &str, raw: &[u8], contacts: Value) {
    let update = ParkedUpdate {
        kind: "poison",
        piece: "message",
        phone_number_id: Some("100".into()),
        contacts,
        reason: reason.into(),
        raw: raw.to_vec(),
    };
    intake::write(pool, &IntakeBatch { parked: vec![update], ..IntakeBatch::default() }).await.unwrap();
}

#[tokio::test]
async fn the_bytes_that_were_put_aside_go_with_whom_they_name() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    take_in(pool, vec![message("1", Some("62811"), Some("ID.1+a"))]).await;
    take_in(pool, vec![message("2", Some("628112"), Some("ID.2"))]).await;
    let none = Value::Null;
    for (reason, raw, contacts) in [
        ("hers: the sender", &b"{\"from\": \"62811\", \"text\": \"\xff\x00\"}"[..], none.clone()),
        ("hers: a number as a number", b"{\"from\":62811,\"type\":7}", none.clone()),
        ("hers: with a plus", b"{\"from\":\"+62811\"}", none.clone()),
        ("hers: the user id", b"{\"from_user_id\":\"ID.1+a\"}", none.clone()),
        ("hers: told by the contacts", b"{}", json!([{"wa_id": "62811"}])),
        ("hers: the user id in the contacts", b"{}", json!([{"user_id": "ID.1+a"}])),
        ("another's, longer", b"{\"from\":\"628112\"}", none.clone()),
        ("another's, with the number in it", b"{\"id\":\"wamid.62811.x\"}", none.clone()),
        ("another's user id", b"{\"from_user_id\":\"ID.1++a\"}", json!([{"wa_id": "628112"}])),
        ("nobody's", b"\xff\x00", none),
    ] {
        put_aside(pool, reason, raw, contacts).await;
    }
    sqlx::query("UPDATE gc_channel.parked_updates SET resolved_at = now() WHERE reason = 'hers: the sender'")
        .execute(pool)
        .await
        .unwrap();

    assert!(people::erase(pool, author(pool, "1").await).await.unwrap());
    let left: Vec<String> =
        sqlx::query_scalar("SELECT reason FROM gc_channel.parked_updates ORDER BY parked_id")
            .fetch_all(pool)
            .await
            .unwrap();
    assert_eq!(
        left,
        ["another's, longer", "another's, with the number in it", "another's user id", "nobody's"]
    );
}

const STRANGERS: &str = "SELECT count(*) FROM gc_channel.conversations c
                         LEFT JOIN gc_channel.user_profiles p USING (person_id) WHERE p.person_id IS NULL";

#[tokio::test]
async fn who_writes_to_another_number_while_being_erased_is_met_anew() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    take_in(pool, vec![message("first", Some("6281"), None)]).await;
    let before = author(pool, "first").await;
    // An erasure that has done everything but commit.
    let mut erasure = pool.begin().await.unwrap();
    for statement in [
        "DELETE FROM gc_channel.messages",
        "DELETE FROM gc_channel.conversations",
        "DELETE FROM gc_channel.identities",
        "DELETE FROM gc_channel.user_profiles",
    ] {
        sqlx::query(statement).execute(&mut *erasure).await.unwrap();
    }
    let (intake, queue) = intake_actor::queue(10, 10, Metrics::new().unwrap());
    tokio::spawn(intake_actor::run(queue, pool.clone(), Metrics::new().unwrap(), |_| {}));
    let writing = tokio::spawn(async move {
        let mut elsewhere = message("elsewhere", Some("6281"), None);
        elsewhere.phone_number_id = "200".into();
        intake.submit(IntakeBatch { messages: vec![elsewhere], ..IntakeBatch::default() }).await
    });
    until_somebody_waits(pool, || writing.is_finished()).await;
    erasure.commit().await.unwrap();
    writing.await.unwrap().unwrap();
    assert_eq!(count(pool, STRANGERS).await, 0);
    assert_eq!(count(pool, "SELECT count(*) FROM gc_channel.parked_updates").await, 0);
    assert_ne!(author(pool, "elsewhere").await, before);
}

#[tokio::test]
async fn what_is_being_filed_when_an_erasure_begins_is_erased_too() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    take_in(pool, vec![message("first", Some("6281"), None)]).await;
    let person = author(pool, "first").await;
    // A webhook that has made a conversation with another number of the office, and has not committed yet.
    let mut filing = pool.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO gc_channel.conversations (conversation_id, phone_number_id, person_id, partition)
         VALUES (gen_random_uuid(), '200', $1, 0)",
    )
    .bind(person.0)
    .execute(&mut *filing)
    .await
    .unwrap();
    let erasing = tokio::spawn({
        let pool = pool.clone();
        async move { people::erase(&pool, person).await }
    });
    until_somebody_waits(pool, || erasing.is_finished()).await;
    filing.commit().await.unwrap();
    assert!(erasing.await.unwrap().unwrap());
    assert_eq!(count(pool, "SELECT count(*) FROM gc_channel.conversations").await, 0);
    assert_eq!(count(pool, "SELECT count(*) FROM gc_channel.user_profiles").await, 0);
}
