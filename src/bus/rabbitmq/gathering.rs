//! What waits to be told, each once: whatever comes while some of it is on its way, or shortly after, goes together.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::bus::duty::Stop;

/// Things that wait, each once, up to a bound.
#[derive(Debug)]
pub struct Gathering<T> {
    waiting: Mutex<BTreeSet<T>>,
    some: Notify,
    most: usize,
}

impl<T: Copy + Ord> Gathering<T> {
    /// Keeps at most so many.
    pub fn new(most: usize) -> Self {
        Gathering { waiting: Mutex::default(), some: Notify::new(), most }
    }

    /// Adds them; for how many there was no room.
    pub fn add(&self, things: &[T]) -> u64 {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut dropped = 0;
        for thing in things {
            if waiting.len() < self.most || waiting.contains(thing) {
                waiting.insert(*thing);
            } else {
                dropped += 1;
            }
        }
        drop(waiting);
        self.some.notify_one();
        dropped
    }

    /// What waits, a batch at a time, with a `pause` after each; the last one when the duty is asked to stop.
    pub fn batches(&self, pause: Duration, stop: Stop) -> Batches<'_, T> {
        Batches { gathering: self, pause: None, between: pause, stop, last: false }
    }

    fn take(&self) -> Vec<T> {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().collect()
    }
}

/// The batches of a [`Gathering`], in order.
pub struct Batches<'a, T> {
    gathering: &'a Gathering<T>,
    /// To be waited before the next.
    pause: Option<Duration>,
    between: Duration,
    stop: Stop,
    last: bool,
}

impl<T: Copy + Ord> Batches<'_, T> {
    /// The next batch, empty now and then; none after the last.
    pub async fn next(&mut self) -> Option<Vec<T>> {
        if self.last {
            return None;
        }
        if let Some(pause) = self.pause.replace(self.between) {
            tokio::time::sleep(pause).await;
        }
        tokio::select! {
            () = self.gathering.some.notified() => {}
            () = self.stop.asked() => self.last = true,
        }
        Some(self.gathering.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_waits_once_and_no_more_than_there_is_room_for() {
        let gathering = Gathering::new(2);
        assert_eq!(gathering.add(&[3, 1, 3]), 0);
        assert_eq!(gathering.add(&[1, 2, 4]), 2, "1 waits already, the others find no room");
        assert_eq!(gathering.take(), [1, 3]);
        assert_eq!(gathering.add(&[2]), 0);
        assert_eq!(gathering.take(), [2]);
    }
}
