//! One WhatsApp conversation as an actor: a shell that looks into the store, lets `dialogue` decide, and performs the
//! effects. It owns nothing that is not in the store; whoever kills it loses no message (ARCHITECTURE: "a message arrives").
//!
//! Two lanes run beside each other: the *main lane* (look → wait for the pause → think → commit → calls → commit) in this
//! file and [`thinking`], and the *outbox lane* (claim → send → record) in [`delivery`]. A takeover needs no message:
//! the store refuses the bot's commits and claims from then on, and the wake-up makes the actor drop its AI work.

mod calls;
mod delivery;
mod thinking;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, SpawnHandle,
    WrapFuture,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::channel::ChannelContext;
use super::ledger::LedgerError;
use super::partition::{Handled, MayLeave, Partition};
use super::sender::ShowTyping;
use super::supervision;
use crate::ai::builtin::urgency;
use crate::dialogue::batching::{self, Decision, Pace, Waiting};
use crate::ids::{ConversationId, Epoch, MessageId};
use crate::store::channel::conversation::{self as store, Conversation, InboxMessage, Load, Loaded, Mode};
use crate::store::channel::loading::Look;

pub use thinking::outbound_row;

use delivery::Mail;
use thinking::Thinking;

/// "Typing…" lasts 25 s on the phone; it is renewed a little sooner.
const TYPING_RENEWAL: Duration = Duration::from_secs(20);
/// The pause after the database did not answer.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// There may be work.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Wake;

/// Finish what is under way, start nothing, end.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// Who an actor is, and what it works with.
pub struct Identity {
    pub conversation: ConversationId,
    /// Tells this actor from an earlier one of the same conversation.
    pub generation: u64,
    pub epoch: Epoch,
    pub context: Arc<ChannelContext>,
    pub partition: Addr<Partition>,
}

/// The main lane's present activity; one at a time.
enum Activity {
    /// Nothing; a timer may be set.
    Resting,
    /// Reading the store.
    Looking,
    /// A turn is being thought about (and the store may be read beside it).
    Thinking(Thinking),
    /// A commit or a call is under way; it is never cancelled.
    Committing,
}

/// The actor.
pub struct ConversationActor {
    identity: Identity,
    activity: Activity,
    /// As of the last look; the version is that of our own last commit.
    conversation: Option<Conversation>,
    /// Of the messages that wait.
    paces: HashMap<MessageId, Pace>,
    owned: bool,
    /// The last look found more than a turn takes: calls without an answer, or messages that came too late for it.
    more_open: bool,
    /// A wake-up came that the next look must take into account.
    dirty: bool,
    looking_beside: bool,
    delivering: bool,
    deliver_again: Option<Mail>,
    timer: Option<SpawnHandle>,
    outbox_timer: Option<SpawnHandle>,
    typing: Option<SpawnHandle>,
    stopping: bool,
    /// Tells the outbox lane to stop waiting for the number's turn.
    stop_waiting: CancellationToken,
}

impl ConversationActor {
    /// An actor that knows nothing yet; its first wake-up makes it look.
    pub fn new(identity: Identity) -> Self {
        ConversationActor {
            identity,
            activity: Activity::Resting,
            conversation: None,
            paces: HashMap::new(),
            owned: false,
            more_open: false,
            dirty: false,
            looking_beside: false,
            delivering: false,
            deliver_again: None,
            timer: None,
            outbox_timer: None,
            typing: None,
            stopping: false,
            stop_waiting: CancellationToken::new(),
        }
    }

    fn context(&self) -> &Arc<ChannelContext> {
        &self.identity.context
    }

    /// Goes on with whatever is next. Called whenever something ended or a wake-up came.
    fn advance(&mut self, context: &mut Context<Self>) {
        if self.stopping {
            return self.stop_if_quiet(context);
        }
        match self.activity {
            Activity::Resting if self.dirty => self.look(context),
            Activity::Thinking(_) if self.dirty && !self.looking_beside => self.look_beside(context),
            _ => {}
        }
    }

    fn stop_if_quiet(&mut self, context: &mut Context<Self>) {
        if matches!(self.activity, Activity::Thinking(_)) {
            self.drop_thinking(context, "drained");
        }
        if matches!(self.activity, Activity::Resting) && !self.delivering {
            context.stop();
        }
    }

    /// Reads the store: the first time it takes ownership, which fences every older owner.
    fn look(&mut self, context: &mut Context<Self>) {
        self.dirty = false;
        self.cancel_timer(context);
        self.activity = Activity::Looking;
        let reading = self.read(!self.owned);
        context.spawn(reading.into_actor(self).map(|load, actor, context| {
            actor.activity = Activity::Resting;
            match load {
                Ok(load) => actor.found(load, context),
                Err(error) => actor.store_failed(&error, context),
            }
        }));
    }

    /// Reads beside a turn that is being thought about, to see whether it still fits.
    fn look_beside(&mut self, context: &mut Context<Self>) {
        self.dirty = false;
        self.looking_beside = true;
        let reading = self.read(false);
        context.spawn(reading.into_actor(self).map(|load, actor, context| {
            actor.looking_beside = false;
            if matches!(actor.activity, Activity::Thinking(_)) {
                actor.reconsider(load, context);
            } else {
                // The turn ended meanwhile; look again with its result.
                actor.dirty = true;
            }
            actor.advance(context);
        }));
    }

    fn read(&self, takes_ownership: bool) -> impl Future<Output = Result<Load, LedgerError>> + 'static {
        let ledger = self.context().ledger.clone();
        let look =
            Look { conversation_id: self.identity.conversation, epoch: self.identity.epoch, takes_ownership };
        async move { ledger.look(look).await }
    }

    fn found(&mut self, load: Load, context: &mut Context<Self>) {
        let loaded = match load {
            Load::Loaded(loaded) => loaded,
            Load::Fenced => {
                tracing::info!(conversation.id = %self.identity.conversation, "a newer owner has the conversation");
                return context.stop();
            }
            Load::Missing => return context.stop(),
        };
        self.owned = true;
        let Loaded { conversation, mut inbox, calls, sendable, owed } = *loaded;
        let more = self.keep_next_turn(&mut inbox);
        self.conversation = Some(conversation);
        self.more_open = more || !calls.is_empty();
        if owed {
            self.deliver_if_any(context);
        } else if sendable {
            self.deliver(context);
        }
        // Decided even when a wake-up came during the look: wake-ups faster than looks must not keep it from ever acting.
        if !self.stopping {
            self.decide(inbox, calls, context);
        }
        self.advance(context);
    }

    /// Messages that come late are a turn of their own; true when others wait for the next.
    fn keep_next_turn(&self, inbox: &mut Vec<InboxMessage>) -> bool {
        let sent_at: Vec<Timestamp> = inbox.iter().map(|message| message.sent_at).collect();
        inbox.truncate(batching::next_turn(&sent_at, self.context().clock.now()));
        inbox.len() < sent_at.len()
    }

    /// Calls first (their answer is owed), then the turn.
    fn decide(&mut self, inbox: Vec<InboxMessage>, calls: Vec<store::OpenCall>, context: &mut Context<Self>) {
        let Some(conversation) = &self.conversation else { return };
        let bot_must_wait = conversation.mode == Mode::Human || conversation.parked;
        let retry_at = conversation.retry_at;
        let now = self.context().clock.now();
        if let Some(call) = calls.iter().find(|call| call.next_attempt_at <= now) {
            let call = call.clone();
            return self.make_call(call, context);
        }
        let next_call = calls.iter().map(|call| call.next_attempt_at).min();
        if bot_must_wait {
            return self.rest_until(next_call, context);
        }
        if let Some(retry_at) = retry_at.filter(|at| *at > now) {
            return self.rest_until(Some(next_call.map_or(retry_at, |call| call.min(retry_at))), context);
        }
        let waiting = self.waiting(&inbox);
        match batching::decide(&waiting, now, &self.context().settings.timing) {
            Decision::Idle => self.rest_until(next_call, context),
            Decision::WaitUntil(at) => {
                self.show_typing(&inbox, context);
                self.rest_until(Some(next_call.map_or(at, |call| call.min(at))), context);
            }
            Decision::Run => {
                self.show_typing(&inbox, context);
                self.think(inbox, 0, context);
            }
        }
    }

    /// What batching asks of each message. Reading words takes time, so each is read once, and none when there are so
    /// many that the turn runs anyway.
    fn waiting(&mut self, inbox: &[InboxMessage]) -> Vec<Waiting> {
        let full = inbox.len() >= self.context().settings.timing.max_batch;
        self.paces.retain(|id, _| inbox.iter().any(|message| message.message_id == *id));
        inbox
            .iter()
            .map(|message| Waiting {
                received_at: message.received_at,
                pace: match full {
                    true => Pace::Normal,
                    false => *self.paces.entry(message.message_id).or_insert_with(|| pace(message)),
                },
            })
            .collect()
    }

    /// Nothing to do until `at`, or until woken; without `at` the actor leaves memory after a while.
    fn rest_until(&mut self, at: Option<Timestamp>, context: &mut Context<Self>) {
        self.cancel_timer(context);
        let idle = self.context().settings.idle;
        let wait = at.map(|at| {
            let span = at.duration_since(self.context().clock.now());
            Duration::try_from(span).unwrap_or(Duration::ZERO).max(Duration::from_millis(2))
        });
        self.timer = Some(match wait.filter(|wait| *wait <= idle) {
            Some(wait) => context.run_later(wait, |actor, context| {
                actor.timer = None;
                actor.dirty = true;
                actor.advance(context);
            }),
            // A longer wait is the sweeper's: it finds the row when it is due.
            None => context.run_later(idle, |actor, context| {
                actor.timer = None;
                actor.ask_to_leave(context);
            }),
        });
    }

    fn ask_to_leave(&mut self, context: &mut Context<Self>) {
        let quiet = matches!(self.activity, Activity::Resting) && !self.delivering && !self.dirty;
        if !quiet {
            return self.advance(context);
        }
        let question =
            MayLeave { conversation: self.identity.conversation, generation: self.identity.generation };
        let answer = self.identity.partition.send(question);
        context.spawn(answer.into_actor(self).map(|answer, actor, context| match answer {
            Ok(false) => {
                actor.dirty = true;
                actor.advance(context);
            }
            // Agreed, or the partition is gone: either way nobody sends here any more.
            Ok(true) | Err(_) => context.stop(),
        }));
    }

    /// Read receipt and "typing…", once when the batch begins and again while it lasts.
    fn show_typing(&mut self, inbox: &[InboxMessage], context: &mut Context<Self>) {
        let Some(last) = inbox.last().filter(|_| self.typing.is_none()) else { return };
        let Some(conversation) = &self.conversation else { return };
        let shown =
            ShowTyping { phone_number_id: conversation.phone_number_id.clone(), wamid: last.wamid.clone() };
        // Losing it costs a pair of blue ticks.
        supervision::deliver(&self.context().sender, shown);
        self.typing = Some(context.run_later(TYPING_RENEWAL, |actor, context| {
            actor.typing = None;
            if let Activity::Thinking(thinking) = &actor.activity {
                let batch = thinking.batch().to_vec();
                actor.show_typing(&batch, context);
            } else {
                actor.dirty = true;
                actor.advance(context);
            }
        }));
    }

    fn stop_typing(&mut self, context: &mut Context<Self>) {
        if let Some(timer) = self.typing.take() {
            context.cancel_future(timer);
        }
    }

    fn cancel_timer(&mut self, context: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
    }

    /// The database did not answer: nothing is known to have changed, so look again soon.
    fn store_failed(&mut self, error: &dyn std::error::Error, context: &mut Context<Self>) {
        let cause = error.source().map(ToString::to_string);
        tracing::warn!(conversation.id = %self.identity.conversation, %error, cause, "the store failed a conversation");
        self.look_again_soon(context);
    }

    fn look_again_soon(&mut self, context: &mut Context<Self>) {
        if self.stopping {
            return self.stop_if_quiet(context);
        }
        self.cancel_timer(context);
        self.timer = Some(context.run_later(STORE_PAUSE, |actor, context| {
            actor.timer = None;
            actor.dirty = true;
            actor.advance(context);
        }));
    }
}

fn pace(message: &InboxMessage) -> Pace {
    let text = message.text.as_deref();
    match batching::pace_of(&message.kind, text) {
        Pace::Immediate => Pace::Immediate,
        _ if text.is_some_and(urgency::is_emergency) => Pace::Immediate,
        pace => pace,
    }
}

impl Actor for ConversationActor {
    type Context = Context<Self>;
}

impl Handler<Wake> for ConversationActor {
    type Result = ();

    fn handle(&mut self, _: Wake, context: &mut Self::Context) {
        crate::crash_point!("conversation::wake");
        self.dirty = true;
        let handled =
            Handled { conversation: self.identity.conversation, generation: self.identity.generation };
        if !supervision::deliver(&self.identity.partition, handled) {
            // The partition is gone or flooded; it would never wake this actor again, so make room for a new one.
            return context.stop();
        }
        if !matches!(self.activity, Activity::Resting) {
            // The look that this wake-up asks for may have to wait; what an officer wrote need not.
            self.deliver_if_any(context);
        }
        self.advance(context);
    }
}

impl Handler<Stop> for ConversationActor {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        self.stopping = true;
        self.stop_waiting.cancel();
        self.cancel_timer(context);
        self.stop_typing(context);
        self.advance(context);
    }
}
