//! What a turn tells: the citizen by rows of the outbox, the other services by events.

use std::time::Duration;

use serde_json::json;

use super::ConversationActor;
use crate::actors::clients::CallFailed;
use crate::dialogue::reply::{Below, Reply};
use crate::dialogue::understanding::{Intent, Understanding, Usage};
use crate::ids::MessageId;
use crate::store::channel::conversation::{NewEvent, NewOutbound};
use crate::whatsapp::outgoing::{Button, Content};

/// A reply as rows of the outbox; longer than one message allows, it becomes several in order.
pub(super) fn outbound(reply: Option<Reply>) -> Vec<NewOutbound> {
    let Some(reply) = reply else { return Vec::new() };
    let content = match reply.below {
        Below::Nothing => Content::Text { text: reply.text },
        Below::LocationRequest => Content::LocationRequest { text: reply.text },
        Below::Buttons(buttons) => Content::Buttons {
            text: reply.text,
            buttons: buttons
                .into_iter()
                .map(|button| Button { id: button.id, title: button.title })
                .collect(),
        },
    };
    content.within_limits().into_iter().filter_map(|part| outbound_row(&part)).collect()
}

/// One part as a row; `None` only if it could not be written as JSON, which strings and lists always can.
pub fn outbound_row(part: &Content) -> Option<NewOutbound> {
    Some(NewOutbound {
        message_id: MessageId::new(),
        kind: part.kind().to_owned(),
        text: part.shown_text().to_owned(),
        content: serde_json::to_value(part).ok()?,
    })
}

/// A reply, as others are told of it.
pub(super) struct Replied<'a> {
    /// What it answers.
    pub messages: &'a [MessageId],
    pub intent: Option<Intent>,
    pub text: &'a str,
    pub handed_over: bool,
    /// Of a question: whether a document answered it, and else what it was about.
    pub question: Option<Question>,
    /// Who understood what it answers.
    pub usage: &'a Usage,
    /// How long it was thought about.
    pub took: Duration,
}

/// A question to the office's documents.
pub(super) enum Question {
    Answered,
    /// With the words that were searched for.
    Unanswered(Vec<String>),
}

impl Question {
    /// What was asked, if anything was.
    pub(super) fn of(understanding: &Understanding) -> Option<Self> {
        let asked = understanding.wants(Intent::KnowledgeQuery);
        asked.then(|| match understanding.passages.is_empty() {
            false => Question::Answered,
            true => Question::Unanswered(understanding.question_terms.clone()),
        })
    }
}

/// The bot replied.
pub(super) fn reply_event(actor: &ConversationActor, replied: &Replied<'_>) -> NewEvent {
    NewEvent {
        routing_key: "govconnect.ai.reply".into(),
        body: json!({
            "conversation_id": actor.identity.conversation,
            "message_ids": replied.messages,
            "intent": replied.intent,
            "reply_text": replied.text,
            "hand_over": replied.handed_over,
            "answered": replied.question.as_ref().map(|question| matches!(question, Question::Answered)),
            "question_terms": match &replied.question {
                Some(Question::Unanswered(terms)) => Some(terms),
                _ => None,
            },
            "model": replied.usage.model,
            "tokens": replied.usage.tokens,
            "cost": replied.usage.cost,
            "fallback": replied.usage.fallback,
            "ms": millis(replied.took),
        }),
    }
}

/// The bot gave up on these messages and called a person.
pub(super) fn error_event(
    actor: &ConversationActor,
    messages: &[MessageId],
    failed: &CallFailed,
    took: Duration,
) -> NewEvent {
    // What failed told nothing of its price.
    let usage = Usage::default();
    NewEvent {
        routing_key: "govconnect.ai.error".into(),
        body: json!({
            "conversation_id": actor.identity.conversation,
            "message_ids": messages,
            "intent": None::<Intent>,
            "error": failed.to_string(),
            "hand_over": true,
            "model": usage.model,
            "tokens": usage.tokens,
            "cost": usage.cost,
            "fallback": usage.fallback,
            "ms": millis(took),
        }),
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
