//! Files of conversations: what they may be, what is taken out of them, and where they are kept. No SQL, no actors.
//!
//! - [`sniff`]: what a file really is, and whether that fits what it was sent as
//! - [`metadata`]: place and camera taken out of photos, pixels untouched
//! - [`spool`]: a stream becomes a nameless file on disk, hashed and held to its limit on the way
//! - [`storage`]: the object store, local or S3

pub mod metadata;
pub mod sniff;
pub mod spool;
pub mod storage;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use sniff::Refusal;
use spool::{SpoolError, Spooled};

const MEGABYTE: u64 = 1024 * 1024;
/// A photo is cleaned in memory; one that was sent as a document and is larger than this is refused.
const MAX_PHOTO_BYTES: u64 = 32 * MEGABYTE;

/// What a file was sent as.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    strum::Display,
    strum::EnumIter,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    Image,
    Video,
    Audio,
    Document,
    Sticker,
}

impl Kind {
    /// The most bytes that WhatsApp carries (facts: "Media").
    pub fn max_bytes(self) -> u64 {
        match self {
            Kind::Image => 5 * MEGABYTE,
            Kind::Video | Kind::Audio => 16 * MEGABYTE,
            Kind::Document => 100 * MEGABYTE,
            Kind::Sticker => MEGABYTE / 2,
        }
    }

    /// What a file of this type is usually sent as.
    pub fn natural(mime_type: &str) -> Kind {
        match sniff::essence(mime_type).as_str() {
            "image/jpeg" | "image/png" => Kind::Image,
            "image/webp" => Kind::Sticker,
            audio if audio.starts_with("audio/") => Kind::Audio,
            "video/mp4" | "video/3gpp" | "video/3gp" => Kind::Video,
            _ => Kind::Document,
        }
    }
}

/// Why a file could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// It will not be kept; trying again does not help.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// The disk failed.
    #[error("the spool folder cannot be used")]
    Disk(#[from] std::io::Error),
}

/// A file that may be stored: of an allowed type, free of metadata.
#[derive(Debug)]
pub struct Prepared {
    pub file: Spooled,
    pub mime_type: &'static str,
}

/// Finds out what a spooled file is, refuses what does not fit, and takes metadata out of photos.
///
/// # Errors
/// [`PrepareError::Refused`] with the reason.
pub async fn prepare(
    mut spooled: Spooled,
    kind: Kind,
    declared: &str,
    spool: &spool::SpoolFolder,
) -> Result<Prepared, PrepareError> {
    let mime_type = sniff::sniff(spooled.head(), declared, kind)?;
    if !metadata::is_photo(mime_type) {
        return Ok(Prepared { file: spooled, mime_type });
    }
    if spooled.size > MAX_PHOTO_BYTES {
        return Err(Refusal::TooLarge.into());
    }
    let bytes = spooled.read_all().await?;
    let cleaned = tokio::task::spawn_blocking(move || metadata::strip(bytes, mime_type))
        .await
        .map_err(std::io::Error::other)?
        .map_err(|metadata::Unreadable| Refusal::Damaged)?;
    let mut writer = spool.create(u64::MAX).await?;
    for part in cleaned.chunks(MEGABYTE as usize) {
        writer.write(part).await.map_err(|error| match error {
            SpoolError::TooLarge => PrepareError::Refused(Refusal::TooLarge),
            SpoolError::Disk(error) => PrepareError::Disk(error),
        })?;
    }
    Ok(Prepared { file: writer.finish().await?, mime_type })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_the_kind_they_are_usually_sent_as() {
        for (mime_type, kind) in [
            ("image/jpeg", Kind::Image),
            ("IMAGE/PNG", Kind::Image),
            ("image/webp", Kind::Sticker),
            ("audio/ogg; codecs=opus", Kind::Audio),
            ("video/mp4", Kind::Video),
            ("application/pdf", Kind::Document),
            ("text/plain", Kind::Document),
        ] {
            assert_eq!(Kind::natural(mime_type), kind, "{mime_type}");
        }
    }
}
