//! Where parts of the channel meet: merges with what is still owed, takeovers that begin and end while a call is under
//! way, answers from the office's phone with the idle time.

use std::time::Duration;

use govconnect::actors::intake as intake_actor;
use govconnect::clock::Clock;
use govconnect::ids::{ConversationId, Epoch, MessageId, PartitionId};
use govconnect::metrics::Metrics;
use govconnect::store::channel::aftermath::{self, Aftermath, Outcome};
use govconnect::store::channel::claims::Claim;
use govconnect::store::channel::conversation::{self, AnswerCommit, Committed, NewCall};
use govconnect::store::channel::intake::{self, IncomingEcho, IntakeBatch};
use govconnect::store::channel::statuses::IncomingStatus;
use govconnect::store::channel::{dead_letters, idle, media_uploads, outbox, people, sweep, takeover};
use jiff::Timestamp;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::channel_people::{author, merge_all};
use crate::channel_store::{
    claimed, conversation as one_conversation, count, failed_row, load, message, names, rules, start_of,
    status_of, take_in, turn,
};
use crate::support::database::TestDatabase;
use crate::support::store;

async fn execute(pool: &PgPool, statement: &'static str) {
    sqlx::query(statement).execute(pool).await.unwrap();
}

async fn next_attempt_is_never(pool: &PgPool, id: MessageId) -> bool {
    sqlx::query_scalar("SELECT next_attempt_at = 'infinity' FROM gc_channel.messages WHERE message_id = $1")
        .bind(id.0)
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn sweep_all(pool: &PgPool) -> Vec<ConversationId> {
    let all: Vec<_> = PartitionId::all().collect();
    sweep::pending(pool, &all, None, 100).await.unwrap().conversations
}

/// A claimed message of the bot.
async fn in_flight(pool: &PgPool, id: ConversationId) -> MessageId {
    let loaded = load(pool, id, 1).await.unwrap();
    store::commit_turn(pool, &turn(&loaded, 1)).await.unwrap();
    claimed(pool, id, 1).await.unwrap()
}

/// Until a statement waits for a lock, or what would is done.
pub(crate) async fn until_somebody_waits(pool: &PgPool, is_done: impl Fn() -> bool) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while count(pool, waiting).await == 0 && !is_done() {
        assert!(tokio::time::Instant::now() < deadline, "neither waiting nor done");
        tokio::task::yield_now().await;
    }
}

/// An officer comes and goes.
async fn taken_over_and_given_back(pool: &PgPool, id: ConversationId) {
    takeover::start(pool, &start_of(id)).await.unwrap();
    takeover::end(pool, id, Some("ani"), None, "done").await.unwrap();
}

#[tokio::test]
async fn an_answer_that_meets_a_takeover_leaves_its_call_open() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let id = one_conversation(pool).await;
    let loaded = load(pool, id, 1).await.unwrap();
    let mut asks = turn(&loaded, 1);
    asks.calls = vec![NewCall { kind: "complaint.create".into(), key: Uuid::now_v7(), body: json!({}) }];
    store::commit_turn(pool, &asks).await.unwrap();
    let loaded = load(pool, id, 1).await.unwrap();
    let answer = AnswerCommit {
        conversation_id: id,
        version: loaded.conversation.version,
        epoch: Epoch(1),
        call_id: loaded.calls[0].call_id,
        answer: json!({"created": "LAP-20261123-001"}),
        state: json!({"filed": true}),
        outbound: turn(&loaded, 1).outbound,
        events: Vec::new(),
        hand_over: None,
    };

    // A takeover that has done everything but commit.
    let mut takeover = pool.begin().await.unwrap();
    sqlx::query(
        "UPDATE gc_channel.conversations SET mode = 'human', holder = 'ani', version = version + 1
         WHERE conversation_id = $1",
    )
    .bind(id.0)
    .execute(&mut *takeover)
    .await
    .unwrap();
    let answering = tokio::spawn({
        let (pool, answer) = (pool.clone(), answer.clone());
        async move { conversation::commit_answer(&pool, &answer).await }
    });
    until_somebody_waits(pool, || answering.is_finished()).await;
    takeover.commit().await.unwrap();
    assert_eq!(answering.await.unwrap().unwrap(), Committed::Stale);
    let open = "SELECT count(*) FROM gc_channel.calls WHERE answered_at IS NULL";
    assert_eq!(count(pool, open).await, 1, "stale changes nothing: the number would be told to nobody");

    // Looked at again, the answer is kept, and the officer sees what the bot would have said.
    let loaded = load(pool, id, 1).await.unwrap();
    let again = AnswerCommit { version: loaded.conversation.version, ..answer };
    assert!(matches!(conversation::commit_answer(pool, &again).await.unwrap(), Committed::Yes(_)));
    assert_eq!(count(pool, open).await, 0);
    assert_eq!(status_of(pool, again.outbound[0].message_id).await, "cancelled");
}

#[tokio::test]
async fn what_the_bot_sent_before_a_takeover_is_not_repeated_after_its_end() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let on = async |number: usize| {
        let phone = format!("628{number}");
        take_in(pool, vec![message(&phone, Some(&phone), None)]).await.wake.first().unwrap().1
    };

    let (id, row) = {
        let id = on(1).await;
        (id, in_flight(pool, id).await)
    };
    taken_over_and_given_back(pool, id).await;
    outbox::mark_retry(pool, row, Duration::ZERO, &json!({})).await.unwrap();
    assert_eq!(status_of(pool, row).await, "cancelled", "a known failure");

    let (id, row) = {
        let id = on(2).await;
        (id, in_flight(pool, id).await)
    };
    taken_over_and_given_back(pool, id).await;
    outbox::give_back(pool, row, 1).await.unwrap();
    assert_eq!(status_of(pool, row).await, "cancelled", "a claim that was not used");

    let (id, row) = {
        let id = on(3).await;
        (id, in_flight(pool, id).await)
    };
    taken_over_and_given_back(pool, id).await;
    outbox::mark_unknown(pool, row, &json!({})).await.unwrap();
    assert!(next_attempt_is_never(pool, row).await, "an answer that was lost");

    let (id, row) = {
        let id = on(4).await;
        (id, in_flight(pool, id).await)
    };
    taken_over_and_given_back(pool, id).await;
    load(pool, id, 2).await.unwrap();
    assert_eq!(status_of(pool, row).await, "unknown");
    assert!(next_attempt_is_never(pool, row).await, "an owner that died");

    let id = on(5).await;
    let row = failed_row(pool, id, Aftermath::Retry).await;
    taken_over_and_given_back(pool, id).await;
    let followed = aftermath::resolve(pool, id, Epoch(1), &rules()).await.unwrap();
    assert_eq!((followed[0].message_id, followed[0].outcome), (row, Outcome::Final), "a failure told later");

    // What the bot says after it is not touched by that.
    let again = load(pool, id, 1).await.unwrap();
    store::commit_turn(pool, &turn(&again, 1)).await.unwrap();
    let row = claimed(pool, id, 1).await.unwrap();
    outbox::mark_retry(pool, row, Duration::ZERO, &json!({})).await.unwrap();
    assert_eq!(status_of(pool, row).await, "queued");
}

/// Two conversations of two people, who then become one: the one that stays, and the one that goes. `before` is done
/// to the one that goes, before the merge.
async fn merged<T>(
    pool: &PgPool,
    before: impl AsyncFnOnce(ConversationId) -> T,
) -> (ConversationId, ConversationId, T) {
    let stays = take_in(pool, vec![message("stays", Some("6281"), None)]).await.wake.first().unwrap().1;
    let goes = take_in(pool, vec![message("goes", Some("6282"), None)]).await.wake.first().unwrap().1;
    // The first answers are out of the way.
    let loaded = load(pool, stays, 1).await.unwrap();
    store::commit_turn(pool, &turn_without_reply(&loaded)).await.unwrap();
    let done = before(goes).await;
    people::link(pool, author(pool, "stays").await, author(pool, "goes").await, "rina", "sama")
        .await
        .unwrap();
    merge_all(pool).await;
    (stays, goes, done)
}

fn turn_without_reply(loaded: &conversation::Loaded) -> conversation::TurnCommit {
    conversation::TurnCommit { outbound: Vec::new(), ..turn(loaded, 1) }
}

#[tokio::test]
async fn what_is_owed_for_a_failure_goes_along_with_a_merge() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let (stays, _, row) = merged(pool, async |goes| failed_row(pool, goes, Aftermath::Retry).await).await;
    assert_eq!(sweep_all(pool).await, [stays]);
    load(pool, stays, 1).await.unwrap();
    let followed = aftermath::resolve(pool, stays, Epoch(1), &rules()).await.unwrap();
    assert_eq!((followed[0].message_id, followed[0].outcome), (row, Outcome::Again));
    assert_eq!(claimed(pool, stays, 1).await, Some(row));
}

#[tokio::test]
async fn a_failure_that_is_told_after_a_merge_is_done_by_the_conversation_that_is_left() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let (stays, _, row) = merged(pool, async |goes| {
        let row = in_flight(pool, goes).await;
        store::mark_sent(pool, row, "wamid.sent").await.unwrap();
        row
    })
    .await;
    let failed = IncomingStatus {
        wamid: "wamid.sent".into(),
        status: "failed".into(),
        at: Timestamp::from_second(1_767_225_601).unwrap(),
        our_id: None,
        errors: Some(json!({"code": 131_000, "class": "transient", "title": "stumbled"})),
        owed: Some(Aftermath::Retry),
        pricing: None,
        wa_conversation: None,
    };
    intake::write(pool, &IntakeBatch { statuses: vec![failed], ..IntakeBatch::default() }).await.unwrap();
    // The first sweep takes it along at the latest.
    sweep_all(pool).await;
    assert_eq!(sweep_all(pool).await, [stays]);
    load(pool, stays, 1).await.unwrap();
    let followed = aftermath::resolve(pool, stays, Epoch(1), &rules()).await.unwrap();
    assert_eq!((followed[0].message_id, followed[0].outcome), (row, Outcome::Again));
    assert_eq!(claimed(pool, stays, 1).await, Some(row));
}

#[tokio::test]
async fn a_dead_letter_of_a_merged_conversation_goes_out_by_the_one_that_is_left() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let (stays, goes, row) = merged(pool, async |goes| {
        let row = in_flight(pool, goes).await;
        outbox::mark_failed(pool, row, &json!({"code": 1, "class": "transient"}), None).await.unwrap();
        row
    })
    .await;
    execute(pool, "UPDATE gc_channel.conversations SET window_expires_at = now() + interval '1 hour'").await;
    assert_eq!(dead_letters::retry(pool, row).await.unwrap(), stays);
    load(pool, stays, 1).await.unwrap();
    assert_eq!(claimed(pool, stays, 1).await, Some(row));

    // Nor does it speak over whoever holds that one.
    outbox::mark_failed(pool, row, &json!({"code": 1, "class": "transient"}), None).await.unwrap();
    takeover::start(pool, &start_of(stays)).await.unwrap();
    assert!(matches!(dead_letters::retry(pool, row).await, Err(dead_letters::RetryError::TakenOver)));
    assert_ne!(stays, goes);
}

#[tokio::test]
async fn an_officer_who_goes_on_answering_from_the_offices_phone_is_not_away() {
    const IDLE: Duration = Duration::from_secs(600);
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let id = one_conversation(pool).await;
    let write = async |wamid: &str, sent_at: Timestamp| {
        let echo = IncomingEcho {
            phone_number_id: "100".into(),
            wamid: wamid.into(),
            recipient: names(Some("6281"), None),
            sent_at,
            kind: "text".into(),
            text: Some("sebentar ya".into()),
            content: json!({"type": "text"}),
            raw: b"{}".to_vec(),
        };
        intake::write(pool, &IntakeBatch { echoes: vec![echo], ..IntakeBatch::default() }).await.unwrap()
    };
    let later = "UPDATE gc_channel.takeover_sessions SET active_at = now() - interval '20 minutes'";
    write("echo.1", Clock::system().now()).await;
    execute(pool, later).await;
    assert_eq!(idle::idle_takeovers(pool, IDLE, 10).await.unwrap(), [id]);
    // One that was held up for long shows nothing of now.
    write("echo.2", Clock::system().now() - Duration::from_secs(3600)).await;
    assert_eq!(idle::idle_takeovers(pool, IDLE, 10).await.unwrap(), [id]);
    write("echo.3", Clock::system().now()).await;
    assert_eq!(idle::idle_takeovers(pool, IDLE, 10).await.unwrap(), []);
    // Told twice it is still the one.
    execute(pool, later).await;
    write("echo.3", Clock::system().now()).await;
    assert_eq!(idle::idle_takeovers(pool, IDLE, 10).await.unwrap(), [id]);
}

#[tokio::test]
async fn a_file_that_cannot_be_uploaded_is_told_as_a_failed_message() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let id = one_conversation(pool).await;
    let row = in_flight(pool, id).await;
    outbox::give_back(pool, row, 1).await.unwrap();
    let error = json!({"class": "media", "title": "too large"});
    media_uploads::postpone(pool, id, row, Some(Duration::ZERO), &error).await.unwrap();
    let events = "SELECT count(*) FROM gc_channel.event_outbox
                  WHERE routing_key = 'whatsapp.message.status' AND body ->> 'status' = 'failed'";
    assert_eq!((status_of(pool, row).await.as_str(), count(pool, events).await), ("queued", 0));
    media_uploads::postpone(pool, id, row, None, &error).await.unwrap();
    assert_eq!((status_of(pool, row).await.as_str(), count(pool, events).await), ("failed", 1));
}

#[tokio::test]
async fn work_that_cannot_be_done_now_does_not_hide_other_work_from_the_sweep() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let mut everybody = Vec::new();
    for number in 0..7 {
        let phone = format!("628{number}");
        let written = take_in(pool, vec![message(&phone, Some(&phone), None)]).await;
        everybody.extend(written.wake.into_iter().map(|(_, id)| id));
    }
    // Nobody does any of it.
    let all: Vec<_> = PartitionId::all().collect();
    let (mut found, mut after) = (Vec::new(), None);
    for round in 0..3 {
        let swept = sweep::pending(pool, &all, after, 3).await.unwrap();
        assert_eq!(swept.conversations.len(), [3, 3, 1][round]);
        found.extend(swept.conversations);
        after = swept.next;
    }
    found.sort();
    everybody.sort();
    assert_eq!(found, everybody);
    assert_eq!(after, None, "and from the beginning again");
}

#[tokio::test]
async fn a_claim_names_the_number_that_the_person_has_now() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let first = take_in(pool, vec![message("ani", Some("6281"), Some("ID.ani"))]).await;
    let id = first.wake.first().unwrap().1;
    let loaded = load(pool, id, 1).await.unwrap();
    assert_eq!(loaded.conversation.phone.as_deref(), Some("6281"));
    store::commit_turn(pool, &turn(&loaded, 1)).await.unwrap();
    // While the answer waits, her number passes to another.
    let mut taken = message("budi", Some("6281"), Some("ID.budi"));
    taken.sent_at += Duration::from_secs(60);
    take_in(pool, vec![taken]).await;
    let Claim::Row(row) = store::claim(pool, id, Epoch(1)).await.unwrap() else { panic!("not claimed") };
    assert_eq!((row.phone, row.bsuid.as_deref()), (None, Some("ID.ani")));
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_does_not_hold_its_conversation_for_ever() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let id = one_conversation(pool).await;
    let row = in_flight(pool, id).await;
    assert_eq!(claimed(pool, id, 1).await, None);
    assert_eq!(status_of(pool, row).await, "sending", "its call may be under way");
    let long_ago =
        "UPDATE gc_channel.messages SET claimed_at = now() - interval '2 minutes' WHERE status = 'sending'";
    execute(pool, long_ago).await;
    assert_eq!(claimed(pool, id, 1).await, None);
    assert_eq!(status_of(pool, row).await, "unknown");
    assert_eq!(claimed(pool, id, 1).await, Some(row), "60 s have passed without a status");

    // The bot's of before a takeover is never repeated, and what the officer writes goes out.
    taken_over_and_given_back(pool, id).await;
    execute(pool, long_ago).await;
    assert_eq!(claimed(pool, id, 1).await, None);
    assert!(next_attempt_is_never(pool, row).await);
    assert_eq!(claimed(pool, id, 1).await, None);
}

#[tokio::test]
async fn what_comes_while_its_writer_is_erased_is_from_somebody_new_and_not_put_aside() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let id = one_conversation(pool).await;
    // An erasure that has done everything but commit.
    let mut erasure = pool.begin().await.unwrap();
    for statement in ["messages", "conversations", "identities", "user_profiles"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM gc_channel.{statement}")))
            .execute(&mut *erasure)
            .await
            .unwrap();
    }
    let (intake, queue) = intake_actor::queue(10, 10, Metrics::new().unwrap());
    tokio::spawn(intake_actor::run(queue, pool.clone(), Metrics::new().unwrap(), |_| {}));
    let writing = tokio::spawn(async move {
        let messages = vec![message("again", Some("6281"), None)];
        intake.submit(IntakeBatch { messages, ..IntakeBatch::default() }).await
    });
    until_somebody_waits(pool, || writing.is_finished()).await;
    erasure.commit().await.unwrap();
    writing.await.unwrap().unwrap();
    assert_eq!(count(pool, "SELECT count(*) FROM gc_channel.parked_updates").await, 0);
    assert_eq!(count(pool, "SELECT count(*) FROM gc_channel.messages WHERE wamid = 'again'").await, 1);
    assert!(load(pool, id, 1).await.is_none());
}
