//! A partition: one of 64 shares of all conversations, and the only holder of their actors' addresses.
//!
//! It wakes a conversation's actor (making it when there is none), restarts one that panicked or stands still, parks one that
//! keeps doing so, and agrees to one leaving memory only when everything it was sent has been handled.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message, MessageResult, ResponseFuture,
    WrapFuture,
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::channel::ChannelContext;
use super::conversation::{self, ConversationActor, Observation, Observed};
use super::supervision::{self, Ended, Thaw};
use crate::dialogue::understanding::Language;
use crate::dialogue::{phrases, reply};
use crate::ids::{ConversationId, Epoch, PartitionId};
use crate::store::channel::conversation as store;
use crate::whatsapp::outgoing::Content;

/// Crashes are forgotten after this long without one, and not before one that stands still could have been noticed thrice.
const CRASH_MEMORY: Duration = Duration::from_secs(60);

/// Between two looks for actors that stand still.
const SHORTEST_LOOK: Duration = Duration::from_millis(250);
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// A conversation may have work. A hint: it may be lost, doubled or reordered.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Wake {
    pub conversation: ConversationId,
    /// `hint`, `remote`, `sweep` or `restart`; counted.
    pub source: &'static str,
}

/// From a conversation's actor: it has taken its wake-up into account.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Handled {
    pub conversation: ConversationId,
    pub generation: u64,
}

/// From a conversation's actor: nothing to do, may it leave memory?
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "bool")]
pub struct MayLeave {
    pub conversation: ConversationId,
    pub generation: u64,
}

/// A conversation's actor has ended.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
struct ChildEnded {
    conversation: ConversationId,
    generation: u64,
    ended: Ended,
}

/// Stop: finish what is under way, start nothing, answer when all conversations have ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Drain;

/// Another node owns the partition, or what did not end in time is left to the next owner: end at once with everything.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Abandon;

/// How a conversation's actor is, if there is one.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Seen")]
pub struct Observe {
    pub conversation: ConversationId,
}

/// What a partition knows of a conversation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// `None` when its actor is not in memory.
    pub observed: Option<Observed>,
    /// A wake-up is on its way and not yet handled.
    pub wake_outstanding: bool,
    /// Crashes that are not yet forgotten.
    pub crashes: u32,
    /// How many are borne.
    pub restart_budget: u32,
}

/// What the conversations of a partition share, so that each of them is small.
pub struct Home {
    pub context: Arc<ChannelContext>,
    pub epoch: Epoch,
    pub partition: Addr<Partition>,
    /// Cancelled when the partition drains: nothing needs to be waited for any more.
    pub draining: CancellationToken,
}

struct Child {
    address: Addr<ConversationActor>,
    thaw: Thaw,
    observation: Observation,
    generation: u64,
    /// Since when a wake-up is on its way and not yet handled.
    outstanding: Option<Instant>,
    /// Another came meanwhile.
    again: bool,
}

impl Child {
    fn wake(&mut self) {
        self.outstanding = supervision::deliver(&self.address, conversation::Wake).then(Instant::now);
    }
}

struct Crashes {
    count: u32,
    last: Instant,
}

/// The actor.
pub struct Partition {
    id: PartitionId,
    epoch: Epoch,
    context: Arc<ChannelContext>,
    children: HashMap<ConversationId, Child>,
    crashes: HashMap<ConversationId, Crashes>,
    next_generation: u64,
    /// When actors that stand still were looked for last.
    looked_at: Instant,
    /// Since when conversations could work: the process runs and the database answers.
    awake_since: Instant,
    /// Made with the first conversation: it holds the actor's own address.
    home: Option<Arc<Home>>,
    draining: bool,
    /// Told when the last child has ended.
    drained: Vec<oneshot::Sender<()>>,
}

impl Partition {
    /// A partition owned at `epoch`.
    pub fn new(id: PartitionId, epoch: Epoch, context: Arc<ChannelContext>) -> Self {
        Partition {
            id,
            epoch,
            context,
            children: HashMap::new(),
            crashes: HashMap::new(),
            next_generation: 0,
            looked_at: Instant::now(),
            awake_since: Instant::now(),
            home: None,
            draining: false,
            drained: Vec::new(),
        }
    }

    fn wake(&mut self, conversation: ConversationId, actor: &mut Context<Self>) {
        if self.draining || !self.context.lease.is_valid() {
            return;
        }
        if self.children.len() >= self.context.settings.max_active_per_partition
            && !self.children.contains_key(&conversation)
        {
            // Its rows stay in the inbox; the sweeper comes again.
            tracing::debug!(partition = %self.id, "partition is full, a wake-up waits for the next sweep");
            return;
        }
        let home = self.home(actor);
        let child = match self.children.entry(conversation) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.next_generation += 1;
                let generation = self.next_generation;
                let observation = Observation::default();
                let conversation_actor = ConversationActor::new(conversation::Identity {
                    conversation,
                    generation,
                    home: home.clone(),
                    observation: observation.clone(),
                });
                let seen = observation.clone();
                let (address, thaw) = supervision::spawn(
                    "conversation",
                    &self.context.metrics,
                    conversation_actor,
                    move |ended| {
                        let given_up = ended == Ended::Aborted && seen.get().given_up;
                        let ended = if given_up { Ended::Frozen } else { ended };
                        // The mailbox of a partition that has gone takes nothing; then nobody needs to know.
                        supervision::deliver(&home.partition, ChildEnded { conversation, generation, ended });
                        ended
                    },
                );
                self.context.metrics.active_conversations.inc();
                entry.insert(Child {
                    address,
                    thaw,
                    observation,
                    generation,
                    outstanding: None,
                    again: false,
                })
            }
        };
        if child.outstanding.is_some() {
            child.again = true;
        } else {
            child.wake();
        }
    }

    /// Ends actors that stand still; they are restarted like ones that panicked, and the others never notice. Not for what
    /// they could not help: while the lease could not be renewed the database was away, and when this look comes late
    /// the whole process stood still.
    fn end_frozen(&mut self, _: &mut Context<Self>) {
        let (now, patience) = (Instant::now(), self.context.settings.frozen);
        let late = now.duration_since(self.looked_at) > (patience / 2).max(self.look_interval() * 3);
        self.looked_at = now;
        if late || !self.context.lease.is_valid() {
            self.awake_since = now;
        }
        let awake_since = self.awake_since;
        for (conversation, child) in &self.children {
            let unheard = child
                .outstanding
                .is_some_and(|since| now.saturating_duration_since(since.max(awake_since)) > patience);
            let observed = child.observation.get();
            if unheard || observed.is_frozen(now, awake_since, patience) {
                tracing::error!(
                    conversation.id = %conversation,
                    doing = %observed.doing,
                    delivering = %observed.delivering,
                    unheard,
                    "a conversation's actor stands still; it is ended and begun anew"
                );
                child.observation.give_up();
                child.thaw.end();
            }
        }
    }

    fn look_interval(&self) -> Duration {
        (self.context.settings.frozen / 4).clamp(SHORTEST_LOOK, LONGEST_LOOK)
    }

    fn crash_memory(&self) -> Duration {
        CRASH_MEMORY.max(self.context.settings.frozen * 3)
    }

    fn home(&mut self, actor: &Context<Self>) -> Arc<Home> {
        let (context, epoch) = (&self.context, self.epoch);
        let home = self.home.get_or_insert_with(|| {
            Arc::new(Home {
                context: context.clone(),
                epoch,
                partition: actor.address(),
                draining: CancellationToken::new(),
            })
        });
        home.clone()
    }

    /// True when this crash is one too many.
    fn over_budget(&mut self, conversation: ConversationId) -> bool {
        let now = Instant::now();
        let memory = self.crash_memory();
        self.crashes.retain(|_, crashes| now.duration_since(crashes.last) < memory);
        let crashes = self.crashes.entry(conversation).or_insert(Crashes { count: 0, last: now });
        crashes.count += 1;
        crashes.last = now;
        crashes.count > self.context.settings.restart_budget
    }

    fn restart_later(
        &mut self,
        conversation: ConversationId,
        cause: &'static str,
        actor: &mut Context<Self>,
    ) {
        self.context.metrics.conversation_restarts.with_label_values(&[cause]).inc();
        let crashes = self.crashes.get(&conversation).map_or(1, |crashes| crashes.count);
        let pause = Duration::from_millis(100) * 2_u32.pow(crashes.min(6));
        actor.run_later(pause, move |partition, actor| {
            partition.context.metrics.wakes.with_label_values(&["restart"]).inc();
            partition.wake(conversation, actor);
        });
    }

    fn park(&mut self, conversation: ConversationId, actor: &mut Context<Self>) {
        tracing::error!(conversation.id = %conversation, "conversation parked: it keeps crashing");
        self.context.metrics.parked_conversations.inc();
        let (pool, epoch) = (self.context.pool.clone(), self.epoch);
        let mut says = vec![phrases::apology(Language::Id)];
        says.extend(self.context.office.closed_words(Language::Id, self.context.clock.now()));
        let Some(apology) = conversation::outbound_row(&Content::Text { text: reply::join(&says) }) else {
            return;
        };
        actor.spawn(
            async move {
                let reason = "its actor keeps crashing";
                if let Err(error) = store::park(&pool, conversation, epoch, reason, &apology).await {
                    tracing::error!(conversation.id = %conversation, %error, "conversation could not be parked");
                }
            }
            .into_actor(self),
        );
    }

    fn answer_drain_if_empty(&mut self) {
        if self.children.is_empty() {
            for waiting in self.drained.drain(..) {
                // Whoever asked may have given up waiting.
                let _ = waiting.send(());
            }
        }
    }
}

impl Actor for Partition {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(65_536);
        self.looked_at = Instant::now();
        context.run_interval(self.look_interval(), Self::end_frozen);
    }
}

impl Handler<Wake> for Partition {
    type Result = ();

    fn handle(&mut self, message: Wake, context: &mut Self::Context) {
        self.context.metrics.wakes.with_label_values(&[message.source]).inc();
        self.wake(message.conversation, context);
    }
}

impl Handler<Handled> for Partition {
    type Result = ();

    fn handle(&mut self, message: Handled, _: &mut Self::Context) {
        let Some(child) = self.children.get_mut(&message.conversation) else { return };
        if child.generation != message.generation {
            return;
        }
        child.outstanding = None;
        if std::mem::take(&mut child.again) {
            child.wake();
        }
    }
}

impl Handler<MayLeave> for Partition {
    type Result = MessageResult<MayLeave>;

    fn handle(&mut self, message: MayLeave, _: &mut Self::Context) -> Self::Result {
        let Some(child) = self.children.get(&message.conversation) else { return MessageResult(true) };
        if child.generation != message.generation {
            return MessageResult(true);
        }
        if child.outstanding.is_some() || child.again {
            return MessageResult(false);
        }
        // From here on a wake-up makes a new actor.
        self.children.remove(&message.conversation);
        self.context.metrics.active_conversations.dec();
        MessageResult(true)
    }
}

impl Handler<ChildEnded> for Partition {
    type Result = ();

    fn handle(&mut self, message: ChildEnded, context: &mut Self::Context) {
        let current = self
            .children
            .get(&message.conversation)
            .is_some_and(|child| child.generation == message.generation);
        if !current {
            return self.answer_drain_if_empty();
        }
        let child = self.children.remove(&message.conversation);
        self.context.metrics.active_conversations.dec();
        match message.ended {
            Ended::Panicked | Ended::Frozen if self.over_budget(message.conversation) => {
                self.park(message.conversation, context)
            }
            Ended::Panicked | Ended::Frozen => {
                self.restart_later(message.conversation, message.ended.into(), context)
            }
            // It stopped by itself with a wake-up under way (fenced, or draining): the sweeper finds what is left.
            Ended::Finished | Ended::Aborted => {
                if child.is_some_and(|child| child.again || child.outstanding.is_some()) {
                    self.restart_later(message.conversation, message.ended.into(), context);
                }
            }
        }
        self.answer_drain_if_empty();
    }
}

impl Handler<Observe> for Partition {
    type Result = MessageResult<Observe>;

    fn handle(&mut self, message: Observe, _: &mut Self::Context) -> Self::Result {
        let child = self.children.get(&message.conversation);
        let crashes = self.crashes.get(&message.conversation);
        MessageResult(Seen {
            observed: child.map(|child| child.observation.get()),
            wake_outstanding: child.is_some_and(|child| child.outstanding.is_some()),
            crashes: crashes
                .filter(|crashes| crashes.last.elapsed() < self.crash_memory())
                .map_or(0, |crashes| crashes.count),
            restart_budget: self.context.settings.restart_budget,
        })
    }
}

impl Handler<Abandon> for Partition {
    type Result = ();

    fn handle(&mut self, _: Abandon, context: &mut Self::Context) {
        self.draining = true;
        if let Some(home) = &self.home {
            home.draining.cancel();
        }
        self.context.metrics.active_conversations.sub(self.children.len() as i64);
        for (_, child) in self.children.drain() {
            child.thaw.end();
        }
        self.answer_drain_if_empty();
        context.stop();
    }
}

impl Handler<Drain> for Partition {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, _: &mut Self::Context) -> Self::Result {
        let (sender, receiver) = oneshot::channel();
        self.draining = true;
        if let Some(home) = &self.home {
            home.draining.cancel();
        }
        self.drained.push(sender);
        for child in self.children.values() {
            supervision::deliver(&child.address, conversation::Stop);
        }
        self.answer_drain_if_empty();
        Box::pin(async move {
            // A partition that ends before it answers has drained too.
            drop(receiver.await);
        })
    }
}
