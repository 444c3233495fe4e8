//! Documents of the office as files: queued with their bytes, read in a process of their own, cut into passages.
//!
//! - [`Documents`]: hands them in and says how they stand; what the HTTP handlers call
//! - [`worker`]: takes queued files one by one, on whichever node
//! - [`extractor`]: starts, feeds, limits and ends the reading process · [`extract`]: what runs in it · [`protocol`]: what it says

pub mod extract;
pub mod extractor;
pub mod protocol;
pub mod worker;

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::sync::Notify;
use utoipa::ToSchema;
use uuid::Uuid;

use super::chunking::DocumentKind;
use super::service::content_hash;
use crate::store::StoreError;
use crate::store::ai::documents::{self as store, SourceRow};
use crate::store::ai::{NewSource, PutOutcome};
use crate::store::page::{Cursor, Page};
use crate::store::text::storable;

/// What a file is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, strum::Display, strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum FileKind {
    /// Paragraphs parted by empty lines.
    Text,
    /// Markdown: headings, paragraphs, lists.
    Markdown,
    /// Pairs of question and answer (`Tanya:`/`Jawab:`, `Q:`/`A:`, or a line that ends in a question mark).
    Faq,
    Pdf,
    /// Word, from 2007.
    Docx,
    /// Excel, from 2007.
    Xlsx,
    Html,
}

impl FileKind {
    /// The kind of an entry whose text is handed in as it is; none for files that must be read first.
    pub fn as_entry(self) -> Option<DocumentKind> {
        match self {
            FileKind::Text => Some(DocumentKind::Text),
            FileKind::Markdown => Some(DocumentKind::Markdown),
            FileKind::Faq => Some(DocumentKind::Faq),
            FileKind::Pdf | FileKind::Docx | FileKind::Xlsx | FileKind::Html => None,
        }
    }
}

/// A file handed in.
#[derive(Clone, Debug)]
pub struct Upload {
    pub source_id: Uuid,
    pub version: i32,
    pub kind: FileKind,
    pub title: String,
    pub kategori: Option<String>,
    pub file_name: String,
    pub bytes: Vec<u8>,
}

/// The office's documents, for whoever hands them in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Documents {
    pool: PgPool,
    max_upload_bytes: usize,
    /// Told of every file that was queued here.
    queued: Arc<Notify>,
}

impl Documents {
    /// Files may have at most `max_upload_bytes`.
    pub fn new(pool: PgPool, max_upload_bytes: usize) -> Self {
        Documents { pool, max_upload_bytes, queued: Arc::new(Notify::new()) }
    }

    /// The largest file that is taken.
    pub fn max_upload_bytes(&self) -> usize {
        self.max_upload_bytes
    }

    /// Waits until a file is queued on this node.
    pub fn queued(&self) -> Arc<Notify> {
        self.queued.clone()
    }

    /// Queues a file; a worker of some node reads it. Until then an older version stays searchable.
    ///
    /// # Errors
    /// As [`StoreError`].
    pub async fn queue(&self, upload: &Upload) -> Result<PutOutcome, StoreError> {
        let title = storable(&upload.title);
        let sha256 = digest(&SHA256, &upload.bytes).as_ref().to_vec();
        let kategori = upload.kategori.as_deref().map(storable);
        let source = NewSource {
            source_id: upload.source_id,
            version: upload.version,
            kind: upload.kind.to_string(),
            content_hash: content_hash(&upload.kind.to_string(), &title, kategori.as_deref(), &upload.bytes),
            content_sha256: sha256,
            characters: 0,
            kategori,
            title,
        };
        let outcome = store::queue(&self.pool, &source, &storable(&upload.file_name), &upload.bytes).await?;
        self.queued.notify_one();
        Ok(outcome)
    }

    /// One page of the documents there are, newest first.
    ///
    /// # Errors
    /// As [`StoreError`].
    pub async fn list(
        &self,
        status: Option<&str>,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Page<SourceRow>, StoreError> {
        store::list(&self.pool, status, after, limit).await
    }
}
