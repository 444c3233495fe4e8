//! The AI actor: understands turns, a bounded number at once, each under a deadline. A caller that goes away (a newer
//! message, a takeover) ends its turn's work. Holds no state of any conversation.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use actix::dev::{MessageResponse, OneshotSender};
use actix::fut::wrap_future;
use actix::{Actor, AsyncContext, Context, Handler, Message};
use futures::future::LocalBoxFuture;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::supervision;
use crate::ai::service::{AiError, AiService};
use crate::dialogue::understanding::{UnderstandRequest, Understanding};

/// Asks what a batch of messages means.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Understanding, AiError>")]
pub struct Understand(pub UnderstandRequest);

/// The AI actor; spawned in `supervision`.
pub struct Ai {
    service: AiService,
    turns: Arc<Semaphore>,
}

impl Ai {
    /// `concurrency` turns are thought about at once; more wait, within their deadline.
    pub fn new(service: AiService, concurrency: usize) -> Self {
        Ai { service, turns: Arc::new(Semaphore::new(concurrency)) }
    }
}

impl Actor for Ai {
    type Context = Context<Self>;
}

impl Handler<Understand> for Ai {
    type Result = Cancellable<Result<Understanding, AiError>>;

    fn handle(&mut self, Understand(request): Understand, _: &mut Context<Self>) -> Self::Result {
        let service = self.service.clone();
        let turns = Arc::clone(&self.turns);
        Cancellable::new(async move {
            let deadline = service.deadline();
            // What waiting for its turn takes is taken from the models, not from the answer.
            let until = Instant::now() + deadline;
            let turn = async {
                // The semaphore is never closed; were it, waiting longer would not help either.
                let _permit = turns.acquire().await.map_err(|_| AiError::Deadline)?;
                service.understand(&request, until).await
            };
            let turn = supervision::contained("ai", timeout(deadline, turn)).await;
            turn.ok_or(AiError::Panicked)?.map_err(|_| AiError::Deadline)?
        })
    }
}

/// An answer that is worked on only as long as somebody waits for it: actix itself would finish it for nobody.
pub struct Cancellable<T>(LocalBoxFuture<'static, T>);

impl<T> Cancellable<T> {
    /// Wraps the work.
    pub fn new(work: impl Future<Output = T> + 'static) -> Self {
        Cancellable(Box::pin(work))
    }
}

impl<A, M, T> MessageResponse<A, M> for Cancellable<T>
where
    A: Actor,
    A::Context: AsyncContext<A>,
    M: Message<Result = T>,
    T: 'static,
{
    fn handle(self, context: &mut A::Context, waiting: Option<OneshotSender<T>>) {
        let Some(mut waiting) = waiting else { return };
        context.spawn(wrap_future(async move {
            tokio::select! {
                biased;
                () = waiting.closed() => {}
                answer = self.0 => {
                    // Refused only when the caller left in this very moment.
                    let _left = waiting.send(answer);
                }
            }
        }));
    }
}
