//! PDF: the text of each page as paragraphs, with what looks like a heading in an office's document.

use std::sync::LazyLock;

use pdf_extract::{Document, PlainTextOutput, output_doc_page};
use regex::Regex;

use super::{ExtractError, MOST_PAGES, Sink, broken, in_one_line};
use crate::ai::documents::FileKind;
use crate::ai::documents::protocol::{Block, Unreadable};

pub fn extract(bytes: &[u8], sink: &mut dyn Sink) -> Result<(), ExtractError> {
    // Readers accept what stands before the mark, within the first kilobyte.
    if !bytes.get(..bytes.len().min(1024)).unwrap_or_default().windows(5).any(|five| five == b"%PDF-") {
        return Err(broken(FileKind::Pdf).into());
    }
    let document = match Document::load_mem(bytes) {
        Ok(document) => document,
        Err(error) if is_about_passwords(&error.to_string()) => return Err(Unreadable::Encrypted.into()),
        Err(_) => return Err(broken(FileKind::Pdf).into()),
    };
    if document.is_encrypted() {
        return Err(Unreadable::Encrypted.into());
    }
    let pages = document.get_pages();
    let total = u32::try_from(pages.len()).unwrap_or(u32::MAX);
    if total > MOST_PAGES {
        return Err(Unreadable::TooManyPages { pages: total, most: MOST_PAGES }.into());
    }
    if total == 0 {
        return Err(broken(FileKind::Pdf).into());
    }
    let mut letters = false;
    for (done, page) in (1_u32..).zip(pages.into_keys()) {
        let mut text = String::new();
        let mut output = PlainTextOutput::new(&mut text);
        // A page that cannot be read, perhaps for an odd font, costs that page.
        let read = output_doc_page(&document, &mut output, page);
        if read.is_ok() {
            for block in blocks(&text, page) {
                letters |= block.text.chars().any(char::is_alphabetic);
                sink.block(block)?;
            }
        }
        sink.progress(done, total)?;
    }
    if !letters {
        return Err(Unreadable::Scanned { pages: total }.into());
    }
    Ok(())
}

fn is_about_passwords(error: &str) -> bool {
    let error = error.to_lowercase();
    ["password", "encrypt", "decrypt"].iter().any(|word| error.contains(word))
}

/// `BAB II`, `Pasal 4`, `A. Persyaratan`, `2.1 Biaya`: how offices number what they write. 1 is the outermost.
static NUMBERED: LazyLock<Vec<(u8, Regex)>> = LazyLock::new(|| {
    [
        (1, r"^(?i:bab|lampiran)\s+([IVXLC]+|\d+)\b"),
        (2, r"^(?i:bagian)\s+(?i:ke\w+|[IVXLC]+|\d+)\b"),
        (3, r"^(?i:pasal)\s+\d+$"),
    ]
    .into_iter()
    .filter_map(|(level, pattern)| Some((level, Regex::new(pattern).ok()?)))
    .collect()
});

/// The page's text as paragraphs; lines of capitals and numbered titles are headings.
fn blocks(text: &str, page: u32) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut paragraph = String::new();
    for line in text.lines().map(in_one_line).chain([String::new()]) {
        let level = heading_level(&line);
        if line.is_empty() || level.is_some() {
            let text = std::mem::take(&mut paragraph);
            if !text.is_empty() && !is_page_number(&text) {
                blocks.push(Block { page: Some(page), heading_level: None, text });
            }
        }
        match (level, paragraph.ends_with('-')) {
            (Some(heading_level), _) => {
                blocks.push(Block { page: Some(page), heading_level: Some(heading_level), text: line });
            }
            // A word that was parted at the end of its line.
            (None, true) if line.starts_with(char::is_lowercase) => {
                paragraph.pop();
                paragraph.push_str(&line);
            }
            (None, _) => {
                if !paragraph.is_empty() && !line.is_empty() {
                    paragraph.push('\n');
                }
                paragraph.push_str(&line);
            }
        }
    }
    blocks
}

fn heading_level(line: &str) -> Option<u8> {
    let length = line.chars().count();
    if !(4..=90).contains(&length) || line.ends_with(['.', ',', ';', ':']) {
        return None;
    }
    if let Some((level, _)) = NUMBERED.iter().find(|(_, pattern)| pattern.is_match(line)) {
        return Some(*level);
    }
    let letters: Vec<char> = line.chars().filter(|character| character.is_alphabetic()).collect();
    let shouted =
        letters.len() >= 4 && letters.len() * 2 >= length && letters.iter().all(|it| it.is_uppercase());
    // One word in capitals is more often an abbreviation in a list or a table.
    (shouted && line.contains(' ')).then_some(2)
}

fn is_page_number(text: &str) -> bool {
    text.chars().all(|character| character.is_ascii_digit() || "-–/ ".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_paragraphs_and_headings() {
        let text = "PEMERINTAH KOTA SUKAMAJU\n\nBAB II Persyaratan\nWarga membawa kartu ke-\nluarga dan\nKTP.\n\nPasal 4\n\n- 7 -\n";
        let found: Vec<_> =
            blocks(text, 7).into_iter().map(|block| (block.heading_level, block.text)).collect();
        let expected = [
            (Some(2), "PEMERINTAH KOTA SUKAMAJU"),
            (Some(1), "BAB II Persyaratan"),
            (None, "Warga membawa kartu keluarga dan\nKTP."),
            (Some(3), "Pasal 4"),
        ];
        assert_eq!(found, expected.map(|(level, text)| (level, text.to_owned())));
    }
}
