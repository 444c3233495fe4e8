//! One WhatsApp conversation as an actor: a shell that looks into the store, lets `dialogue` decide, and performs the
//! effects. It owns nothing that is not in the store; whoever kills it loses no message (ARCHITECTURE: "a message arrives").
//!
//! Two lanes run beside each other: the *main lane* (look → wait for the pause → think → commit → calls → commit) in this
//! file and [`thinking`], and the *outbox lane* (claim → send → record) in [`delivery`]. [`reading`] and [`telling`] stand
//! between stored rows and `dialogue`; [`reminding`] is a turn that nobody's message began. A takeover needs no message:
//! the store refuses the bot's commits and claims from then on, and the wake-up makes the actor drop its AI work.

mod calls;
mod delivery;
pub(in crate::actors) mod memory;
mod observation;
mod reading;
mod reminding;
mod telling;
mod thinking;

pub use calls::person_merged;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture,
};
use jiff::Timestamp;

use super::channel::ChannelContext;
use super::ledger::LedgerError;
use super::partition::{Handled, Home, MayLeave};
use super::sender::ShowTyping;
use super::supervision;
use crate::ai::builtin::urgency;
use crate::bus::live_chat::LiveChangeKind;
use crate::dialogue::batching::{self, Decision, Pace, Waiting};
use crate::ids::{ConversationId, MessageId};
use crate::store::channel::conversation::{self as store, Conversation, InboxMessage, Load, Loaded, Mode};
use crate::store::channel::loading::Look;

pub use telling::outbound_row;

use delivery::Mail;
pub use observation::{Delivering, Doing, Observation, Observed};
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
    pub home: Arc<Home>,
    pub observation: Observation,
}

/// The main lane's present activity; one at a time.
enum Activity {
    /// Nothing; a timer may be set.
    Resting,
    /// Reading the store.
    Looking,
    /// A turn is being thought about (and the store may be read beside it). Boxed: of many conversations few think.
    Thinking(Box<Thinking>),
    /// A commit or a call is under way; it is never cancelled.
    Committing,
}

/// The actor.
pub struct ConversationActor {
    identity: Identity,
    activity: Activity,
    /// As of the last look; the version is that of our own last commit.
    /// Nothing while the actor rests: every activity begins with a look.
    conversation: Option<Box<Conversation>>,
    /// Of the messages that wait.
    paces: Vec<(MessageId, Pace)>,
    owned: bool,
    /// The last look found more than a turn takes: calls without an answer, or messages that came too late for it.
    more_open: bool,
    /// A wake-up came that the next look must take into account.
    dirty: bool,
    looking_beside: bool,
    delivering: bool,
    deliver_again: Option<Mail>,
    timer: Option<SpawnHandle>,
    idle_timer: bool,
    rested_at: Instant,
    outbox_timer: Option<SpawnHandle>,
    /// Until when "typing…" is shown, and the message that was marked as read with it.
    typing: Option<(SpawnHandle, MessageId)>,
    stopping: bool,
}

impl ConversationActor {
    /// Something of this conversation was committed.
    fn announce(&self, kind: LiveChangeKind) {
        self.context().announcer.announce(self.identity.conversation, kind);
    }

    /// An actor that knows nothing yet; its first wake-up makes it look.
    pub fn new(identity: Identity) -> Self {
        ConversationActor {
            identity,
            activity: Activity::Resting,
            conversation: None,
            paces: Vec::new(),
            owned: false,
            more_open: false,
            dirty: false,
            looking_beside: false,
            delivering: false,
            deliver_again: None,
            timer: None,
            idle_timer: false,
            rested_at: Instant::now(),
            outbox_timer: None,
            typing: None,
            stopping: false,
        }
    }

    fn context(&self) -> &Arc<ChannelContext> {
        &self.identity.home.context
    }

    /// Goes over to an activity, for all to see; gives the one before.
    fn begin(&mut self, activity: Activity) -> Activity {
        let (doing, batch, restarts) = match &activity {
            Activity::Resting => (Doing::Resting, 0, 0),
            Activity::Looking => (Doing::Looking, 0, 0),
            Activity::Thinking(thinking) => (Doing::Thinking, thinking.batch().len(), thinking.restarts()),
            Activity::Committing => (Doing::Committing, 0, 0),
        };
        self.identity.observation.doing(doing, batch, restarts);
        std::mem::replace(&mut self.activity, activity)
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
        self.begin(Activity::Looking);
        let reading = self.read(!self.owned);
        context.spawn(reading.into_actor(self).map(|load, actor, context| {
            actor.begin(Activity::Resting);
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
        let look = Look {
            conversation_id: self.identity.conversation,
            epoch: self.identity.home.epoch,
            takes_ownership,
        };
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
        self.conversation = Some(Box::new(conversation));
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
        let (retry_at, remind_at) = (conversation.retry_at, conversation.remind_at);
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
            Decision::Idle if remind_at.is_some_and(|at| at <= now) => self.remind(context),
            Decision::Idle => self.rest_until(next_call.into_iter().chain(remind_at).min(), context),
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
        let known = std::mem::take(&mut self.paces);
        let known = |id: MessageId| known.iter().find(|(of, _)| *of == id).map(|(_, pace)| *pace);
        if !full {
            let pace_of = |message: &InboxMessage| known(message.message_id).unwrap_or_else(|| pace(message));
            self.paces = inbox.iter().map(|message| (message.message_id, pace_of(message))).collect();
        }
        let paces = self.paces.iter().map(|(_, pace)| *pace).chain(std::iter::repeat(Pace::Normal));
        inbox
            .iter()
            .zip(paces)
            .map(|(message, pace)| Waiting { received_at: message.received_at, pace })
            .collect()
    }

    /// Nothing to do until `at`, or until woken; without `at` the actor leaves memory after a while.
    fn rest_until(&mut self, at: Option<Timestamp>, context: &mut Context<Self>) {
        self.cancel_timer(context);
        self.forget_at_rest();
        let idle = self.context().settings.idle;
        let wait = at.map(|at| {
            let span = at.duration_since(self.context().clock.now());
            Duration::try_from(span).unwrap_or(Duration::ZERO).max(Duration::from_millis(2))
        });
        // A longer wait is the sweeper's: it finds the row when it is due.
        if let Some(wait) = wait.filter(|wait| *wait <= idle) {
            self.timer = Some(context.run_later(wait, |actor, context| {
                actor.timer = None;
                actor.dirty = true;
                actor.advance(context);
            }));
        }
        self.rested_at = Instant::now();
        if !self.idle_timer {
            self.leave_after(idle, context);
        }
    }

    /// One timer for as long as the actor lives, set again only when it runs out: wake-ups are many.
    fn leave_after(&mut self, wait: Duration, context: &mut Context<Self>) {
        self.idle_timer = true;
        context.run_later(wait, |actor, context| {
            actor.idle_timer = false;
            let idle = actor.context().settings.idle;
            let left = idle.saturating_sub(actor.rested_at.elapsed());
            match (actor.timer.is_some(), left.is_zero()) {
                (true, _) => actor.leave_after(idle, context),
                (false, false) => actor.leave_after(left, context),
                (false, true) => actor.ask_to_leave(context),
            }
        });
    }

    /// While it rests, only the outbox lane works with what the last look found.
    fn forget_at_rest(&mut self) {
        if matches!(self.activity, Activity::Resting) && !self.delivering && self.outbox_timer.is_none() {
            self.conversation = None;
        }
    }

    fn ask_to_leave(&mut self, context: &mut Context<Self>) {
        let quiet = matches!(self.activity, Activity::Resting) && !self.delivering && !self.dirty;
        if !quiet {
            self.leave_after(self.context().settings.idle, context);
            return self.advance(context);
        }
        let question =
            MayLeave { conversation: self.identity.conversation, generation: self.identity.generation };
        let answer = self.identity.home.partition.send(question);
        context.spawn(answer.into_actor(self).map(|answer, actor, context| match answer {
            Ok(false) => {
                actor.dirty = true;
                actor.advance(context);
            }
            // Agreed, or the partition is gone: either way nobody sends here any more.
            Ok(true) | Err(_) => context.stop(),
        }));
    }

    /// Read receipt and "typing…": for every message that is new, and again while it lasts.
    fn show_typing(&mut self, inbox: &[InboxMessage], context: &mut Context<Self>) {
        // What WhatsApp tells about people, messages and calls is nothing that could be read.
        let readable = |message: &&InboxMessage| !matches!(message.kind.as_str(), "system" | "call");
        let shown_for = self.typing.map(|(_, message)| message);
        let last = inbox.iter().rev().find(readable).filter(|last| shown_for != Some(last.message_id));
        let Some(last) = last else { return };
        let Some(conversation) = &self.conversation else { return };
        let shown =
            ShowTyping { phone_number_id: conversation.phone_number_id.clone(), wamid: last.wamid.clone() };
        // Losing it costs a pair of blue ticks.
        supervision::deliver(&self.context().sender, shown);
        self.stop_typing(context);
        let renewal = context.run_later(TYPING_RENEWAL, |actor, context| {
            actor.typing = None;
            if let Activity::Thinking(thinking) = &actor.activity {
                let batch = thinking.batch().to_vec();
                actor.show_typing(&batch, context);
            } else {
                actor.dirty = true;
                actor.advance(context);
            }
        });
        self.typing = Some((renewal, last.message_id));
    }

    fn stop_typing(&mut self, context: &mut Context<Self>) {
        if let Some((timer, _)) = self.typing.take() {
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
    let words = reading::words(message);
    let text = words.as_deref();
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
        if !supervision::deliver(&self.identity.home.partition, handled) {
            // The partition is gone or flooded; it would never wake this actor again, so make room for a new one.
            return context.stop();
        }
        if matches!(self.activity, Activity::Committing) {
            // The look that this wake-up asks for waits for a call's answer; what an officer wrote need not.
            self.deliver_if_any(context);
        }
        self.advance(context);
    }
}

impl Handler<Stop> for ConversationActor {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        self.stopping = true;
        self.cancel_timer(context);
        self.stop_typing(context);
        self.advance(context);
    }
}
