//! Calls from the broker for a worker of this node, answered directly to whoever asked.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::future::{AbortHandle, Abortable, Aborted};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::time::timeout;
use uuid::Uuid;

use super::consuming::{cancel, consume};
use super::links::Links;
use super::{dead_letters, message};
use crate::bus::PANICKED;
use crate::bus::calls::{Poison, WorkQueue, Worker};
use crate::bus::duty::{Broken, Stop};
use crate::bus::topology::{CALL_DELIVERIES, CANCELLATIONS};
use crate::metrics::Metrics;

/// Withdrawn calls that are remembered in case that they are handed out only now.
const REMEMBERED: usize = 1024;

/// The duty of having a worker do calls, as many at once as it does. Asked to stop, it answers those that it was handed.
pub async fn do_calls(
    links: &Links,
    metrics: &Metrics,
    worker: &Arc<dyn Worker>,
    mut stop: Stop,
) -> Result<(), Broken> {
    let channel = links.consuming_channel().await?;
    let mut cancellations = hear_cancellations(&channel, worker.queue()).await?;
    channel.basic_qos(worker.concurrency(), BasicQosOptions::default()).await?;
    let mut consumer = consume(&channel, worker.queue().into(), BasicConsumeOptions::default()).await?;
    let mut at_work = FuturesUnordered::new();
    let mut withdrawals = Withdrawals::default();
    let (mut stopping, mut more) = (false, true);
    while more || !at_work.is_empty() {
        tokio::select! {
            () = stop.asked(), if !stopping => {
                stopping = true;
                cancel(&channel, &consumer).await?;
            }
            delivery = consumer.next(), if more => match delivery {
                Some(delivery) => {
                    let delivery = delivery?;
                    let id = message::id(delivery.properties.message_id()).unwrap_or_default();
                    let wanted = withdrawals.begin(id);
                    let doing = do_call(&channel, metrics, worker.as_ref(), delivery, wanted);
                    at_work.push(doing.map(move |done| (id, done)));
                }
                None if stopping => more = false,
                None => return Err(Broken::Cancelled),
            },
            Some((id, done)) = at_work.next() => {
                withdrawals.end(id);
                done?;
            }
            word = cancellations.next() => {
                let word = word.ok_or(Broken::Cancelled)??;
                if let Some(id) = message::id(word.properties.correlation_id()) {
                    withdrawals.withdraw(id);
                }
            }
        }
    }
    // Answered when everything before it has been dealt with, answers and acknowledgements, too.
    channel.close(200, "stopped".into()).await?;
    Ok(())
}

/// Which calls are being done, and which nobody waits for any longer.
#[derive(Default)]
struct Withdrawals {
    at_work: HashMap<Uuid, AbortHandle>,
    /// Not seen yet when they were withdrawn, the oldest first.
    early: VecDeque<Uuid>,
}

impl Withdrawals {
    fn begin(&mut self, id: Uuid) -> futures::future::AbortRegistration {
        let (handle, registration) = AbortHandle::new_pair();
        if self.early.contains(&id) {
            handle.abort();
        }
        self.at_work.insert(id, handle);
        registration
    }

    fn end(&mut self, id: Uuid) {
        self.at_work.remove(&id);
    }

    fn withdraw(&mut self, id: Uuid) {
        match self.at_work.get(&id) {
            Some(handle) => handle.abort(),
            None => {
                if self.early.len() == REMEMBERED {
                    self.early.pop_front();
                }
                self.early.push_back(id);
            }
        }
    }
}

async fn do_call(
    channel: &Channel,
    metrics: &Metrics,
    worker: &dyn Worker,
    delivery: Delivery,
    wanted: futures::future::AbortRegistration,
) -> Result<(), Broken> {
    let answer = match message::call(&delivery, worker.queue()) {
        Err(poison) => Err(poison),
        Ok(_) if message::earlier_deliveries(&delivery) >= CALL_DELIVERIES => {
            Err(Poison("those who did it died, again and again".into()))
        }
        Ok((call, within)) => {
            let answering = async { AssertUnwindSafe(worker.answer(call, within)).catch_unwind().await };
            match timeout(within, Abortable::new(answering, wanted)).await {
                Ok(Ok(Ok(answer))) => answer,
                Ok(Ok(Err(_panic))) => Err(Poison(PANICKED.into())),
                // Its caller has gone, or will not wait any longer.
                Ok(Err(Aborted)) | Err(_) => {
                    return Ok(delivery.ack(BasicAckOptions::default()).await.map(drop)?);
                }
            }
        }
    };
    if let Err(poison) = &answer {
        dead_letters::keep(channel, metrics, &delivery, worker.queue().into(), poison).await?;
    }
    if let Some(reply_to) = delivery.properties.reply_to().clone() {
        let (properties, body) = message::of_answer(&delivery, &answer);
        // Never mandatory: to the broker such an address is not a queue. A caller that has gone does not matter.
        let options = BasicPublishOptions::default();
        channel.basic_publish("".into(), reply_to, options, &body, properties).await?.await?;
    }
    delivery.ack(BasicAckOptions::default()).await?;
    Ok(())
}

/// A queue that goes with its connection.
async fn hear_cancellations(channel: &Channel, of: WorkQueue) -> Result<Consumer, Broken> {
    let options = QueueDeclareOptions::exclusive().auto_delete();
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?.name().clone();
    let key: &'static str = of.into();
    let options = QueueBindOptions::default();
    channel
        .queue_bind(queue.clone(), CANCELLATIONS.into(), key.into(), options, FieldTable::default())
        .await?;
    let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    consume(channel, queue.as_str(), no_ack).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_given_up_whether_the_word_comes_before_it_or_while_it_is_done_and_no_other_is() {
        let mut withdrawals = Withdrawals::default();
        let aborted =
            |registration| Abortable::new(std::future::pending::<()>(), registration).now_or_never();
        let [early, late, other] = [(); 3].map(|()| Uuid::now_v7());
        withdrawals.withdraw(early);
        assert_eq!(aborted(withdrawals.begin(early)), Some(Err(Aborted)));
        let registration = withdrawals.begin(late);
        let untouched = withdrawals.begin(other);
        withdrawals.withdraw(late);
        assert_eq!(aborted(registration), Some(Err(Aborted)));
        assert_eq!(aborted(untouched), None);

        for _ in 0..2 * REMEMBERED {
            withdrawals.withdraw(Uuid::now_v7());
        }
        assert_eq!(withdrawals.early.len(), REMEMBERED);
        for id in [early, late, other] {
            withdrawals.end(id);
        }
        assert!(withdrawals.at_work.is_empty());
    }
}
