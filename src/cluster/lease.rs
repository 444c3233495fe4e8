//! How long this node may act, by its own clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::store::channel::leases::TTL;

/// How long this node may still act as the owner of its partitions, by the monotonic clock: a node that could not renew
/// its leases stops by itself, before another may take over. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Lease {
    renewed: Arc<Mutex<Option<Instant>>>,
}

impl Lease {
    /// A lease acquired by a statement that began at `asked`.
    pub fn acquired(asked: Instant) -> Self {
        let lease = Lease::default();
        lease.renew(asked);
        lease
    }

    /// Renewed by a statement that began at `asked`.
    pub fn renew(&self, asked: Instant) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
    }

    /// Lost for good: another owner has it.
    pub fn lose(&self) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether this node is still the owner.
    pub fn is_valid(&self) -> bool {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        renewed.is_some_and(|at| at.elapsed() < TTL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_runs_out_by_itself_and_can_be_lost() {
        let now = Instant::now();
        let lease = Lease::acquired(now);
        assert!(lease.is_valid() && !Lease::default().is_valid());
        lease.renew(now.checked_sub(TTL).unwrap());
        assert!(!lease.is_valid());
        lease.renew(now);
        lease.lose();
        assert!(!lease.is_valid());
    }
}
