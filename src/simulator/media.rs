//! Media both ways: what citizens photograph and what the office uploads, with Meta's limits, hashes, and links
//! that live five minutes. Bounded: the oldest file goes when there is no more room.

use std::collections::{HashMap, VecDeque};

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::graph_error::GraphError;

const MOST_BYTES: usize = 256 * 1024 * 1024;
const MEGABYTE: usize = 1024 * 1024;
/// The largest file of any kind.
pub(super) const LARGEST_FILE: usize = 100 * MEGABYTE;
pub(super) const LINK_SECONDS: i64 = 300;

#[derive(Clone, Debug)]
pub(super) struct Medium {
    pub id: String,
    pub mime_type: String,
    pub filename: Option<String>,
    pub bytes: Bytes,
}

impl Medium {
    /// In hexadecimal, as `GET /{media_id}` has it.
    pub fn sha256_hex(&self) -> String {
        hex::encode(digest::digest(&digest::SHA256, &self.bytes))
    }

    /// In Base64, as webhooks have it.
    pub fn sha256_base64(&self) -> String {
        STANDARD.encode(digest::digest(&digest::SHA256, &self.bytes))
    }
}

#[derive(Debug, Default)]
pub(super) struct MediaStore {
    media: HashMap<String, Medium>,
    oldest_first: VecDeque<String>,
    bytes: usize,
    last_id: u64,
}

impl MediaStore {
    /// Keeps a file; the caller has checked its type and size.
    pub fn add(&mut self, mime_type: &str, filename: Option<String>, bytes: Bytes) -> Medium {
        while self.bytes + bytes.len() > MOST_BYTES {
            let Some(oldest) = self.oldest_first.front().cloned() else { break };
            self.remove(&oldest);
        }
        self.last_id += 1;
        let id = (1_400_000_000_000_000 + self.last_id * 7_919).to_string();
        self.bytes += bytes.len();
        let medium = Medium { id: id.clone(), mime_type: mime_type.to_owned(), filename, bytes };
        self.oldest_first.push_back(id.clone());
        self.media.insert(id, medium.clone());
        medium
    }

    pub fn get(&self, id: &str) -> Option<&Medium> {
        self.media.get(id)
    }

    pub fn remove(&mut self, id: &str) -> bool {
        let Some(medium) = self.media.remove(id) else { return false };
        self.bytes -= medium.bytes.len();
        self.oldest_first.retain(|known| known != id);
        true
    }
}

/// The kind of message a file may be sent as, and the most bytes it may have.
pub(super) fn kind_of(mime_type: &str) -> Option<(&'static str, usize)> {
    let essence = mime_type.split(';').next().unwrap_or_default().trim();
    match essence {
        "image/jpeg" | "image/png" => Some(("image", 5 * MEGABYTE)),
        "image/webp" => Some(("sticker", MEGABYTE / 2)),
        "audio/aac" | "audio/mp4" | "audio/mpeg" | "audio/amr" | "audio/ogg" => {
            Some(("audio", 16 * MEGABYTE))
        }
        "video/mp4" | "video/3gp" | "video/3gpp" => Some(("video", 16 * MEGABYTE)),
        "text/plain"
        | "application/pdf"
        | "application/msword"
        | "application/vnd.ms-excel"
        | "application/vnd.ms-powerpoint" => Some(("document", LARGEST_FILE)),
        office if office.starts_with("application/vnd.openxmlformats-officedocument.") => {
            Some(("document", LARGEST_FILE))
        }
        _ => None,
    }
}

/// Whether a file of this type and size may be uploaded.
pub(super) fn check_upload(mime_type: &str, size: usize) -> Result<(), GraphError> {
    let Some((kind, most)) = kind_of(mime_type) else {
        return Err(GraphError::invalid_parameter(format!(
            "Param file must be a file of a supported type; \"{mime_type}\" is none"
        )));
    };
    if size == 0 {
        return Err(GraphError::invalid_parameter("Param file must not be empty"));
    }
    if size > most {
        return Err(GraphError::invalid_parameter(format!(
            "{kind} has {size} bytes, at most {most} allowed"
        )));
    }
    Ok(())
}

/// Whether the file may go as a message of this kind; a document may be anything.
pub(super) fn fits(medium: &Medium, kind: &str) -> bool {
    kind == "document" || kind_of(&medium.mime_type).is_some_and(|(natural, _)| natural == kind)
}

/// The path and query of a download link: it names its own end and is signed, so nothing need be remembered.
pub(super) fn download_link(secret: &[u8], media_id: &str, expires_at: i64) -> String {
    format!(
        "/media-download/{media_id}?expires={expires_at}&hash={}",
        link_hash(secret, media_id, expires_at)
    )
}

pub(super) fn link_is_valid(secret: &[u8], media_id: &str, expires_at: i64, hash: &str, now: i64) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let genuine = hex::decode(hash)
        .is_ok_and(|tag| hmac::verify(&key, link_text(media_id, expires_at).as_bytes(), &tag).is_ok());
    genuine && now < expires_at
}

fn link_hash(secret: &[u8], media_id: &str, expires_at: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hex::encode(hmac::sign(&key, link_text(media_id, expires_at).as_bytes()))
}

fn link_text(media_id: &str, expires_at: i64) -> String {
    format!("media:{media_id}:{expires_at}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_lives_until_its_end_and_serves_one_file() {
        let link = download_link(b"secret", "42", 1_000);
        let hash = link.rsplit('=').next().unwrap();
        assert!(link_is_valid(b"secret", "42", 1_000, hash, 999));
        assert!(!link_is_valid(b"secret", "42", 1_000, hash, 1_000));
        assert!(!link_is_valid(b"secret", "42", 9_000, hash, 999));
        assert!(!link_is_valid(b"secret", "43", 1_000, hash, 999));
    }

    #[test]
    fn uploads_are_held_to_type_and_size() {
        assert!(check_upload("image/jpeg", 5 * MEGABYTE).is_ok());
        assert!(check_upload("image/jpeg", 5 * MEGABYTE + 1).is_err());
        assert!(check_upload("audio/ogg; codecs=opus", 10).is_ok());
        assert!(check_upload("image/webp", MEGABYTE / 2 + 1).is_err());
        assert!(check_upload("application/x-msdownload", 10).is_err());
        assert!(check_upload("text/plain", 0).is_err());
    }
}
