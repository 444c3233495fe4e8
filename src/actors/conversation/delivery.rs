//! The outbox lane: claim a row, begin the call within 2 s, record how it ended; one row at a time, in order (I6, I7).

mod failures;
mod uploads;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use backon::Retryable;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::ConversationActor;
use crate::actors::channel::ChannelContext;
use crate::actors::sender::{AwaitTurn, Send, Settled};
use crate::ids::Epoch;
use crate::retry;
use crate::store::StoreError;
use crate::store::channel::aftermath::Aftermath;
use crate::store::channel::conversation::Conversation;
use crate::store::channel::media_uploads;
use crate::store::channel::outbox::{self, Claim, Claimed, Outlook};
use crate::whatsapp::errors::{CallError, ErrorClass, WINDOW_CLOSED};
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
        let lane = deliver_one(self.context().clone(), conversation, self.identity.epoch, stop);
        context.spawn(lane.into_actor(self).map(|step, actor, context| {
            actor.delivering = false;
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
) -> Result<Step, StoreError> {
    let id = conversation.conversation_id;
    // Looked at first without waiting for the number's turn: most of the time there is nothing to send.
    match outbox::outlook(&channel.pool, id).await? {
        Outlook::Nothing => return Ok(Step::Done),
        Outlook::In(wait) => return Ok(Step::Later(wait)),
        Outlook::Aftermath => return failures::follow_up(&channel, &conversation, epoch).await,
        Outlook::Due => {}
    }
    let turn = AwaitTurn { phone_number_id: conversation.phone_number_id.clone(), conversation: id };
    // Nothing is claimed yet: a stop need not wait until a paused number may send again (I10).
    let Some(granted) = stop.run_until_cancelled(channel.sender.send(turn)).await else {
        return Ok(Step::Done);
    };
    let Ok(turn) = granted else { return Ok(Step::Later(Duration::from_secs(1))) };
    if !channel.lease.is_valid() {
        return Ok(Step::Later(Duration::from_secs(1)));
    }
    let asked = Instant::now();
    let claimed = match outbox::claim(&channel.pool, id, epoch).await? {
        Claim::Row(claimed) => claimed,
        Claim::Later(wait) => return Ok(Step::Later(wait)),
        Claim::Empty => return Ok(Step::Done),
    };
    crate::crash_point!("send::after_claim");
    if claimed.repeated {
        channel.metrics.sends_ambiguous_ended.with_label_values(&["repeated"]).inc();
    }
    let settled = match prepare(&channel, &conversation, &claimed).await? {
        Prepared::Call { .. } if asked.elapsed() >= CLAIM_LASTS => None,
        Prepared::Call { recipient, content, uploaded } => {
            let call = Send {
                turn,
                phone_number_id: conversation.phone_number_id.clone(),
                recipient,
                content,
                message_id: claimed.message_id,
                reply_to: claimed.reply_to.clone(),
                uploaded,
                attempt: claimed.attempts,
            };
            // Without an answer of the sender the call may have been made.
            let lost = || Settled::Unknown { error: CallError::Ambiguous.to_json() };
            Some(channel.sender.send(call).await.unwrap_or_else(|_| lost()))
        }
        Prepared::Never { error, aftermath } => Some(Settled::Failed { error, aftermath }),
        Prepared::Upload { media_id } => {
            // An upload may take long, a claim may not: the row waits in the queue meanwhile.
            drop(turn);
            outbox::give_back(&channel.pool, claimed.message_id).await?;
            return uploads::upload(&channel, &conversation, &claimed, media_id, &stop).await;
        }
    };
    crate::crash_point!("send::before_record");
    // How a call ended must not be forgotten while this actor lives: it is written until the database takes it.
    (|| record(&channel, &conversation, &claimed, settled.as_ref()))
        .retry(retry::until_it_works())
        .notify(|error, pause| tracing::warn!(%error, pause_ms = pause.as_millis(), "the end of a send is written again"))
        .await?;
    if let Some(settled) = &settled {
        failures::count(&channel, &claimed, settled);
    }
    Ok(Step::Again)
}

/// What is to be done with a claimed row.
enum Prepared {
    Call {
        recipient: Recipient,
        content: Content,
        uploaded: Option<String>,
    },
    /// Meta does not have its file yet.
    Upload {
        media_id: Uuid,
    },
    /// It cannot be sent.
    Never {
        error: Value,
        aftermath: Option<Aftermath>,
    },
}

async fn prepare(
    channel: &ChannelContext,
    conversation: &Conversation,
    claimed: &Claimed,
) -> Result<Prepared, StoreError> {
    let never = |class: ErrorClass, title: &str| Prepared::Never {
        error: json!({"class": class.to_string(), "title": title}),
        aftermath: None,
    };
    let recipient = match (&conversation.phone, &conversation.bsuid) {
        (Some(phone), _) => Recipient::Phone(phone.clone()),
        (None, Some(bsuid)) => Recipient::Bsuid(bsuid.clone()),
        (None, None) => return Ok(never(ErrorClass::Unreachable, "the person has no address")),
    };
    let Ok(content) = serde_json::from_value::<Content>(claimed.content.clone()) else {
        return Ok(never(ErrorClass::MessageWrong, "the stored content cannot be read"));
    };
    let window_open = claimed.window_expires_at.is_some_and(|until| channel.clock.now() < until);
    if content.needs_window() && !window_open {
        return Ok(Prepared::Never {
            error: json!({"code": WINDOW_CLOSED, "class": ErrorClass::MessageWrong.to_string(),
                "title": "the 24 h window is closed; only a template may be sent"}),
            aftermath: Some(Aftermath::Window),
        });
    }
    let Content::Media { media_id, .. } = &content else {
        return Ok(Prepared::Call { recipient, content, uploaded: None });
    };
    let media_id = *media_id;
    Ok(match media_uploads::find(&channel.pool, media_id, &conversation.phone_number_id).await? {
        Some(uploaded) => Prepared::Call { recipient, content, uploaded: Some(uploaded) },
        None => Prepared::Upload { media_id },
    })
}

async fn record(
    channel: &ChannelContext,
    conversation: &Conversation,
    claimed: &Claimed,
    settled: Option<&Settled>,
) -> Result<(), StoreError> {
    let (pool, id) = (&channel.pool, claimed.message_id);
    match settled {
        None => outbox::give_back(pool, id).await,
        Some(Settled::Sent { wamid }) => outbox::mark_sent(pool, id, wamid).await,
        Some(Settled::Retry { after, error }) => {
            uploads::forget_if_wrong(channel, conversation, claimed, error).await?;
            outbox::mark_retry(pool, id, *after, error).await
        }
        Some(Settled::Unknown { error }) => outbox::mark_unknown(pool, id, error).await,
        Some(Settled::Failed { error, aftermath }) => {
            uploads::forget_if_wrong(channel, conversation, claimed, error).await?;
            outbox::mark_failed(pool, id, error, *aftermath).await
        }
    }
}
