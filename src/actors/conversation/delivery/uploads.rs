//! Files go to Meta before the message that shows them is claimed; Meta's ids of them are remembered.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Step;
use crate::actors::channel::ChannelContext;
use crate::actors::sender::media::MediaError;
use crate::actors::sender::settle::{Settled, settle};
use crate::actors::sender::{Patience, Upload};
use crate::store::StoreError;
use crate::store::channel::claims::Claimed;
use crate::store::channel::conversation::Conversation;
use crate::store::channel::media_uploads;
use crate::whatsapp::errors::{CallError, ErrorClass};
use crate::whatsapp::outgoing::Recipient;

/// Uploads the file of a row that was given back. A failure counts as an attempt of its message.
pub(super) async fn upload(
    channel: &ChannelContext,
    conversation: &Conversation,
    claimed: &Claimed,
    media_id: Uuid,
    stop: &CancellationToken,
) -> Result<Step, StoreError> {
    let number = &conversation.phone_number_id;
    // What is broken off by a stop is begun again by the next owner.
    let Some(ended) = stop.run_until_cancelled(send_file(channel, number, claimed, media_id)).await else {
        return Ok(Step::Done);
    };
    let failed = match ended {
        Ok(meta_id) => {
            media_uploads::remember(&channel.pool, media_id, number, &meta_id).await?;
            return Ok(Step::Again);
        }
        Err(failed) => failed,
    };
    let (after, error) = match &failed {
        Settled::Retry { after, error } => (Some(*after), error),
        Settled::Failed { error, .. } | Settled::Unknown { error } => (None, error),
        Settled::Sent { .. } => return Ok(Step::Again),
    };
    tracing::warn!(message.id = %claimed.message_id, code = error["code"].as_i64(), again = after.is_some(), "a file could not be uploaded");
    let (id, message) = (conversation.conversation_id, claimed.message_id);
    media_uploads::postpone(&channel.pool, id, message, after, error).await?;
    if after.is_none() {
        channel.metrics.count_dead_letter(error);
    }
    Ok(Step::Again)
}

async fn send_file(
    channel: &ChannelContext,
    number: &str,
    claimed: &Claimed,
    media_id: Uuid,
) -> Result<String, Settled> {
    let patience = channel.sending.patience;
    let file = channel.sending.media.read(media_id).await.map_err(|error| {
        let json = json!({"class": ErrorClass::Media.to_string(), "title": error.to_string()});
        match error {
            MediaError::Unavailable if claimed.attempts < patience.tries => {
                Settled::Retry { after: patience.pause(claimed.attempts), error: json }
            }
            MediaError::Unavailable | MediaError::Missing => Settled::Failed { error: json, aftermath: None },
        }
    })?;
    let upload = Upload { phone_number_id: number.to_owned(), file };
    let ended = channel.sender.send(upload).await.unwrap_or(Err(CallError::Ambiguous));
    ended.map_err(|error| failed_upload(&error, claimed.attempts, patience))
}

/// An upload is no message: where it is not known how it ended, it is simply made again.
fn failed_upload(error: &CallError, attempt: i32, patience: Patience) -> Settled {
    // An upload has no recipient: nothing of what depends on it can be said of one.
    let recipient = &Recipient::Phone(String::new());
    match error {
        CallError::Ambiguous if attempt >= patience.tries => {
            Settled::Failed { error: error.to_json(), aftermath: None }
        }
        CallError::Ambiguous => Settled::Retry { after: patience.pause(attempt), error: error.to_json() },
        other => settle(other, recipient, attempt, patience),
    }
}

/// Meta may have forgotten a file, or refuse it: it is uploaded again.
pub(super) async fn forget_if_wrong(
    channel: &ChannelContext,
    conversation: &Conversation,
    claimed: &Claimed,
    error: &Value,
) -> Result<(), StoreError> {
    let media_id = claimed.content["media_id"].as_str().and_then(|id| id.parse::<Uuid>().ok());
    let Some(media_id) = media_id else { return Ok(()) };
    if error["class"] != ErrorClass::Media.to_string() {
        return Ok(());
    }
    media_uploads::forget(&channel.pool, media_id, &conversation.phone_number_id).await
}
