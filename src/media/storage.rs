//! Where files are kept: a folder of this machine, or anything that speaks S3. A key is random and tells nothing; who may
//! read a file is decided by whoever serves it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig,
    WriteMultipart,
};
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};

use super::spool::Spooled;
use crate::config;

/// Files up to this size go in one call; S3 wants parts of at least 5 MB.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// Parts under way at once.
const PARTS_AT_ONCE: usize = 2;
/// How long one call to the store may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// The store did not do it; trying again later helps.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no such file.
    #[error("the media store has no such file")]
    Missing,
    #[error("the media store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<object_store::Error> for StorageError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => StorageError::Missing,
            other => StorageError::Failed(Box::new(other)),
        }
    }
}

impl From<std::io::Error> for StorageError {
    fn from(error: std::io::Error) -> Self {
        StorageError::Failed(Box::new(error))
    }
}

/// How to reach a bucket.
#[derive(Clone, Debug)]
pub struct S3Settings {
    pub bucket: String,
    /// Empty: AWS itself.
    pub endpoint: String,
    pub region: String,
    pub access_key_id: SecretString,
    pub secret_access_key: SecretString,
    /// The bucket in the path instead of in the host's name.
    pub path_style: bool,
    /// Put before every key, so that a bucket can be shared.
    pub prefix: String,
}

/// A store of files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MediaStorage {
    store: Arc<dyn ObjectStore>,
    prefix: ObjectPath,
    /// Of the local store: where an upload that was cut off leaves its beginning.
    local_root: Option<PathBuf>,
    description: String,
}

impl MediaStorage {
    /// The store that the settings name.
    ///
    /// # Errors
    /// When the folder cannot be used, or the settings do not make an address.
    pub fn open(settings: &config::Media, data_dir: &Path) -> Result<Self, StorageError> {
        match settings.store {
            config::MediaStore::Local => Self::local(&data_dir.join("media")),
            config::MediaStore::S3 => Self::s3(&S3Settings {
                bucket: settings.bucket.clone(),
                endpoint: settings.endpoint.clone(),
                region: settings.region.clone(),
                access_key_id: settings.access_key_id.clone(),
                secret_access_key: settings.secret_access_key.clone(),
                path_style: settings.path_style,
                prefix: settings.prefix.clone(),
            }),
        }
    }

    /// A folder of this machine, made where it is missing. What is stored is on disk when [`MediaStorage::put`] returns.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn local(folder: &Path) -> Result<Self, StorageError> {
        std::fs::create_dir_all(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(MediaStorage {
            store: Arc::new(store),
            prefix: ObjectPath::default(),
            local_root: Some(std::fs::canonicalize(folder)?),
            description: format!("local, {}", folder.display()),
        })
    }

    /// A bucket.
    ///
    /// # Errors
    /// When the settings do not make an address.
    pub fn s3(settings: &S3Settings) -> Result<Self, StorageError> {
        let endpoint = if settings.endpoint.is_empty() { "AWS" } else { &settings.endpoint };
        Ok(MediaStorage {
            store: Arc::new(bucket(settings)?),
            prefix: ObjectPath::from(settings.prefix.as_str()),
            local_root: None,
            description: format!("S3, bucket {} at {endpoint}", settings.bucket),
        })
    }

    /// What it is, without secrets.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// A key that nobody can guess: 256 random bits, the first eight of them a folder.
    pub fn new_key() -> String {
        let random: [u8; 32] = rand::rng().random();
        let text = hex::encode(random);
        format!("{}/{}", &text[..2], &text[2..])
    }

    fn path(&self, key: &str) -> ObjectPath {
        self.prefix.parts().chain(ObjectPath::from(key).parts()).collect()
    }

    /// Stores a file whole or not at all.
    ///
    /// # Errors
    /// [`StorageError::Failed`]; something of it may be left, which [`MediaStorage::delete`] takes away.
    pub async fn put(&self, key: &str, file: &mut Spooled) -> Result<(), StorageError> {
        let path = self.path(key);
        let first = file.read_part(PART_BYTES).await?;
        if first.len() < PART_BYTES {
            self.store.put(&path, PutPayload::from_bytes(first)).await?;
            return Ok(());
        }
        let mut upload =
            WriteMultipart::new_with_chunk_size(self.store.put_multipart(&path).await?, PART_BYTES);
        let mut part = first;
        while !part.is_empty() {
            if let Err(error) = upload.wait_for_capacity(PARTS_AT_ONCE).await {
                // What was sent is of no use; a store that cannot even be told so forgets it by its own rules.
                drop(upload.abort().await);
                return Err(error.into());
            }
            upload.put(part);
            part = file.read_part(PART_BYTES).await?;
        }
        upload.finish().await?;
        Ok(())
    }

    /// A file's bytes, or those of `range` (end excluded), as they come.
    ///
    /// # Errors
    /// [`StorageError::Missing`] when there is no such file.
    pub async fn read(
        &self,
        key: &str,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let found = self.store.get_opts(&self.path(key), options).await?;
        Ok(found.into_stream().map_err(StorageError::from).boxed())
    }

    /// Deletes a file, and what an upload of it that was cut off has left. Deleting what is not there is done.
    ///
    /// # Errors
    /// [`StorageError::Failed`]
    pub async fn delete(&self, key: &str) -> Result<(), StorageError> {
        if let Some(root) = self.local_root.clone() {
            let path = root.join(key);
            tokio::task::spawn_blocking(move || delete_beginnings(&path))
                .await
                .map_err(std::io::Error::other)??;
        }
        match self.store.delete(&self.path(key)).await.map_err(StorageError::from) {
            Ok(()) | Err(StorageError::Missing) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes, reads and deletes a small file.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn probe(&self) -> Result<(), StorageError> {
        let key = format!("probe-{}", Self::new_key().replace('/', "-"));
        let path = self.path(&key);
        self.store.put(&path, PutPayload::from_static(b"probe")).await?;
        let read = self.store.get(&path).await?.bytes().await;
        self.delete(&key).await?;
        read?;
        Ok(())
    }
}

/// `KEY#1` and the like: what the local store writes to before it renames.
fn delete_beginnings(path: &Path) -> std::io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let beginning = format!("{name}#");
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|found| found.starts_with(&beginning)) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn bucket(settings: &S3Settings) -> Result<AmazonS3, object_store::Error> {
    let retry = RetryConfig {
        // Whoever asked tries again by its own rules, with the file still at hand.
        backoff: BackoffConfig::default(),
        max_retries: 2,
        retry_timeout: CALL_TIMEOUT,
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&settings.bucket)
        .with_region(&settings.region)
        .with_access_key_id(settings.access_key_id.expose_secret())
        .with_secret_access_key(settings.secret_access_key.expose_secret())
        .with_virtual_hosted_style_request(!settings.path_style)
        // Not every store that speaks S3 has it, and files go one by one.
        .with_disable_bulk_delete(true)
        .with_retry(retry);
    let mut options = ClientOptions::new().with_timeout(CALL_TIMEOUT);
    if !settings.endpoint.is_empty() {
        builder = builder.with_endpoint(&settings.endpoint);
        options = options.with_allow_http(settings.endpoint.starts_with("http://"));
    }
    builder.with_client_options(options).build()
}
