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

type Run = Box<dyn Fn() -> BoxFuture<'static, Result<(), Broken>> + Send + Sync>;

/// See the module.
pub struct Duty {
    /// For logs and metrics.
    pub name: &'static str,
    run: Run,
}

impl Duty {
    pub(super) fn new<F>(name: &'static str, run: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), Broken>> + Send + 'static,
    {
        Duty { name, run: Box::new(move || Box::pin(run())) }
    }

    /// Does it until it breaks.
    ///
    /// # Errors
    /// Why it broke.
    pub async fn once(&self) -> Result<(), Broken> {
        (self.run)().await
    }

    /// Does it again and again, with pauses that grow, until `stopping` is true or its sender gone. What is under way
    /// then is dropped: the broker gives it to somebody else.
    pub async fn keep_doing(&self, mut stopping: watch::Receiver<bool>) {
        let mut pauses = fresh_pauses();
        loop {
            let began = Instant::now();
            let broken = tokio::select! {
                // An error means that whoever could say stop is gone.
                _ = stopping.wait_for(|stop| *stop) => return,
                ended = self.once() => ended.err(),
            };
            if began.elapsed() > WORKED {
                pauses = fresh_pauses();
            }
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            if let Some(error) = broken {
                tracing::warn!(duty = self.name, %error, "a duty of the bus broke; it is begun anew");
            }
            if timeout(pause, stopping.wait_for(|stop| *stop)).await.is_ok() {
                return;
            }
        }
    }
}

fn fresh_pauses() -> ExponentialBackoff {
    retry::until_it_works().build()
}
