//! Calls of a model that end in time, whatever the model does: the models of the list one after the other, each behind its
//! circuit, another round after a pause where that may help, and nothing more once the day's money is spent. Counts tokens
//! and cost by what the provider says, also of useless answers.
//!
//! The order of events of one question: every model whose circuit is closed is asked once; only when all of them failed in
//! passing is there another round, after a pause with jitter that no `Retry-After` is cut short by. A question that gets no
//! answer is no error: the builtin has one.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use governor::{DefaultDirectRateLimiter, Quota};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::circuit::Circuit;
use super::{Answer, Model, ProviderError, Structured, Tokens};
use crate::clock::Clock;
use crate::dialogue::understanding::Usage;
use crate::metrics::Metrics;

/// A call with less time than this would only be paid for.
const SHORTEST_CALL: Duration = Duration::from_millis(20);
/// Rounds over the list, for one question.
const ROUNDS: usize = 3;
/// A pause between them is at most so long: the builtin has an answer now.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// Second rounds a minute, of all questions of a node: when a provider is down, repeating keeps it down.
const RETRIES_A_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);
/// Prices are for so many tokens.
const PRICED_TOKENS: f64 = 1e6;

/// A model of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Priced {
    pub name: String,
    /// For a million tokens read.
    pub input_price: f64,
    /// For a million tokens written.
    pub output_price: f64,
}

/// What bounds the calls.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Asked in this order.
    pub models: Vec<Priced>,
    pub call_timeout: Duration,
    /// Calls under way at once.
    pub calls: usize,
    /// So many failures in a row open a model's circuit.
    pub circuit_failures: u32,
    /// For so long.
    pub circuit_pause: Duration,
    /// Of a day, in the currency of the prices; 0 is no bound.
    pub daily_budget: f64,
    /// Whose midnight begins a day.
    pub zone: TimeZone,
}

/// Calls the models of one provider.
pub struct Caller {
    model: Arc<dyn Model>,
    limits: Limits,
    permits: Semaphore,
    circuits: Vec<Circuit>,
    retries: DefaultDirectRateLimiter,
    spent: Mutex<Spent>,
    clock: Clock,
    metrics: Metrics,
}

/// What was spent on the latest day.
#[derive(Default)]
struct Spent {
    day: Date,
    amount: f64,
    warned: bool,
}

/// How a question ended. Without an answer `usage.fallback` says why.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked<T> {
    pub answer: Option<T>,
    pub usage: Usage,
}

impl Caller {
    /// A caller with closed circuits that has spent nothing.
    pub fn new(model: Arc<dyn Model>, limits: Limits, clock: Clock, metrics: Metrics) -> Self {
        Caller {
            permits: Semaphore::new(limits.calls),
            circuits: limits
                .models
                .iter()
                .map(|_| Circuit::new(limits.circuit_failures, limits.circuit_pause))
                .collect(),
            retries: DefaultDirectRateLimiter::direct(Quota::per_minute(RETRIES_A_MINUTE)),
            spent: Mutex::default(),
            model,
            limits,
            clock,
            metrics,
        }
    }

    /// Asks until `deadline` at most. `read` judges an answer; `None` is as good as malformed.
    pub async fn ask<T>(
        &self,
        asked: &Structured,
        deadline: Instant,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Asked<T> {
        let mut usage = Usage::default();
        let answer = self.rounds(asked, deadline, read, &mut usage).await;
        if let (None, Some(reason)) = (&answer, &usage.fallback) {
            self.metrics.ai_fallbacks.with_label_values(&[reason]).inc();
        }
        Asked { answer, usage }
    }

    async fn rounds<T>(
        &self,
        asked: &Structured,
        deadline: Instant,
        read: impl Fn(&Value) -> Option<T>,
        usage: &mut Usage,
    ) -> Option<T> {
        let mut hopeless = vec![false; self.limits.models.len()];
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(2))
            .with_max_times(ROUNDS - 1)
            .with_jitter()
            .build();
        loop {
            let mut asked_somebody = false;
            for (place, priced) in self.limits.models.iter().enumerate() {
                if hopeless[place] {
                    continue;
                }
                if self.is_spent() {
                    usage.fallback = Some("budget".into());
                    return None;
                }
                match self.attempt(place, asked, deadline, &read, usage).await {
                    Ok(answer) => {
                        usage.model.clone_from(&priced.name);
                        return Some(answer);
                    }
                    Err(NotAsked::Failed(error)) => {
                        asked_somebody = true;
                        usage.fallback = Some(error.word().into());
                        hopeless[place] = !error.is_passing();
                    }
                    // What a model failed with says more than that it is left alone now.
                    Err(NotAsked::CircuitOpen) => {
                        usage.fallback.get_or_insert_with(|| "circuit_open".into());
                    }
                    Err(NotAsked::NoTime) => {
                        usage.fallback.get_or_insert_with(|| "deadline".into());
                        return None;
                    }
                }
            }
            let now = Instant::now();
            let waiting = (0..hopeless.len()).filter(|place| !hopeless[*place]);
            // The first of them that may be asked again; one whose circuit is closed may be at once.
            let earliest = waiting.map(|place| self.circuits[place].opens_at().unwrap_or(now)).min()?;
            let next = earliest.max(now + pauses.next()?);
            let soon = next <= now + LONGEST_PAUSE && next + SHORTEST_CALL < deadline;
            // A question that found all circuits open waits for none of them.
            if !asked_somebody || !soon || self.retries.check().is_err() {
                return None;
            }
            sleep(next.saturating_duration_since(now)).await;
        }
    }

    async fn attempt<T>(
        &self,
        place: usize,
        asked: &Structured,
        deadline: Instant,
        read: &impl Fn(&Value) -> Option<T>,
        usage: &mut Usage,
    ) -> Result<T, NotAsked> {
        let no_time = || NotAsked::NoTime;
        // The semaphore is never closed; were it, there would be nobody to ask either.
        let _permit = timeout_at(deadline, self.permits.acquire())
            .await
            .map_err(|_| no_time())?
            .map_err(|_| no_time())?;
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now);
        if left < SHORTEST_CALL {
            return Err(NotAsked::NoTime);
        }
        let trial = self.circuits[place].enter(now).ok_or(NotAsked::CircuitOpen)?;
        let priced = &self.limits.models[place];
        let call = self.model.answer(&priced.name, asked);
        let Answer { result, tokens } = timeout(left.min(self.limits.call_timeout), call)
            .await
            .unwrap_or_else(|_| ProviderError::TimedOut.into());
        let result = result.and_then(|value| read(&value).ok_or(ProviderError::Malformed));
        self.metrics.ai_call_seconds.with_label_values(&[] as &[&str]).observe(now.elapsed().as_secs_f64());
        self.count(priced, tokens, usage);
        let outcome = result.as_ref().map_or_else(ProviderError::word, |_| "answered");
        self.metrics.ai_calls.with_label_values(&[outcome]).inc();
        match &result {
            // A model that keeps something back is alive.
            Ok(_) | Err(ProviderError::Blocked) => trial.succeeded(),
            Err(error) => {
                let opened = trial.failed(Instant::now(), error.retry_after());
                tracing::warn!(model = priced.name, %error, opened, "a call of a model failed");
                if opened {
                    self.metrics.ai_circuits_opened.inc();
                }
            }
        }
        result.map_err(NotAsked::Failed)
    }

    fn count(&self, priced: &Priced, tokens: Tokens, usage: &mut Usage) {
        let cost = (f64::from(tokens.input) * priced.input_price
            + f64::from(tokens.output) * priced.output_price)
            / PRICED_TOKENS;
        usage.tokens = usage.tokens.saturating_add(tokens.input).saturating_add(tokens.output);
        usage.cost += cost;
        for (direction, tokens) in [("input", tokens.input), ("output", tokens.output)] {
            self.metrics.ai_tokens.with_label_values(&[direction]).inc_by(u64::from(tokens));
        }
        self.metrics.ai_cost.inc_by(cost);
        self.today().amount += cost;
    }

    /// Whether today's money is spent. What is under way when it is may still go over it.
    fn is_spent(&self) -> bool {
        let mut spent = self.today();
        let over = self.limits.daily_budget > 0.0 && spent.amount >= self.limits.daily_budget;
        if over && !spent.warned {
            spent.warned = true;
            tracing::warn!(
                daily_budget = self.limits.daily_budget,
                "ai.daily_budget is spent: the builtin alone answers until midnight"
            );
        }
        over
    }

    fn today(&self) -> std::sync::MutexGuard<'_, Spent> {
        let day = self.clock.now().to_zoned(self.limits.zone.clone()).date();
        // A panic while it is held leaves a sum that is right as far as it got.
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.day != day {
            *spent = Spent { day, ..Spent::default() };
        }
        spent
    }
}

/// Why one model gave no answer.
enum NotAsked {
    CircuitOpen,
    NoTime,
    Failed(ProviderError),
}

#[cfg(test)]
mod tests;
