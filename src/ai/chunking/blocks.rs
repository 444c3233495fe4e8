//! Cuts what was read from a file into passages: along headings, about two hundred words each, with the page each
//! begins on. Pure.

use unicode_segmentation::UnicodeSegmentation;

use super::joined;
use crate::ai::documents::protocol::Block;
use crate::store::ai::NewPassage;

/// A passage that has so many words ends with its paragraph.
const ENOUGH: usize = 180;
/// A passage has at most so many words.
const MOST: usize = 220;
/// What a passage repeats of the one before it within a section: sentences of the same paragraph with together at most so
/// many words.
const OVERLAP: usize = 40;
/// Characters after which even a single word is cut.
const LONGEST_WORD: usize = 500;

/// A part of a paragraph that is not cut.
#[derive(Clone, Debug)]
struct Piece {
    page: Option<i32>,
    text: String,
    words: usize,
    /// It begins a paragraph.
    first: bool,
    /// It begins a line.
    on_new_line: bool,
    /// It ends one.
    last: bool,
}

/// The passages, in order. Empty only when the blocks say nothing.
pub fn passages(blocks: &[Block]) -> Vec<NewPassage> {
    let mut cutter = Cutter::default();
    for block in blocks {
        let text = block.text.trim();
        if text.is_empty() {
            continue;
        }
        let page = block.page.and_then(|page| i32::try_from(page).ok());
        match block.heading_level {
            Some(level) => cutter.heading(level, text.split_whitespace().collect::<Vec<_>>().join(" "), page),
            None => pieces(text, page).into_iter().for_each(|piece| cutter.add(piece)),
        }
    }
    cutter.end_section();
    cutter.lonely_heading();
    cutter.passages
}

#[derive(Default)]
struct Cutter {
    headings: Vec<(usize, String)>,
    /// The last heading has nothing below it so far; its page.
    lonely: Option<Option<i32>>,
    current: Vec<Piece>,
    /// How many pieces of `current` were said already.
    repeated: usize,
    passages: Vec<NewPassage>,
}

impl Cutter {
    fn heading(&mut self, level: u8, title: String, page: Option<i32>) {
        self.end_section();
        let level = usize::from(level);
        // What has nothing below it, neither text nor a lower heading, is said itself: nothing is lost.
        if self.headings.last().is_some_and(|(above, _)| *above >= level) {
            self.lonely_heading();
        }
        self.headings.retain(|(above, _)| *above < level);
        self.headings.push((level, title));
        self.lonely = Some(page);
    }

    fn lonely_heading(&mut self) {
        let Some(page) = self.lonely.take() else { return };
        let Some(((_, title), above)) = self.headings.split_last() else { return };
        self.passages.push(NewPassage { heading: joined(above), content: title.clone(), page });
    }

    fn add(&mut self, piece: Piece) {
        self.lonely = None;
        let words: usize = self.current.iter().map(|piece| piece.words).sum();
        if words + piece.words > MOST && self.current.len() > self.repeated {
            self.cut(piece.words);
        }
        let ends = piece.last;
        self.current.push(piece);
        if ends && self.current.iter().map(|piece| piece.words).sum::<usize>() >= ENOUGH {
            self.cut(0);
        }
    }

    /// Ends a passage and begins the next with the last sentences of this one, if `coming` words fit with them.
    fn cut(&mut self, coming: usize) {
        let repeated: Vec<Piece> = {
            let mut words = coming;
            let tail = self.current.iter().rev().take_while(|piece| {
                words += piece.words;
                words <= MOST && words - coming <= OVERLAP && !piece.first
            });
            tail.take(2).cloned().collect()
        };
        self.end_section();
        self.repeated = repeated.len();
        self.current = repeated.into_iter().rev().collect();
    }

    fn end_section(&mut self) {
        let pieces = std::mem::take(&mut self.current);
        let repeated = std::mem::take(&mut self.repeated);
        if pieces.len() <= repeated {
            return;
        }
        let page = pieces.get(repeated).and_then(|piece| piece.page);
        let mut content = String::new();
        for piece in pieces {
            if !content.is_empty() {
                content.push(if piece.on_new_line { '\n' } else { ' ' });
            }
            content.push_str(&piece.text);
        }
        self.passages.push(NewPassage { heading: joined(&self.headings), content, page });
    }
}

/// The sentences of a paragraph, or the words of a long sentence. Lines stay lines: they may be a list.
fn pieces(text: &str, page: Option<i32>) -> Vec<Piece> {
    let mut texts: Vec<(bool, String)> = Vec::new();
    let mut on_new_line = true;
    for sentence in text.unicode_sentences() {
        let ends_line = sentence.ends_with('\n');
        let sentence = sentence.trim();
        if sentence.is_empty() {
            continue;
        }
        let words: Vec<&str> = sentence.split_whitespace().collect();
        if words.len() <= MOST && sentence.len() <= LONGEST_WORD * 4 {
            texts.push((on_new_line, sentence.to_owned()));
        } else {
            let cut: Vec<String> = words.iter().flat_map(|word| short(word)).collect();
            texts.extend(cut.chunks(ENOUGH).map(|words| (on_new_line, words.join(" "))));
        }
        on_new_line = ends_line;
    }
    let last = texts.len().saturating_sub(1);
    let piece = |(place, (on_new_line, text)): (usize, (bool, String))| Piece {
        page,
        words: text.split_whitespace().count(),
        text,
        first: place == 0,
        on_new_line,
        last: place == last,
    };
    texts.into_iter().enumerate().map(piece).collect()
}

fn short(word: &str) -> Vec<String> {
    let characters: Vec<char> = word.chars().collect();
    characters.chunks(LONGEST_WORD).map(|part| part.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(page: u32, heading_level: Option<u8>, text: &str) -> Block {
        Block { page: Some(page), heading_level, text: text.to_owned() }
    }

    fn words(text: &str) -> usize {
        text.split_whitespace().count()
    }

    #[test]
    fn passages_follow_headings_and_know_their_page() {
        let blocks = [
            block(1, Some(1), "PANDUAN LAYANAN"),
            block(1, Some(2), "Syarat"),
            block(1, None, "Bawa KK."),
            block(2, None, "Bawa KTP."),
            block(3, Some(2), "Biaya"),
            block(3, Some(1), "Lampiran"),
        ];
        let found: Vec<_> = passages(&blocks)
            .into_iter()
            .map(|passage| (passage.heading, passage.content, passage.page))
            .collect();
        let expected = [
            ("PANDUAN LAYANAN › Syarat", "Bawa KK.\nBawa KTP.", Some(1)),
            ("PANDUAN LAYANAN", "Biaya", Some(3)),
            ("", "Lampiran", Some(3)),
        ];
        assert_eq!(found, expected.map(|(heading, content, page)| (heading.into(), content.into(), page)));
    }

    #[test]
    fn a_long_section_is_cut_into_passages_of_about_two_hundred_words_that_overlap() {
        let sentence =
            |number| format!("Kalimat nomor {number} menerangkan satu hal tentang pelayanan di kantor ini.");
        let paragraph = (0..100).map(sentence).collect::<Vec<_>>().join(" ");
        let found = passages(&[block(1, None, &paragraph)]);
        assert!(found.len() >= 5, "{}", found.len());
        for (neighbours, place) in found.windows(2).zip(0..) {
            assert!((150..=MOST).contains(&words(&neighbours[0].content)), "{place}: {neighbours:?}");
            let last = neighbours[0].content.unicode_sentences().last().unwrap().trim();
            assert!(neighbours[1].content.contains(last), "{place}: {neighbours:?}");
        }
    }

    #[test]
    fn rows_of_a_table_are_not_torn_apart() {
        let row =
            |number| block(1, None, &format!("Layanan: Surat {number}; Biaya: Gratis; Lama: {number} hari"));
        let rows: Vec<Block> = (0..200).map(row).collect();
        let found = passages(&rows);
        assert!(found.len() > 3);
        for passage in found {
            for line in passage.content.lines() {
                assert!(line.starts_with("Layanan: ") && line.ends_with(" hari"), "{line}");
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_too_long(texts in prop::collection::vec(("[a-z .?\\n]{0,900}", prop::option::of(1_u8..5)), 0..12)) {
            let blocks: Vec<Block> = texts.iter().map(|(text, level)| block(1, *level, text)).collect();
            let found = passages(&blocks);
            let kept: String = found.iter().map(|passage| format!("{} {} ", passage.heading, passage.content)).collect();
            for passage in &found {
                prop_assert!(!passage.content.trim().is_empty());
                prop_assert!(words(&passage.content) <= MOST + OVERLAP);
            }
            for (text, _) in &texts {
                for word in text.split(|character: char| !character.is_alphabetic()).filter(|word| word.len() < 100) {
                    prop_assert!(kept.contains(word), "{word}");
                }
            }
        }
    }
}
