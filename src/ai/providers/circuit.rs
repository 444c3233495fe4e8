//! A model's circuit: after several failures in a row, or when the provider asks to be left alone, nobody calls for a
//! while; then one call tries, and its success closes the circuit.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A provider is believed up to so long when it says when to come again.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);

/// Closed at first.
pub(super) struct Circuit {
    most_failures: u32,
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In a row.
    failures: u32,
    /// Open until then; after it a single call tries.
    open_until: Option<Instant>,
    trying: bool,
}

impl Circuit {
    /// Opens after `most_failures` in a row, for `pause`.
    pub(super) fn new(most_failures: u32, pause: Duration) -> Self {
        Circuit { most_failures, pause, state: Mutex::default() }
    }

    /// A call that may be made now; `None` while the circuit is open, or another call tries.
    pub(super) fn enter(&self, now: Instant) -> Option<Entered<'_>> {
        let mut state = self.state();
        let tries = match state.open_until {
            None => false,
            Some(until) if now < until || state.trying => return None,
            Some(_) => true,
        };
        state.trying = tries;
        Some(Entered { circuit: self, tries, settled: false })
    }

    /// When somebody may call again; `None` when that is at once.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        self.state().open_until
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is done while it is held that could leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way. One that is dropped (a newer message came) says nothing of the model.
pub(super) struct Entered<'a> {
    circuit: &'a Circuit,
    tries: bool,
    settled: bool,
}

impl Entered<'_> {
    /// The model is well.
    pub(super) fn succeeded(mut self) {
        self.settled = true;
        *self.circuit.state() = State::default();
    }

    /// It is not; true when that opened the circuit.
    pub(super) fn failed(mut self, now: Instant, leave_alone: Option<Duration>) -> bool {
        self.settled = true;
        let mut state = self.circuit.state();
        state.failures = state.failures.saturating_add(1);
        if self.tries {
            state.trying = false;
        }
        let was_open = state.open_until.is_some_and(|until| until > now);
        let asked = leave_alone.map(|pause| now + pause.min(LONGEST_PAUSE));
        let due = (state.failures >= self.circuit.most_failures).then(|| now + self.circuit.pause);
        if let Some(until) = asked.max(due) {
            state.open_until = Some(state.open_until.map_or(until, |before| before.max(until)));
        }
        !was_open && state.open_until.is_some_and(|until| until > now)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if !self.settled && self.tries {
            self.circuit.state().trying = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(30);

    #[test]
    fn it_opens_after_failures_in_a_row_and_one_call_closes_it() {
        let circuit = Circuit::new(2, PAUSE);
        let start = Instant::now();
        assert!(!circuit.enter(start).unwrap().failed(start, None));
        circuit.enter(start).unwrap().succeeded();
        assert!(!circuit.enter(start).unwrap().failed(start, None));
        assert!(circuit.enter(start).unwrap().failed(start, None));
        assert!(circuit.enter(start).is_none());
        assert_eq!(circuit.opens_at(), Some(start + PAUSE));

        let later = start + PAUSE;
        let trial = circuit.enter(later).unwrap();
        assert!(circuit.enter(later).is_none(), "only one tries");
        assert!(trial.failed(later, None));
        assert!(circuit.enter(later).is_none());

        let much_later = later + PAUSE;
        drop(circuit.enter(much_later).unwrap());
        circuit.enter(much_later).unwrap().succeeded();
        assert!(circuit.enter(much_later).is_some() && circuit.enter(much_later).is_some());
    }

    #[test]
    fn a_provider_that_asks_for_it_is_left_alone() {
        let circuit = Circuit::new(5, PAUSE);
        let start = Instant::now();
        let asked = Duration::from_secs(60);
        assert!(circuit.enter(start).unwrap().failed(start, Some(asked)));
        assert!(circuit.enter(start + asked - Duration::from_millis(1)).is_none());
        assert!(circuit.enter(start + asked).is_some());
    }
}
