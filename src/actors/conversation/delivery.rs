//! The outbox lane: claim a row, begin the call within 2 s, record how it ended; one row at a time, in order (I6, I7).

mod failures;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use backon::Retryable;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{ConversationActor, Delivering, Observation};
use crate::actors::channel::ChannelContext;
use crate::actors::ledger::{Granted, LedgerError};
use crate::actors::sender::{AwaitTurn, Send, Settled};
use crate::actors::supervision;
use crate::bus::live_chat::LiveChangeKind;
use crate::ids::Epoch;
use crate::retry;
use crate::store::StoreError;
use crate::store::channel::aftermath::Aftermath;
use crate::store::channel::claims::Claimed;
use crate::store::channel::conversation::Conversation;
use crate::store::channel::media_uploads;
use crate::store::channel::outbox::{self, Outlook};
use crate::whatsapp::errors::{CallError, ErrorClass, WINDOW_CLOSED};
use crate::whatsapp::outgoing::{Content, Recipient};

/// A claimed call begins within this time or the claim is given back (DESIGN §3): a takeover relies on it.
const CLAIM_LASTS: Duration = Duration::from_secs(2);

/// What is known of the outbox when the lane is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mail {
    /// Something waits.
    Waits,
    /// Something may wait.
    Possible,
}

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
    /// Starts the lane for something that is known to wait.
    pub(super) fn deliver(&mut self, context: &mut Context<Self>) {
        self.start_lane(Mail::Waits, context);
    }

    /// Starts the lane in case something waits.
    pub(super) fn deliver_if_any(&mut self, context: &mut Context<Self>) {
        self.start_lane(Mail::Possible, context);
    }

    /// Starts the lane, or asks it to look once more.
    fn start_lane(&mut self, mail: Mail, context: &mut Context<Self>) {
        if self.delivering {
            self.deliver_again = match self.deliver_again {
                Some(Mail::Waits) => Some(Mail::Waits),
                _ => Some(mail),
            };
            return;
        }
        let Some(conversation) = self.conversation.clone().filter(|_| self.owned && !self.stopping) else {
            return;
        };
        if let Some(timer) = self.outbox_timer.take() {
            context.cancel_future(timer);
        }
        self.delivering = true;
        self.deliver_again = None;
        let stop = self.identity.home.draining.clone();
        let observation = self.identity.observation.clone();
        observation.delivering(Delivering::Waiting);
        let epoch = self.identity.home.epoch;
        let lane = deliver_one(self.context().clone(), conversation, epoch, mail, stop, observation);
        // The lane holds connections now and then, and this actor may be in `ctx.wait` for one meanwhile.
        context.spawn(supervision::beside(lane).into_actor(self).map(|step, actor, context| {
            actor.delivering = false;
            actor.identity.observation.delivering(Delivering::Nothing);
            let again = actor.deliver_again.take();
            match (step, again) {
                (Ok(Step::Again), _) => actor.deliver(context),
                (Ok(_), Some(mail)) => actor.start_lane(mail, context),
                (Ok(Step::Later(wait)), None) => actor.deliver_later(wait, context),
                (Ok(Step::Done), None) => actor.forget_at_rest(),
                (Err(error), _) => {
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
            actor.deliver_if_any(context);
        }));
    }
}

async fn deliver_one(
    channel: Arc<ChannelContext>,
    conversation: Box<Conversation>,
    epoch: Epoch,
    mail: Mail,
    stop: CancellationToken,
    observation: Observation,
) -> Result<Step, LedgerError> {
    let id = conversation.conversation_id;
    // Looked at first without waiting for the number's turn: most of the time there is nothing to send.
    if mail == Mail::Possible {
        match outbox::outlook(&channel.pool, id).await? {
            Outlook::Nothing => return Ok(Step::Done),
            Outlook::In(wait) => return Ok(Step::Later(wait)),
            Outlook::Aftermath => return Ok(failures::follow_up(&channel, &conversation, epoch).await?),
            Outlook::Due => {}
        }
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
    crate::delay_point!("send::claim");
    let row = match channel.ledger.claim(id, epoch).await? {
        Granted::Row(row) => row,
        Granted::Later(wait) => return Ok(Step::Later(wait)),
        Granted::Empty => return Ok(Step::Done),
    };
    crate::crash_point!("send::after_claim");
    if row.claimed().repeated {
        channel.metrics.sends_ambiguous_ended.with_label_values(&["repeated"]).inc();
    }
    let prepared = prepare(&channel, &conversation, row.claimed()).await?;
    if let Prepared::Upload { media_id } = prepared {
        // An upload may take long, a claim may not: the row waits in the queue meanwhile.
        drop(turn);
        let claimed = row.claimed().clone();
        row.give_back().await;
        return Ok(uploads::upload(&channel, &conversation, &claimed, media_id, &stop).await?);
    }
    // A claim that waited too long is given back. From `begin` on its call may have been made.
    if row.asked().elapsed() >= CLAIM_LASTS {
        row.give_back().await;
        return Ok(Step::Again);
    }
    let claimed = row.begin();
    observation.delivering(Delivering::Sending);
    let settled = match prepared {
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
            channel.sender.send(call).await.unwrap_or_else(|_| lost())
        }
        Prepared::Never { error, aftermath } => Settled::Failed { error, aftermath },
        Prepared::Upload { .. } => return Ok(Step::Again),
    };
    crate::crash_point!("send::before_record");
    observation.delivering(Delivering::Recording);
    // How a call ended must not be forgotten while this actor lives: it is written until the database takes it.
    (|| record(&channel, &conversation, &claimed, &settled))
        .retry(retry::until_it_works())
        .notify(|error, pause| tracing::warn!(%error, pause_ms = pause.as_millis(), "the end of a send is written again"))
        .await?;
    channel.announcer.announce(id, LiveChangeKind::Status);
    failures::count(&channel, &claimed, &settled);
    Ok(match settled {
        Settled::Failed { aftermath: Some(_), .. } => {
            failures::follow_up(&channel, &conversation, epoch).await?
        }
        Settled::Sent { .. } | Settled::Failed { .. } if !claimed.more => Step::Done,
        _ => Step::Again,
    })
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
    let recipient = match (&claimed.phone, &claimed.bsuid) {
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
    settled: &Settled,
) -> Result<(), LedgerError> {
    let (pool, id) = (&channel.pool, claimed.message_id);
    let written = match settled {
        Settled::Sent { wamid } => return channel.ledger.sent(id, wamid.clone()).await,
        Settled::Retry { after, error } => {
            uploads::forget_if_wrong(channel, conversation, claimed, error).await?;
            outbox::mark_retry(pool, id, *after, error).await
        }
        Settled::Unknown { error } => outbox::mark_unknown(pool, id, error).await,
        Settled::Failed { error, aftermath } => {
            uploads::forget_if_wrong(channel, conversation, claimed, error).await?;
            outbox::mark_failed(pool, id, error, *aftermath).await
        }
    };
    Ok(written?)
}
