//! Asking over the broker: calls go to a work queue, answers come directly back on the channel that asked.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Confirmation, PublisherConfirm};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use super::links::Links;
use super::message;
use super::publishing::MANDATORY;
use crate::bus::calls::{Call, NotAnswered, WorkQueue};
use crate::bus::duty::{Broken, Stop};
use crate::bus::topology::CANCELLATIONS;
use crate::metrics::Metrics;

/// RabbitMQ's direct reply-to.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";
/// Calls that may wait to be sent; above it a caller is told at once.
const WAITING: usize = 1024;
/// How often calls are forgotten whose callers have gone.
const TIDY: Duration = Duration::from_secs(1);

type Answer = Result<Value, NotAnswered>;

/// What the duty is handed.
enum Order {
    Ask(Asked),
    /// The caller of a call has gone before it was answered.
    Withdraw(WorkQueue, Uuid),
}

struct Asked {
    call: Call,
    until: Instant,
    answer: oneshot::Sender<Answer>,
}

/// Where calls are handed in, and taken out by the duty.
pub struct Calls {
    sender: mpsc::Sender<Order>,
    receiver: Mutex<mpsc::Receiver<Order>>,
}

/// Withdraws a call when it is dropped before it has come to an end.
struct Withdrawing<'a> {
    calls: &'a Calls,
    call: Option<(WorkQueue, Uuid)>,
}

impl Drop for Withdrawing<'_> {
    fn drop(&mut self) {
        if let Some((queue, id)) = self.call.take() {
            // One that cannot be told of is done for nobody.
            drop(self.calls.sender.try_send(Order::Withdraw(queue, id)));
        }
    }
}

impl Calls {
    pub fn new() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Calls { sender, receiver: Mutex::new(receiver) }
    }

    pub async fn ask(&self, call: Call, within: Duration) -> Answer {
        let (answer, answered) = oneshot::channel();
        let mut withdrawing = Withdrawing { calls: self, call: Some((call.queue, call.id)) };
        let asked = Asked { call, until: Instant::now() + within, answer };
        if self.sender.try_send(Order::Ask(asked)).is_err() {
            withdrawing.call = None;
            return Err(NotAnswered::Unavailable);
        }
        let answered = timeout(within, answered).await;
        withdrawing.call = None;
        match answered {
            // Its worker knows the deadline, too.
            Err(_) => Err(NotAnswered::Late),
            // The duty broke: whether it was carried out, nobody knows.
            Ok(Err(_)) => Err(NotAnswered::Unavailable),
            Ok(Ok(answer)) => answer,
        }
    }
}

/// The duty of sending calls and receiving answers. Calls that are under way when it breaks are answered as
/// unavailable; those that were not sent yet wait for the next one. Asked to stop, it waits for the answers and lets
/// nobody ask any more.
pub async fn send_calls(
    links: &Links,
    metrics: &Metrics,
    calls: &Calls,
    mut stop: Stop,
) -> Result<(), Broken> {
    let channel = links.consuming_channel().await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut answers =
        channel.basic_consume(REPLY_TO.into(), "".into(), options, FieldTable::default()).await?;
    let mut orders = calls.receiver.lock().await;
    let (mut stopping, mut all_asked) = (false, false);
    let mut waiting: HashMap<Uuid, oneshot::Sender<Answer>> = HashMap::new();
    let mut confirms = FuturesUnordered::new();
    let mut tidy = interval(TIDY);
    tidy.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !all_asked || !waiting.is_empty() || !confirms.is_empty() {
        tokio::select! {
            () = stop.asked(), if !stopping => {
                stopping = true;
                orders.close();
            }
            order = orders.recv(), if !all_asked => match order {
                None => all_asked = true,
                Some(Order::Ask(asked)) if asked.answer.is_closed() => {}
                Some(Order::Ask(asked)) => {
                    let id = asked.call.id;
                    match send(&channel, &asked).await? {
                        None => tell(asked.answer, Err(NotAnswered::Refused { reason: "its kind is too long".into() })),
                        Some(confirm) => {
                            waiting.insert(id, asked.answer);
                            confirms.push(confirmation(id, confirm));
                        }
                    }
                }
                Some(Order::Withdraw(queue, id)) => {
                    if waiting.remove(&id).is_some() {
                        confirms.push(confirmation(id, withdraw(&channel, queue, id).await?));
                    }
                }
            },
            Some((id, confirmed)) = confirms.next() => match confirmed? {
                // Returned messages are counted per channel, not per confirm: the message itself says which it is.
                Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
                    metrics.bus_returned.with_label_values(&["call"]).inc();
                    if let Some(answer) =
                        message::id(returned.properties.correlation_id()).and_then(|id| waiting.remove(&id))
                    {
                        tell(answer, Err(NotAnswered::Unavailable));
                    }
                }
                Confirmation::Ack(None) => {}
                // The queue is full.
                Confirmation::Nack(None) | Confirmation::NotRequested => {
                    if let Some(answer) = waiting.remove(&id) {
                        tell(answer, Err(NotAnswered::Unavailable));
                    }
                }
            },
            delivery = answers.next() => {
                let delivery = delivery.ok_or(Broken::Cancelled)??;
                match message::answer(&delivery) {
                    // Nobody waits any longer: it came late.
                    Some((id, answered)) => if let Some(answer) = waiting.remove(&id) { tell(answer, answered) },
                    None => tracing::warn!("an answer that is none was ignored"),
                }
            }
            _ = tidy.tick() => waiting.retain(|_, answer| !answer.is_closed()),
        }
    }
    channel.close(200, "stopped".into()).await?;
    Ok(())
}

async fn confirmation(id: Uuid, confirm: PublisherConfirm) -> (Uuid, lapin::Result<Confirmation>) {
    (id, confirm.await)
}

/// Tells those who do the queue's calls that nobody waits for this one.
async fn withdraw(channel: &Channel, queue: WorkQueue, id: Uuid) -> Result<PublisherConfirm, Broken> {
    let queue: &'static str = queue.into();
    let options = BasicPublishOptions::default();
    let properties = message::of_cancellation(id);
    Ok(channel.basic_publish(CANCELLATIONS.into(), queue.into(), options, &[], properties).await?)
}

async fn send(channel: &Channel, asked: &Asked) -> Result<Option<PublisherConfirm>, Broken> {
    let left = asked.until.saturating_duration_since(Instant::now());
    let Some(properties) = message::of_call(&asked.call, REPLY_TO, left) else { return Ok(None) };
    let body = asked.call.body.to_string();
    let queue: &'static str = asked.call.queue.into();
    Ok(Some(channel.basic_publish("".into(), queue.into(), MANDATORY, body.as_bytes(), properties).await?))
}

/// A caller that has gone does not matter.
fn tell(caller: oneshot::Sender<Answer>, answer: Answer) {
    drop(caller.send(answer));
}
