//! What is too long for one message becomes several, in order, that say everything the whole said.

use unicode_segmentation::UnicodeSegmentation;

use super::{CAPTION_LIMIT, Content, INTERACTIVE_LIMIT, TEXT_LIMIT};

impl Content {
    /// Splits what is too long for one message; the parts in order say everything the whole said.
    pub fn within_limits(self) -> Vec<Content> {
        match self {
            Content::Text { text } => texts(&text),
            Content::Buttons { text, buttons } => with_lead(&text, |text| Content::Buttons { text, buttons }),
            Content::List { text, button, sections } => {
                with_lead(&text, |text| Content::List { text, button, sections })
            }
            Content::LocationRequest { text } => with_lead(&text, |text| Content::LocationRequest { text }),
            Content::Media { media_id, kind, caption: Some(caption), filename }
                if !kind.has_caption() || caption.chars().count() > CAPTION_LIMIT =>
            {
                let mut parts = vec![Content::Media { media_id, kind, caption: None, filename }];
                parts.extend(texts(&caption));
                parts
            }
            other => vec![other],
        }
    }
}

fn texts(text: &str) -> Vec<Content> {
    split(text, TEXT_LIMIT).into_iter().map(|text| Content::Text { text }).collect()
}

/// The end of the text with what can be tapped; what does not fit goes ahead as text.
fn with_lead(text: &str, last: impl FnOnce(String) -> Content) -> Vec<Content> {
    let mut parts = split(text, INTERACTIVE_LIMIT);
    let end = parts.pop().unwrap_or_default();
    let mut contents = texts(&parts.join(" "));
    contents.push(last(end));
    contents
}

/// Cuts at the last paragraph, sentence or word that fits, never inside a grapheme; only white space is dropped.
pub(super) fn split(text: &str, limit: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while rest.chars().count() > limit {
        let head_end = rest.char_indices().nth(limit).map_or(rest.len(), |(at, _)| at);
        let cut = boundary(&rest[..head_end], rest);
        parts.push(rest[..cut].trim_end().to_owned());
        rest = rest[cut..].trim_start();
    }
    if !rest.is_empty() {
        parts.push(rest.to_owned());
    }
    parts
}

/// The best place to cut `head`, the longest piece of `whole` that fits.
fn boundary(head: &str, whole: &str) -> usize {
    let least = head.len() / 2;
    for ends in [&["\n\n"][..], &["\n"], &[". ", "! ", "? "], &[" "]] {
        let found = ends.iter().filter_map(|end| head.rfind(end).map(|at| at + end.len())).max();
        if let Some(at) = found.filter(|at| *at > least) {
            return at;
        }
    }
    // One endless word: cut between graphemes.
    whole
        .grapheme_indices(true)
        .map(|(at, _)| at)
        .take_while(|at| *at <= head.len())
        .last()
        .filter(|at| *at > 0)
        .unwrap_or(head.len())
}
