//! The ledger: where the conversations of a node read and write the store, many in one statement. It does for turns
//! what the intake does for webhooks: while one group is under way the next one gathers; there is no timer.
//!
//! Each conversation still succeeds or fails by itself. A group that the database refuses is halved until the bad one
//! stands alone; only an outage is told to all. A claim that nobody waits for any more is given back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::Retryable;
use futures::future::BoxFuture;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

use super::supervision::{self, Vital};
use crate::ids::{ConversationId, Epoch, MessageId};
use crate::metrics::Metrics;
use crate::retry;
use crate::store::StoreError;
use crate::store::channel::claims::{self, Claim, Claimed};
use crate::store::channel::conversation::{Committed, Load, TurnCommit};
use crate::store::channel::loading::{self, Look};
use crate::store::channel::statuses::Applied;
use crate::store::channel::{outbox, turns};

/// Conversations in one statement. More only lengthen the wait of the first.
const GROUP: usize = 256;
/// The pause before a claim is given back again that could not be.
const GIVE_BACK_PAUSE: Duration = Duration::from_millis(500);

/// Why the ledger did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// The node is going down.
    #[error("the ledger has ended")]
    Ended,
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        LedgerError::Store(Arc::new(error))
    }
}

/// Something asked for, and where its answer is waited for.
pub struct Asked<Q, A> {
    pub ask: Q,
    pub answer: oneshot::Sender<Result<A, LedgerError>>,
}

/// The end of a lane at which is asked. Its length is bounded by the conversations in memory: each asks one thing of
/// a lane at a time.
type Lane<Q, A> = mpsc::UnboundedSender<Asked<Q, A>>;
/// The other end.
pub type Asks<Q, A> = mpsc::UnboundedReceiver<Asked<Q, A>>;

/// Where conversations ask. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    looks: Lane<Look, Load>,
    turns: Lane<TurnCommit, Committed>,
    claims: Lane<(ConversationId, Epoch), Granted>,
    sent: Lane<(MessageId, String), ()>,
}

/// Where the asks arrive: [`run`] answers them from the store.
pub struct LedgerQueues {
    pub looks: Asks<Look, Load>,
    pub turns: Asks<TurnCommit, Committed>,
    pub claims: Asks<(ConversationId, Epoch), Granted>,
    pub sent: Asks<(MessageId, String), ()>,
    unused: mpsc::UnboundedReceiver<Unused>,
    /// For the claims that are granted.
    give_back: mpsc::UnboundedSender<Unused>,
}

/// A claim that is to be given back.
#[derive(Debug)]
struct Unused {
    message_id: MessageId,
    attempt: i32,
    done: Option<oneshot::Sender<()>>,
}

/// What a claim found; a row in it goes back to the queue unless it is used.
#[derive(Debug)]
pub enum Granted {
    Row(Box<ClaimedRow>),
    Later(Duration),
    Empty,
}

/// A claimed row. Dropped without [`ClaimedRow::begin`], it is given back: whoever wanted to send it is gone.
#[derive(Debug)]
pub struct ClaimedRow {
    claimed: Claimed,
    asked: Instant,
    way_back: WayBack,
}

/// Gives a claim back when it is dropped, unless told not to.
#[derive(Debug)]
struct WayBack {
    unused: Option<Unused>,
    queue: mpsc::UnboundedSender<Unused>,
}

impl Drop for WayBack {
    fn drop(&mut self) {
        if let Some(unused) = self.unused.take() {
            // Without a ledger the node is going down: the next start finds the row claimed by a dead owner.
            drop(self.queue.send(unused));
        }
    }
}

impl ClaimedRow {
    /// What was claimed.
    pub fn claimed(&self) -> &Claimed {
        &self.claimed
    }

    fn new(claimed: Claimed, asked: Instant, queue: mpsc::UnboundedSender<Unused>) -> Self {
        let unused = Unused { message_id: claimed.message_id, attempt: claimed.attempts, done: None };
        ClaimedRow { claimed, asked, way_back: WayBack { unused: Some(unused), queue } }
    }

    /// When the claim's statement began; the call must begin within 2 s of it.
    pub fn asked(&self) -> Instant {
        self.asked
    }

    /// From here on the call may have been made: the row is no longer given back by itself.
    pub fn begin(mut self) -> Claimed {
        self.way_back.unused = None;
        self.claimed
    }

    /// Gives it back and waits until that is on disk.
    pub async fn give_back(mut self) {
        let (done, given_back) = oneshot::channel();
        if let Some(unused) = &mut self.way_back.unused {
            unused.done = Some(done);
        }
        drop(self);
        // An error means that the node is going down.
        drop(given_back.await);
    }
}

/// A ledger, and the ends at which its asks arrive.
pub fn queues() -> (Ledger, LedgerQueues) {
    let (looks, looks_asked) = mpsc::unbounded_channel();
    let (turns, turns_asked) = mpsc::unbounded_channel();
    let (claims, claims_asked) = mpsc::unbounded_channel();
    let (sent, sent_asked) = mpsc::unbounded_channel();
    let (give_back, unused) = mpsc::unbounded_channel();
    let queues = LedgerQueues {
        looks: looks_asked,
        turns: turns_asked,
        claims: claims_asked,
        sent: sent_asked,
        unused,
        give_back,
    };
    (Ledger { looks, turns, claims, sent }, queues)
}

async fn ask<Q, A>(lane: &Lane<Q, A>, ask: Q) -> Result<A, LedgerError> {
    let (answer, answered) = oneshot::channel();
    lane.send(Asked { ask, answer }).map_err(|_| LedgerError::Ended)?;
    answered.await.map_err(|_| LedgerError::Ended)?
}

impl Ledger {
    /// What is open in a conversation.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing has changed.
    pub async fn look(&self, look: Look) -> Result<Load, LedgerError> {
        ask(&self.looks, look).await
    }

    /// Commits a turn. It may be committed even if nobody waits for the answer any more.
    ///
    /// # Errors
    /// [`LedgerError`]; after an outage it is not known whether the turn was committed: look again.
    pub async fn commit(&self, turn: TurnCommit) -> Result<Committed, LedgerError> {
        ask(&self.turns, turn).await
    }

    /// Claims the first row that may be sent.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn claim(&self, id: ConversationId, epoch: Epoch) -> Result<Granted, LedgerError> {
        ask(&self.claims, (id, epoch)).await
    }

    /// Records that Meta took a message.
    ///
    /// # Errors
    /// [`LedgerError`]; it must be recorded again.
    pub async fn sent(&self, id: MessageId, wamid: String) -> Result<(), LedgerError> {
        ask(&self.sent, (id, wamid)).await
    }
}

/// Answers from the store until every [`Ledger`] is gone. A panic in here stops the node: a group that was lost
/// half-way may hold claims that only the next start finds.
pub fn start(queues: LedgerQueues, pool: &PgPool, metrics: &Metrics, vital: &Vital) {
    let LedgerQueues { looks, turns, claims, sent, unused, give_back } = queues;
    let spawn = |lane: BoxFuture<'static, ()>| supervision::spawn_vital("ledger", metrics, vital, lane);
    let pool = || pool.clone();
    spawn(Box::pin(drain(looks, pool(), |pool, asks| Box::pin(loading::look(pool, asks)), |load| load)));
    spawn(Box::pin(drain(turns, pool(), |pool, asks| Box::pin(turns::commit(pool, asks)), |done| done)));
    spawn(Box::pin(drain(
        claims,
        pool(),
        |pool, asks| Box::pin(claim(pool, asks)),
        move |found| match found {
            (Claim::Row(claimed), asked) => {
                Granted::Row(Box::new(ClaimedRow::new(*claimed, asked, give_back.clone())))
            }
            (Claim::Later(wait), _) => Granted::Later(wait),
            (Claim::Empty, _) => Granted::Empty,
        },
    )));
    let counted = metrics.clone();
    spawn(Box::pin(drain(
        sent,
        pool(),
        |pool, asks| Box::pin(mark_sent(pool, asks)),
        move |told: Applied| {
            told.priced.iter().for_each(|pricing| counted.count_price(pricing));
            told.dead_letters.iter().for_each(|error| counted.count_dead_letter(error));
        },
    )));
    spawn(Box::pin(take_back(unused, pool())));
}

async fn claim(
    pool: &PgPool,
    owners: &[(ConversationId, Epoch)],
) -> Result<Vec<(Claim, Instant)>, StoreError> {
    let asked = Instant::now();
    let error = match claims::claim(pool, owners).await {
        Ok(claims) => return Ok(claims.into_iter().map(|claim| (claim, asked)).collect()),
        Err(error) => error,
    };
    if matches!(error, StoreError::Unavailable(_)) {
        // It may have been committed all the same. Nobody was told, so no call was made: the rows go back before
        // anything else is claimed, or they would wait for a status that never comes.
        // Only an outage is waited for; anything else must not hold up everybody's claims, and a minute later the rows go on.
        (|| claims::give_back_unanswered(pool, owners))
            .retry(retry::until_it_works())
            .when(|error| matches!(error, StoreError::Unavailable(_)))
            .await?;
    }
    Err(error)
}

/// What early statuses told is counted once, with the first of the group.
async fn mark_sent(pool: &PgPool, sent: &[(MessageId, String)]) -> Result<Vec<Applied>, StoreError> {
    let mut told = vec![Applied::default(); sent.len()];
    let all = claims::mark_sent(pool, sent).await?;
    if let Some(first) = told.first_mut() {
        *first = all;
    }
    Ok(told)
}

/// What does a group's work: one answer for each, in order.
type Work<Q, A> = for<'a> fn(&'a PgPool, &'a [Q]) -> BoxFuture<'a, Result<Vec<A>, StoreError>>;

async fn drain<Q, A, B>(
    mut asks: Asks<Q, B>,
    pool: PgPool,
    work: Work<Q, A>,
    finish: impl Fn(A) -> B + Send + 'static,
) where
    Q: Send + Sync + 'static,
    A: Send + 'static,
    B: Send + 'static,
{
    let mut group = Vec::new();
    while asks.recv_many(&mut group, GROUP).await > 0 {
        // Whoever has gone since asking needs no answer; a turn that nobody waits for is made again by the next look.
        let (asked, waiting): (Vec<Q>, Vec<_>) = group
            .drain(..)
            .filter(|asked| !asked.answer.is_closed())
            .map(|asked| (asked.ask, asked.answer))
            .unzip();
        let answers = each(&pool, work, &asked).await;
        for (waiting, answer) in waiting.into_iter().zip(answers) {
            // An answer that is not taken is dropped here, and a claim in it goes back.
            drop(waiting.send(answer.map(&finish)));
        }
    }
}

/// Answers each; what concerns some is halved until it stands alone, an outage concerns all.
fn each<'a, Q, A>(
    pool: &'a PgPool,
    work: Work<Q, A>,
    asks: &'a [Q],
) -> BoxFuture<'a, Vec<Result<A, LedgerError>>>
where
    Q: Send + Sync,
    A: Send + 'a,
{
    Box::pin(async move {
        if asks.is_empty() {
            return Vec::new();
        }
        let error = match work(pool, asks).await {
            Ok(answers) => return answers.into_iter().map(Ok).collect(),
            Err(error) => error,
        };
        if asks.len() > 1 && !matches!(error, StoreError::Unavailable(_)) {
            let (left, right) = asks.split_at(asks.len() / 2);
            let mut answers = each(pool, work, left).await;
            answers.extend(each(pool, work, right).await);
            return answers;
        }
        let error = Arc::new(error);
        asks.iter().map(|_| Err(LedgerError::Store(error.clone()))).collect()
    })
}

/// Gives claims back until the database has taken it.
async fn take_back(mut unused: mpsc::UnboundedReceiver<Unused>, pool: PgPool) {
    while let Some(claim) = unused.recv().await {
        while let Err(error) = outbox::give_back(&pool, claim.message_id, claim.attempt).await {
            tracing::warn!(message.id = %claim.message_id, %error, "a claim is given back again");
            tokio::time::sleep(GIVE_BACK_PAUSE).await;
        }
        if let Some(done) = claim.done {
            // Nobody may be waiting any more.
            let _ = done.send(());
        }
    }
}
