//! Gives passages their vectors, batch by batch, behind whatever else goes on. When the settings name another model, its
//! vectors are made beside those that answer; when they are complete and indexed, it takes over and the old ones go.
//!
//! All nodes must name the same model: of two that differ, each would make its own the one that answers.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::watch;
use tokio::time::sleep;

use super::providers::{EmbedTask, Embedder, ProviderError};
use crate::ids::NodeId;
use crate::store::StoreError;
use crate::store::ai::embeddings::{self as store, EmbeddingModel, Unembedded};

/// Passages of one call.
const BATCH: i64 = 32;
/// Between two looks for passages without a vector.
const LOOK: Duration = Duration::from_secs(5);
/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the embedding model: {0}")]
    Provider(#[from] ProviderError),
    /// Not as many vectors as texts, or not of the length that was promised.
    #[error("the embedding model's vectors are not as promised")]
    Unfit,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many passages got a vector.
    Embedded(usize),
    /// The model answers questions from now on.
    Activated,
    /// There is nothing to do, or another node does it.
    Idle,
}

/// Makes the vectors of one model.
pub struct Embedding {
    pool: PgPool,
    node: NodeId,
    embedder: Arc<dyn Embedder>,
}

impl Embedding {
    /// Of the model that questions are to be answered with.
    pub fn new(pool: PgPool, node: NodeId, embedder: Arc<dyn Embedder>) -> Self {
        Embedding { pool, node, embedder }
    }

    /// Works until told to stop.
    pub async fn run(&self, mut stopping: watch::Receiver<bool>) {
        tokio::select! {
            () = self.work() => {}
            // A sender that is gone has stopped, too.
            () = async { drop(stopping.wait_for(|stop| *stop).await) } => {}
        }
    }

    async fn work(&self) {
        let mut failures = 0_u32;
        loop {
            let pause = match self.step().await {
                Ok(Step::Embedded(_) | Step::Activated) => {
                    failures = 0;
                    continue;
                }
                Ok(Step::Idle) => {
                    failures = 0;
                    LOOK
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    let asked = match &error {
                        EmbeddingError::Provider(error) => error.retry_after(),
                        EmbeddingError::Store(_) | EmbeddingError::Unfit => None,
                    };
                    let doubled = LOOK.saturating_mul(2_u32.saturating_pow(failures.min(10)));
                    let pause = doubled.min(LONGEST_PAUSE).max(asked.unwrap_or_default());
                    tracing::warn!(%error, pause_s = pause.as_secs(), "passages could not be given vectors");
                    pause
                }
            };
            sleep(pause).await;
        }
    }

    /// Does the next thing that is to be done.
    ///
    /// # Errors
    /// [`EmbeddingError`]; what was done so far stays.
    pub async fn step(&self) -> Result<Step, EmbeddingError> {
        let dimensions = i32::try_from(self.embedder.dimensions()).map_err(|_| EmbeddingError::Unfit)?;
        let claimed = store::claim(&self.pool, self.node, self.embedder.model(), dimensions).await?;
        let Some(model) = claimed else { return Ok(Step::Idle) };
        let missing = store::missing(&self.pool, &model, BATCH).await?;
        if !missing.is_empty() {
            return self.embed(&model, &missing).await;
        }
        if model.active {
            store::remove_others(&self.pool, &model).await?;
            return Ok(Step::Idle);
        }
        store::ensure_index(&self.pool, &model).await?;
        if !store::activate(&self.pool, &model).await? {
            // A document came meanwhile.
            return Ok(Step::Embedded(0));
        }
        tracing::info!(model = %model.model, dimensions, "an embedding model answers from now on");
        store::remove_others(&self.pool, &model).await?;
        Ok(Step::Activated)
    }

    async fn embed(&self, model: &EmbeddingModel, missing: &[Unembedded]) -> Result<Step, EmbeddingError> {
        let texts: Vec<String> = missing.iter().map(text_of).collect();
        let vectors = self.embedder.embed(&texts, EmbedTask::Passage).await?;
        if vectors.len() != texts.len() || vectors.iter().any(|vector| !fits(vector, &*self.embedder)) {
            return Err(EmbeddingError::Unfit);
        }
        let made: Vec<_> = missing.iter().map(|passage| passage.passage_id).zip(vectors).collect();
        store::store(&self.pool, model, made).await?;
        Ok(Step::Embedded(missing.len()))
    }
}

/// A vector of the model's length whose numbers are numbers, not all zero: others have no angle.
pub(super) fn fits(vector: &[f32], embedder: &dyn Embedder) -> bool {
    vector.len() == embedder.dimensions()
        && vector.iter().all(|number| number.is_finite())
        && vector.iter().any(|number| *number != 0.0)
}

/// What is embedded: the passage with what it is about.
fn text_of(passage: &Unembedded) -> String {
    let Unembedded { source_title, heading, content, .. } = passage;
    if heading.is_empty() {
        format!("{source_title}\n{content}")
    } else {
        format!("{source_title} › {heading}\n{content}")
    }
}
