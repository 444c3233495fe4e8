//! Live chat on a node: what the intake wrote is announced, and the hub looks where this node's dashboard looks.

use std::sync::Arc;

use crate::actors::live_chat::LiveChat;
use crate::bus::live_chat::{Announcer, LiveChangeKind, LiveChatListener};
use crate::config::{Config, Role};
use crate::http::dashboard::DashboardState;
use crate::http::dashboard::live_chat::ChannelChanges;
use crate::store::channel::intake::IntakeOutcome;

/// Tells those who show conversations what webhooks have changed.
pub fn announce_intake(announcer: &Announcer, outcome: &IntakeOutcome) {
    let written = outcome.wake.iter().map(|(_, conversation)| *conversation);
    announcer.announce_all(written, LiveChangeKind::Messages);
    announcer.announce_all(outcome.statuses_in.iter().copied(), LiveChangeKind::Status);
}

/// Who is told of changes on this node: only a dashboard shows any.
pub fn listener(config: &Config, hub: &LiveChat) -> Option<Arc<dyn LiveChatListener>> {
    config.has(Role::Dashboard).then(|| Arc::new(hub.clone()) as Arc<dyn LiveChatListener>)
}

/// Starts the hub of a dashboard; it ends when it is closed.
pub fn start(state: &DashboardState) {
    drop(state.live_chat.start(Arc::new(ChannelChanges(state.clone()))));
}
