//! A turn: think (only reading), then commit in one statement. A newer message or a takeover cancels the thinking;
//! a commit is never cancelled, and a stale one changes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{ActorFutureExt, AsyncContext, Context, SpawnHandle, WrapFuture};
use jiff::SignedDuration;
use uuid::Uuid;

use super::memory::memory;
use super::reading::{batch_message, context_line, fact};
use super::telling::{Question, Replied, error_event, outbound, reply_event};
use super::{Activity, ConversationActor};
use crate::actors::channel::ChannelContext;
use crate::actors::clients::CallFailed;
use crate::actors::ledger::LedgerError;
use crate::ai::builtin::urgency::is_emergency;
use crate::bus::live_chat::LiveChangeKind;
use crate::bus::trace::Traceparent;
use crate::dialogue::batching;
use crate::dialogue::reply::{self, Reply};
use crate::dialogue::rounds::Round;
use crate::dialogue::state::DialogueState;
use crate::dialogue::turn::{self, BatchMessage, Facts, Lookup};
use crate::dialogue::understanding::{ContextLine, UnderstandRequest, Understanding};
use crate::dialogue::{phrases, understanding};
use crate::ids::{DraftId, MessageId};
use crate::store::channel::conversation::{
    self as store, Committed, Conversation, InboxMessage, Load, Mode, TurnCommit,
};
use crate::store::channel::loading::INBOX_LIMIT;
use crate::store::channel::takeover;

/// How long a message waits for services that are away before a person is called.
const OUTAGE_PATIENCE: SignedDuration = SignedDuration::from_mins(5);
/// How long after a takeover its transcript still explains what the citizen means.
const CONTEXT_LASTS: SignedDuration = SignedDuration::from_hours(24);
/// Lines of the transcript that are handed over.
const CONTEXT_LINES: i64 = 12;

/// A turn that is being thought about.
pub(super) struct Thinking {
    handle: SpawnHandle,
    batch: Vec<InboxMessage>,
    restarts: u32,
    began: Instant,
}

impl Thinking {
    /// How often it was begun anew.
    pub(super) fn restarts(&self) -> u32 {
        self.restarts
    }

    /// The messages it is about.
    pub(super) fn batch(&self) -> &[InboxMessage] {
        &self.batch
    }
}

/// What thinking brought.
struct Thought {
    understanding: Understanding,
    facts: Facts,
}

impl ConversationActor {
    /// Starts a turn over `batch`.
    pub(super) fn think(&mut self, batch: Vec<InboxMessage>, restarts: u32, context: &mut Context<Self>) {
        let Some(conversation) = &self.conversation else { return };
        let state = memory(conversation.conversation_id, &conversation.state);
        let thought = understand(self.context().clone(), conversation.clone(), batch.clone(), state);
        let trace = batch.first().map(|first| Traceparent::beginning_with(first.message_id.0));
        let thought = async move {
            match trace {
                Some(trace) => trace.scope(thought).await,
                None => thought.await,
            }
        };
        let handle = context.spawn(thought.into_actor(self).map(|result, actor, context| {
            let Activity::Thinking(thinking) = actor.begin(Activity::Resting) else {
                return;
            };
            match result {
                Ok(thought) => actor.commit(&thinking, thought, context),
                Err(failed) => actor.turn_failed(&thinking, &failed, context),
            }
        }));
        self.begin(Activity::Thinking(Box::new(Thinking { handle, batch, restarts, began: Instant::now() })));
    }

    /// Gives up the thinking; nothing has been written.
    pub(super) fn drop_thinking(&mut self, context: &mut Context<Self>, outcome: &str) {
        if let Activity::Thinking(thinking) = self.begin(Activity::Resting) {
            context.cancel_future(thinking.handle);
            self.context().metrics.turns.with_label_values(&[outcome]).inc();
        }
    }

    /// The store was read beside the thinking: does the turn still fit?
    pub(super) fn reconsider(&mut self, load: Result<Load, LedgerError>, context: &mut Context<Self>) {
        let mut loaded = match load {
            Ok(Load::Loaded(loaded)) => loaded,
            Ok(Load::Fenced | Load::Missing) => {
                self.drop_thinking(context, "cancelled");
                self.dirty = true;
                return;
            }
            // The commit will tell.
            Err(_) => {
                self.more_open = true;
                return;
            }
        };
        let more = self.keep_next_turn(&mut loaded.inbox);
        if loaded.sendable {
            self.deliver(context);
        }
        let Activity::Thinking(thinking) = &self.activity else { return };
        if loaded.conversation.mode == Mode::Human {
            self.drop_thinking(context, "cancelled");
            self.stop_typing(context);
            self.conversation = Some(Box::new(loaded.conversation));
            return;
        }
        let newer = loaded.inbox.iter().any(|message| !thinking.batch.contains(message));
        self.more_open = more || newer || !loaded.calls.is_empty();
        let first = thinking.batch.iter().map(|message| message.received_at).min();
        let now = self.context().clock.now();
        let timing = self.context().settings.timing;
        let restarts = thinking.restarts;
        let may = first.is_some_and(|first| batching::may_restart(restarts, first, now, &timing));
        if newer && may {
            self.drop_thinking(context, "restarted");
            self.conversation = Some(Box::new(loaded.conversation));
            self.show_typing(&loaded.inbox, context);
            self.think(loaded.inbox, restarts + 1, context);
        }
    }

    /// Decides, and commits everything in one statement.
    fn commit(&mut self, thinking: &Thinking, thought: Thought, context: &mut Context<Self>) {
        crate::crash_point!("conversation::turn");
        let batch = &thinking.batch;
        let Some(conversation) = &self.conversation else { return };
        let channel = self.context().clone();
        let state = memory(conversation.conversation_id, &conversation.state);
        let messages: Vec<BatchMessage> = batch.iter().map(batch_message).collect();
        let outcome = turn::take(
            state,
            &turn::Input {
                office: &channel.office,
                messages: &messages,
                understanding: &thought.understanding,
                facts: &thought.facts,
                now: channel.clock.now(),
                returned_at: conversation.returned_at,
                fresh_id: DraftId::new(),
            },
        );
        let language = thought.understanding.language;
        let calls = outcome.effects.iter().map(|effect| self.new_call(effect, language)).collect();
        let outbound = outbound(outcome.reply);
        let events = outbound.first().map(|first| {
            let told = Replied {
                messages: &ids_of(batch),
                intent: thought.understanding.intents.first().copied(),
                text: &first.text,
                handed_over: outcome.hand_over.is_some(),
                question: Question::of(&thought.understanding),
                usage: &thought.understanding.usage,
                took: thinking.began.elapsed(),
            };
            reply_event(self, &told)
        });
        let commit = TurnCommit {
            conversation_id: conversation.conversation_id,
            version: conversation.version,
            epoch: self.identity.home.epoch,
            turn_id: Uuid::now_v7(),
            state: outcome.state.to_json(),
            processed: batch.iter().map(|message| message.message_id).collect(),
            outbound,
            calls,
            events: events.into_iter().collect(),
            hand_over: outcome.hand_over,
            remind_at: outcome.remind_at,
        };
        self.write_turn(commit, "committed", context);
    }

    /// Under `ctx.wait`: nothing else of this actor runs until the store has answered.
    pub(super) fn write_turn(
        &mut self,
        commit: TurnCommit,
        outcome: &'static str,
        context: &mut Context<Self>,
    ) {
        if !self.context().lease.is_valid() {
            tracing::warn!(conversation.id = %self.identity.conversation, "turn dropped: the lease has run out");
            return self.look_again_soon(context);
        }
        self.begin(Activity::Committing);
        let ledger = self.context().ledger.clone();
        let has_reply = !commit.outbound.is_empty();
        // What the turn left open is looked at next. The last look saw everything else; what came since woke us.
        let leaves_work = !commit.calls.is_empty() || self.more_open || commit.processed.len() >= INBOX_LIMIT;
        let writing = async move {
            crate::crash_point!("turn::before_commit");
            crate::delay_point!("turn::commit");
            let written = ledger.commit(commit).await;
            crate::crash_point!("turn::after_commit");
            written
        };
        context.wait(writing.into_actor(self).map(move |written, actor, context| {
            actor.begin(Activity::Resting);
            actor.stop_typing(context);
            match written {
                Ok(Committed::Yes(version)) => {
                    actor.announce(LiveChangeKind::Messages);
                    actor.context().metrics.turns.with_label_values(&[outcome]).inc();
                    if let Some(conversation) = &mut actor.conversation {
                        conversation.version = version;
                    }
                    actor.dirty |= leaves_work;
                    if has_reply {
                        actor.deliver(context);
                    }
                }
                Ok(Committed::Stale) => {
                    actor.dirty = true;
                    actor.context().metrics.turns.with_label_values(&["stale"]).inc();
                }
                Err(error) => return actor.store_failed(&error, context),
            }
            if !actor.dirty && !actor.stopping {
                return actor.rest_until(None, context);
            }
            actor.advance(context);
        }));
    }

    /// Again after a pause; too often, and a person is called instead: never silence. An outage, which is over for all at
    /// once, is waited for a while longer.
    fn turn_failed(&mut self, thinking: &Thinking, failed: &CallFailed, context: &mut Context<Self>) {
        let batch = &thinking.batch;
        let Some(conversation) = &self.conversation else { return };
        tracing::warn!(conversation.id = %conversation.conversation_id, attempt = conversation.failed_turns + 1, error = %failed, "turn failed");
        let away = *failed == CallFailed::Away;
        let waited = batch.first().map(|first| self.context().clock.now().duration_since(first.received_at));
        let may_end_soon = away && waited.is_none_or(|waited| waited < OUTAGE_PATIENCE);
        if conversation.failed_turns + 1 >= self.context().settings.turn_attempts && !may_end_soon {
            let state = memory(conversation.conversation_id, &conversation.state);
            let office = &self.context().office;
            let language = state.language;
            let mut says = vec![phrases::apology(language)];
            says.extend(office.closed_words(language, self.context().clock.now()));
            let reply = Reply::words(reply::join(&says));
            let commit = TurnCommit {
                conversation_id: conversation.conversation_id,
                version: conversation.version,
                epoch: self.identity.home.epoch,
                turn_id: Uuid::now_v7(),
                state: state.to_json(),
                processed: batch.iter().map(|message| message.message_id).collect(),
                outbound: outbound(Some(reply)),
                calls: Vec::new(),
                remind_at: None,
                events: vec![error_event(self, &ids_of(&thinking.batch), failed, thinking.began.elapsed())],
                hand_over: Some("the bot failed several times".into()),
            };
            return self.write_turn(commit, "handed_over", context);
        }
        self.context().metrics.turns.with_label_values(&["failed"]).inc();
        let doublings = conversation.failed_turns.clamp(0, if away { 2 } else { 6 }) as u32;
        let pause = Duration::from_millis(500) * 2_u32.pow(doublings);
        let (pool, id, epoch) =
            (self.context().pool.clone(), self.identity.conversation, self.identity.home.epoch);
        self.begin(Activity::Committing);
        let writing = async move { store::postpone_turn(&pool, id, epoch, pause).await };
        context.wait(writing.into_actor(self).map(|written, actor, context| {
            actor.begin(Activity::Resting);
            actor.dirty = true;
            match written {
                Ok(()) => actor.advance(context),
                Err(error) => actor.store_failed(&error, context),
            }
        }));
    }
}

/// Thinks: asks the AI service, then the case service for the facts that are needed. Only reads.
async fn understand(
    channel: Arc<ChannelContext>,
    conversation: Box<Conversation>,
    batch: Vec<InboxMessage>,
    state: DialogueState,
) -> Result<Thought, CallFailed> {
    let person = conversation.person_id;
    let messages: Vec<BatchMessage> = batch.iter().map(batch_message).collect();
    if !turn::deserves_reply(&messages) {
        return Ok(Thought { understanding: Understanding::default(), facts: Facts::default() });
    }
    let texts: Vec<String> = messages
        .iter()
        .filter(|message| turn::is_said(&message.kind) && message.button.is_none() && message.pin.is_none())
        .filter(|message| !turn::is_chain(message))
        .filter_map(|message| message.text.clone())
        .collect();
    // Whoever writes without end is not thought about without end; danger always is.
    let answered = || state.rounds.ask(&messages, channel.clock.now()) == Round::Go;
    let understanding = match texts.is_empty() || !(answered() || texts.iter().any(|text| is_emergency(text)))
    {
        true => understanding::Understanding::default(),
        false => {
            let context = said_before(&channel, &conversation).await;
            let names = conversation.display_name.iter().cloned().collect();
            let request = UnderstandRequest { texts, asked_for: state.asked_for(), context, names };
            channel.ai.understand(request).await?
        }
    };
    let mut facts = Facts::default();
    for lookup in turn::lookups(&state, &understanding) {
        let found = match lookup {
            Lookup::Complaint(lap_id) => channel.case.find(lap_id, person).await,
            Lookup::OwnComplaints => channel.case.list(person).await,
        };
        match found {
            Ok(found) => facts.complaints.extend(found.into_iter().map(fact)),
            Err(CallFailed::Refused { .. }) => {}
            Err(CallFailed::Unavailable | CallFailed::Away) => facts.unavailable = true,
        }
    }
    Ok(Thought { understanding, facts })
}

/// For a day after a person gave the conversation back: what was said until then.
async fn said_before(channel: &ChannelContext, conversation: &Conversation) -> Vec<ContextLine> {
    let Some(returned_at) = conversation.returned_at else { return Vec::new() };
    if channel.clock.now().duration_since(returned_at) > CONTEXT_LASTS {
        return Vec::new();
    }
    let id = conversation.conversation_id;
    match takeover::transcript(&channel.pool, id, returned_at, CONTEXT_LINES).await {
        Ok(lines) => lines.into_iter().map(context_line).collect(),
        Err(error) => {
            // The turn is understood by itself then, as any other.
            tracing::warn!(conversation.id = %id, %error, "the transcript of a takeover could not be read");
            Vec::new()
        }
    }
}

fn ids_of(batch: &[InboxMessage]) -> Vec<MessageId> {
    batch.iter().map(|message| message.message_id).collect()
}
