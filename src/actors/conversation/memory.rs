//! What a conversation remembers, as it is stored with it.

use serde_json::Value;

use crate::dialogue::state::DialogueState;
use crate::ids::ConversationId;

/// The stored memory. What cannot be read (written by a later version, or by hand) is left behind with an error in the
/// log: the conversation goes on.
pub(in crate::actors) fn memory(conversation: ConversationId, stored: &Value) -> DialogueState {
    let (state, readable) = DialogueState::from_json(stored);
    if !readable {
        tracing::error!(conversation.id = %conversation, "stored dialogue state is not readable, starting afresh");
    }
    state
}
