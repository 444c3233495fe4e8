//! The one reminder of a draft that the citizen did not go on with: a turn without messages, committed like any other.

use std::time::Duration;

use actix::Context;
use uuid::Uuid;

use super::ConversationActor;
use super::memory::memory;
use super::telling::{Replied, outbound, reply_event};
use crate::dialogue::reminder;
use crate::dialogue::understanding::Usage;
use crate::store::channel::conversation::TurnCommit;

impl ConversationActor {
    /// Reminds, or, when the window has closed meanwhile, forgets about it.
    pub(super) fn remind(&mut self, context: &mut Context<Self>) {
        let Some(conversation) = &self.conversation else { return };
        let state = memory(conversation.conversation_id, &conversation.state);
        let (state, reply) =
            reminder::remind(state, conversation.window_expires_at, self.context().clock.now());
        let outbound = outbound(reply);
        let events = outbound.first().map(|first| {
            let told = Replied {
                messages: &[],
                intent: None,
                text: &first.text,
                handed_over: false,
                question: None,
                usage: &Usage::default(),
                took: Duration::ZERO,
            };
            reply_event(self, &told)
        });
        let commit = TurnCommit {
            conversation_id: conversation.conversation_id,
            version: conversation.version,
            epoch: self.identity.home.epoch,
            turn_id: Uuid::now_v7(),
            state: state.to_json(),
            processed: Vec::new(),
            outbound,
            calls: Vec::new(),
            events: events.into_iter().collect(),
            hand_over: None,
            remind_at: None,
        };
        self.write_turn(commit, "reminded", context);
    }
}
