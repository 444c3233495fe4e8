//! What becomes of a message of the office: sent → delivered → read, each told by a webhook, never backwards.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::graph_error::GraphError;
use super::people::Progress;
use super::state::{Shared, World};
use super::updates::{self, Change};
use super::webhooks::{self, Delivery};

/// Takes an accepted message through its states in the background.
pub(super) fn follow(shared: &Arc<Shared>, world: &World, wamid: String, failure: Option<GraphError>) {
    let generation = world.generation.clone();
    let task = progress(Arc::clone(shared), wamid, failure, generation);
    shared.tasks.spawn_on(task, &shared.runtime);
}

async fn progress(
    shared: Arc<Shared>,
    wamid: String,
    failure: Option<GraphError>,
    generation: CancellationToken,
) {
    let steps = async {
        let behaviour = shared.with_world(|world| world.behaviour.clone());
        let Some(sent_after_ms) = behaviour.sent_after_ms else { return };
        pause(sent_after_ms).await;
        if let Some(failure) = failure {
            shared.with_world(|world| fail(&shared, world, &wamid, vec![failure.to_status_error()]));
            return;
        }
        shared.with_world(|world| advance(&shared, world, &wamid, Progress::Sent));
        let Some(delivered_after_ms) = behaviour.delivered_after_ms else { return };
        pause(delivered_after_ms).await;
        let delivered = shared.with_world(|world| {
            let online = world.message(&wamid).is_some_and(|(citizen, _, _)| citizen.online);
            if online {
                advance(&shared, world, &wamid, Progress::Delivered);
            }
            online
        });
        let Some(read_after_ms) = behaviour.read_after_ms.filter(|_| delivered) else { return };
        pause(read_after_ms).await;
        shared.with_world(|world| advance(&shared, world, &wamid, Progress::Read));
    };
    let _reset = generation.run_until_cancelled(steps).await;
}

async fn pause(ms: u64) {
    // A timer of zero still takes a millisecond.
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

/// Moves a message forward and tells the office. A message that is further, or has failed, stays as it is.
pub(super) fn advance(shared: &Arc<Shared>, world: &mut World, wamid: &str, to: Progress) {
    let Some((_, _, message)) = world.message(wamid) else { return };
    if message.progress >= to || !updates::has_statuses(&message) {
        return;
    }
    world.update_message(wamid, |message| message.progress = to);
    if let Some(state) = updates::state_name(to) {
        tell(shared, world, wamid, state, None);
    }
}

fn fail(shared: &Arc<Shared>, world: &mut World, wamid: &str, errors: Vec<Value>) {
    let error = errors.first().cloned();
    world.update_message(wamid, |message| {
        message.progress = Progress::Failed;
        message.error = error;
    });
    tell(shared, world, wamid, "failed", Some(errors));
}

/// Sends a status exactly as asked, also one that goes backwards. Gives back whether the message is known.
pub(super) fn tell(
    shared: &Arc<Shared>,
    world: &mut World,
    wamid: &str,
    state: &str,
    errors: Option<Vec<Value>>,
) -> bool {
    let now = shared.now();
    let Some((citizen, number, message)) = world.message(wamid) else { return false };
    let change = Change {
        phone_number_id: number.clone(),
        statuses: vec![updates::status(citizen, &message, state, now, errors)],
        ..Change::default()
    };
    let delivery = Delivery {
        citizen: Some(citizen.id.clone()),
        phone_number_id: number,
        wamids: vec![wamid.to_owned()],
        update: "status".to_owned(),
        state: Some(state.to_owned()),
        ..Delivery::of(&updates::envelope(vec![change]))
    };
    webhooks::enqueue(shared, world, delivery);
    true
}

/// The citizen looks at the chat: whatever the office wrote there is read. `through` limits it to one number.
pub(super) fn read_chat(
    shared: &Arc<Shared>,
    world: &mut World,
    citizen: &str,
    through: Option<&str>,
) -> usize {
    let unread = messages_below(world, citizen, through, Progress::Read);
    for wamid in &unread {
        advance(shared, world, wamid, Progress::Sent);
        advance(shared, world, wamid, Progress::Delivered);
        advance(shared, world, wamid, Progress::Read);
    }
    unread.len()
}

/// The phone is on the net again: what waited arrives.
pub(super) fn come_online(shared: &Arc<Shared>, world: &mut World, citizen: &str) {
    for wamid in messages_below(world, citizen, None, Progress::Delivered) {
        advance(shared, world, &wamid, Progress::Sent);
        advance(shared, world, &wamid, Progress::Delivered);
    }
}

fn messages_below(world: &World, citizen: &str, through: Option<&str>, below: Progress) -> Vec<String> {
    let Some(citizen) = world.people.get(citizen) else { return Vec::new() };
    citizen
        .chats
        .iter()
        .filter(|(number, _)| through.is_none_or(|through| through == number.as_str()))
        .flat_map(|(_, chat)| &chat.messages)
        .filter(|message| updates::has_statuses(message) && message.progress < below)
        .map(|message| message.wamid.clone())
        .collect()
}
