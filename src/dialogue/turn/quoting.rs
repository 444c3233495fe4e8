//! Answers from the office's documents: quoted, with their source, or said to be unknown.

use super::Turn;
use crate::dialogue::phrases;
use crate::dialogue::understanding::{FIRST_QUOTE_WORDS, Passage, QUOTE_WORDS};

impl Turn<'_> {
    pub(super) fn answer(&mut self, also_status: bool) {
        match self.input.understanding.passages.first() {
            Some(passage) => self.says.push(self.quote(passage)),
            None if also_status || self.concerns_a_complaint() => {}
            None => self.says.push(phrases::not_known(self.language)),
        }
    }

    pub(super) fn quote(&self, passage: &Passage) -> String {
        let most = if self.state.introduced { QUOTE_WORDS } else { FIRST_QUOTE_WORDS };
        phrases::quoted(self.language, &shortened(&passage.text, most), &passage.source_title)
    }
}

/// The first sentences of a passage that fit; a cut is shown.
fn shortened(text: &str, most: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() <= most {
        return text.trim().to_owned();
    }
    let head = &words[..most];
    let end = head.iter().rposition(|word| word.ends_with(['.', '!', '?'])).filter(|at| *at + 1 >= most / 2);
    match end {
        Some(at) => head[..=at].join(" "),
        None => format!("{} …", head.join(" ")),
    }
}
