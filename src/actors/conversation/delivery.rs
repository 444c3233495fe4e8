//! The outbox lane: claim a row, begin the call within 2 s, record how it ended; one row at a time, in order (I6, I7).

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use backon::Retryable;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{ConversationActor, Delivering, Observation};
use crate::actors::channel::ChannelContext;
use crate::actors::sender::{AwaitTurn, Send, Settled};
use crate::ids::{ConversationId, Epoch};
use crate::retry;
use crate::store::StoreError;
use crate::store::channel::conversation::Conversation;
use crate::store::channel::outbox::{self, Claim, Claimed};
use crate::whatsapp::outgoing::{Content, Recipient};

/// A claimed call begins within this time or the claim is given back (DESIGN §3): a takeover relies on it.
const CLAIM_LASTS: Duration = Duration::from_secs(2);

/// What one step of the lane found.
enum Step {
    /// A row was settled; there may be more.
    Again,
    /// Nothing now; look after this long.
    Later(Duration),
    /// The outbox is empty.
    Done,
}

impl ConversationActor {
    /// Starts the lane, or asks it to look once more.
    pub(super) fn deliver(&mut self, context: &mut Context<Self>) {
        if self.delivering {
            self.deliver_again = true;
            return;
        }
        let Some(conversation) = self.conversation.clone().filter(|_| self.owned && !self.stopping) else {
            return;
        };
        if let Some(timer) = self.outbox_timer.take() {
            context.cancel_future(timer);
        }
        self.delivering = true;
        self.deliver_again = false;
        let stop = self.stop_waiting.clone();
        let observation = self.identity.observation.clone();
        observation.delivering(Delivering::Waiting);
        let lane = deliver_one(self.context().clone(), conversation, self.identity.epoch, stop, observation);
        context.spawn(lane.into_actor(self).map(|step, actor, context| {
            actor.delivering = false;
            actor.identity.observation.delivering(Delivering::Nothing);
            match step {
                Ok(Step::Again) => actor.deliver(context),
                Ok(_) if actor.deliver_again => actor.deliver(context),
                Ok(Step::Later(wait)) => actor.deliver_later(wait, context),
                Ok(Step::Done) => {}
                Err(error) => {
                    tracing::warn!(conversation.id = %actor.identity.conversation, %error, "the outbox could not be read or written");
                    actor.deliver_later(Duration::from_secs(1), context);
                }
            }
            if actor.stopping {
                actor.stop_if_quiet(context);
            }
        }));
    }

    fn deliver_later(&mut self, wait: Duration, context: &mut Context<Self>) {
        if self.stopping {
            return;
        }
        self.outbox_timer = Some(context.run_later(wait, |actor, context| {
            actor.outbox_timer = None;
            actor.deliver(context);
        }));
    }
}

async fn deliver_one(
    channel: Arc<ChannelContext>,
    conversation: Conversation,
    epoch: Epoch,
    stop: CancellationToken,
    observation: Observation,
) -> Result<Step, StoreError> {
    let id = conversation.conversation_id;
    // Looked at first without waiting for the number's turn: most of the time there is nothing to send.
    let turn = AwaitTurn { phone_number_id: conversation.phone_number_id.clone() };
    if !outbox::has_sendable(&channel.pool, id).await? {
        return Ok(Step::Done);
    }
    // Nothing is claimed yet: a stop need not wait until a paused number may send again (I10).
    let Some(granted) = stop.run_until_cancelled(channel.sender.send(turn)).await else {
        return Ok(Step::Done);
    };
    if granted.is_err() || !channel.lease.is_valid() {
        return Ok(Step::Later(Duration::from_secs(1)));
    }
    crate::delay_point!("send::claim");
    let asked = Instant::now();
    let claimed = match outbox::claim(&channel.pool, id, epoch).await? {
        Claim::Row(claimed) => claimed,
        Claim::Later(wait) => return Ok(Step::Later(wait)),
        Claim::Empty => return Ok(Step::Done),
    };
    crate::crash_point!("send::after_claim");
    observation.delivering(Delivering::Sending);
    let settled = send(&channel, &conversation, &claimed, asked).await;
    crate::crash_point!("send::before_record");
    observation.delivering(Delivering::Recording);
    // How a call ended must not be forgotten while this actor lives: it is written until the database takes it.
    (|| record(&channel, id, &claimed, settled.as_ref()))
        .retry(retry::until_it_works())
        .notify(|error, pause| tracing::warn!(%error, pause_ms = pause.as_millis(), "the end of a send is written again"))
        .await?;
    Ok(Step::Again)
}

/// `None`: the call could not begin in time.
async fn send(
    channel: &ChannelContext,
    conversation: &Conversation,
    claimed: &Claimed,
    asked: Instant,
) -> Option<Settled> {
    let recipient = match (&conversation.phone, &conversation.bsuid) {
        (Some(phone), _) => Recipient::Phone(phone.clone()),
        (None, Some(bsuid)) => Recipient::Bsuid(bsuid.clone()),
        (None, None) => {
            return Some(Settled::Failed { error: json!({"title": "the person has no address"}) });
        }
    };
    let content: Content = match serde_json::from_value(claimed.content.clone()) {
        Ok(content) => content,
        Err(_) => {
            return Some(Settled::Failed { error: json!({"title": "the stored content cannot be read"}) });
        }
    };
    let window_open = claimed.window_expires_at.is_some_and(|until| channel.clock.now() < until);
    if content.needs_window() && !window_open {
        let error =
            json!({"code": 131_047, "title": "the 24 h window is closed; only a template may be sent"});
        return Some(Settled::Failed { error });
    }
    if asked.elapsed() >= CLAIM_LASTS {
        return None;
    }
    let call = Send {
        phone_number_id: conversation.phone_number_id.clone(),
        recipient,
        content,
        message_id: claimed.message_id,
        attempt: claimed.attempts,
    };
    // Without an answer of the sender the call may have been made.
    let lost = || Settled::Unknown { error: json!({"title": "the sender ended during the call"}) };
    Some(channel.sender.send(call).await.unwrap_or_else(|_| lost()))
}

async fn record(
    channel: &ChannelContext,
    conversation: ConversationId,
    claimed: &Claimed,
    settled: Option<&Settled>,
) -> Result<(), StoreError> {
    let (pool, id) = (&channel.pool, claimed.message_id);
    match settled {
        None => outbox::give_back(pool, id).await,
        Some(Settled::Sent { wamid }) => outbox::mark_sent(pool, id, wamid).await,
        Some(Settled::Retry { after, error }) => outbox::mark_retry(pool, id, *after, error).await,
        Some(Settled::Unknown { error }) => outbox::mark_unknown(pool, id, error).await,
        Some(Settled::Failed { error }) => {
            tracing::warn!(conversation.id = %conversation, message.id = %id, code = error["code"].as_i64(), "message failed");
            outbox::mark_failed(pool, id, error).await
        }
    }
}
