//! The work behind the office's documents: files are read, passages get vectors. On nodes with the ai role.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::actors::supervision::keep_running;
use crate::ai::documents::Documents;
use crate::ai::documents::extractor::{Extractor, Limits};
use crate::ai::documents::worker::DocumentWorker;
use crate::ai::embedding::Embedding;
use crate::ai::providers::Embedder;
use crate::ai::retrieval::Retriever;
use crate::config::Config;
use crate::ids::NodeId;
use crate::metrics::Metrics;

/// Finds passages as the settings say; by words alone without a model.
pub(super) fn retriever(config: &Config, pool: &PgPool, embedder: Option<&Arc<dyn Embedder>>) -> Retriever {
    match embedder {
        Some(embedder) => Retriever::with_vectors(
            pool.clone(),
            config.ai.retrieval,
            vec![embedder.clone()],
            config.ai.embedding.least_similarity,
        ),
        None => Retriever::full_text(pool.clone()),
    }
}

/// What runs.
pub(super) struct DocumentWork {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Begins the work; `embedder` is the model of the settings, if there is one.
pub(super) fn start(
    config: &Config,
    metrics: &Metrics,
    pool: &PgPool,
    node: NodeId,
    documents: &Documents,
    embedder: Option<Arc<dyn Embedder>>,
) -> DocumentWork {
    let (stop, stopping) = watch::channel(false);
    let limits = Limits {
        time: Duration::from_secs(config.ai.documents.timeout_s),
        memory_mb: config.ai.documents.memory_mb,
        ..Limits::default()
    };
    let extractor = Extractor::of_this_program(limits);
    let worker = DocumentWorker::new(pool.clone(), node, extractor, documents.queued());
    let until = stopping.clone();
    let mut tasks = vec![keep_running("documents", metrics, move || {
        let (worker, stopping) = (worker.clone(), until.clone());
        async move { worker.run(stopping).await }
    })];
    if let Some(embedder) = embedder {
        let pool = pool.clone();
        tasks.push(keep_running("embedding", metrics, move || {
            let embedding = Embedding::new(pool.clone(), node, embedder.clone());
            let stopping = stopping.clone();
            async move { embedding.run(stopping).await }
        }));
    }
    DocumentWork { stop, tasks }
}

impl DocumentWork {
    /// Gives back what is under way.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        futures::future::join_all(self.tasks).await;
    }
}
