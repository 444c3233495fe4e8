//! What a file really is, by its first bytes; what it claims to be decides only between types that look alike.

use super::Kind;

/// How much of a file's beginning is looked at.
pub const HEAD_BYTES: usize = 8192;

const OLE: [u8; 4] = [0xD0, 0xCF, 0x11, 0xE0];
/// Office documents that are ZIP archives or OLE containers, whose first bytes do not always tell which.
const ZIPPED: [&str; 6] = [
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.presentation",
];
const CONTAINED: [&str; 3] =
    ["application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"];

/// Why a file is not kept. The words are those of the API and of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Refusal {
    /// Larger than its kind may be.
    #[error("larger than its kind may be")]
    TooLarge,
    /// Its content is not of a type that its kind may have.
    #[error("its content is not of a type that its kind may have")]
    TypeNotAllowed,
    /// A photo that cannot be read, and so cannot be freed of its metadata.
    #[error("the photo cannot be read")]
    Damaged,
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// Again and again not the bytes that Meta announced.
    #[error("its checksum is not the announced one")]
    WrongSha256,
}

impl Refusal {
    /// The word for programs.
    pub fn code(self) -> &'static str {
        self.into()
    }
}

/// `type/subtype` without parameters, in lower case.
pub fn essence(mime_type: &str) -> String {
    mime_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The type of a file that begins with `head` and was declared as `declared`.
///
/// # Errors
/// [`Refusal::TypeNotAllowed`] unless the type is one that a message of this kind may carry.
pub fn sniff(head: &[u8], declared: &str, kind: Kind) -> Result<&'static str, Refusal> {
    if head.is_empty() {
        return Err(Refusal::Empty);
    }
    let found = content_type(head, &essence(declared)).ok_or(Refusal::TypeNotAllowed)?;
    let allowed = match kind {
        Kind::Image => matches!(found, "image/jpeg" | "image/png" | "image/webp"),
        Kind::Sticker => found == "image/webp",
        Kind::Video => matches!(found, "video/mp4" | "video/3gpp"),
        Kind::Audio => found.starts_with("audio/"),
        // People send photos and recordings as documents to keep them as they are.
        Kind::Document => true,
    };
    match (kind, found) {
        // Sound alone in the same container as a film.
        (Kind::Audio, "video/mp4") => Ok("audio/mp4"),
        _ if allowed => Ok(found),
        _ => Err(Refusal::TypeNotAllowed),
    }
}

/// One of the types that are kept at all, or none.
fn content_type(head: &[u8], declared: &str) -> Option<&'static str> {
    let among = |types: &[&'static str]| types.iter().find(|known| **known == declared).copied();
    if head.starts_with(&OLE) {
        return infer::get(head)
            .and_then(|found| CONTAINED.iter().find(|known| **known == found.mime_type()).copied())
            .or_else(|| among(&CONTAINED));
    }
    if head.get(4..8) == Some(b"ftyp".as_slice()) && head.get(8..10) == Some(b"3g".as_slice()) {
        return Some("video/3gpp");
    }
    let Some(found) = infer::get(head) else { return is_text(head).then_some("text/plain") };
    Some(match found.mime_type() {
        "image/jpeg" => "image/jpeg",
        "image/png" => "image/png",
        "image/webp" => "image/webp",
        "video/mp4" => "video/mp4",
        "audio/mpeg" => "audio/mpeg",
        "audio/m4a" => "audio/mp4",
        "audio/ogg" | "audio/opus" => "audio/ogg",
        "audio/amr" => "audio/amr",
        "audio/aac" => "audio/aac",
        "application/pdf" => "application/pdf",
        "application/rtf" => "application/rtf",
        "application/zip" => return among(&ZIPPED),
        office => return ZIPPED.iter().find(|known| **known == office).copied(),
    })
}

/// Text in UTF-8 without control characters that no text has; the last character may be cut.
fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.is_empty()
        && !valid.chars().any(|character| character.is_control() && !"\t\n\r\u{c}".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_bytes_say() {
        const JPEG: &[u8] = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00";
        const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR";
        const WEBP: &[u8] = b"RIFF\x10\x00\x00\x00WEBPVP8 ";
        const MP4: &[u8] = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00";
        const GP: &[u8] = b"\x00\x00\x00\x18ftyp3gp4\x00\x00\x00\x00";
        const OGG: &[u8] = b"OggS\x00\x02\x00\x00\x00\x00\x00\x00";
        const PDF: &[u8] = b"%PDF-1.7\n";
        const EXE: &[u8] = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff";
        const ZIP: &[u8] = b"PK\x03\x04\x14\x00\x00\x00\x08\x00aaaaaaaaaaaaaaaaaaaaaaaa";
        const OLD_OFFICE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00\x00\x00\x00";
        for (head, declared, kind, expected) in [
            (JPEG, "image/jpeg", Kind::Image, Some("image/jpeg")),
            (PNG, "image/jpeg", Kind::Image, Some("image/png")),
            (WEBP, "image/webp", Kind::Sticker, Some("image/webp")),
            (JPEG, "image/webp", Kind::Sticker, None),
            (MP4, "video/mp4", Kind::Video, Some("video/mp4")),
            (GP, "video/3gpp", Kind::Video, Some("video/3gpp")),
            (MP4, "audio/mp4", Kind::Audio, Some("audio/mp4")),
            (OGG, "audio/ogg; codecs=opus", Kind::Audio, Some("audio/ogg")),
            (PDF, "application/pdf", Kind::Document, Some("application/pdf")),
            (JPEG, "application/octet-stream", Kind::Document, Some("image/jpeg")),
            (OLD_OFFICE, "application/msword", Kind::Document, Some("application/msword")),
            (OLD_OFFICE, "application/pdf", Kind::Document, None),
            (ZIP, ZIPPED[0], Kind::Document, Some(ZIPPED[0])),
            (ZIP, "application/zip", Kind::Document, None),
            ("Permohonan surat\nkami…".as_bytes(), "text/csv", Kind::Document, Some("text/plain")),
            (b"a\x00b", "text/plain", Kind::Document, None),
            (b"<!DOCTYPE html><script>alert(1)</script>", "text/plain", Kind::Document, None),
            (b"<html><body>", "image/jpeg", Kind::Image, None),
            (EXE, "image/jpeg", Kind::Image, None),
            (EXE, "application/pdf", Kind::Document, None),
            (PDF, "image/jpeg", Kind::Image, None),
        ] {
            let found = sniff(head, declared, kind).ok();
            assert_eq!(found, expected, "{:?} as {declared}, {kind}", String::from_utf8_lossy(head));
        }
        assert_eq!(sniff(b"", "image/jpeg", Kind::Image), Err(Refusal::Empty));
    }
}
