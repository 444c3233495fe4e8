//! Dead letters: messages that can never be dealt with, kept for people, who list them, put them back or throw them away.
//!
//! Whoever looks holds the letters meanwhile, so two who look at once each see a part.

use std::time::Duration;

use jiff::Timestamp;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use lapin::{Channel, Confirmation};
use secrecy::SecretString;
use serde::Serialize;
use strum::{Display, IntoStaticStr};
use tokio::time::timeout;
use uuid::Uuid;

use super::links::Links;
use super::message;
use super::publishing::MANDATORY;
use crate::bus::calls::{Poison, WorkQueue};
use crate::bus::duty::Broken;
use crate::bus::topology::{DEAD_LETTERS, short};
use crate::metrics::Metrics;

/// Time for the broker to answer one question.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keeps what can never be dealt with, with the reason, before it is acknowledged by the caller.
pub(super) async fn keep(
    channel: &Channel,
    metrics: &Metrics,
    delivery: &Delivery,
    queue: &str,
    poison: &Poison,
) -> Result<(), Broken> {
    tracing::error!(
        queue,
        reason = poison.0,
        "a message can never be dealt with; it is kept as a dead letter"
    );
    let properties = message::of_dead_letter(delivery, queue, &poison.0);
    let key = short(&message::routing_key(delivery)).unwrap_or_else(|| delivery.routing_key.clone());
    let confirm =
        channel.basic_publish(DEAD_LETTERS.into(), key, MANDATORY, &delivery.data, properties).await?;
    if confirm.await? != Confirmation::Ack(None) {
        return Err(Broken::DeadLetterNotKept);
    }
    metrics.bus_dead_lettered.with_label_values(&[queue]).inc();
    Ok(())
}

/// A message that could never be dealt with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeadLetter {
    /// By which it is put back or thrown away; one without is not from us.
    pub id: Option<Uuid>,
    /// When it was given up.
    pub at: Option<Timestamp>,
    /// Where it was then.
    pub queue: Option<String>,
    pub reason: Option<String>,
    /// Which event, by its routing key, or which call.
    pub kind: String,
    /// As its sender named it; whatever it is.
    pub message_id: Option<String>,
    /// May carry what a citizen wrote: only when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

impl DeadLetter {
    fn of(letter: &Delivery, with_body: bool) -> Self {
        let (id, at, queue, reason) = message::end_of_life(letter);
        let properties = &letter.properties;
        let named = properties.kind().as_ref().map(ToString::to_string);
        DeadLetter {
            id,
            at,
            queue,
            reason,
            kind: named.unwrap_or_else(|| message::routing_key(letter)),
            message_id: properties.message_id().as_ref().map(ToString::to_string),
            body: with_body.then(|| String::from_utf8_lossy(&letter.data).into_owned()),
        }
    }

    fn is_call(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.parse::<WorkQueue>().is_ok())
    }
}

/// Which letters are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    One(Uuid),
    All,
}

impl Which {
    fn means(self, letter: &DeadLetter) -> bool {
        match self {
            Which::One(id) => letter.id == Some(id),
            Which::All => true,
        }
    }
}

/// What became of a letter that was to be put back. Only one that was put back is no longer among the dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, IntoStaticStr)]
pub enum Replay {
    #[strum(serialize = "put back")]
    PutBack,
    /// It is a call: whoever made it has long been told that there is no answer, and may have made it again.
    #[strum(serialize = "kept: it is a call, and its caller has gone")]
    CallerGone,
    #[strum(serialize = "kept: it does not say where it was")]
    NowhereToGo,
    #[strum(serialize = "kept: the queue it was in is gone")]
    QueueGone,
    #[strum(serialize = "kept: the queue it was in does not take it, as one that is full does")]
    QueueRefused,
}

/// The dead letters of a broker, for people.
pub struct DeadLetters {
    links: Links,
}

impl DeadLetters {
    /// Connects when it is first asked.
    ///
    /// # Errors
    /// `url` is not the address of a broker.
    pub fn new(url: &SecretString) -> Result<Self, Broken> {
        Ok(DeadLetters { links: Links::new(url, Vec::new(), Vec::new())? })
    }

    /// The first `limit`, the oldest first; they stay where they are.
    ///
    /// # Errors
    /// The broker is away.
    pub async fn list(&self, limit: u32, with_bodies: bool) -> Result<Vec<DeadLetter>, Broken> {
        let mut looking = Looking::begin(&self.links).await?;
        let mut letters = Vec::new();
        while letters.len() < limit as usize
            && let Some(letter) = looking.next().await?
        {
            letters.push(DeadLetter::of(&letter, with_bodies));
        }
        looking.end().await?;
        Ok(letters)
    }

    /// Puts letters back into the queues where they were; what became of each that was meant. Calls stay unless it is
    /// forced: they are then done, and nobody is answered.
    ///
    /// # Errors
    /// The broker is away. Letters may have been put back that are still here, too: their second coming is known by its id.
    pub async fn replay(&self, which: Which, force: bool) -> Result<Vec<(DeadLetter, Replay)>, Broken> {
        let mut looking = Looking::begin(&self.links).await?;
        let mut replayed = Vec::new();
        while let Some(delivery) = looking.next().await? {
            let letter = DeadLetter::of(&delivery, false);
            if !which.means(&letter) {
                continue;
            }
            let outcome = match letter.is_call() && !force {
                true => Replay::CallerGone,
                false => put_back(&looking.channel, &delivery, &letter).await?,
            };
            replayed.push((letter, outcome));
            if which != Which::All {
                break;
            }
        }
        looking.end().await?;
        Ok(replayed)
    }

    /// Throws one away, and says what it was.
    ///
    /// # Errors
    /// The broker is away.
    pub async fn discard(&self, id: Uuid) -> Result<Option<DeadLetter>, Broken> {
        let mut looking = Looking::begin(&self.links).await?;
        let mut discarded = None;
        while let Some(delivery) = looking.next().await? {
            let letter = DeadLetter::of(&delivery, false);
            if Which::One(id).means(&letter) {
                delivery.ack(BasicAckOptions::default()).await?;
                discarded = Some(letter);
                break;
            }
        }
        looking.end().await?;
        Ok(discarded)
    }
}

/// Takes the letters one by one, without keeping any from the queue for longer than it looks.
struct Looking {
    channel: Channel,
    /// How many there were when it began: what comes meanwhile, perhaps by being put back, is not for this time.
    left: Option<u32>,
}

impl Looking {
    async fn begin(links: &Links) -> Result<Self, Broken> {
        Ok(Looking { channel: links.consuming_channel().await?, left: None })
    }

    async fn next(&mut self) -> Result<Option<Delivery>, Broken> {
        if self.left == Some(0) {
            return Ok(None);
        }
        let asking = self.channel.basic_get(DEAD_LETTERS.into(), BasicGetOptions::default());
        let Some(found) = timeout(PATIENCE, asking).await.map_err(|_| Broken::Late)?? else {
            return Ok(None);
        };
        self.left = Some(self.left.map_or(found.message_count, |left| left - 1));
        Ok(Some(found.delivery))
    }

    /// What was not acknowledged is given back; answered when everything has been dealt with.
    async fn end(self) -> Result<(), Broken> {
        let closing = async {
            // Before the end of the channel, so that whoever looks next finds them. Zero means all.
            let options = BasicNackOptions { multiple: true, requeue: true };
            self.channel.basic_nack(0, options).await?;
            self.channel.close(200, "looked".into()).await
        };
        Ok(timeout(PATIENCE, closing).await.map_err(|_| Broken::Late)??)
    }
}

async fn put_back(channel: &Channel, delivery: &Delivery, letter: &DeadLetter) -> Result<Replay, Broken> {
    let Some(queue) = letter.queue.as_deref().and_then(short) else { return Ok(Replay::NowhereToGo) };
    let properties = message::of_replay(delivery, letter.is_call());
    let putting =
        async { channel.basic_publish("".into(), queue, MANDATORY, &delivery.data, properties).await?.await };
    match timeout(PATIENCE, putting).await.map_err(|_| Broken::Late)?? {
        Confirmation::Ack(None) => {
            delivery.ack(BasicAckOptions::default()).await?;
            Ok(Replay::PutBack)
        }
        Confirmation::Ack(Some(_returned)) => Ok(Replay::QueueGone),
        Confirmation::Nack(_) | Confirmation::NotRequested => Ok(Replay::QueueRefused),
    }
}
