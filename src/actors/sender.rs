//! The sender: one call to Meta at a time for a conversation, many conversations at once, no faster than each number,
//! pair and account may ([`numbers`]). Says how a call ended and what to do about it ([`settle`]); the conversation
//! records it.

pub mod media;
pub mod numbers;
pub mod settle;

use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message, ResponseFuture};

use super::supervision;
use crate::ids::{ConversationId, MessageId};
use crate::metrics::Metrics;
use crate::whatsapp::client::{File, GraphClient};
use crate::whatsapp::errors::CallError;
use crate::whatsapp::outgoing::{Content, Envelope, Recipient};

use numbers::{Numbers, Reason, Turn};
pub use settle::{Patience, Settled};

/// Between two looks for pairs that need not be remembered.
const FORGET_INTERVAL: Duration = Duration::from_secs(30);

/// Waits until the number may send to this person; asked for before a row is claimed, so that a claim is used at once.
#[derive(Message)]
#[rtype(result = "Turn")]
pub struct AwaitTurn {
    pub phone_number_id: String,
    /// The pair of number and person.
    pub conversation: ConversationId,
}

/// Makes the call.
#[derive(Message)]
#[rtype(result = "Settled")]
pub struct Send {
    pub turn: Turn,
    pub phone_number_id: String,
    pub recipient: Recipient,
    pub content: Content,
    pub message_id: MessageId,
    /// The `wamid` of the message that is quoted.
    pub reply_to: Option<String>,
    /// Meta's id of the medium.
    pub uploaded: Option<String>,
    /// Counting this one, from 1.
    pub attempt: i32,
}

/// Uploads a file for a number; gives Meta's id of it.
#[derive(Message)]
#[rtype(result = "Result<String, CallError>")]
pub struct Upload {
    pub phone_number_id: String,
    pub file: File,
}

/// Marks as read and shows "typing…"; nothing depends on it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ShowTyping {
    pub phone_number_id: String,
    pub wamid: String,
}

/// The actor.
pub struct Sender {
    client: GraphClient,
    numbers: Numbers,
    patience: Patience,
    metrics: Metrics,
}

impl Sender {
    /// A sender that keeps to the pace of `numbers`.
    pub fn new(client: GraphClient, numbers: Numbers, patience: Patience, metrics: Metrics) -> Self {
        Sender { client, numbers, patience, metrics }
    }
}

impl Actor for Sender {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(4096);
        context.run_interval(FORGET_INTERVAL, |sender, _| sender.numbers.forget_idle_pairs());
    }
}

impl Handler<AwaitTurn> for Sender {
    type Result = ResponseFuture<Turn>;

    fn handle(&mut self, message: AwaitTurn, _: &mut Self::Context) -> Self::Result {
        let numbers = self.numbers.clone();
        Box::pin(async move { numbers.turn(&message.phone_number_id, message.conversation).await })
    }
}

impl Handler<Send> for Sender {
    type Result = ResponseFuture<Settled>;

    fn handle(&mut self, message: Send, _: &mut Self::Context) -> Self::Result {
        let (client, numbers, metrics) = (self.client.clone(), self.numbers.clone(), self.metrics.clone());
        let patience = self.patience;
        Box::pin(async move {
            crate::delay_point!("send::post");
            let our_id = message.message_id.to_string();
            let envelope = Envelope {
                recipient: &message.recipient,
                our_id: &our_id,
                reply_to: message.reply_to.as_deref(),
                uploaded: message.uploaded.as_deref(),
            };
            let call = client.send(&message.phone_number_id, &message.content, &envelope);
            // After a panic it is not known how far the call came.
            let ended = supervision::contained("sender", call).await.unwrap_or(Err(CallError::Ambiguous));
            numbers.ended(&message.phone_number_id, message.turn, ended.as_ref().err());
            let class = ended.as_ref().err().map_or("sent", CallError::class_name);
            metrics.sends.with_label_values(&[class]).inc();
            match ended {
                Ok(wamid) => Settled::Sent { wamid },
                Err(error) => settle::settle(&error, &message.recipient, message.attempt, patience),
            }
        })
    }
}

impl Handler<Upload> for Sender {
    type Result = ResponseFuture<Result<String, CallError>>;

    fn handle(&mut self, message: Upload, _: &mut Self::Context) -> Self::Result {
        let (client, numbers) = (self.client.clone(), self.numbers.clone());
        Box::pin(async move {
            let call = client.upload(&message.phone_number_id, &message.file);
            let ended = supervision::contained("sender", call).await.unwrap_or(Err(CallError::Ambiguous));
            if let Err(CallError::Refused { class, code, title, .. }) = &ended {
                let reason = Reason { class: *class, code: *code, title: title.clone() };
                numbers.refused(&message.phone_number_id, reason);
            }
            ended
        })
    }
}

impl Handler<ShowTyping> for Sender {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, message: ShowTyping, _: &mut Self::Context) -> Self::Result {
        let client = self.client.clone();
        Box::pin(async move {
            if let Err(error) = client.read_and_typing(&message.phone_number_id, &message.wamid).await {
                tracing::debug!(%error, "read receipt was not taken");
            }
        })
    }
}
