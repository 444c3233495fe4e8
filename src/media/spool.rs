//! A stream of unknown length becomes a file on disk, hashed and held to its limit on the way, so that no file is ever
//! held in memory. The file has no name: it is gone as soon as nobody has it open, even by a power cut.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::sniff::HEAD_BYTES;

/// Why a part was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// More than the limit.
    #[error("larger than allowed")]
    TooLarge,
    #[error("the spool folder cannot be written")]
    Disk(#[from] std::io::Error),
}

/// Where files are gathered; on a disk with room for a few of the largest.
#[derive(Clone, Debug)]
pub struct SpoolFolder(PathBuf);

impl SpoolFolder {
    /// Uses `folder`, making it where it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(SpoolFolder(folder.to_owned()))
    }

    /// A file that takes at most `limit` bytes.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub async fn create(&self, limit: u64) -> std::io::Result<SpoolWriter> {
        let folder = self.0.clone();
        let file = tokio::task::spawn_blocking(move || tempfile::tempfile_in(folder))
            .await
            .map_err(std::io::Error::other)??;
        Ok(SpoolWriter {
            file: File::from_std(file),
            head: Vec::new(),
            size: 0,
            limit,
            digest: Context::new(&SHA256),
        })
    }
}

/// A file being gathered.
pub struct SpoolWriter {
    file: File,
    head: Vec<u8>,
    size: u64,
    limit: u64,
    digest: Context,
}

impl SpoolWriter {
    /// Appends.
    ///
    /// # Errors
    /// [`SpoolError::TooLarge`] as soon as the limit is passed; nothing of the file is of use then.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        self.size += bytes.len() as u64;
        if self.size > self.limit {
            return Err(SpoolError::TooLarge);
        }
        let missing = HEAD_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..missing]);
        self.digest.update(bytes);
        Ok(self.file.write_all(bytes).await?)
    }

    /// The whole file, at its beginning.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn finish(mut self) -> std::io::Result<Spooled> {
        self.file.flush().await?;
        self.file.seek(SeekFrom::Start(0)).await?;
        let sha256 = hex::encode(self.digest.finish());
        Ok(Spooled { file: self.file, head: self.head, size: self.size, sha256 })
    }
}

/// A gathered file.
#[derive(Debug)]
pub struct Spooled {
    file: File,
    head: Vec<u8>,
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
}

impl Spooled {
    /// Its first bytes.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// All of it in memory.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn read_all(&mut self) -> std::io::Result<Bytes> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or_default());
        self.file.seek(SeekFrom::Start(0)).await?;
        self.file.read_to_end(&mut bytes).await?;
        Ok(Bytes::from(bytes))
    }

    /// The next part, of at most `most` bytes; empty at the end.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn read_part(&mut self, most: usize) -> std::io::Result<Bytes> {
        let mut part = Vec::with_capacity(most);
        (&mut self.file).take(most as u64).read_to_end(&mut part).await?;
        Ok(Bytes::from(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_is_hashed_kept_and_stopped_at_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let spool = SpoolFolder::open(&folder.path().join("made")).unwrap();
        let mut writer = spool.create(6).await.unwrap();
        writer.write(b"abc").await.unwrap();
        writer.write(b"def").await.unwrap();
        let mut spooled = writer.finish().await.unwrap();
        assert_eq!((spooled.size, spooled.head()), (6, b"abcdef".as_slice()));
        assert_eq!(spooled.sha256, "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721");
        assert_eq!(spooled.read_part(4).await.unwrap(), "abcd");
        assert_eq!(spooled.read_part(4).await.unwrap(), "ef");
        assert!(spooled.read_part(4).await.unwrap().is_empty());

        let mut writer = spool.create(5).await.unwrap();
        writer.write(b"abc").await.unwrap();
        assert!(matches!(writer.write(b"def").await, Err(SpoolError::TooLarge)));
        let left = std::fs::read_dir(folder.path().join("made")).unwrap().count();
        assert_eq!(left, 0, "files have no names");
    }
}
