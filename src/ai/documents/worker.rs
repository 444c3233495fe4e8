//! Takes queued files, one at a time: read, cut, stored. Everything it does is asked for by rows, so any node may do it,
//! and a node that dies half way is replaced when its claim runs out.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::FileKind;
use super::extractor::{Extractor, ExtractorError, Pages};
use super::protocol::{Block, Unreadable};
use crate::ai::chunking::{self, DocumentKind};
use crate::ids::NodeId;
use crate::store::StoreError;
use crate::store::ai::NewPassage;
use crate::store::ai::documents::{self as store, ClaimedDocument};

/// How often a file is tried that takes its node down with it, or cannot be read for want of processes.
const MOST_ATTEMPTS: i32 = 5;
/// Between two looks for files that nobody was told of.
const LOOK: Duration = Duration::from_secs(2);
/// Between two words about how far a file is, which also keep the claim.
const TELL: Duration = Duration::from_secs(1);

/// The worker of a node.
#[derive(Clone, Debug)]
pub struct DocumentWorker {
    pool: PgPool,
    node: NodeId,
    extractor: Extractor,
    queued: Arc<Notify>,
}

impl DocumentWorker {
    /// `queued`: told of files that were queued on this node.
    pub fn new(pool: PgPool, node: NodeId, extractor: Extractor, queued: Arc<Notify>) -> Self {
        DocumentWorker { pool, node, extractor, queued }
    }

    /// Works until told to stop; then it gives back what is under way.
    pub async fn run(&self, mut stopping: watch::Receiver<bool>) {
        tokio::select! {
            () = self.work() => {}
            // A sender that is gone has stopped, too.
            () = async { drop(stopping.wait_for(|stop| *stop).await) } => {}
        }
        if let Err(error) = self.release().await {
            tracing::warn!(%error, "documents could not be given back; the claims run out by themselves");
        }
    }

    async fn work(&self) {
        loop {
            match self.work_once().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "a document could not be worked on; the next look comes soon")
                }
            }
            // Told or not, it looks.
            drop(timeout(LOOK, self.queued.notified()).await);
        }
    }

    /// Reads the file that has waited longest; false when none waits.
    ///
    /// # Errors
    /// As [`StoreError`]: the file is tried again when its claim has run out.
    pub async fn work_once(&self) -> Result<bool, StoreError> {
        let Some(claimed) = store::claim(&self.pool, self.node).await? else { return Ok(false) };
        crate::crash_point!("documents::claimed");
        if claimed.attempt > MOST_ATTEMPTS {
            let times = MOST_ATTEMPTS;
            self.fail(&claimed, &Unreadable::GaveUp { times }).await?;
            return Ok(true);
        }
        let Ok(kind) = claimed.kind.parse::<FileKind>() else {
            return Err(StoreError::Corrupt("a document's kind".into()));
        };
        let (progress, pages) = watch::channel(None);
        let read = tokio::select! {
            read = self.extractor.extract(kind, &claimed.bytes, &progress) => read,
            lost = self.keep(&claimed, pages.clone()) => {
                // Deleted or replaced, or another has it: the reading process ends with this future.
                return lost.map(|()| true);
            }
        };
        let passages = match read.map(|blocks| cut(kind, &blocks)) {
            Ok(passages) if passages.is_empty() => Err(Unreadable::Empty),
            Ok(passages) => Ok(passages),
            Err(ExtractorError::Unreadable(reason)) => Err(reason),
            Err(error @ ExtractorError::Start(_)) => {
                // The claim runs out, and somebody tries again.
                tracing::warn!(%error, document.id = %claimed.source_id, "a document could not be read");
                return Ok(false);
            }
        };
        crate::crash_point!("documents::read");
        match passages {
            Ok(passages) => {
                let characters: usize = passages.iter().map(|passage| passage.content.chars().count()).sum();
                let characters = i32::try_from(characters).unwrap_or(i32::MAX);
                let pages: Pages = *pages.borrow();
                store::finish(&self.pool, self.node, &claimed, pages, characters, &passages).await?;
            }
            Err(reason) => self.fail(&claimed, &reason).await?,
        }
        Ok(true)
    }

    async fn fail(&self, claimed: &ClaimedDocument, reason: &Unreadable) -> Result<(), StoreError> {
        tracing::info!(document.id = %claimed.source_id, ?reason, "a document cannot be read");
        store::fail(&self.pool, self.node, claimed, &reason.to_string()).await.map(drop)
    }

    /// Keeps the claim and tells how far it is; ends when the claim is lost.
    async fn keep(&self, claimed: &ClaimedDocument, pages: watch::Receiver<Pages>) -> Result<(), StoreError> {
        let mut ticks = interval(TELL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let pages: Pages = *pages.borrow();
            if !store::renew(&self.pool, self.node, claimed, pages).await? {
                return Ok(());
            }
        }
    }

    /// Gives back what is under way.
    ///
    /// # Errors
    /// As [`StoreError`]; the claim then runs out by itself.
    pub async fn release(&self) -> Result<(), StoreError> {
        store::release(&self.pool, self.node).await
    }
}

fn cut(kind: FileKind, blocks: &[Block]) -> Vec<NewPassage> {
    if kind == FileKind::Faq {
        let text: Vec<&str> = blocks.iter().map(|block| block.text.as_str()).collect();
        return chunking::passages(DocumentKind::Faq, &text.join("\n"));
    }
    chunking::blocks::passages(blocks)
}
