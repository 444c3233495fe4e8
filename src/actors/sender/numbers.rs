//! How fast, and whether at all, each of the office's numbers may send: its bucket, its circuit, the account it
//! belongs to, and the pace of each pair of number and person. In memory only: after a start the first message tries.
//!
//! A circuit is closed (all go), open (none go until a time) or half open (one message tries; its end decides). The
//! queue of a number whose circuit is open stays as it is; its conversations wait in [`Numbers::turn`].

mod circuit;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;
use rand::RngExt;

use crate::clock::Clock;
use crate::config;
use crate::ids::ConversationId;
use crate::metrics::Metrics;
use crate::whatsapp::errors::{CallError, ErrorClass};

pub use circuit::{CircuitState, Reason};
use circuit::{Entry, Number};

/// The rates and pauses, from the settings.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Messages a number may send in a second.
    pub per_second: NonZeroU32,
    /// Messages one person may get at once.
    pub pair_burst: NonZeroU32,
    /// After the burst, one message in this time.
    pub pair_refill: Duration,
    /// The first pause after an error that the operator must act on; doubles while it stays.
    pub circuit_pause: Duration,
    /// The first pause after a spam limit; doubles while it stays.
    pub spam_pause: Duration,
    /// The first pause of all numbers when the account is too fast; doubles while it stays.
    pub account_pause: Duration,
}

impl From<&config::WhatsApp> for Pace {
    fn from(settings: &config::WhatsApp) -> Self {
        let at_least_one = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Pace {
            per_second: at_least_one(settings.send_per_s),
            pair_burst: at_least_one(settings.pair_burst),
            pair_refill: Duration::from_millis(settings.pair_refill_ms),
            circuit_pause: Duration::from_millis(settings.circuit_pause_ms),
            spam_pause: Duration::from_millis(settings.spam_pause_ms),
            account_pause: Duration::from_millis(settings.account_pause_ms),
        }
    }
}

/// The longest pause of the account.
const LONGEST_ACCOUNT_PAUSE: Duration = Duration::from_secs(600);
/// The pause of a number that was too fast, beside its lower rate.
const SLOWER_PAUSE: Duration = Duration::from_secs(1);
/// The pause after a message that tried a half open circuit and whose end tells nothing about the number.
const UNDECIDED_PAUSE: Duration = Duration::from_secs(1);

/// All numbers of this node. Cheap to clone.
#[derive(Clone)]
pub struct Numbers {
    shared: Arc<Shared>,
}

struct Shared {
    pace: Pace,
    clock: Clock,
    metrics: Metrics,
    numbers: Mutex<HashMap<String, Arc<Number>>>,
    /// Nodes that send from the same numbers, this one among them.
    senders: AtomicU32,
    account: Mutex<Account>,
    pairs: DefaultKeyedRateLimiter<ConversationId>,
}

#[derive(Default)]
struct Account {
    closed_until: Option<Instant>,
    refusals: u32,
}

/// The right to make one call. Dropped without a call, it is as if it had not been given.
#[derive(Debug)]
pub struct Turn {
    number: Arc<Number>,
    /// Of a half open circuit: this is the message that tries.
    trial: bool,
}

/// A number as operators see it.
#[derive(Clone, Debug)]
pub struct NumberView {
    pub phone_number_id: String,
    pub state: CircuitState,
    /// Since when it is in this state.
    pub since: Timestamp,
    pub reason: Option<Reason>,
    /// Messages a second that it sends at present.
    pub per_second: u32,
    /// Seconds until it may try again.
    pub paused_s: Option<f64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A little longer, so that many do not come back at once.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(1.0..1.25))
}

impl Numbers {
    /// All circuits closed, all buckets full.
    pub fn new(pace: Pace, clock: Clock, metrics: Metrics) -> Self {
        let quota = Quota::with_period(pace.pair_refill.max(Duration::from_millis(1)))
            .unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN))
            .allow_burst(pace.pair_burst);
        Numbers {
            shared: Arc::new(Shared {
                pace,
                clock,
                metrics,
                numbers: Mutex::new(HashMap::new()),
                senders: AtomicU32::new(1),
                account: Mutex::new(Account::default()),
                pairs: RateLimiter::keyed(quota),
            }),
        }
    }

    /// So many nodes send, this one among them: each takes its share of every number's rate, because Meta counts the
    /// number and not our nodes.
    pub fn share_with(&self, senders: usize) {
        let senders = u32::try_from(senders).unwrap_or(u32::MAX).max(1);
        if self.shared.senders.swap(senders, Ordering::Relaxed) == senders {
            return;
        }
        let full = self.full_rate();
        for number in lock(&self.shared.numbers).values() {
            number.set_full(full, Instant::now());
        }
    }

    /// This node's share of a number's rate.
    fn full_rate(&self) -> NonZeroU32 {
        let share = self.shared.pace.per_second.get() / self.shared.senders.load(Ordering::Relaxed);
        NonZeroU32::new(share).unwrap_or(NonZeroU32::MIN)
    }

    fn number(&self, phone_number_id: &str) -> Arc<Number> {
        let mut numbers = lock(&self.shared.numbers);
        if let Some(number) = numbers.get(phone_number_id) {
            return number.clone();
        }
        let number = Arc::new(Number::new(self.full_rate(), self.shared.clock.now()));
        numbers.insert(phone_number_id.to_owned(), number.clone());
        drop(numbers);
        self.count_states();
        number
    }

    /// Waits until one message may go from the number to the person of the conversation.
    pub async fn turn(&self, phone_number_id: &str, conversation: ConversationId) -> Turn {
        if self.shared.pairs.check_key(&conversation).is_err() {
            self.shared.metrics.pair_waits.inc();
            self.shared.pairs.until_key_ready(&conversation).await;
        }
        let number = self.number(phone_number_id);
        loop {
            // Registered before looking, so that a change in between is not missed.
            let told = number.clone();
            let mut changed = pin!(told.changed.notified());
            changed.as_mut().enable();
            let until = match self.account_pause() {
                Some(until) => Some(until),
                None => match number.enter(Instant::now(), self.shared.clock.now()) {
                    Entry::Go(limiter) => {
                        limiter.until_ready().await;
                        // It may have been closed meanwhile.
                        if number.is_closed(Instant::now()) && self.account_pause().is_none() {
                            return Turn { number, trial: false };
                        }
                        continue;
                    }
                    Entry::Try => {
                        self.count_states();
                        return Turn { number, trial: true };
                    }
                    Entry::Wait(until) => until,
                },
            };
            match until {
                Some(until) => {
                    let pause = jittered(until.saturating_duration_since(Instant::now()));
                    drop(tokio::time::timeout(pause, changed).await);
                }
                None => changed.await,
            }
        }
    }

    fn account_pause(&self) -> Option<Instant> {
        lock(&self.shared.account).closed_until.filter(|until| *until > Instant::now())
    }

    /// Tells how the call of a turn ended.
    pub fn ended(&self, phone_number_id: &str, turn: Turn, error: Option<&CallError>) {
        let reason = match error {
            // What Meta says about the message or the person, it says of a number that works.
            None => return self.works(turn),
            Some(CallError::Refused { class, code, title, .. }) => {
                Reason { class: *class, code: *code, title: title.clone() }
            }
            Some(_) => return self.undecided(turn),
        };
        match reason.class {
            ErrorClass::PersonLater
            | ErrorClass::Media
            | ErrorClass::MessageWrong
            | ErrorClass::Unreachable => self.works(turn),
            ErrorClass::Transient => self.undecided(turn),
            _ => self.refused(phone_number_id, reason),
        }
    }

    fn works(&self, mut turn: Turn) {
        let tried = std::mem::take(&mut turn.trial);
        let mut account = lock(&self.shared.account);
        // A call that was under way when the account was paused tells of the time before.
        if account.closed_until.is_some_and(|until| until <= Instant::now()) {
            *account = Account::default();
        }
        drop(account);
        if turn.number.works(tried, self.shared.clock.now()) {
            tracing::info!("a number sends again");
            self.count_states();
        }
    }

    fn undecided(&self, mut turn: Turn) {
        if std::mem::take(&mut turn.trial) {
            turn.number.give_up_trial(Instant::now() + UNDECIDED_PAUSE);
        }
    }

    /// Meta says something about the number or the account, in an answer or later in a status.
    pub fn refused(&self, phone_number_id: &str, reason: Reason) {
        let number = self.number(phone_number_id);
        let pace = &self.shared.pace;
        let now = Instant::now();
        match reason.class {
            ErrorClass::NumberSlower => {
                let per_second = number.slow_down(now, jittered(SLOWER_PAUSE));
                tracing::warn!(code = reason.code, per_second, "a number sends more slowly");
            }
            ErrorClass::AccountSlower => {
                let mut account = lock(&self.shared.account);
                // Many calls under way are refused at once; they count as one.
                if account.closed_until.is_none_or(|until| until <= now) {
                    let doubled = pace.account_pause.saturating_mul(1 << account.refusals.min(16));
                    account.refusals = account.refusals.saturating_add(1);
                    let pause = jittered(doubled.min(LONGEST_ACCOUNT_PAUSE));
                    account.closed_until = Some(now + pause);
                    tracing::warn!(
                        code = reason.code,
                        pause_s = pause.as_secs(),
                        "all numbers pause sending"
                    );
                }
                drop(account);
                number.give_up_trial(now);
            }
            ErrorClass::SpamLimit | ErrorClass::Operator => {
                let first = match reason.class {
                    ErrorClass::SpamLimit => pace.spam_pause,
                    _ => pace.circuit_pause,
                };
                let (class, code) = (reason.class, reason.code);
                if let Some(pause) = number.open(now, self.shared.clock.now(), first, reason) {
                    let class_name: &str = class.into();
                    self.shared.metrics.number_alerts.with_label_values(&[class_name]).inc();
                    tracing::error!(
                        number.id = phone_number_id,
                        code,
                        class = class_name,
                        pause_s = pause.as_secs(),
                        "a number stops sending until the operator acts; its queue is kept"
                    );
                    self.count_states();
                }
            }
            _ => {}
        }
    }

    /// The operator has acted: everything may go at full rate at once. False when nothing was ever sent from it.
    pub fn resume(&self, phone_number_id: &str) -> bool {
        let number = lock(&self.shared.numbers).get(phone_number_id).cloned();
        let Some(number) = number else { return false };
        *lock(&self.shared.account) = Account::default();
        number.reset(self.full_rate(), self.shared.clock.now());
        // The account's pause was everybody's.
        for other in lock(&self.shared.numbers).values() {
            other.changed.notify_waiters();
        }
        self.count_states();
        true
    }

    /// Every number that has been used, by id.
    pub fn view(&self) -> Vec<NumberView> {
        let now = Instant::now();
        let account = self.account_pause();
        let numbers = lock(&self.shared.numbers);
        let mut views: Vec<NumberView> =
            numbers.iter().map(|(id, number)| number.view(id, now, account)).collect();
        drop(numbers);
        views.sort_by(|a, b| a.phone_number_id.cmp(&b.phone_number_id));
        views
    }

    /// Forgets pairs that are as fresh as new ones; to be called now and then.
    pub fn forget_idle_pairs(&self) {
        self.shared.pairs.retain_recent();
        self.shared.pairs.shrink_to_fit();
        // An open circuit becomes half open by the clock alone.
        self.count_states();
    }

    fn count_states(&self) {
        let now = Instant::now();
        let numbers = lock(&self.shared.numbers);
        for state in [CircuitState::Closed, CircuitState::Open, CircuitState::HalfOpen] {
            let count = numbers.values().filter(|number| number.state(now) == state).count();
            let name: &str = state.into();
            self.shared.metrics.numbers.with_label_values(&[name]).set(count as i64);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.trial {
            // No call was made: another message may try at once.
            self.number.give_up_trial(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests;
