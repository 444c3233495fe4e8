//! Many conversations in one statement, each for itself: groups of looks, turns, claims and sends on a real PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use govconnect::actors::ledger::{self, Granted, Ledger};
use govconnect::actors::supervision::Vital;
use govconnect::ids::{ConversationId, Epoch, MessageId};
use govconnect::metrics::Metrics;
use govconnect::store::channel::claims::{self, Claim};
use govconnect::store::channel::conversation::{Committed, Load, Loaded};
use govconnect::store::channel::intake::{self, IntakeBatch};
use govconnect::store::channel::loading::{self, Look};
use govconnect::store::channel::statuses::IncomingStatus;
use govconnect::store::channel::{outbox, takeover, turns};
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use sqlx::PgPool;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::channel_store::{count, message, start_of, status_of, take_in, turn};
use crate::support::database::TestDatabase;

/// That many conversations with one waiting message each, in the order of their phone numbers.
async fn conversations(pool: &PgPool, wanted: usize) -> Vec<ConversationId> {
    let mut ids = Vec::new();
    for number in 0..wanted {
        let written =
            take_in(pool, vec![message(&format!("first.{number}"), Some(&phone(number)), None)]).await;
        ids.push(written.wake.first().unwrap().1);
    }
    ids
}

fn phone(number: usize) -> String {
    format!("6281{number:04}")
}

/// All of them, as their owner of epoch 1 finds them.
async fn look_at(pool: &PgPool, ids: &[ConversationId]) -> Vec<Loaded> {
    let look = |id: &ConversationId| Look { conversation_id: *id, epoch: Epoch(1), takes_ownership: true };
    let looks: Vec<Look> = ids.iter().map(look).collect();
    let found = loading::look(pool, &looks).await.unwrap();
    found.into_iter().map(|load| *loaded(load)).collect()
}

fn loaded(load: Load) -> Box<Loaded> {
    match load {
        Load::Loaded(loaded) => loaded,
        other => panic!("not loaded: {other:?}"),
    }
}

/// A ledger over the database, as a node has it.
fn ledger_on(pool: &PgPool) -> Ledger {
    let (ledger, asks) = ledger::queues();
    ledger::start(asks, pool, &Metrics::new().unwrap(), &Vital::new().0);
    ledger
}

/// Everybody's first message is answered and the answer is queued.
async fn answered(pool: &PgPool, ids: &[ConversationId]) -> Vec<MessageId> {
    let commits: Vec<_> = look_at(pool, ids).await.iter().map(|loaded| turn(loaded, 1)).collect();
    let written = turns::commit(pool, &commits).await.unwrap();
    assert!(written.iter().all(|one| *one != Committed::Stale));
    commits.iter().map(|commit| commit.outbound[0].message_id).collect()
}

async fn until(pool: &PgPool, what: &str, statement: &'static str, expected: i64) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while count(pool, statement).await != expected {
        assert!(Instant::now() < deadline, "{what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_group_of_looks_gives_each_conversation_its_own_and_fences_older_owners() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let ids = conversations(pool, 3).await;
    take_in(pool, vec![message("second.0", Some(&phone(0)), None)]).await;
    look_at(pool, &ids[1..2]).await;
    let unknown = ConversationId::new();
    let look =
        |id, epoch, takes_ownership| Look { conversation_id: id, epoch: Epoch(epoch), takes_ownership };
    let asked = [
        look(ids[2], 2, true),
        look(ids[0], 1, true),
        look(unknown, 1, true),
        look(ids[2], 1, true),
        look(ids[1], 1, false),
    ];
    let found = loading::look(pool, &asked).await.unwrap();
    let [newer, two_messages, missing, fenced, again] = found.try_into().unwrap();
    assert!(matches!(missing, Load::Missing));
    assert!(matches!(fenced, Load::Fenced), "the newer owner is in the same group");
    let wamids = |load| loaded(load).inbox.into_iter().map(|message| message.wamid).collect::<Vec<_>>();
    assert_eq!(wamids(newer), ["first.2"]);
    assert_eq!(wamids(two_messages), ["first.0", "second.0"]);
    assert_eq!(wamids(again), ["first.1"]);
}

#[tokio::test]
async fn of_a_group_of_turns_only_those_are_committed_that_are_neither_stale_nor_taken_over_nor_fenced() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let ids = conversations(pool, 5).await;
    let found = look_at(pool, &ids).await;
    let mut commits: Vec<_> = found.iter().map(|loaded| turn(loaded, 1)).collect();
    // Of the first another turn was committed, the second is held, the third has a newer owner.
    turns::commit(pool, &commits[..1]).await.unwrap();
    commits[0].outbound[0].message_id = MessageId::new();
    takeover::start(pool, &start_of(ids[1])).await.unwrap();
    let newer = Look { conversation_id: ids[2], epoch: Epoch(2), takes_ownership: true };
    loading::look(pool, &[newer]).await.unwrap();

    let written = turns::commit(pool, &commits).await.unwrap();
    let yes: Vec<bool> = written.iter().map(|one| matches!(one, Committed::Yes(_))).collect();
    assert_eq!(yes, [false, false, false, true, true]);
    for (index, id) in ids.iter().enumerate() {
        let read = Look { conversation_id: *id, epoch: Epoch(9), takes_ownership: false };
        let now = loaded(loading::look(pool, &[read]).await.unwrap().pop().unwrap());
        assert_eq!(now.inbox.is_empty(), [true, false, false, true, true][index], "conversation {index}");
        assert_eq!(now.sendable, [true, false, false, true, true][index], "conversation {index}");
    }
    let replies = "SELECT count(*) FROM gc_channel.messages WHERE direction = 'out'";
    assert_eq!(count(pool, replies).await, 3, "one of the first turn, and the two good ones");
}

#[tokio::test]
async fn a_conversation_that_is_twice_in_a_group_is_committed_once() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let ids = conversations(pool, 1).await;
    let found = look_at(pool, &ids).await;
    let written = turns::commit(pool, &[turn(&found[0], 1), turn(&found[0], 1)]).await.unwrap();
    assert!(matches!(written[..], [Committed::Yes(_), Committed::Stale]), "{written:?}");
}

#[tokio::test]
async fn poison_in_a_group_costs_only_itself() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let ids = conversations(pool, 7).await;
    let mut commits: Vec<_> = look_at(pool, &ids).await.iter().map(|loaded| turn(loaded, 1)).collect();
    commits[3].state = json!({"text": "a\u{0}b"});
    let ledger = ledger_on(pool);
    // A held lock makes the first commit wait, so that the others come together into the next group.
    let mut held = pool.begin().await.unwrap();
    sqlx::query("SELECT FROM gc_channel.conversations WHERE conversation_id = $1 FOR UPDATE")
        .bind(ids[0].0)
        .execute(&mut *held)
        .await
        .unwrap();
    let mut waiting = Vec::new();
    for commit in commits {
        let ledger = ledger.clone();
        waiting.push(tokio::spawn(async move { ledger.commit(commit).await }));
        until(pool, "nobody waits", "SELECT count(*) FROM pg_locks WHERE NOT granted", 1).await;
    }
    held.commit().await.unwrap();
    let written = join_all(waiting).await;
    for (index, outcome) in written.into_iter().enumerate() {
        let outcome = outcome.unwrap();
        assert_eq!(matches!(outcome, Ok(Committed::Yes(_))), index != 3, "turn {index}: {outcome:?}");
    }
}

#[tokio::test]
async fn claims_in_a_group_respect_takeovers_owners_and_what_is_not_due() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let ids = conversations(pool, 5).await;
    let rows = answered(pool, &ids).await;
    takeover::start(pool, &start_of(ids[0])).await.unwrap();
    let newer = Look { conversation_id: ids[1], epoch: Epoch(2), takes_ownership: true };
    loading::look(pool, &[newer]).await.unwrap();
    claims::claim(pool, &[(ids[2], Epoch(1))]).await.unwrap();
    let owners: Vec<_> = ids.iter().map(|id| (*id, Epoch(1))).chain([(ids[1], Epoch(2))]).collect();
    let found = claims::claim(pool, &owners).await.unwrap();
    let claimed = |claim: &Claim| match claim {
        Claim::Row(row) => Some(row.message_id),
        Claim::Later(_) | Claim::Empty => None,
    };
    let got: Vec<_> = found.iter().map(claimed).collect();
    assert_eq!(got, [None, None, None, Some(rows[3]), Some(rows[4]), Some(rows[1])]);
    assert!(matches!(found[2], Claim::Later(_)), "under way, and to be looked at again");
    assert_eq!(status_of(pool, rows[0]).await, "cancelled");
}

#[tokio::test]
async fn a_claim_that_nobody_waits_for_any_more_is_given_back_and_one_whose_call_began_is_not() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let ids = conversations(pool, 2).await;
    let rows = answered(pool, &ids).await;
    let ledger = ledger_on(pool);
    let lock_row = "SELECT FROM gc_channel.messages WHERE message_id = $1 FOR UPDATE";
    let mut held = pool.begin().await.unwrap();
    sqlx::query(lock_row).bind(rows[0].0).execute(&mut *held).await.unwrap();
    let asker = tokio::spawn({
        let (ledger, id) = (ledger.clone(), ids[0]);
        async move { ledger.claim(id, Epoch(1)).await }
    });
    until(pool, "the claim waits for the row", "SELECT count(*) FROM pg_locks WHERE NOT granted", 1).await;
    asker.abort();
    assert!(asker.await.unwrap_err().is_cancelled());
    held.commit().await.unwrap();
    let queued = "SELECT count(*) FROM gc_channel.messages
                  WHERE direction = 'out' AND status = 'queued' AND attempts = 0 AND claimed_at IS NOT NULL";
    until(pool, "the claim came back", queued, 1).await;

    // An actor that ends between its claim and its call.
    let Granted::Row(row) = ledger.claim(ids[0], Epoch(1)).await.unwrap() else { panic!("not claimed") };
    assert_eq!(status_of(pool, rows[0]).await, "sending");
    drop(row);
    until(pool, "the claim came back", queued, 1).await;

    let Granted::Row(row) = ledger.claim(ids[1], Epoch(1)).await.unwrap() else { panic!("not claimed") };
    assert_eq!(row.begin().message_id, rows[1]);
    let Granted::Row(row) = ledger.claim(ids[0], Epoch(1)).await.unwrap() else { panic!("not claimed") };
    row.give_back().await;
    assert_eq!(status_of(pool, rows[0]).await, "queued", "waited for");
    assert_eq!(status_of(pool, rows[1]).await, "sending", "its call may have been made");
}

#[tokio::test]
async fn giving_back_leaves_a_later_claim_alone() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let ids = conversations(pool, 1).await;
    let rows = answered(pool, &ids).await;
    claims::claim(pool, &[(ids[0], Epoch(1))]).await.unwrap();
    // Its owner was thought dead, and a newer one has claimed the row again.
    sqlx::query(
        "UPDATE gc_channel.messages SET status = 'unknown', claimed_at = now() - interval '2 minutes'
                 WHERE message_id = $1",
    )
    .bind(rows[0].0)
    .execute(pool)
    .await
    .unwrap();
    claims::claim(pool, &[(ids[0], Epoch(2))]).await.unwrap();
    outbox::give_back(pool, rows[0], 1).await.unwrap();
    assert_eq!(status_of(pool, rows[0]).await, "sending");
}

#[tokio::test]
async fn a_group_of_sends_is_recorded_with_the_statuses_that_were_faster() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let ids = conversations(pool, 3).await;
    let rows = answered(pool, &ids).await;
    let owners: Vec<_> = ids.iter().map(|id| (*id, Epoch(1))).collect();
    claims::claim(pool, &owners).await.unwrap();
    let early = vec![status("wamid.1", "delivered"), status("wamid.1", "sent"), status("wamid.2", "failed")];
    intake::write(pool, &IntakeBatch { statuses: early, ..IntakeBatch::default() }).await.unwrap();
    let sent: Vec<_> = (0..3).map(|index| (rows[index], format!("wamid.{index}"))).collect();
    claims::mark_sent(pool, &sent).await.unwrap();
    let mut statuses = Vec::new();
    for row in &rows {
        statuses.push(status_of(pool, *row).await);
    }
    assert_eq!(statuses, ["sent", "delivered", "failed"]);
    assert_eq!(count(pool, "SELECT count(*) FROM gc_channel.early_statuses").await, 0);
    let events = "SELECT count(*) FROM gc_channel.event_outbox WHERE routing_key = 'whatsapp.message.sent'";
    assert_eq!(count(pool, events).await, 3);
}

fn status(wamid: &str, status: &str) -> IncomingStatus {
    IncomingStatus {
        wamid: wamid.into(),
        status: status.into(),
        at: Timestamp::from_second(1_767_225_601).unwrap(),
        our_id: None,
        errors: None,
    }
}

/// What each of the workers below does, again and again, on conversations that they all share.
#[derive(Clone, Copy)]
enum Worker {
    Turns,
    Intake,
    Takeovers,
    Sends,
    Statuses,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_of_several_nodes_the_intake_and_takeovers_never_deadlock() {
    const SEED: u64 = 20_260_708;
    const ROUNDS: usize = 60;
    let database = TestDatabase::with_connections(14).await;
    let ids: Arc<[ConversationId]> = conversations(&database.pool, 16).await.into();
    let workers = [
        Worker::Turns,
        Worker::Turns,
        Worker::Turns,
        Worker::Intake,
        Worker::Intake,
        Worker::Takeovers,
        Worker::Takeovers,
        Worker::Sends,
        Worker::Sends,
        Worker::Statuses,
        Worker::Statuses,
    ];
    let working = workers.into_iter().enumerate().map(|(number, worker)| {
        let (pool, ids) = (database.pool.clone(), ids.clone());
        tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(SEED + number as u64);
            let mut committed = 0;
            for round in 0..ROUNDS {
                let mut some = ids.to_vec();
                some.shuffle(&mut random);
                some.truncate(random.random_range(1..=12));
                committed += work(worker, &pool, &some, number * ROUNDS + round).await;
            }
            committed
        })
    });
    let all = timeout(Duration::from_secs(120), join_all(working)).await.expect("nobody waits for ever");
    let committed: i64 = all.into_iter().map(|worker| worker.unwrap_or_else(|error| panic!("{error}"))).sum();
    assert!(committed > 0, "turns were committed meanwhile");
    let replies = "SELECT count(DISTINCT turn_id) FROM gc_channel.messages WHERE direction = 'out'";
    assert_eq!(count(&database.pool, replies).await, committed, "each turn whole or not at all");
    let twice = "SELECT count(*) FROM gc_channel.messages WHERE direction = 'in' AND processed_at IS NULL AND turn_id IS NOT NULL";
    assert_eq!(count(&database.pool, twice).await, 0);
}

/// Does it once; a deadlock would be an error here. Gives how many turns were committed.
async fn work(worker: Worker, pool: &PgPool, some: &[ConversationId], unique: usize) -> i64 {
    match worker {
        Worker::Turns => {
            let look =
                |id: &ConversationId| Look { conversation_id: *id, epoch: Epoch(1), takes_ownership: true };
            let looks: Vec<Look> = some.iter().map(look).collect();
            let found = loading::look(pool, &looks).await.unwrap();
            let commits: Vec<_> = found.into_iter().map(|load| turn(&loaded(load), 1)).collect();
            let written = turns::commit(pool, &commits).await.unwrap();
            written.iter().filter(|one| matches!(one, Committed::Yes(_))).count() as i64
        }
        Worker::Intake => {
            let one =
                |index: usize| message(&format!("{unique}.{index}"), Some(&phone(index * 5 % 16)), None);
            take_in(pool, (0..some.len()).map(one).collect()).await;
            0
        }
        Worker::Takeovers => {
            for id in some.iter().take(3) {
                let started = takeover::start(pool, &start_of(*id)).await;
                assert!(started.is_ok(), "{started:?}");
                match takeover::end(pool, *id, None, None, "done").await {
                    // The other one was faster.
                    Ok(()) | Err(takeover::TakeoverError::NotHeld) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            0
        }
        Worker::Sends => {
            let owners: Vec<_> = some.iter().map(|id| (*id, Epoch(1))).collect();
            let mut sent = Vec::new();
            for claim in claims::claim(pool, &owners).await.unwrap() {
                let Claim::Row(row) = claim else { continue };
                match row.message_id.0.as_u128() % 4 {
                    0 => outbox::give_back(pool, row.message_id, row.attempts).await.unwrap(),
                    1 => outbox::mark_unknown(pool, row.message_id, &json!({})).await.unwrap(),
                    _ => sent.push((row.message_id, format!("wamid.{}", row.message_id))),
                }
            }
            claims::mark_sent(pool, &sent).await.unwrap();
            0
        }
        Worker::Statuses => {
            let ids: Vec<Uuid> = sqlx::query_scalar(
                "SELECT message_id FROM gc_channel.messages WHERE direction = 'out' ORDER BY random() LIMIT 20",
            )
            .fetch_all(pool)
            .await
            .unwrap();
            let told = |id: &Uuid| IncomingStatus {
                our_id: Some(*id).filter(|id| id.as_u128() % 3 > 0),
                ..status(&format!("wamid.{id}"), "delivered")
            };
            let statuses = ids.iter().map(told).collect();
            intake::write(pool, &IntakeBatch { statuses, ..IntakeBatch::default() }).await.unwrap();
            0
        }
    }
}
