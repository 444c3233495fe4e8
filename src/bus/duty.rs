//! Work of a bus that somebody must keep doing: consuming, mostly. It ends when the broker goes away, and is begun anew,
//! with everything that belongs to it, by whoever owns it.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff};
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::retry;

/// The pause when the policy's own have run out.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// What is under way when a duty is to stop may take so long to end.
const GRACE: Duration = Duration::from_secs(10);
/// Whoever worked for so long begins anew without the pauses of before.
const WORKED: Duration = Duration::from_secs(10);

/// Why a duty ended, or could not begin. Says nothing of what is in messages.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("the broker: {0}")]
    Broker(#[from] lapin::Error),
    #[error("the broker did not answer in time")]
    Late,
    #[error("the connection to the broker is being restored")]
    Recovering,
    #[error("the broker ended what was consumed")]
    Cancelled,
    #[error("the broker did not keep a dead letter")]
    DeadLetterNotKept,
    #[error("broker.url is not the address of a broker")]
    Address,
}

/// Whether a duty is to stop. What is under way is then finished, and nothing begun.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Waits until it is to stop. One whose sender is gone never says so: such a duty is dropped.
    pub async fn asked(&mut self) {
        if self.0.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

type Run = Box<dyn Fn(Stop) -> BoxFuture<'static, Result<(), Broken>> + Send + Sync>;

/// See the module.
pub struct Duty {
    /// For logs and metrics.
    pub name: &'static str,
    run: Run,
}

impl Duty {
    pub(super) fn new<F>(name: &'static str, run: impl Fn(Stop) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), Broken>> + Send + 'static,
    {
        Duty { name, run: Box::new(move |stop| Box::pin(run(stop))) }
    }

    /// Does it again and again, with pauses that grow, until `stopping` is true: then what is under way is finished, for a
    /// while, and whatever is not is dropped; the broker gives that to somebody else. So is everything at once when the
    /// sender of `stopping` is gone.
    pub async fn keep_doing(&self, stopping: watch::Receiver<bool>) {
        self.keep_doing_with(GRACE, stopping).await;
    }

    async fn keep_doing_with(&self, grace: Duration, stopping: watch::Receiver<bool>) {
        let mut pauses = fresh_pauses();
        loop {
            let began = Instant::now();
            let run = (self.run)(Stop(stopping.clone()));
            let broken = tokio::select! {
                ended = run => ended.err(),
                told = out_of_grace(grace, stopping.clone()) => {
                    if told {
                        tracing::warn!(duty = self.name, "a duty of the bus did not end in time; the rest is left to others");
                    }
                    return;
                }
            };
            let mut stopping = stopping.clone();
            if let Some(error) = broken {
                tracing::warn!(duty = self.name, %error, "a duty of the bus broke; it is begun anew unless the node stops");
            }
            if began.elapsed() > WORKED {
                pauses = fresh_pauses();
            }
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            // An error means that whoever could say stop is gone.
            if timeout(pause, stopping.wait_for(|stop| *stop)).await.is_ok() {
                return;
            }
        }
    }
}

/// Ends when the time to finish is over: true when there was any, which there is not without somebody who says stop.
async fn out_of_grace(grace: Duration, mut stopping: watch::Receiver<bool>) -> bool {
    let told = stopping.wait_for(|stop| *stop).await.is_ok();
    if told {
        tokio::time::sleep(grace).await;
    }
    told
}

fn fresh_pauses() -> ExponentialBackoff {
    retry::until_it_works().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_duty_that_is_to_stop_finishes_but_not_for_ever_and_is_dropped_when_nobody_says_stop() {
        let (finished, mut seen) = watch::channel(false);
        let finishing = Duty::new("finishing", move |mut stop: Stop| {
            let finished = finished.clone();
            async move {
                stop.asked().await;
                tokio::task::yield_now().await;
                finished.send_replace(true);
                Ok(())
            }
        });
        let endless = Duty::new("endless", |_| std::future::pending());
        let (soon, never) = (Duration::from_millis(1), Duration::MAX);

        let (stop, stopping) = watch::channel(false);
        tokio::join!(endless.keep_doing_with(soon, stopping), async { stop.send_replace(true) });

        let (stop, stopping) = watch::channel(false);
        tokio::join!(finishing.keep_doing_with(never, stopping), async { drop(stop) });
        assert!(!*seen.borrow_and_update());

        let (stop, stopping) = watch::channel(false);
        tokio::join!(finishing.keep_doing_with(never, stopping), async { stop.send_replace(true) });
        assert!(*seen.borrow_and_update());
    }
}
