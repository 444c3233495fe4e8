//! The one place that reads the wall clock. Everything else is told the time, so tests can hold it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Where "now" comes from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Clock(Source::System)
    }

    /// A clock that stands at `at` until [`Clock::set`] moves it; for tests.
    pub fn fixed(at: Timestamp) -> Self {
        Clock(Source::Fixed(Arc::new(AtomicI64::new(at.as_millisecond()))))
    }

    /// The present moment. A fixed clock has millisecond precision.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the clock that everything else goes through"
            )]
            Source::System => Timestamp::now(),
            Source::Fixed(milliseconds) => Timestamp::from_millisecond(milliseconds.load(Ordering::SeqCst))
                .unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }

    /// Moves a fixed clock; the system clock is left alone.
    pub fn set(&self, at: Timestamp) {
        if let Source::Fixed(milliseconds) = &self.0 {
            milliseconds.store(at.as_millisecond(), Ordering::SeqCst);
        }
    }
}
