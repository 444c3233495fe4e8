//! Cuts a document into passages that can be quoted: along headings, then paragraphs, then sentences. Each passage
//! knows the headings above it. Pure.

pub mod blocks;

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;
use utoipa::ToSchema;

use crate::store::ai::NewPassage;

/// A passage has at most so many characters; a quoted one must fit into a reply.
const LONGEST: usize = 600;
/// What a passage repeats of the one before it when a section had to be cut, at most.
const OVERLAP: usize = 120;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum DocumentKind {
    /// Paragraphs parted by empty lines.
    Text,
    /// Markdown: headings, paragraphs, lists.
    Markdown,
    /// Pairs of question and answer (`Tanya:`/`Jawab:`, `Q:`/`A:`, or a line that ends in a question mark).
    Faq,
}

/// The passages of a document, in order. Empty only for an empty document.
pub fn passages(kind: DocumentKind, content: &str) -> Vec<NewPassage> {
    let content = content.replace("\r\n", "\n");
    let sections = match kind {
        DocumentKind::Text => vec![Section { heading: String::new(), body: content }],
        DocumentKind::Markdown => markdown_sections(&content),
        DocumentKind::Faq => faq_sections(&content),
    };
    sections.iter().flat_map(Section::passages).collect()
}

struct Section {
    heading: String,
    body: String,
}

impl Section {
    fn passages(&self) -> Vec<NewPassage> {
        let mut contents: Vec<String> = Vec::new();
        let mut current = String::new();
        for (separator, piece) in pieces(&self.body) {
            if !current.is_empty() && length(&current) + length(separator) + length(&piece) > LONGEST {
                let tail = overlap(&current);
                contents.push(std::mem::take(&mut current));
                // Repeated only when both still fit.
                if length(&tail) + length(&piece) < LONGEST {
                    current = tail;
                }
            }
            if !current.is_empty() {
                current.push_str(separator);
            }
            current.push_str(&piece);
        }
        contents.push(current);
        contents
            .into_iter()
            .map(|content| content.trim().to_owned())
            .filter(|content| !content.is_empty())
            .map(|content| NewPassage { heading: self.heading.clone(), content, page: None })
            .collect()
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// Paragraphs, or sentences of those that are too long, or hard cuts of sentences that are; each with what goes before.
fn pieces(body: &str) -> Vec<(&'static str, String)> {
    let mut pieces = Vec::new();
    for paragraph in body.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()) {
        if length(paragraph) <= LONGEST {
            pieces.push(("\n\n", paragraph.to_owned()));
            continue;
        }
        let mut separator = "\n\n";
        for line in paragraph.lines().map(str::trim).filter(|line| !line.is_empty()) {
            for sentence in line.unicode_sentences().map(str::trim) {
                let characters: Vec<char> = sentence.chars().collect();
                for part in characters.chunks(LONGEST) {
                    pieces.push((separator, part.iter().collect()));
                    separator = " ";
                }
            }
            separator = "\n";
        }
    }
    pieces
}

/// The last sentence, when it is short.
fn overlap(text: &str) -> String {
    let last = text.unicode_sentences().last().map(str::trim).unwrap_or_default();
    if length(last) <= OVERLAP { last.to_owned() } else { String::new() }
}

fn markdown_sections(content: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut headings: Vec<(usize, String)> = Vec::new();
    let mut body = String::new();
    let mut fenced = false;
    for line in content.lines() {
        fenced ^= line.trim_start().starts_with("```");
        match heading(line).filter(|_| !fenced) {
            Some((level, title)) => {
                sections.push(Section { heading: joined(&headings), body: std::mem::take(&mut body) });
                headings.retain(|(above, _)| *above < level);
                headings.push((level, title));
            }
            None => {
                body.push_str(line);
                body.push('\n');
            }
        }
    }
    sections.push(Section { heading: joined(&headings), body });
    sections
}

/// `## Syarat` → (2, "Syarat").
pub(super) fn heading(line: &str) -> Option<(usize, String)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let title = line.get(level..)?;
    ((1..=6).contains(&level) && title.starts_with(' '))
        .then(|| (level, title.trim().trim_end_matches('#').trim().to_owned()))
}

fn joined(headings: &[(usize, String)]) -> String {
    headings.iter().map(|(_, title)| title.as_str()).collect::<Vec<_>>().join(" › ")
}

fn faq_sections(content: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in content.lines() {
        let plain = line.trim().trim_start_matches('#').trim();
        if let Some(question) = question(plain) {
            sections.push(Section { heading: question.to_owned(), body: String::new() });
            continue;
        }
        let answer = labelled(plain, &["jawab", "jawaban", "j", "a", "answer"]).unwrap_or(line);
        if sections.is_empty() {
            sections.push(Section { heading: String::new(), body: String::new() });
        }
        if let Some(section) = sections.last_mut() {
            section.body.push_str(answer);
            section.body.push('\n');
        }
    }
    sections
}

fn question(line: &str) -> Option<&str> {
    labelled(line, &["tanya", "pertanyaan", "t", "q", "question"]).or_else(|| {
        let labelled_answer = labelled(line, &["jawab", "jawaban", "j", "a", "answer"]).is_some();
        (line.ends_with('?') && length(line) <= 200 && !labelled_answer).then_some(line)
    })
}

fn labelled<'t>(line: &'t str, labels: &[&str]) -> Option<&'t str> {
    let (label, rest) = line.split_once(':')?;
    let label = label.trim().trim_matches('*').to_lowercase();
    labels.contains(&label.as_str()).then(|| rest.trim_start_matches('*').trim())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(kind: DocumentKind, content: &str) -> Vec<(String, String)> {
        passages(kind, content).into_iter().map(|passage| (passage.heading, passage.content)).collect()
    }

    fn pair(heading: &str, content: &str) -> (String, String) {
        (heading.into(), content.into())
    }

    #[test]
    fn markdown_is_cut_along_headings() {
        let content = "# KTP\nUmum.\n\n## Syarat\n- KK\n- Surat pengantar\n\n## Biaya\nGratis.\n# KK\nLain.";
        assert_eq!(
            pairs(DocumentKind::Markdown, content),
            [
                pair("KTP", "Umum."),
                pair("KTP › Syarat", "- KK\n- Surat pengantar"),
                pair("KTP › Biaya", "Gratis."),
                pair("KK", "Lain."),
            ]
        );
    }

    #[test]
    fn questions_and_answers_stay_together() {
        let content = "Tanya: Jam buka?\nJawab: Pukul 08.00.\n\nApakah gratis?\nYa, gratis.\n";
        assert_eq!(
            pairs(DocumentKind::Faq, content),
            [pair("Jam buka?", "Pukul 08.00."), pair("Apakah gratis?", "Ya, gratis.")]
        );
    }

    #[test]
    fn a_long_section_is_cut_between_sentences_with_a_small_overlap() {
        let sentence = |number: usize| {
            format!("Kalimat nomor {number} menerangkan satu hal tentang pelayanan di kantor ini.")
        };
        let content = (0..30).map(sentence).collect::<Vec<_>>().join(" ");
        let passages = passages(DocumentKind::Text, &content);
        assert!(passages.len() > 2);
        for neighbours in passages.windows(2) {
            assert!(length(&neighbours[0].content) <= LONGEST);
            let last = neighbours[0].content.unicode_sentences().last().unwrap().trim();
            assert!(neighbours[1].content.starts_with(last), "{neighbours:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_too_long(content in "[a-z#?:\\n .]{0,3000}") {
            for kind in [DocumentKind::Text, DocumentKind::Markdown, DocumentKind::Faq] {
                let passages = passages(kind, &content);
                prop_assert!(passages.iter().all(|passage| !passage.content.is_empty()));
                prop_assert!(passages.iter().all(|passage| length(&passage.content) <= LONGEST + OVERLAP));
                if kind == DocumentKind::Text {
                    let kept: String = passages.iter().map(|passage| passage.content.as_str()).collect::<Vec<_>>().join(" ");
                    for word in content.split(|character: char| !character.is_alphabetic()).filter(|word| (1..100).contains(&word.len())) {
                        prop_assert!(kept.contains(word), "{word}");
                    }
                }
            }
        }
    }
}
