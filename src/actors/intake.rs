//! The group-commit writer: one a node, writes whatever is queued in one transaction, and only then lets the webhooks
//! answer 200 (I1). No timer: while one commit runs, the next batch gathers.

use std::time::Instant;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Metrics;
use crate::store::StoreError;
use crate::store::channel::intake::{IntakeBatch, IntakeOutcome, Names, ParkedUpdate, write};
use crate::whatsapp::webhook::{OddKind, Piece};

/// Changes of names are not written in sorted order, so two nodes may deadlock over them; so often it is tried again.
const COLLISIONS_ENDURED: u32 = 3;

/// Why a webhook was not taken; Meta is told 503 and comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Refused {
    /// More waits than `intake.queue` allows.
    #[error("the intake is full")]
    Full,
    /// The database did not take it.
    #[error("the database did not take it")]
    NotCommitted,
    /// This node is stopping.
    #[error("the intake is closed")]
    Closed,
}

struct Submission {
    batch: IntakeBatch,
    done: oneshot::Sender<Result<(), Refused>>,
}

/// Where webhooks hand in what they brought. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    queue: mpsc::Sender<Submission>,
    metrics: Metrics,
}

/// The writer's end of the queue.
pub struct IntakeQueue {
    receiver: mpsc::Receiver<Submission>,
    max_rows: usize,
}

/// A queue for `capacity` webhooks; transactions hold about `max_rows` rows.
pub fn queue(capacity: usize, max_rows: usize, metrics: Metrics) -> (Intake, IntakeQueue) {
    let (sender, receiver) = mpsc::channel(capacity);
    (Intake { queue: sender, metrics }, IntakeQueue { receiver, max_rows })
}

impl Intake {
    /// Waits until the batch is on disk.
    ///
    /// # Errors
    /// [`Refused`]: nothing is promised, the sender must try again.
    pub async fn submit(&self, batch: IntakeBatch) -> Result<(), Refused> {
        let outcome = self.enqueue(batch).await;
        if let Err(refused) = outcome {
            self.metrics.intake_refused.with_label_values(&[<&str>::from(refused)]).inc();
        }
        outcome
    }

    async fn enqueue(&self, batch: IntakeBatch) -> Result<(), Refused> {
        let (done, answer) = oneshot::channel();
        self.queue.try_send(Submission { batch, done }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refused::Full,
            mpsc::error::TrySendError::Closed(_) => Refused::Closed,
        })?;
        answer.await.unwrap_or(Err(Refused::NotCommitted))
    }
}

/// Writes until every [`Intake`] is gone; then everything that was handed in has been answered.
pub async fn run(mut queue: IntakeQueue, pool: PgPool, metrics: Metrics, wake: impl Fn(&IntakeOutcome)) {
    while let Some(first) = queue.receiver.recv().await {
        let mut submissions = vec![first];
        let mut rows = submissions[0].batch.rows();
        while rows < queue.max_rows {
            let Ok(next) = queue.receiver.try_recv() else { break };
            rows += next.batch.rows();
            submissions.push(next);
        }
        let (batches, waiting): (Vec<_>, Vec<_>) =
            submissions.into_iter().map(|submission| (submission.batch, submission.done)).unzip();
        let merged = merge(batches);
        crate::crash_point!("intake::before_commit");
        metrics.intake_batch_rows.with_label_values(&[] as &[&str]).observe(merged.rows() as f64);
        let started = Instant::now();
        let result = write_or_split(&pool, merged).await;
        metrics
            .intake_commit_seconds
            .with_label_values(&[] as &[&str])
            .observe(started.elapsed().as_secs_f64());
        crate::crash_point!("intake::after_commit");
        let answer = match &result {
            Ok(outcome) => {
                count(&metrics, outcome);
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, cause = error_source(error), rows, "webhooks could not be written");
                Err(Refused::NotCommitted)
            }
        };
        for done in waiting {
            // A webhook whose connection broke does not wait any more; Meta will come again.
            let _ = done.send(answer);
        }
        if let Ok(outcome) = result {
            wake(&outcome);
        }
    }
}

fn error_source(error: &StoreError) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

fn merge(batches: Vec<IntakeBatch>) -> IntakeBatch {
    let mut merged = IntakeBatch::default();
    for batch in batches {
        merged.messages.extend(batch.messages);
        merged.echoes.extend(batch.echoes);
        merged.statuses.extend(batch.statuses);
        merged.parked.extend(batch.parked);
    }
    merged
}

fn count(metrics: &Metrics, outcome: &IntakeOutcome) {
    for (kind, rows) in [
        ("message", outcome.new_messages),
        ("echo", outcome.echoes),
        ("duplicate", outcome.duplicates),
        ("status", outcome.statuses),
        ("parked", outcome.parked),
    ] {
        metrics.intake_rows.with_label_values(&[kind]).inc_by(rows as u64);
    }
    metrics.takeover_cancelled.inc_by(outcome.cancelled);
    metrics.sends_ambiguous_ended.with_label_values(&["status"]).inc_by(outcome.reconciled as u64);
    outcome.priced.iter().for_each(|pricing| metrics.count_price(pricing));
    outcome.dead_letters.iter().for_each(|error| metrics.count_dead_letter(error));
}

/// Writes a batch; when the database refuses the data, halves it until the bad row stands alone, and parks that one
/// with its bytes. The rest lands.
fn write_or_split(pool: &PgPool, batch: IntakeBatch) -> BoxFuture<'_, Result<IntakeOutcome, StoreError>> {
    Box::pin(async move {
        let refused = match write_again(pool, &batch).await {
            Err(StoreError::Refused(error)) => error,
            other => return other,
        };
        if batch.rows() == 1 {
            let reason = format!("the database refused it: {}", sql_state(&refused));
            return write(
                pool,
                &IntakeBatch { parked: vec![parked(batch, reason)], ..IntakeBatch::default() },
            )
            .await;
        }
        let (left, right) = halves(batch);
        let mut outcome = write_or_split(pool, left).await?;
        let other = write_or_split(pool, right).await?;
        outcome.new_messages += other.new_messages;
        outcome.echoes += other.echoes;
        outcome.cancelled += other.cancelled;
        outcome.duplicates += other.duplicates;
        outcome.statuses += other.statuses;
        outcome.parked += other.parked;
        outcome.media += other.media;
        outcome.wake.extend(other.wake);
        outcome.statuses_in.extend(other.statuses_in);
        outcome.priced.extend(other.priced);
        outcome.reconciled += other.reconciled;
        outcome.dead_letters.extend(other.dead_letters);
        Ok(outcome)
    })
}

/// Writes a batch; again at once when two writers waited for each other and this one gave way, or when whom it was filed
/// under was erased meanwhile: it is from somebody new then.
async fn write_again(pool: &PgPool, batch: &IntakeBatch) -> Result<IntakeOutcome, StoreError> {
    for _ in 0..COLLISIONS_ENDURED {
        match write(pool, batch).await {
            Err(StoreError::Unavailable(error) | StoreError::Refused(error)) if gave_way(&error) => {
                tracing::info!("another writer came in between; the batch is written again");
            }
            other => return other,
        }
    }
    write(pool, batch).await
}

/// A deadlock, or a conversation that is there no more.
fn gave_way(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("40P01" | "23503"))
}

/// The SQLSTATE only: the database's words may quote the data.
fn sql_state(error: &sqlx::Error) -> String {
    error
        .as_database_error()
        .and_then(|error| error.code().map(|code| format!("SQLSTATE {code}")))
        .unwrap_or_else(|| "no SQLSTATE".into())
}

fn halves(mut batch: IntakeBatch) -> (IntakeBatch, IntakeBatch) {
    let mut right = IntakeBatch::default();
    let mut to_move = batch.rows() / 2;
    let from_parked = batch.parked.len().min(to_move);
    right.parked = batch.parked.split_off(batch.parked.len() - from_parked);
    to_move -= from_parked;
    let from_statuses = batch.statuses.len().min(to_move);
    right.statuses = batch.statuses.split_off(batch.statuses.len() - from_statuses);
    to_move -= from_statuses;
    let from_echoes = batch.echoes.len().min(to_move);
    right.echoes = batch.echoes.split_off(batch.echoes.len() - from_echoes);
    to_move -= from_echoes;
    right.messages = batch.messages.split_off(batch.messages.len() - to_move);
    (batch, right)
}

/// The only row of `batch`, as something to be parked.
fn parked(mut batch: IntakeBatch, reason: String) -> ParkedUpdate {
    let refused =
        |piece: Piece, phone_number_id: Option<String>, contacts: Value, raw: Vec<u8>| ParkedUpdate {
            kind: OddKind::Poison.into(),
            piece: piece.into(),
            phone_number_id,
            contacts,
            reason: reason.clone(),
            raw,
        };
    if let Some(message) = batch.messages.pop() {
        let piece = if message.kind == "call" { Piece::Call } else { Piece::Message };
        let contacts = contact(&message.sender);
        return refused(piece, printable(message.phone_number_id), contacts, message.raw);
    }
    if let Some(echo) = batch.echoes.pop() {
        return refused(Piece::Echo, printable(echo.phone_number_id), contact(&echo.recipient), echo.raw);
    }
    if let Some(status) = batch.statuses.pop() {
        let raw = json!({"id": status.wamid, "status": status.status,
            "timestamp": status.at.as_second().to_string(), "errors": status.errors,
            "biz_opaque_callback_data": status.our_id});
        return refused(Piece::Status, None, Value::Null, raw.to_string().into_bytes());
    }
    let raw = batch.parked.pop().map(|update| update.raw).unwrap_or_default();
    refused(Piece::Change, None, Value::Null, raw)
}

/// Who it was from, as Meta would tell it beside the message.
fn contact(names: &Names) -> Value {
    let all = [&names.phone, &names.bsuid, &names.parent_bsuid, &names.display_name, &names.username];
    if all.into_iter().flatten().any(|name| name.contains('\0')) {
        return Value::Null;
    }
    json!([{"wa_id": names.phone, "user_id": names.bsuid, "parent_user_id": names.parent_bsuid,
        "profile": {"name": names.display_name, "username": names.username}}])
}

fn printable(text: String) -> Option<String> {
    Some(text).filter(|text| text.chars().all(|character| character.is_ascii_graphic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(messages: usize, parked: usize) -> IntakeBatch {
        let update = super::parked(IntakeBatch::default(), String::new());
        let message = crate::store::channel::intake::IncomingMessage {
            phone_number_id: "1".into(),
            wamid: "w".into(),
            sender: Names::default(),
            sent_at: jiff::Timestamp::UNIX_EPOCH,
            kind: "text".into(),
            text: None,
            content: serde_json::Value::Null,
            raw: Vec::new(),
            opens_window: true,
            changes: None,
            identity: None,
        };
        IntakeBatch {
            messages: vec![message; messages],
            parked: vec![update; parked],
            ..IntakeBatch::default()
        }
    }

    #[test]
    fn halves_lose_nothing_and_shrink() {
        for (messages, parked) in [(2, 0), (1, 1), (0, 2), (7, 5), (1, 8)] {
            let (left, right) = halves(batch(messages, parked));
            assert_eq!(left.messages.len() + right.messages.len(), messages);
            assert_eq!(left.parked.len() + right.parked.len(), parked);
            assert!(left.rows() > 0 && right.rows() > 0);
        }
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let (intake, _kept) = queue(1, 10, Metrics::new().unwrap());
        let waiting = tokio::spawn({
            let intake = intake.clone();
            async move { intake.submit(IntakeBatch::default()).await }
        });
        while intake.queue.capacity() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(intake.submit(IntakeBatch::default()).await, Err(Refused::Full));
        waiting.abort();
    }
}
