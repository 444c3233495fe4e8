//! What a conversation's actor is doing, for those who look from outside: its partition, which restarts one that stands
//! still, and operators. Written by the actor, read by anybody, and holds nothing that a citizen said.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

/// The main lane's activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Doing {
    /// Nothing; a timer may be set.
    Resting,
    /// The store is being read.
    Looking,
    /// A turn is being thought about.
    Thinking,
    /// A commit or a call is under way.
    Committing,
}

/// The outbox lane's activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Delivering {
    /// Nothing is under way.
    Nothing,
    /// Something is queued, and the number may not send yet, or the store is asked.
    Waiting,
    /// A call to Meta is under way.
    Sending,
    /// How a call ended is being written.
    Recording,
}

/// The state of an actor at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    pub doing: Doing,
    pub doing_since: Instant,
    pub delivering: Delivering,
    pub delivering_since: Instant,
    /// Messages of the turn that is being thought about.
    pub batch: usize,
    /// How often that turn was begun anew for a newer message.
    pub restarts: u32,
    /// It stood still, and is being ended from outside.
    pub given_up: bool,
}

/// The actor's end writes, others read.
#[derive(Clone, Debug)]
pub struct Observation(Arc<Mutex<Observed>>);

impl Default for Observation {
    fn default() -> Self {
        let now = Instant::now();
        Observation(Arc::new(Mutex::new(Observed {
            doing: Doing::Resting,
            doing_since: now,
            delivering: Delivering::Nothing,
            delivering_since: now,
            batch: 0,
            restarts: 0,
            given_up: false,
        })))
    }
}

impl Observation {
    /// The state as it is now.
    pub fn get(&self) -> Observed {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is ended from outside.
    pub fn give_up(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).given_up = true;
    }

    /// The main lane goes on to something else, or to the same anew.
    pub(super) fn doing(&self, doing: Doing, batch: usize, restarts: u32) {
        let mut observed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (observed.doing, observed.doing_since) = (doing, Instant::now());
        (observed.batch, observed.restarts) = (batch, restarts);
    }

    /// The outbox lane goes on.
    pub(super) fn delivering(&self, delivering: Delivering) {
        let mut observed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (observed.delivering, observed.delivering_since) = (delivering, Instant::now());
    }
}

impl Observed {
    /// Whether it stands still where nothing takes this long: every step of the main lane and every call has a deadline of
    /// its own that is shorter. Waiting for a number that is paused, and writing while the database is away, do.
    /// Time before `awake_since` does not count.
    pub fn is_frozen(&self, now: Instant, awake_since: Instant, patience: Duration) -> bool {
        let longer = |since: Instant| now.saturating_duration_since(since.max(awake_since)) > patience;
        (self.doing != Doing::Resting && longer(self.doing_since))
            || (self.delivering == Delivering::Sending && longer(self.delivering_since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_that_has_a_deadline_of_its_own_can_be_frozen() {
        const PATIENCE: Duration = Duration::from_secs(60);
        let observation = Observation::default();
        let begun = Instant::now();
        let later = begun + Duration::from_secs(61);
        for (doing, delivering, frozen) in [
            (Doing::Resting, Delivering::Nothing, false),
            (Doing::Resting, Delivering::Waiting, false),
            (Doing::Resting, Delivering::Recording, false),
            (Doing::Resting, Delivering::Sending, true),
            (Doing::Looking, Delivering::Nothing, true),
            (Doing::Thinking, Delivering::Nothing, true),
            (Doing::Committing, Delivering::Waiting, true),
        ] {
            observation.doing(doing, 0, 0);
            observation.delivering(delivering);
            let now = Instant::now();
            let later = later + now.duration_since(begun);
            assert_eq!(observation.get().is_frozen(later, begun, PATIENCE), frozen, "{doing} {delivering}");
            assert!(!observation.get().is_frozen(now, begun, PATIENCE), "{doing} {delivering}");
            assert!(
                !observation.get().is_frozen(later, later, PATIENCE),
                "nobody could work: {doing} {delivering}"
            );
        }
    }
}
