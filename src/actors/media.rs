//! Fetches what citizens sent from Meta into the media store, a few files at once, and deletes what is no longer wanted.
//!
//! Everything it does is asked for by rows (`store::channel::media`): a lost wake-up costs a moment, a crash an attempt.
//! A file is claimed for a short time that is renewed while it is worked on, so whoever dies is soon replaced, and a
//! result counts only as long as its claim holds.

mod fetch;
mod library;

use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseFuture,
    SpawnHandle, WrapFuture,
};
use rand::RngExt;
use sqlx::PgPool;

pub use library::{AddError, MediaLibrary, OpenError, OpenMedia, Upload};

use super::supervision;
use crate::clock::Clock;
use crate::ids::NodeId;
use crate::media::spool::SpoolFolder;
use crate::media::storage::MediaStorage;
use crate::metrics::Metrics;
use crate::store::StoreError;
use crate::store::channel::media::{self as store, ClaimedMedia};
use crate::whatsapp::media::MediaClient;

/// Files deleted from the store by one sweep.
const DELETIONS: i64 = 100;
/// The longest pause between two attempts; Meta keeps a file for seven days.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What the actor works with.
pub struct MediaContext {
    pub pool: PgPool,
    pub clock: Clock,
    pub metrics: Metrics,
    pub node: NodeId,
    pub client: MediaClient,
    pub storage: MediaStorage,
    pub spool: SpoolFolder,
    pub settings: MediaSettings,
}

/// How fast it goes.
#[derive(Clone, Copy, Debug)]
pub struct MediaSettings {
    /// Files fetched at once.
    pub concurrency: usize,
    /// The pause after the first failure; it doubles.
    pub first_pause: Duration,
    /// Between two looks for work that nobody was woken for.
    pub sweep: Duration,
}

impl MediaSettings {
    /// How long to wait after the `attempt`th failure, counted from 1: doubling, with jitter.
    fn pause(&self, attempt: i32) -> Duration {
        let doublings = u32::try_from(attempt.clamp(1, 20) - 1).unwrap_or_default();
        let pause = self.first_pause.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_PAUSE);
        pause.mul_f64(rand::rng().random_range(0.75..1.25))
    }
}

/// There may be files to fetch. A hint.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Wake;

/// Stop: give back what is under way, and answer when that is done.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Drain;

/// The actor.
pub struct Media {
    context: Arc<MediaContext>,
    /// Downloads under way.
    under_way: usize,
    /// The store is being asked for work.
    claiming: bool,
    /// Somebody called while it was asked.
    again: bool,
    sweeping: bool,
    working: Vec<SpawnHandle>,
    draining: bool,
}

impl Media {
    /// An actor that begins with what is due already.
    pub fn new(context: Arc<MediaContext>) -> Self {
        Media {
            context,
            under_way: 0,
            claiming: false,
            again: false,
            sweeping: false,
            working: Vec::new(),
            draining: false,
        }
    }

    /// Takes as much work as there is room for.
    fn claim(&mut self, actor: &mut Context<Self>) {
        let room = self.context.settings.concurrency.saturating_sub(self.under_way);
        if self.draining || room == 0 {
            return;
        }
        if self.claiming {
            self.again = true;
            return;
        }
        self.claiming = true;
        let context = self.context.clone();
        let claiming = async move {
            store::claim(&context.pool, context.node, i64::try_from(room).unwrap_or(i64::MAX)).await
        };
        let handle = actor.spawn(claiming.into_actor(self).map(|claimed, media, actor| {
            media.claiming = false;
            match claimed {
                Ok(claimed) => claimed.into_iter().for_each(|one| media.fetch(one, actor)),
                Err(error) => {
                    tracing::warn!(%error, "media to fetch could not be claimed; the next sweep comes soon")
                }
            }
            if std::mem::take(&mut media.again) {
                media.claim(actor);
            }
        }));
        self.working.push(handle);
    }

    fn fetch(&mut self, claimed: ClaimedMedia, actor: &mut Context<Self>) {
        self.under_way += 1;
        let context = self.context.clone();
        let work = async move {
            let done = supervision::contained("media", fetch::fetch(&context, &claimed)).await;
            if done.is_none() {
                // The claim is given back as after any failure: it may be this very file that makes it panic.
                fetch::settle(&context, &claimed, Err(fetch::Trouble::Later("internal"))).await;
            }
        };
        let handle = actor.spawn(work.into_actor(self).map(|(), media, actor| {
            media.under_way -= 1;
            media.claim(actor);
        }));
        self.working.push(handle);
    }

    /// Deletes files that are no longer wanted, and tells how much waits.
    fn sweep(&mut self, actor: &mut Context<Self>) {
        // Handles of work that has ended; cancelling one of those is nothing.
        if self.under_way == 0 && !self.claiming {
            self.working.clear();
        }
        self.claim(actor);
        if self.draining || std::mem::replace(&mut self.sweeping, true) {
            return;
        }
        let context = self.context.clone();
        let work = async move {
            let swept = supervision::contained("media", clean(&context)).await;
            if let Some(Err(error)) = swept {
                tracing::warn!(%error, "media could not be swept; the next sweep comes soon");
            }
        };
        actor.spawn(work.into_actor(self).map(|(), media, _| media.sweeping = false));
    }
}

async fn clean(context: &MediaContext) -> Result<(), StoreError> {
    store::delete_unsent(&context.pool).await?;
    for key in store::doomed(&context.pool, DELETIONS).await? {
        match context.storage.delete(&key).await {
            Ok(()) => {
                store::forget_object(&context.pool, &key).await?;
                context.metrics.media_deleted.inc();
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, "a file could not be deleted; it is tried again");
                store::postpone_deletion(&context.pool, &key).await?;
            }
        }
    }
    let backlog = store::backlog(&context.pool).await?;
    context.metrics.media_pending.set(backlog.files);
    context.metrics.media_oldest_pending_seconds.set(backlog.oldest_s);
    Ok(())
}

impl Actor for Media {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.sweep(context);
        context.run_interval(self.context.settings.sweep, Self::sweep);
    }
}

impl Handler<Wake> for Media {
    type Result = ();

    fn handle(&mut self, _: Wake, context: &mut Self::Context) {
        self.claim(context);
    }
}

impl Handler<Drain> for Media {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, actor: &mut Self::Context) -> Self::Result {
        self.draining = true;
        // A download can take minutes; the next start begins it afresh.
        for handle in self.working.drain(..) {
            actor.cancel_future(handle);
        }
        let context = self.context.clone();
        let release = async move {
            if let Err(error) = store::release(&context.pool, context.node).await {
                tracing::warn!(%error, "media could not be given back; the claims run out by themselves");
            }
        };
        let (done, waiting) = tokio::sync::oneshot::channel();
        actor.spawn(release.into_actor(self).map(move |(), _, actor| {
            // Whoever asked may have given up waiting.
            let _ = done.send(());
            actor.stop();
        }));
        Box::pin(async move {
            // An actor that ends before it answers has drained too.
            drop(waiting.await);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let settings = MediaSettings {
            concurrency: 1,
            first_pause: Duration::from_secs(2),
            sweep: Duration::from_secs(1),
        };
        for (attempt, seconds) in [(1, 2.0), (2, 4.0), (5, 32.0), (30, 3600.0)] {
            let pause = settings.pause(attempt).as_secs_f64();
            assert!((seconds * 0.75..=seconds * 1.25).contains(&pause), "{attempt}: {pause}");
        }
    }
}
