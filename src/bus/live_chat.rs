//! Live chat: which conversations have changed, told to every node that shows them. A hint, as a wake-up is: it may be
//! lost, doubled or overtaken, and says nothing of what changed. Whoever is told reads; whoever is not looks every few
//! seconds.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Bus, Receivers, in_process::LocalBus};
use crate::ids::ConversationId;

/// What of a conversation has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveChangeKind {
    /// Something was written, by whomever.
    Messages,
    /// How far a message of ours has come.
    Status,
    /// Who has the conversation.
    Takeover,
}

/// A conversation that has changed. Says nothing of what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LiveChange {
    pub conversation_id: ConversationId,
    pub kind: LiveChangeKind,
}

/// Somebody on this node who shows conversations.
pub trait LiveChatListener: Send + Sync {
    /// These have changed. Must not wait.
    fn changed(&self, changes: Vec<LiveChange>);
}

/// Where changes are announced once they are committed. Cheap to clone.
#[derive(Clone)]
pub struct Announcer {
    bus: Arc<dyn Bus>,
}

impl Announcer {
    /// To whoever is on the bus.
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Announcer { bus }
    }

    /// To nobody.
    pub fn silent() -> Self {
        Announcer { bus: Arc::new(LocalBus::new(Receivers::default())) }
    }

    /// One conversation has changed.
    pub fn announce(&self, conversation_id: ConversationId, kind: LiveChangeKind) {
        self.bus.announce(&[LiveChange { conversation_id, kind }]);
    }

    /// Several have.
    pub fn announce_all(&self, conversations: impl Iterator<Item = ConversationId>, kind: LiveChangeKind) {
        let changes: Vec<LiveChange> =
            conversations.map(|conversation_id| LiveChange { conversation_id, kind }).collect();
        if !changes.is_empty() {
            self.bus.announce(&changes);
        }
    }
}
