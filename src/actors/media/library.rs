//! Files for others of this node: an officer's upload comes in, a stored file is read. Who may do so is decided before.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sqlx::PgPool;
use uuid::Uuid;

use super::fetch::{self, Trouble};
use crate::actors::sender::media::{MediaBytes, MediaError};
use crate::ids::MediaId;
use crate::media::sniff::Refusal;
use crate::media::spool::{SpoolFolder, SpoolWriter};
use crate::media::storage::{MediaStorage, StorageError};
use crate::media::{Kind, PrepareError, prepare};
use crate::metrics::Metrics;
use crate::store::StoreError;
use crate::store::channel::media::{self as store, MediaRow, StoredFile};
use crate::whatsapp::client::File;

/// Stored files, by our id of them. Cheap to clone.
#[derive(Clone)]
pub struct MediaLibrary {
    pool: PgPool,
    storage: MediaStorage,
    spool: SpoolFolder,
    metrics: Metrics,
}

/// What comes in.
pub struct Upload {
    pub bytes: SpoolWriter,
    pub kind: Kind,
    /// The type that the sender says it has.
    pub declared: String,
    pub filename: Option<String>,
}

/// Why an upload was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The disk, the media store or the database failed; trying again later helps.
    #[error("the file could not be stored")]
    Unavailable,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("there is no such file")]
    Unknown,
    /// It is being fetched from Meta.
    #[error("the file is not here yet")]
    NotReady,
    /// It never will be here: `state` is refused or failed.
    #[error("the file is {state}: {reason}")]
    GivenUp { state: String, reason: String },
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A file that can be read.
#[derive(Clone, Debug)]
pub struct OpenMedia {
    pub media_id: MediaId,
    pub kind: String,
    pub mime_type: String,
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
    pub filename: Option<String>,
    key: String,
    storage: MediaStorage,
}

impl OpenMedia {
    /// Its bytes, or those of `range` (end excluded), as they come.
    ///
    /// # Errors
    /// [`StorageError`]
    pub async fn read(
        &self,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        self.storage.read(&self.key, range).await
    }
}

impl MediaBytes for MediaLibrary {
    fn read(&self, media_id: Uuid) -> BoxFuture<'_, Result<File, MediaError>> {
        Box::pin(async move {
            let file = self.open(MediaId(media_id)).await.map_err(|error| match error {
                OpenError::Unknown | OpenError::GivenUp { .. } => MediaError::Missing,
                _ => MediaError::Unavailable,
            })?;
            let unavailable = |error: StorageError| {
                tracing::warn!(media.id = %media_id, %error, "a file to be sent cannot be read");
                MediaError::Unavailable
            };
            let mut parts = file.read(None).await.map_err(unavailable)?;
            let mut bytes = BytesMut::with_capacity(usize::try_from(file.size).unwrap_or(0));
            while let Some(part) = parts.try_next().await.map_err(unavailable)? {
                bytes.extend_from_slice(&part);
            }
            let filename = file.filename.unwrap_or(file.kind);
            Ok(File { bytes: bytes.freeze(), mime_type: file.mime_type, filename })
        })
    }
}

impl MediaLibrary {
    /// Of a node's database, media store and disk.
    pub fn new(pool: PgPool, storage: MediaStorage, spool: SpoolFolder, metrics: Metrics) -> Self {
        MediaLibrary { pool, storage, spool, metrics }
    }

    /// Where an upload of this kind is gathered before [`MediaLibrary::add`].
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn gather(&self, kind: Kind) -> std::io::Result<SpoolWriter> {
        self.spool.create(kind.max_bytes()).await
    }

    /// Stores an upload, free of metadata. It is kept for a day, and longer once it is sent.
    ///
    /// # Errors
    /// [`AddError`]
    pub async fn add(&self, upload: Upload) -> Result<OpenMedia, AddError> {
        let unavailable = |error: std::io::Error| {
            tracing::warn!(%error, "the spool folder cannot be used");
            AddError::Unavailable
        };
        let spooled = upload.bytes.finish().await.map_err(unavailable)?;
        let prepared = prepare(spooled, upload.kind, &upload.declared, &self.spool).await;
        let mut prepared = prepared.map_err(|error| match error {
            PrepareError::Refused(refusal) => AddError::Refused(refusal),
            PrepareError::Disk(error) => unavailable(error),
        })?;
        let (media_id, key) = (MediaId::new(), MediaStorage::new_key());
        fetch::store_object(&self.pool, &self.storage, media_id, &key, &mut prepared)
            .await
            .map_err(|_: Trouble| AddError::Unavailable)?;
        let file = StoredFile {
            key: &key,
            mime_type: prepared.mime_type,
            size: prepared.file.size,
            sha256: &prepared.file.sha256,
        };
        let kind: &str = upload.kind.into();
        let inserted =
            store::insert_upload(&self.pool, media_id, kind, upload.filename.as_deref(), &file).await;
        if !inserted.as_ref().is_ok_and(|inserted| *inserted) {
            tracing::warn!(error = ?inserted.err(), "an upload could not be recorded");
            fetch::doom(&self.pool, media_id, &key).await;
            return Err(AddError::Unavailable);
        }
        self.metrics.media_bytes.with_label_values(&["upload"]).inc_by(prepared.file.size);
        Ok(OpenMedia {
            media_id,
            kind: kind.to_owned(),
            mime_type: prepared.mime_type.to_owned(),
            size: prepared.file.size,
            sha256: prepared.file.sha256.clone(),
            filename: upload.filename,
            key,
            storage: self.storage.clone(),
        })
    }

    /// A stored file, ready to be read.
    ///
    /// # Errors
    /// [`OpenError`] tells whether waiting helps.
    pub async fn open(&self, media: MediaId) -> Result<OpenMedia, OpenError> {
        let row = store::get(&self.pool, media).await?.ok_or(OpenError::Unknown)?;
        let MediaRow { kind, state, reason, mime_type, size, sha256, filename, object_key, .. } = row;
        if state == "pending" {
            return Err(OpenError::NotReady);
        }
        let (Some(key), Some(mime_type), Some(size), Some(sha256)) = (object_key, mime_type, size, sha256)
        else {
            return Err(OpenError::GivenUp { state, reason: reason.unwrap_or_default() });
        };
        Ok(OpenMedia {
            media_id: media,
            kind,
            mime_type,
            size,
            sha256,
            filename,
            key,
            storage: self.storage.clone(),
        })
    }
}
