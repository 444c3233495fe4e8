//! Changes for live chat, out and in: transient messages over a fanout exchange, one queue a node that shows them.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use tokio::time::timeout;

use super::gathering::Gathering;
use super::links::Links;
use super::message;
use crate::bus::duty::{Broken, Stop};
use crate::bus::events::PATIENCE;
use crate::bus::live_chat::{LiveChange, LiveChatListener};
use crate::bus::topology::{LIVE_CHAT, announcements_kept};
use crate::metrics::Metrics;

/// Changes kept to be announced; above it dashboards find them by looking.
const MOST_WAITING: usize = 10_000;
/// Changes in one message.
const MOST_IN_ONE: usize = 1_000;
/// What comes within so long goes together: people do not see the difference, the broker does.
const GATHERED: Duration = Duration::from_millis(25);

/// Changes that wait to be announced.
pub type Announcements = Gathering<LiveChange>;

/// Nothing waits yet.
pub fn announcements() -> Announcements {
    Gathering::new(MOST_WAITING)
}

/// The duty of announcing. What is on its way when it breaks is lost.
pub async fn announce(
    links: &Links,
    metrics: &Metrics,
    announcements: &Announcements,
    stop: Stop,
) -> Result<(), Broken> {
    let channel = links.publishing_channel().await?;
    let mut batches = announcements.batches(GATHERED, stop);
    while let Some(batch) = batches.next().await {
        for changes in batch.chunks(MOST_IN_ONE) {
            let count = |outcome| {
                metrics.bus_announcements.with_label_values(&[outcome]).inc_by(changes.len() as u64)
            };
            let body = serde_json::json!(changes).to_string();
            // Not mandatory: no dashboard anywhere is nothing to worry about.
            let options = BasicPublishOptions::default();
            let sent = async {
                channel
                    .basic_publish(
                        LIVE_CHAT.into(),
                        "".into(),
                        options,
                        body.as_bytes(),
                        message::of_hint(std::iter::empty()),
                    )
                    .await?
                    .await
            };
            match timeout(PATIENCE, sent).await {
                Ok(Ok(_confirmed)) => count("sent"),
                Ok(Err(error)) => {
                    count("dropped");
                    return Err(error.into());
                }
                Err(_) => {
                    count("dropped");
                    return Err(Broken::Late);
                }
            }
        }
    }
    Ok(())
}

/// The duty of listening to announcements: a queue that goes with its connection.
pub async fn hear_announcements(
    links: &Links,
    listener: &Arc<dyn LiveChatListener>,
    mut stop: Stop,
) -> Result<(), Broken> {
    let channel = links.consuming_channel().await?;
    let options = QueueDeclareOptions::exclusive().auto_delete();
    let queue = channel.queue_declare("".into(), options, announcements_kept()).await?.name().clone();
    let binding = QueueBindOptions::default();
    channel.queue_bind(queue.clone(), LIVE_CHAT.into(), "".into(), binding, FieldTable::default()).await?;
    let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut consumer = channel.basic_consume(queue, "".into(), no_ack, FieldTable::default()).await?;
    loop {
        let delivery = tokio::select! {
            () = stop.asked() => return Ok(()),
            delivery = consumer.next() => delivery.ok_or(Broken::Cancelled)??,
        };
        match serde_json::from_slice::<Vec<LiveChange>>(&delivery.data) {
            Ok(changes) => listener.changed(changes),
            Err(_) => tracing::warn!("an announcement that is none was ignored"),
        }
    }
}
