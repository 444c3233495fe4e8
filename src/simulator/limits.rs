//! Token buckets for Meta's rates: so many messages a second from a number, so many to one person. Time is given,
//! so that tests need not wait.

use std::time::Duration;

use tokio::time::Instant;

/// A bucket that starts full and gets one token each `refill`, up to `burst`.
#[derive(Clone, Debug)]
pub(super) struct TokenBucket {
    tokens: f64,
    updated_at: Instant,
}

impl TokenBucket {
    pub fn full(burst: u32, now: Instant) -> Self {
        TokenBucket { tokens: f64::from(burst), updated_at: now }
    }

    /// Takes a token if there is one. The rate is given with each call because a script may change it.
    pub fn take(&mut self, burst: u32, refill: Duration, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.updated_at);
        let gained = elapsed.as_secs_f64() / refill.as_secs_f64().max(f64::EPSILON);
        self.tokens = (self.tokens + gained).min(f64::from(burst));
        self.updated_at = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_gets_its_burst_and_then_one_message_in_six_seconds() {
        let start = Instant::now();
        let refill = Duration::from_secs(6);
        let mut bucket = TokenBucket::full(45, start);
        for _ in 0..45 {
            assert!(bucket.take(45, refill, start));
        }
        assert!(!bucket.take(45, refill, start));
        assert!(!bucket.take(45, refill, start + Duration::from_secs(5)));
        assert!(bucket.take(45, refill, start + Duration::from_millis(6_100)));
        assert!(!bucket.take(45, refill, start + Duration::from_millis(6_200)));
    }

    #[test]
    fn a_bucket_never_holds_more_than_its_burst() {
        let start = Instant::now();
        let mut bucket = TokenBucket::full(2, start);
        let much_later = start + Duration::from_secs(3_600);
        assert!(bucket.take(2, Duration::from_secs(1), much_later));
        assert!(bucket.take(2, Duration::from_secs(1), much_later));
        assert!(!bucket.take(2, Duration::from_secs(1), much_later));
    }
}
