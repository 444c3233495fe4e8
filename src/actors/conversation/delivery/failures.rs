//! After a failure: what is owed for it, what the number has to know, and what is counted.

use super::Step;
use crate::actors::channel::ChannelContext;
use crate::actors::sender::Settled;
use crate::actors::sender::numbers::Reason;
use crate::bus::live_chat::LiveChangeKind;
use crate::ids::Epoch;
use crate::store::StoreError;
use crate::store::channel::aftermath::{self, Outcome};
use crate::store::channel::claims::Claimed;
use crate::store::channel::conversation::Conversation;
use crate::whatsapp::errors::{ErrorClass, WINDOW_CLOSED};

/// Does what is owed for failed messages, before anything else leaves.
pub(super) async fn follow_up(
    channel: &ChannelContext,
    conversation: &Conversation,
    epoch: Epoch,
) -> Result<Step, StoreError> {
    let id = conversation.conversation_id;
    let followed = aftermath::resolve(&channel.pool, id, epoch, &channel.sending.rules).await?;
    if followed.is_empty() {
        // A newer owner has the conversation, and does it.
        return Ok(Step::Done);
    }
    channel.announcer.announce(id, LiveChangeKind::Status);
    for failed in followed {
        let code = failed.error["code"].as_i64();
        match failed.outcome {
            Outcome::Again => {
                if let Some(code) = code {
                    let title = failed.error["title"].as_str().unwrap_or_default().to_owned();
                    let reason = Reason { class: ErrorClass::of(code, 200), code, title };
                    channel.sending.numbers.refused(&conversation.phone_number_id, reason);
                }
            }
            Outcome::Replaced => {
                channel.metrics.window_closed.with_label_values(&["template"]).inc();
                channel.metrics.count_dead_letter(&failed.error);
            }
            Outcome::Final => {
                if code == Some(WINDOW_CLOSED) {
                    channel.metrics.window_closed.with_label_values(&["failed"]).inc();
                }
                channel.metrics.count_dead_letter(&failed.error);
            }
        }
        let message = failed.message_id;
        tracing::warn!(conversation.id = %id, message.id = %message, code, outcome = ?failed.outcome, "a message had failed");
    }
    Ok(Step::Again)
}

/// Counts how a send ended. What is owed for a failure is counted when it is done.
pub(super) fn count(channel: &ChannelContext, claimed: &Claimed, settled: &Settled) {
    match settled {
        Settled::Sent { .. } => {
            let kind = kind_of(claimed);
            channel.metrics.messages_sent.with_label_values(&[kind, claimed.origin.as_str()]).inc();
        }
        Settled::Unknown { .. } => channel.metrics.sends_ambiguous.inc(),
        Settled::Failed { error, aftermath: None } => {
            tracing::warn!(message.id = %claimed.message_id, code = error["code"].as_i64(), "a message failed");
            channel.metrics.count_dead_letter(error);
        }
        Settled::Failed { .. } | Settled::Retry { .. } => {}
    }
}

/// What the content calls itself; a content that was sent has one of few names.
fn kind_of(claimed: &Claimed) -> &str {
    claimed.content["type"].as_str().unwrap_or("unknown")
}
