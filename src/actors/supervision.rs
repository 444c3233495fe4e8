//! The only place that spawns: actors, and the tasks beside them. Each is watched, and its end is counted by cause.
//!
//! actix's own `Supervisor` does not survive a panic and its mailboxes do not push back, so an actor is spawned here as
//! a future whose `JoinHandle` tells how it ended; whoever asked for it decides about a restart.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Context, Handler, Message};
use actix_rt::{Arbiter, ArbiterHandle};
use futures::FutureExt;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinError};
use tokio_util::task::AbortOnDropHandle;

use crate::bus::Duty;
use crate::metrics::Metrics;

/// The process's one multi-threaded runtime; pools, HTTP clients and broker connections live on it.
static RUNTIME: OnceLock<Arc<Runtime>> = OnceLock::new();

/// Makes `runtime` the one that arbiters share. The first call holds.
pub fn share_runtime(runtime: Arc<Runtime>) {
    // A second runtime in one process happens in tests only; they then share the first.
    drop(RUNTIME.set(runtime));
}

/// One arbiter a core, all on the shared runtime: a pool's connections outlive any one of them.
///
/// # Errors
/// When a thread cannot be started, or [`share_runtime`] was never called.
pub fn arbiters() -> std::io::Result<Vec<ArbiterHandle>> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let runtime =
        RUNTIME.get().ok_or_else(|| std::io::Error::other("no runtime was shared with the actors"))?;
    (0..cores)
        .map(|_| {
            let runtime = runtime.clone();
            Arbiter::try_with_tokio_rt(move || Ok(runtime)).map(|arbiter| arbiter.handle())
        })
        .collect()
}

/// How an actor or task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Ended {
    /// It stopped of its own will.
    Finished,
    /// It panicked; its state is gone, what it owned is in the store.
    Panicked,
    /// Its thread was stopped under it.
    Aborted,
    /// It stood still and was ended from outside for it; what it owned is in the store.
    Frozen,
}

impl Ended {
    fn of(result: Result<(), JoinError>) -> Self {
        match result {
            Ok(()) => Ended::Finished,
            Err(error) if error.is_panic() => Ended::Panicked,
            Err(_) => Ended::Aborted,
        }
    }
}

/// Ends an actor from outside, wherever it waits: it is then told of as [`Ended::Aborted`]. It cannot end one that keeps
/// its thread busy: nothing can.
#[derive(Clone, Debug)]
pub struct Thaw(AbortHandle);

impl Thaw {
    /// Ends the actor.
    pub fn end(&self) {
        self.0.abort();
    }
}

/// Starts an actor on the present arbiter; `on_end` runs there when it has ended, for whatever
/// cause, and says as what that is to be counted: whoever ended it from outside knows why.
///
/// One task an actor, which holds no more than it needs: there may be a hundred thousand.
pub fn spawn<A: Actor<Context = Context<A>>>(
    name: &'static str,
    metrics: &Metrics,
    actor: A,
    on_end: impl FnOnce(Ended) -> Ended + 'static,
) -> (Addr<A>, Thaw) {
    let context = Context::new();
    let address = actix::AsyncContext::address(&context);
    let actors_ended = metrics.actors_ended.clone();
    let tell = move |ended: Ended| {
        if ended == Ended::Panicked {
            tracing::error!(actor = name, "actor panicked");
        }
        let ended = on_end(ended);
        actors_ended.with_label_values(&[name, ended.into()]).inc();
    };
    // Boxed, or the task would hold room for it twice.
    let running = Box::pin(AssertUnwindSafe(context.into_future(actor)).catch_unwind());
    let mut end = AtEnd { ended: Ended::Aborted, tell: Some(tell) };
    let task = actix::spawn(async move {
        let ended = if running.await.is_ok() { Ended::Finished } else { Ended::Panicked };
        end.known(ended);
    });
    (address, Thaw(task.abort_handle()))
}

/// Tells how an actor ended, also when its task is dropped, or when it panics a second time while it is dropped.
struct AtEnd<F: FnOnce(Ended)> {
    ended: Ended,
    tell: Option<F>,
}

impl<F: FnOnce(Ended)> AtEnd<F> {
    /// Takes the whole guard into the task, not only a field of it.
    fn known(&mut self, ended: Ended) {
        self.ended = ended;
    }
}

impl<F: FnOnce(Ended)> Drop for AtEnd<F> {
    fn drop(&mut self) {
        let ended = if std::thread::panicking() { Ended::Panicked } else { self.ended };
        if let Some(tell) = self.tell.take() {
            tell(ended);
        }
    }
}

/// Tells the node when an actor that it cannot do without has panicked; then the node stops rather than limp on, and
/// the next start goes on from the store.
#[derive(Clone)]
pub struct Vital(watch::Sender<Option<&'static str>>);

impl Vital {
    /// With the end that the node listens at: the name of the actor that panicked.
    pub fn new() -> (Self, watch::Receiver<Option<&'static str>>) {
        let (sender, receiver) = watch::channel(None);
        (Vital(sender), receiver)
    }
}

/// Runs a task that the node cannot do without; a panic is told to `vital`.
pub fn spawn_vital(
    name: &'static str,
    metrics: &Metrics,
    vital: &Vital,
    task: impl Future<Output = ()> + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    let (metrics, vital) = (metrics.clone(), vital.clone());
    tokio::spawn(async move {
        let ended = Ended::of(tokio::spawn(task).await);
        metrics.actors_ended.with_label_values(&[name, ended.into()]).inc();
        if ended == Ended::Panicked {
            tracing::error!(task = name, "task panicked");
            vital.0.send_replace(Some(name));
        }
    })
}

/// Starts an actor that the node cannot do without on another arbiter, and gives its address, or `None` when that
/// arbiter is gone.
pub async fn spawn_on<A: Actor<Context = Context<A>>>(
    arbiter: &ArbiterHandle,
    name: &'static str,
    metrics: &Metrics,
    vital: &Vital,
    make: impl FnOnce() -> A + Send + 'static,
) -> Option<Addr<A>> {
    let (sender, receiver) = oneshot::channel();
    let (metrics, vital) = (metrics.clone(), vital.clone());
    arbiter.spawn_fn(move || {
        let (address, _) = spawn(name, &metrics, make(), move |ended| {
            if ended == Ended::Panicked {
                vital.0.send_replace(Some(name));
            }
            ended
        });
        // Nobody waiting any more means that the node is going down; the actor then ends with its arbiter.
        drop(sender.send(address));
    });
    receiver.await.ok()
}

/// Runs one call's work so that its panic costs that call and not the actor, which serves all conversations. `None`
/// when it panicked; the hook has printed where.
pub async fn contained<T>(name: &'static str, work: impl Future<Output = T>) -> Option<T> {
    // What the work leaves half done is its own: it shares only pools and counters with other calls.
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(answer) => Some(answer),
        Err(_) => {
            tracing::error!(actor = name, "a call panicked");
            None
        }
    }
}

/// Runs `work` as a task of its own and gives its answer; dropped, it ends the task. For work that an actor does in
/// `ctx.spawn` and that holds something others wait for, such as a connection: an actor that is in `ctx.wait` polls none of
/// its other futures, and what they hold would be held for as long. A panic goes on in whoever waits for the answer.
pub async fn beside<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match AbortOnDropHandle::new(tokio::spawn(work)).await {
        Ok(answer) => answer,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Aborted: the runtime is going down, and nobody may go on from here.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Hands a message over if the mailbox takes it. A `false` loses only a hint: what it told of is in the store.
pub fn deliver<A, M>(address: &Addr<A>, message: M) -> bool
where
    M: Message + Send + 'static,
    M::Result: Send,
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
{
    address.try_send(message).is_ok()
}

/// Runs a task that must never end for as long as the process lives: when it panics it is started again, after a pause.
pub fn keep_running<F, T>(name: &'static str, metrics: &Metrics, mut task: F) -> tokio::task::JoinHandle<()>
where
    F: FnMut() -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let metrics = metrics.clone();
    tokio::spawn(async move {
        loop {
            let ended = Ended::of(tokio::spawn(task()).await);
            metrics.actors_ended.with_label_values(&[name, ended.into()]).inc();
            match ended {
                Ended::Panicked => {
                    tracing::error!(task = name, "task panicked; it is started again");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Ended::Finished | Ended::Aborted | Ended::Frozen => break,
            }
        }
    })
}

/// Keeps doing what a bus needs done, each duty beside the others, until stopped.
pub struct BusDuties {
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl BusDuties {
    /// Begins all of them; one that panics is begun anew.
    pub fn start(metrics: &Metrics, duties: Vec<Duty>) -> Self {
        let (stop, stopping) = watch::channel(false);
        let tasks = duties.into_iter().map(|duty| {
            let (duty, stopping) = (Arc::new(duty), stopping.clone());
            keep_running(duty.name, metrics, move || {
                let (duty, stopping) = (duty.clone(), stopping.clone());
                async move { duty.keep_doing(stopping).await }
            })
        });
        BusDuties { tasks: tasks.collect(), stop }
    }

    /// Ends all of them.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        futures::future::join_all(self.tasks).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fragile;
    impl Actor for Fragile {
        type Context = Context<Self>;
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Break;

    impl Handler<Break> for Fragile {
        type Result = ();
        fn handle(&mut self, _: Break, _: &mut Context<Self>) {
            panic!("broken on purpose");
        }
    }

    #[derive(Message)]
    #[rtype(result = "u32")]
    struct Ask;

    impl Handler<Ask> for Fragile {
        type Result = u32;
        fn handle(&mut self, _: Ask, _: &mut Context<Self>) -> u32 {
            7
        }
    }

    #[actix::test]
    async fn a_panic_is_seen_by_the_watcher_and_does_not_touch_the_neighbour() {
        let metrics = Metrics::new().unwrap();
        let (sender, receiver) = oneshot::channel();
        let (fragile, _) = spawn("fragile", &metrics, Fragile, move |ended| {
            sender.send(ended).unwrap();
            ended
        });
        let (neighbour, _) = spawn("fragile", &metrics, Fragile, |ended| ended);
        assert!(deliver(&fragile, Break));
        assert_eq!(receiver.await.unwrap(), Ended::Panicked);
        assert_eq!(neighbour.send(Ask).await.unwrap(), 7);
        assert!(fragile.send(Ask).await.is_err());
    }

    struct Frozen;
    impl Actor for Frozen {
        type Context = Context<Self>;

        fn started(&mut self, context: &mut Context<Self>) {
            use actix::{AsyncContext, WrapFuture};
            context.wait(std::future::pending::<()>().into_actor(self));
        }
    }

    #[actix::test]
    async fn an_actor_that_waits_for_ever_is_ended_from_outside_and_counted_as_who_ended_it_says() {
        let metrics = Metrics::new().unwrap();
        let (sender, receiver) = oneshot::channel();
        let (_address, thaw) = spawn("frozen", &metrics, Frozen, move |ended| {
            sender.send(ended).unwrap();
            Ended::Frozen
        });
        thaw.end();
        assert_eq!(receiver.await.unwrap(), Ended::Aborted);
        tokio::task::yield_now().await;
        assert_eq!(metrics.actors_ended.with_label_values(&["frozen", "frozen"]).get(), 1);
    }

    #[actix::test]
    async fn a_call_that_panics_is_contained_and_a_vital_actor_that_panics_is_told_of() {
        assert_eq!(contained("test", async { panic!("on purpose") }).await, None::<()>);
        assert_eq!(contained("test", async { 7 }).await, Some(7));

        let (vital, mut told) = Vital::new();
        let arbiter = Arbiter::new();
        let metrics = Metrics::new().unwrap();
        let address = spawn_on(&arbiter.handle(), "fragile", &metrics, &vital, || Fragile).await.unwrap();
        assert!(deliver(&address, Break));
        assert_eq!(*told.wait_for(Option::is_some).await.unwrap(), Some("fragile"));
        arbiter.stop();

        let (vital, mut told) = Vital::new();
        spawn_vital("task", &metrics, &vital, async { panic!("on purpose") }).await.unwrap();
        assert_eq!(*told.wait_for(Option::is_some).await.unwrap(), Some("task"));
    }

    #[actix::test]
    async fn a_task_that_panics_is_started_again() {
        let metrics = Metrics::new().unwrap();
        let runs = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let counted = runs.clone();
        let task = keep_running("test", &metrics, move || {
            let run = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            async move { assert!(run > 0, "the first run breaks") }
        });
        task.await.unwrap();
        assert_eq!(runs.load(std::sync::atomic::Ordering::SeqCst), 2);
    }
}
