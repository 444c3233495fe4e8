//! Text and Markdown, in whatever encoding: UTF-8, UTF-16 with its mark, else what old Windows programs write.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::{ExtractError, Sink};
use crate::ai::chunking::heading;
use crate::ai::documents::protocol::{Block, Unreadable};

/// The file as text, line ends as `\n`.
pub(super) fn decoded(bytes: &[u8]) -> String {
    let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or((UTF_8, 0));
    let content = bytes.get(mark..).unwrap_or_default();
    let text = match std::str::from_utf8(content) {
        Ok(text) if encoding == UTF_8 => text.to_owned(),
        _ if encoding == UTF_8 => WINDOWS_1252.decode_without_bom_handling(content).0.into_owned(),
        _ => encoding.decode_without_bom_handling(content).0.into_owned(),
    };
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// A file of text must not be something else: text has no NULs.
fn text_only(bytes: &[u8], expected: &str) -> Result<String, Unreadable> {
    let text = decoded(bytes);
    if text.contains('\0') {
        return Err(Unreadable::Broken { expected: expected.to_owned() });
    }
    Ok(text)
}

/// Paragraphs parted by empty lines.
pub fn text(bytes: &[u8], sink: &mut dyn Sink) -> Result<(), ExtractError> {
    for paragraph in text_only(bytes, "teks")?.split("\n\n") {
        sink.block(Block { text: paragraph.trim().to_owned(), ..Block::default() })?;
    }
    Ok(())
}

/// One block: whoever asked knows how it is to be cut.
pub fn whole(bytes: &[u8], sink: &mut dyn Sink) -> Result<(), ExtractError> {
    sink.block(Block { text: text_only(bytes, "teks")?, ..Block::default() })?;
    Ok(())
}

/// Headings and paragraphs.
pub fn markdown(bytes: &[u8], sink: &mut dyn Sink) -> Result<(), ExtractError> {
    let text = text_only(bytes, "Markdown")?;
    let mut paragraph = String::new();
    let mut fenced = false;
    for line in text.lines().chain([""]) {
        fenced ^= line.trim_start().starts_with("```");
        let found = heading(line).filter(|_| !fenced);
        if found.is_some() || (line.trim().is_empty() && !fenced) {
            sink.block(Block { text: std::mem::take(&mut paragraph), ..Block::default() })?;
        }
        match found {
            Some((level, title)) => {
                let heading_level = Some(u8::try_from(level).unwrap_or(6));
                sink.block(Block { heading_level, text: title, page: None })?;
            }
            None => {
                paragraph.push_str(line);
                paragraph.push('\n');
            }
        }
    }
    // An unclosed fence.
    sink.block(Block { text: paragraph, ..Block::default() })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_wide_encodings_are_read() {
        let wide: Vec<u8> = [0xFF, 0xFE]
            .into_iter()
            .chain("Syarat é\r\n".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        for bytes in
            [b"Syarat \xC3\xA9\n".as_slice(), b"\xEF\xBB\xBFSyarat \xC3\xA9\r\n", b"Syarat \xE9\r", &wide]
        {
            assert_eq!(decoded(bytes), "Syarat é\n", "{bytes:?}");
        }
    }
}
