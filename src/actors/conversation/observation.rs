//! What a conversation's actor is doing, for those who look from outside: its partition, which restarts one that stands
//! still, and operators. Written by the actor, read by anybody, and holds nothing that a citizen said.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
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

/// The actor's end writes, others read. There is one for each conversation in memory, so it is small: moments are kept as
/// tenths of a second of the process.
#[derive(Clone, Debug)]
pub struct Observation(Arc<Mutex<Noted>>);

#[derive(Debug)]
struct Noted {
    doing_since: Moment,
    delivering_since: Moment,
    batch: u16,
    restarts: u8,
    doing: Doing,
    delivering: Delivering,
    given_up: bool,
}

/// Tenths of a second since the process first asked: enough for thirteen years, and finer than anybody looks.
#[derive(Clone, Copy, Debug)]
struct Moment(u32);

static FIRST_MOMENT: LazyLock<Instant> = LazyLock::new(Instant::now);
const TENTH: Duration = Duration::from_millis(100);

impl Moment {
    fn now() -> Self {
        let tenths = FIRST_MOMENT.elapsed().as_millis() / TENTH.as_millis();
        Moment(u32::try_from(tenths).unwrap_or(u32::MAX))
    }

    /// At or a little before what it stands for.
    fn instant(self) -> Instant {
        *FIRST_MOMENT + TENTH * self.0
    }
}

impl Default for Observation {
    fn default() -> Self {
        let now = Moment::now();
        Observation(Arc::new(Mutex::new(Noted {
            doing_since: now,
            delivering_since: now,
            batch: 0,
            restarts: 0,
            doing: Doing::Resting,
            delivering: Delivering::Nothing,
            given_up: false,
        })))
    }
}

impl Observation {
    /// The state as it is now.
    pub fn get(&self) -> Observed {
        let noted = self.noted();
        Observed {
            doing: noted.doing,
            doing_since: noted.doing_since.instant(),
            delivering: noted.delivering,
            delivering_since: noted.delivering_since.instant(),
            batch: noted.batch.into(),
            restarts: noted.restarts.into(),
            given_up: noted.given_up,
        }
    }

    /// It is ended from outside.
    pub fn give_up(&self) {
        self.noted().given_up = true;
    }

    /// The main lane goes on to something else, or to the same anew.
    pub(super) fn doing(&self, doing: Doing, batch: usize, restarts: u32) {
        let mut noted = self.noted();
        (noted.doing, noted.doing_since) = (doing, Moment::now());
        noted.batch = u16::try_from(batch).unwrap_or(u16::MAX);
        noted.restarts = u8::try_from(restarts).unwrap_or(u8::MAX);
    }

    /// The outbox lane goes on.
    pub(super) fn delivering(&self, delivering: Delivering) {
        let mut noted = self.noted();
        (noted.delivering, noted.delivering_since) = (delivering, Moment::now());
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
