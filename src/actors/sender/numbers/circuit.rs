//! One number: its bucket, whose rate falls and recovers, and its circuit.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::{NumberView, lock};
use crate::whatsapp::errors::ErrorClass;

/// A lowered rate grows by a tenth of the full one as often as this.
const RECOVERY_STEP: Duration = Duration::from_secs(10);
/// Refusals within this time of a slowing are of messages that were already under way.
const SLOWED_RECENTLY: Duration = Duration::from_secs(1);
/// Pauses of an open circuit double this often at most.
const MOST_DOUBLINGS: u32 = 4;

/// What Meta said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub class: ErrorClass,
    pub code: i64,
    pub title: String,
}

/// Whether a number sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum CircuitState {
    /// It sends.
    Closed,
    /// It does not.
    Open,
    /// One message tries.
    HalfOpen,
}

#[derive(Debug)]
enum Circuit {
    Closed,
    Open {
        until: Instant,
        reason: Reason,
    },
    /// A message is trying.
    Trying {
        reason: Reason,
    },
}

/// What a message that wants to go is told.
pub(super) enum Entry {
    /// Go, as soon as the bucket says so.
    Go(Arc<DefaultDirectRateLimiter>),
    /// Go at once, as the one that tries.
    Try,
    /// Not before then; without a time, not before something changes.
    Wait(Option<Instant>),
}

/// One number.
#[derive(Debug)]
pub(super) struct Number {
    state: Mutex<State>,
    /// Told when something becomes possible.
    pub(super) changed: Notify,
}

#[derive(Debug)]
struct State {
    limiter: Arc<DefaultDirectRateLimiter>,
    full: NonZeroU32,
    per_second: NonZeroU32,
    rate_changed: Instant,
    slow_until: Option<Instant>,
    circuit: Circuit,
    /// Openings in a row.
    openings: u32,
    since: Timestamp,
}

impl State {
    fn set_rate(&mut self, per_second: NonZeroU32, now: Instant) {
        if per_second == self.per_second {
            return;
        }
        self.per_second = per_second;
        self.rate_changed = now;
        // A new bucket starts full: not with a burst above what is being recovered from.
        let burst = match per_second < self.full {
            true => NonZeroU32::MIN,
            false => per_second,
        };
        self.limiter = Arc::new(RateLimiter::direct(Quota::per_second(per_second).allow_burst(burst)));
    }

    fn recover(&mut self, now: Instant) {
        let waited = now.saturating_duration_since(self.rate_changed);
        let steps = (waited.as_secs() / RECOVERY_STEP.as_secs()).min(10) as u32;
        if self.per_second < self.full && steps > 0 {
            let grown = self.per_second.get() + steps * (self.full.get() / 10).max(1);
            self.set_rate(NonZeroU32::new(grown.min(self.full.get())).unwrap_or(self.full), now);
        }
    }

    fn circuit_state(&self, now: Instant) -> CircuitState {
        match &self.circuit {
            Circuit::Closed => CircuitState::Closed,
            Circuit::Open { until, .. } if *until > now => CircuitState::Open,
            Circuit::Open { .. } | Circuit::Trying { .. } => CircuitState::HalfOpen,
        }
    }
}

impl Number {
    pub(super) fn new(full: NonZeroU32, now: Timestamp) -> Self {
        Number {
            state: Mutex::new(State {
                limiter: Arc::new(RateLimiter::direct(Quota::per_second(full))),
                full,
                per_second: full,
                rate_changed: Instant::now(),
                slow_until: None,
                circuit: Circuit::Closed,
                openings: 0,
                since: now,
            }),
            changed: Notify::new(),
        }
    }

    /// Another full rate; a lowered one stays as much below it as it was.
    pub(super) fn set_full(&self, full: NonZeroU32, now: Instant) {
        let mut state = lock(&self.state);
        let scaled = u64::from(state.per_second.get()) * u64::from(full.get()) / u64::from(state.full.get());
        state.full = full;
        let scaled = u32::try_from(scaled).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        state.set_rate(scaled, now);
    }

    /// May a message go?
    pub(super) fn enter(&self, now: Instant, at: Timestamp) -> Entry {
        let mut state = lock(&self.state);
        state.recover(now);
        if let Some(until) = state.slow_until.filter(|until| *until > now) {
            return Entry::Wait(Some(until));
        }
        match &state.circuit {
            Circuit::Closed => Entry::Go(state.limiter.clone()),
            Circuit::Open { until, .. } if *until > now => Entry::Wait(Some(*until)),
            Circuit::Open { reason, .. } => {
                state.circuit = Circuit::Trying { reason: reason.clone() };
                state.since = at;
                Entry::Try
            }
            Circuit::Trying { .. } => Entry::Wait(None),
        }
    }

    pub(super) fn is_closed(&self, now: Instant) -> bool {
        let state = lock(&self.state);
        matches!(state.circuit, Circuit::Closed) && state.slow_until.is_none_or(|until| until <= now)
    }

    /// A message went. True when that closed the circuit: only the message that tried does, one that was under way when
    /// it opened tells of the past.
    pub(super) fn works(&self, tried: bool, now: Timestamp) -> bool {
        let mut state = lock(&self.state);
        match state.circuit {
            Circuit::Closed => state.openings = 0,
            Circuit::Open { .. } | Circuit::Trying { .. } if !tried => {}
            Circuit::Open { .. } | Circuit::Trying { .. } => {
                state.openings = 0;
                state.circuit = Circuit::Closed;
                state.since = now;
                drop(state);
                self.changed.notify_waiters();
                return true;
            }
        }
        false
    }

    /// Opens; gives the pause, or `None` when it was open already.
    pub(super) fn open(
        &self,
        now: Instant,
        at: Timestamp,
        first: Duration,
        reason: Reason,
    ) -> Option<Duration> {
        let mut state = lock(&self.state);
        if matches!(&state.circuit, Circuit::Open { until, .. } if *until > now) {
            return None;
        }
        let pause = first.saturating_mul(1 << state.openings.min(MOST_DOUBLINGS));
        state.openings = state.openings.saturating_add(1);
        state.circuit = Circuit::Open { until: now + pause, reason };
        state.since = at;
        drop(state);
        // Whoever waited for the one that tried waits for the time now.
        self.changed.notify_waiters();
        Some(pause)
    }

    /// The message that tried has not told anything: another may from `next` on.
    pub(super) fn give_up_trial(&self, next: Instant) {
        let mut state = lock(&self.state);
        if let Circuit::Trying { reason } = &state.circuit {
            state.circuit = Circuit::Open { until: next, reason: reason.clone() };
            drop(state);
            self.changed.notify_waiters();
        }
    }

    /// Half the rate and a pause; gives the rate.
    pub(super) fn slow_down(&self, now: Instant, pause: Duration) -> u32 {
        let mut state = lock(&self.state);
        let recently = state.per_second < state.full
            && now.saturating_duration_since(state.rate_changed) < SLOWED_RECENTLY;
        if !recently {
            let half = NonZeroU32::new(state.per_second.get() / 2).unwrap_or(NonZeroU32::MIN);
            state.set_rate(half, now);
            state.slow_until = Some(now + pause);
        }
        let per_second = state.per_second.get();
        drop(state);
        self.give_up_trial(now);
        per_second
    }

    pub(super) fn reset(&self, full: NonZeroU32, at: Timestamp) {
        let mut state = lock(&self.state);
        state.slow_until = None;
        state.openings = 0;
        state.circuit = Circuit::Closed;
        state.since = at;
        state.set_rate(full, Instant::now());
        drop(state);
        self.changed.notify_waiters();
    }

    pub(super) fn state(&self, now: Instant) -> CircuitState {
        lock(&self.state).circuit_state(now)
    }

    pub(super) fn view(&self, id: &str, now: Instant, account: Option<Instant>) -> NumberView {
        let mut state = lock(&self.state);
        state.recover(now);
        let (until, reason) = match &state.circuit {
            Circuit::Closed => (None, None),
            Circuit::Open { until, reason } => (Some(*until), Some(reason.clone())),
            Circuit::Trying { reason } => (None, Some(reason.clone())),
        };
        let until = [until, account, state.slow_until].into_iter().flatten().max();
        NumberView {
            phone_number_id: id.to_owned(),
            state: state.circuit_state(now),
            since: state.since,
            reason,
            per_second: state.per_second.get(),
            paused_s: until.filter(|until| *until > now).map(|until| (until - now).as_secs_f64()),
        }
    }
}
