//! The statements of the channel's store, alone and against each other, on a real PostgreSQL.

use std::collections::HashSet;
use std::time::Duration;

use govconnect::ids::{ConversationId, Epoch, MessageId};
use govconnect::store::channel::aftermath::{self, Aftermath, Outcome};
use govconnect::store::channel::claims::Claim;
use govconnect::store::channel::conversation::{Committed, Load, Loaded, NewOutbound, TurnCommit};
use govconnect::store::channel::intake::{self, IncomingMessage, IntakeBatch, Names};
use govconnect::store::channel::outbox;
use govconnect::store::channel::statuses::IncomingStatus;
use govconnect::store::channel::{sweep, takeover};
use jiff::Timestamp;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::database::TestDatabase;
use crate::support::store;

pub(crate) fn message(wamid: &str, phone: Option<&str>, bsuid: Option<&str>) -> IncomingMessage {
    IncomingMessage {
        phone_number_id: "100".into(),
        wamid: wamid.into(),
        sender: names(phone, bsuid),
        sent_at: Timestamp::from_second(1_767_225_600).unwrap(),
        kind: "text".into(),
        text: Some("halo".into()),
        content: json!({"type": "text"}),
        raw: b"{}".to_vec(),
        opens_window: true,
        changes: None,
        identity: None,
    }
}

pub fn names(phone: Option<&str>, bsuid: Option<&str>) -> Names {
    Names {
        phone: phone.map(str::to_owned),
        bsuid: bsuid.map(str::to_owned),
        parent_bsuid: None,
        display_name: Some("Siti".into()),
        username: None,
    }
}

pub(crate) async fn take_in(pool: &PgPool, messages: Vec<IncomingMessage>) -> intake::IntakeOutcome {
    intake::write(pool, &IntakeBatch { messages, ..IntakeBatch::default() }).await.unwrap()
}

pub(crate) async fn count(pool: &PgPool, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement).fetch_one(pool).await.unwrap()
}

/// One conversation with one waiting message.
pub(crate) async fn conversation(pool: &PgPool) -> ConversationId {
    let outcome = take_in(pool, vec![message(&Uuid::now_v7().to_string(), Some("6281"), None)]).await;
    outcome.wake.first().unwrap().1
}

pub(crate) async fn load(pool: &PgPool, id: ConversationId, epoch: i64) -> Option<Box<Loaded>> {
    match store::load(pool, id, Epoch(epoch)).await.unwrap() {
        Load::Loaded(loaded) => Some(loaded),
        Load::Fenced | Load::Missing => None,
    }
}

pub(crate) fn turn(loaded: &Loaded, epoch: i64) -> TurnCommit {
    TurnCommit {
        conversation_id: loaded.conversation.conversation_id,
        version: loaded.conversation.version,
        epoch: Epoch(epoch),
        turn_id: Uuid::now_v7(),
        state: json!({}),
        processed: loaded.inbox.iter().map(|message| message.message_id).collect(),
        outbound: vec![NewOutbound {
            message_id: MessageId::new(),
            kind: "text".into(),
            text: "jawaban".into(),
            content: json!({"type": "text", "text": "jawaban"}),
        }],
        calls: Vec::new(),
        events: Vec::new(),
        hand_over: None,
        remind_at: None,
    }
}

pub(crate) async fn claimed(pool: &PgPool, id: ConversationId, epoch: i64) -> Option<MessageId> {
    match store::claim(pool, id, Epoch(epoch)).await.unwrap() {
        Claim::Row(row) => Some(row.message_id),
        Claim::Later(_) | Claim::Empty => None,
    }
}

pub(crate) async fn status_of(pool: &PgPool, id: MessageId) -> String {
    sqlx::query_scalar("SELECT status FROM gc_channel.messages WHERE message_id = $1")
        .bind(id.0)
        .fetch_one(pool)
        .await
        .unwrap()
}

pub(crate) fn start_of(id: ConversationId) -> takeover::Start {
    takeover::Start { conversation_id: id, admin_id: "ani".into(), reason: None, force: false }
}

#[tokio::test]
async fn writers_given_the_same_messages_in_any_order_leave_one_row_each() {
    let database = TestDatabase::with_connections(8).await;
    let wamids: Vec<String> = (0..60).map(|number| format!("wamid.{number:02}")).collect();
    let writers = (0..8).map(|writer| {
        let mut mine: Vec<IncomingMessage> = wamids
            .iter()
            .enumerate()
            .map(|(number, wamid)| message(wamid, Some(&format!("62{}", number % 10)), None))
            .collect();
        // Another order and another overlap for each, and every message twice.
        mine.rotate_left(writer * 7);
        let again = mine.clone();
        let pool = database.pool.clone();
        tokio::spawn(async move {
            take_in(&pool, mine).await;
            take_in(&pool, again).await
        })
    });
    for outcome in futures::future::join_all(writers).await {
        assert_eq!(outcome.unwrap().new_messages, 0, "the second time everything is known");
    }
    assert_eq!(count(&database.pool, "SELECT count(*) FROM gc_channel.messages").await, 60);
    assert_eq!(count(&database.pool, "SELECT count(*) FROM gc_channel.conversations").await, 10);
    assert_eq!(count(&database.pool, "SELECT count(*) FROM gc_channel.user_profiles").await, 10);
    let strays = "SELECT count(*) FROM gc_channel.messages m LEFT JOIN gc_channel.conversations c USING (conversation_id)
                  WHERE c.partition IS DISTINCT FROM m.partition";
    assert_eq!(count(&database.pool, strays).await, 0);
}

#[tokio::test]
async fn a_phone_that_comes_with_a_bsuid_is_the_same_person_and_with_another_bsuid_is_not() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let by_phone = take_in(pool, vec![message("1", Some("6281"), None)]).await;
    let with_bsuid = take_in(pool, vec![message("2", Some("6281"), Some("ID.a"))]).await;
    let without_phone = take_in(pool, vec![message("3", None, Some("ID.a"))]).await;
    assert_eq!(by_phone.wake, with_bsuid.wake);
    assert_eq!(by_phone.wake, without_phone.wake);

    let resold = take_in(pool, vec![message("4", Some("6281"), Some("ID.b"))]).await;
    assert_ne!(resold.wake, by_phone.wake, "numbers are resold: another BSUID is another person");
    take_in(pool, vec![message("5", Some("6281"), Some("ID.b"))]).await;
    let suggestions = "SELECT count(*) FROM gc_channel.link_suggestions WHERE resolved_at IS NULL";
    assert_eq!(count(pool, suggestions).await, 1, "one question for the officers, however often they write");
    let merges = "SELECT count(*) FROM gc_channel.commands WHERE kind = 'merge'";
    assert_eq!(count(pool, merges).await, 0, "and nothing is done without them");
    let phones: Vec<Option<String>> =
        sqlx::query_scalar("SELECT phone FROM gc_channel.user_profiles WHERE bsuid = 'ID.b'")
            .fetch_all(pool)
            .await
            .unwrap();
    assert_eq!(
        phones,
        [None],
        "at the same second nobody knows who had the number last: it is not written to"
    );
}

#[tokio::test]
async fn an_older_owner_can_neither_commit_nor_claim_after_a_newer_has_loaded() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let id = conversation(pool).await;
    let older = load(pool, id, 1).await.unwrap();
    assert!(matches!(store::commit_turn(pool, &turn(&older, 1)).await.unwrap(), Committed::Yes(_)));
    let newer = load(pool, id, 2).await.unwrap();
    assert!(newer.inbox.is_empty());
    assert!(load(pool, id, 1).await.is_none(), "the older owner is told");
    assert_eq!(claimed(pool, id, 1).await, None);
    let mut late = turn(&older, 1);
    late.version = newer.conversation.version;
    assert_eq!(store::commit_turn(pool, &late).await.unwrap(), Committed::Stale);
    assert!(claimed(pool, id, 2).await.is_some());
}

#[tokio::test]
async fn a_turn_that_is_committed_twice_changes_nothing_the_second_time() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let id = conversation(pool).await;
    let loaded = load(pool, id, 1).await.unwrap();
    let (first, second) = (turn(&loaded, 1), turn(&loaded, 1));
    let (one, two) = tokio::join!(store::commit_turn(pool, &first), store::commit_turn(pool, &second));
    let committed: HashSet<bool> =
        [one.unwrap(), two.unwrap()].map(|outcome| outcome != Committed::Stale).into();
    assert_eq!(committed.len(), 2, "one of them and only one");
    assert_eq!(count(pool, "SELECT count(*) FROM gc_channel.messages WHERE direction = 'out'").await, 1);
}

#[tokio::test]
async fn a_takeover_cancels_what_is_queued_refuses_turns_and_leaves_what_is_in_flight() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let id = conversation(pool).await;
    let loaded = load(pool, id, 1).await.unwrap();
    let mut commit = turn(&loaded, 1);
    commit.outbound.push(NewOutbound { message_id: MessageId::new(), ..commit.outbound[0].clone() });
    store::commit_turn(pool, &commit).await.unwrap();
    let in_flight = claimed(pool, id, 1).await.unwrap();
    assert_eq!(in_flight, commit.outbound[0].message_id, "in order");

    let Load::Loaded(before) = store::read(pool, id, Epoch(1)).await.unwrap() else { panic!("not there") };
    let started = takeover::start(pool, &start_of(id)).await.unwrap();
    assert_eq!(started.cancelled, 1);
    assert_eq!(takeover::in_flight(pool, id).await.unwrap(), [in_flight]);
    assert_eq!(takeover::start(pool, &start_of(id)).await.unwrap().session_id, started.session_id);
    assert_eq!(store::commit_turn(pool, &turn(&before, 1)).await.unwrap(), Committed::Stale);
    outbox::mark_retry(pool, in_flight, Duration::ZERO, &json!({})).await.unwrap();
    assert_eq!(status_of(pool, in_flight).await, "cancelled");
    assert_eq!(claimed(pool, id, 1).await, None);

    take_in(pool, vec![message("later", Some("6281"), None)]).await;
    let all: Vec<_> = govconnect::ids::PartitionId::all().collect();
    assert!(
        sweep::pending(pool, &all, None, 10).await.unwrap().conversations.is_empty(),
        "a held conversation is the officer's"
    );
    takeover::end(pool, id, Some("ani"), None, "done").await.unwrap();
    assert!(load(pool, id, 1).await.unwrap().inbox.is_empty(), "the officer saw it");
}

#[tokio::test]
async fn a_row_put_back_while_a_takeover_commits_does_not_slip_behind_it() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let id = conversation(pool).await;
    let loaded = load(pool, id, 1).await.unwrap();
    store::commit_turn(pool, &turn(&loaded, 1)).await.unwrap();
    let row = claimed(pool, id, 1).await.unwrap();

    // A takeover that has done everything but commit.
    let mut takeover = pool.begin().await.unwrap();
    sqlx::query(
        "UPDATE gc_channel.conversations SET mode = 'human', holder = 'ani' WHERE conversation_id = $1",
    )
    .bind(id.0)
    .execute(&mut *takeover)
    .await
    .unwrap();
    let back = tokio::spawn({
        let pool = pool.clone();
        async move { outbox::mark_retry(&pool, row, Duration::ZERO, &json!({})).await }
    });
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while count(pool, waiting).await == 0 && !back.is_finished() {
        assert!(tokio::time::Instant::now() < deadline, "neither waiting nor done");
        tokio::task::yield_now().await;
    }
    takeover.commit().await.unwrap();
    back.await.unwrap().unwrap();
    assert_eq!(status_of(pool, row).await, "cancelled");
}

#[tokio::test]
async fn a_status_with_our_id_settles_a_send_whose_answer_was_lost() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let id = conversation(pool).await;
    let loaded = load(pool, id, 1).await.unwrap();
    store::commit_turn(pool, &turn(&loaded, 1)).await.unwrap();
    let row = claimed(pool, id, 1).await.unwrap();
    outbox::mark_unknown(pool, row, &json!({"title": "lost"})).await.unwrap();
    assert_eq!(claimed(pool, id, 1).await, None, "not repeated while the outcome is unknown");

    let status = |status: &str, our_id: Option<Uuid>| IncomingStatus {
        wamid: "wamid.out".into(),
        status: status.into(),
        at: Timestamp::from_second(1_767_225_601).unwrap(),
        our_id,
        errors: None,
        owed: None,
        pricing: None,
        wa_conversation: None,
    };
    let batch = IntakeBatch {
        statuses: vec![status("delivered", Some(row.0)), status("sent", Some(row.0))],
        ..IntakeBatch::default()
    };
    let outcome = intake::write(pool, &batch).await.unwrap();
    assert_eq!(outcome.wake.first().map(|(_, woken)| *woken), Some(id), "what waited behind it goes on");
    assert_eq!(status_of(pool, row).await, "delivered");
}

#[tokio::test]
async fn a_status_that_comes_before_the_send_was_recorded_is_not_lost() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let id = conversation(pool).await;
    let loaded = load(pool, id, 1).await.unwrap();
    store::commit_turn(pool, &turn(&loaded, 1)).await.unwrap();
    let row = claimed(pool, id, 1).await.unwrap();
    let early = IncomingStatus {
        wamid: "wamid.early".into(),
        status: "read".into(),
        at: Timestamp::from_second(1_767_225_601).unwrap(),
        our_id: None,
        errors: None,
        owed: None,
        pricing: None,
        wa_conversation: None,
    };
    intake::write(pool, &IntakeBatch { statuses: vec![early], ..IntakeBatch::default() }).await.unwrap();
    store::mark_sent(pool, row, "wamid.early").await.unwrap();
    assert_eq!(status_of(pool, row).await, "read");
    assert_eq!(count(pool, "SELECT count(*) FROM gc_channel.early_statuses").await, 0);
}

pub(crate) fn rules() -> aftermath::Rules {
    aftermath::Rules { tries: 6, first_pause: Duration::ZERO, replacement: None }
}

pub(crate) async fn failed_row(pool: &PgPool, id: ConversationId, owed: Aftermath) -> MessageId {
    let loaded = load(pool, id, 1).await.unwrap();
    store::commit_turn(pool, &turn(&loaded, 1)).await.unwrap();
    let row = claimed(pool, id, 1).await.unwrap();
    let error = json!({"code": 131_062, "class": "unreachable", "title": "refused"});
    outbox::mark_failed(pool, row, &error, Some(owed)).await.unwrap();
    row
}

#[tokio::test]
async fn what_a_bsuid_refused_goes_to_the_phone_number_once_there_is_one_or_marks_the_person() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let id = take_in(pool, vec![message("1", None, Some("ID.a"))]).await.wake.first().unwrap().1;
    let row = failed_row(pool, id, Aftermath::OtherAddress).await;
    let followed = aftermath::resolve(pool, id, Epoch(1), &rules()).await.unwrap();
    assert_eq!((followed[0].message_id, followed[0].outcome), (row, Outcome::Final));
    let marked = "SELECT count(*) FROM gc_channel.user_profiles WHERE unreachable ->> 'code' = '131062'";
    assert_eq!(count(pool, marked).await, 1);
    assert_eq!(aftermath::resolve(pool, id, Epoch(1), &rules()).await.unwrap(), [], "done once");

    take_in(pool, vec![message("2", Some("6281"), Some("ID.a"))]).await;
    let row = failed_row(pool, id, Aftermath::OtherAddress).await;
    let followed = aftermath::resolve(pool, id, Epoch(1), &rules()).await.unwrap();
    assert_eq!((followed[0].message_id, followed[0].outcome), (row, Outcome::Again));
    assert_eq!(claimed(pool, id, 1).await, Some(row));
}

#[tokio::test]
async fn what_is_owed_for_a_failure_is_found_by_the_sweep_and_done_by_the_owner_alone() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let id = conversation(pool).await;
    let row = failed_row(pool, id, Aftermath::Retry).await;
    let all: Vec<_> = govconnect::ids::PartitionId::all().collect();
    assert_eq!(sweep::pending(pool, &all, None, 10).await.unwrap().conversations.len(), 1);
    load(pool, id, 2).await.unwrap();
    assert_eq!(aftermath::resolve(pool, id, Epoch(1), &rules()).await.unwrap(), [], "fenced");
    // After a takeover nothing of the bot's is repeated.
    takeover::start(pool, &start_of(id)).await.unwrap();
    let followed = aftermath::resolve(pool, id, Epoch(2), &rules()).await.unwrap();
    assert_eq!((followed[0].message_id, followed[0].outcome), (row, Outcome::Final));
    assert_eq!(status_of(pool, row).await, "failed");
}

#[tokio::test]
async fn a_status_of_an_attempt_that_was_made_again_says_nothing_about_the_new_one() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let id = conversation(pool).await;
    let loaded = load(pool, id, 1).await.unwrap();
    store::commit_turn(pool, &turn(&loaded, 1)).await.unwrap();
    let row = claimed(pool, id, 1).await.unwrap();
    store::mark_sent(pool, row, "wamid.first").await.unwrap();
    let failed = |wamid: &str| IncomingStatus {
        wamid: wamid.into(),
        status: "failed".into(),
        at: Timestamp::from_second(1_767_225_601).unwrap(),
        our_id: Some(row.0),
        errors: Some(json!({"code": 131_000, "class": "transient", "title": "stumbled"})),
        owed: Some(Aftermath::Retry),
        pricing: None,
        wa_conversation: None,
    };
    let tell = async |status: IncomingStatus| {
        intake::write(pool, &IntakeBatch { statuses: vec![status], ..IntakeBatch::default() }).await.unwrap()
    };
    let events = "SELECT count(*) FROM gc_channel.event_outbox WHERE body ->> 'status' = 'failed'";
    assert_eq!(tell(failed("wamid.first")).await.wake.len(), 1);
    let followed = aftermath::resolve(pool, id, Epoch(1), &rules()).await.unwrap();
    assert_eq!(followed[0].outcome, Outcome::Again);
    assert_eq!(count(pool, events).await, 0, "nobody is told of what is being put right");
    tell(failed("wamid.first")).await;
    assert_eq!(status_of(pool, row).await, "queued", "Meta told it twice");
    assert_eq!(claimed(pool, id, 1).await, Some(row));
    store::mark_sent(pool, row, "wamid.second").await.unwrap();
    tell(failed("wamid.first")).await;
    assert_eq!(status_of(pool, row).await, "sent");
}

#[tokio::test]
async fn what_the_database_refuses_is_refused_and_not_taken_for_an_outage() {
    let database = TestDatabase::create().await;
    let mut poison = message("poison", Some("6281"), None);
    poison.content = json!({"text": "a\u{0}b"});
    let batch =
        IntakeBatch { messages: vec![poison, message("fine", Some("6281"), None)], ..IntakeBatch::default() };
    let error = intake::write(&database.pool, &batch).await.unwrap_err();
    assert!(matches!(error, govconnect::store::StoreError::Refused(_)), "{error:?}");
    assert_eq!(count(&database.pool, "SELECT count(*) FROM gc_channel.messages").await, 0, "all or nothing");
}
