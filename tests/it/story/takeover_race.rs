//! Takeovers raced against the bot's answers, ten thousand times, two hundred at once: with delays at commit, claim and
//! POST, and the officer coming at a random moment of the turn. Judged by what reached "Meta" (I7).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use govconnect::clock::Clock;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::takeover::take;
use crate::support::database::TestDatabase;
use crate::support::office::{Office, eventually};

const CONVERSATIONS: usize = 200;
const ROUNDS: usize = 50;
/// Milliseconds, at most, from the citizen's words, or from the read receipt with which a turn begins, to the officer.
const OFFICER_COMES_WITHIN: u64 = 60;

/// One conversation's part: where its reading of the log stands, and what it has seen.
struct Contest<'a> {
    office: &'a Office,
    citizen: String,
    id: String,
    random: StdRng,
    after: u64,
    /// The bot's messages that reached "Meta", with their time and our id.
    seen: Vec<(Timestamp, String)>,
}

/// From an acknowledgement on the bot is silent, but for these.
struct Silence {
    asked: Timestamp,
    from: Timestamp,
    in_flight: Vec<String>,
}

impl Contest<'_> {
    /// Everything of this citizen that is new in the log; waits for it up to `wait_ms`.
    async fn read_log(&mut self, wait_ms: u64) -> Vec<Value> {
        let query =
            format!("kind=graph&person={}&limit=1000&after={}&wait_ms={wait_ms}", self.citizen, self.after);
        let page = self.office.log_page(&query).await;
        assert!(page["oldest"].as_u64().unwrap() <= self.after + 1, "the log has forgotten entries");
        self.after = page["next"].as_u64().unwrap();
        let entries = page["entries"].as_array().unwrap().clone();
        for entry in entries.iter().filter(|entry| entry["opaque"].is_string()) {
            let at = entry["at"].as_str().unwrap().parse().unwrap();
            self.seen.push((at, entry["opaque"].as_str().unwrap().to_owned()));
        }
        entries
    }

    /// The citizen writes, the bot begins, the officer comes.
    async fn race(&mut self, clock: &Clock) -> Silence {
        self.office.says(&self.citizen, "halo").await;
        // Half of the officers come before the bot has begun, the others while it is at work.
        if self.random.random_bool(0.5) {
            eventually("the bot begins", async || {
                // A read receipt; or the reply, should that have been lost.
                (!self.read_log(2_000).await.is_empty()).then_some(())
            })
            .await;
        }
        // The moment is the point of the test.
        let delay = self.random.random_range(0..=OFFICER_COMES_WITHIN * 1000);
        tokio::time::sleep(Duration::from_micros(delay)).await;
        let asked = clock.now();
        let taken = eventually("it is taken over", async || {
            let answer = take(self.office, &self.id, "rina", false).await;
            // So many at once may find the database busy; an officer would press the button again.
            (answer.status.as_u16() != 503).then(|| answer.success(200))
        })
        .await;
        let in_flight = taken["in_flight"].as_array().unwrap();
        Silence {
            asked,
            from: clock.now(),
            in_flight: in_flight.iter().map(|id| id.as_str().unwrap().to_owned()).collect(),
        }
    }

    /// Waits until nothing of the bot's can be on its way any more, and judges. Tells how many of its messages came before
    /// the officer asked, and how many between that and the acknowledgement.
    async fn judge(&mut self, silence: &Silence) -> (usize, usize) {
        eventually("nothing is on its way", async || {
            let open = sqlx::query_scalar::<_, i64>(
                "SELECT count(*) FROM gc_channel.messages
                 WHERE conversation_id = $1::uuid AND direction = 'out' AND status IN ('queued', 'sending')",
            )
            .bind(&self.id)
            .fetch_one(&self.office.database.pool)
            .await
            .expect("the database answers");
            (open == 0).then_some(())
        })
        .await;
        self.read_log(0).await;
        for (at, opaque) in &self.seen {
            let allowed = *at <= silence.from || silence.in_flight.contains(opaque);
            assert!(allowed, "I7: {} got {opaque} at {at}, acknowledged at {}", self.citizen, silence.from);
        }
        let all = self.seen.len();
        let before = self.seen.drain(..).filter(|(at, _)| *at < silence.asked).count();
        (before, all - before)
    }

    async fn give_back(&self) {
        let end = format!("/internal/takeover/{}/end", self.id);
        eventually("it is given back", async || {
            let answer = self.office.post(&end, json!({})).await;
            (answer.status.as_u16() != 503).then(|| answer.success(204))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_takeovers_are_followed_by_no_bot_message_but_those_in_flight() {
    let seed: u64 = rand::rng().random();
    eprintln!("seed {seed}");
    let delays = ["turn::commit", "send::claim", "send::post"].map(|step| format!("{step}=return(0-5)"));
    let mut office = Office::closed_on(
        TestDatabase::with_connections(32).await,
        &[
            ("DATABASE__MAX_CONNECTIONS", "16"),
            ("CONVERSATION__QUIET_MS", "0"),
            ("CONVERSATION__GREETING_QUIET_MS", "0"),
            ("WHATSAPP__SEND_PER_S", "100000"),
            ("LOG__LEVEL", "warn"),
            ("FAILPOINTS", &delays.join(";")),
        ],
    )
    .await;
    office.start().await;
    let clock = Clock::system();
    let counters = || AtomicUsize::new(0);
    let (before, amid, silenced, in_flight) = (counters(), counters(), counters(), counters());
    let contests = (0..CONVERSATIONS).map(|number| {
        let (office, clock) = (&office, &clock);
        let (before, amid, silenced, in_flight) = (&before, &amid, &silenced, &in_flight);
        async move {
            let citizen = format!("balap{number}");
            office.citizen(&citizen).await;
            // Known before the race, so that it can be taken over at any moment of it.
            office.says(&citizen, "halo").await;
            office.replies(&citizen, 1).await;
            let id = office.conversation(&citizen).await;
            let random = StdRng::seed_from_u64(seed.wrapping_add(number as u64));
            let mut contest = Contest { office, citizen, id, random, after: 0, seen: Vec::new() };
            contest.read_log(0).await;
            contest.seen.clear();
            for _ in 0..ROUNDS {
                let silence = contest.race(clock).await;
                in_flight.fetch_add(silence.in_flight.len(), Ordering::Relaxed);
                let (early, late) = contest.judge(&silence).await;
                before.fetch_add(early, Ordering::Relaxed);
                amid.fetch_add(late, Ordering::Relaxed);
                silenced.fetch_add(usize::from(early + late == 0), Ordering::Relaxed);
                contest.give_back().await;
            }
        }
    });
    join_all(contests).await;
    let cancelled = office.metric("govconnect_takeover_cancelled_total").await;
    let [before, amid, silenced, in_flight] =
        [&before, &amid, &silenced, &in_flight].map(|counter| counter.load(Ordering::Relaxed));
    eprintln!(
        "{} races: {before} answered before the officer came, {amid} while they did, {in_flight} in flight at the \
         acknowledgement, {silenced} silenced, {cancelled} of these when the answer was queued",
        CONVERSATIONS * ROUNDS
    );
    // The races were races: officers came before, amid and after the bot's message.
    assert!(before > 0 && amid > 0 && silenced > 0, "seed {seed}");
    // The judge of everything else needs the whole log, and this one is longer than what is kept.
    office.is_quiet().await;
    office.close().await;
}
