//! What a length alone does not say about a message: rules across fields, as `garde` asks for them.

use garde::Error;
use unicode_segmentation::UnicodeSegmentation;

use super::{Button, LIST_ROWS, ListSection};

/// Meta refuses texts of white space only.
pub(super) fn not_blank(text: &str, _: &()) -> garde::Result {
    match text.trim().is_empty() {
        true => Err(Error::new("must not be blank")),
        false => Ok(()),
    }
}

/// The same of what may be absent.
pub(super) fn not_blank_if_given(text: &Option<String>, context: &()) -> garde::Result {
    text.as_deref().map_or(Ok(()), |text| not_blank(text, context))
}

/// Meta refuses two buttons of one id or one title.
pub(super) fn distinct_buttons(buttons: &[Button], _: &()) -> garde::Result {
    if has_twice(buttons.iter().map(|button| button.id.as_str())) {
        return Err(Error::new("two buttons have the same id"));
    }
    match has_twice(buttons.iter().map(|button| button.title.as_str())) {
        true => Err(Error::new("two buttons have the same title")),
        false => Ok(()),
    }
}

/// At most ten rows in all, each id once, and titles when there are several sections.
pub(super) fn sound_sections(sections: &[ListSection], _: &()) -> garde::Result {
    let rows = || sections.iter().flat_map(|section| &section.rows);
    if rows().count() > LIST_ROWS {
        return Err(Error::new("more than 10 rows in all"));
    }
    if has_twice(rows().map(|row| row.id.as_str())) {
        return Err(Error::new("two rows have the same id"));
    }
    match sections.len() > 1 && sections.iter().any(|section| section.title.is_none()) {
        true => Err(Error::new("each of several sections needs a title")),
        false => Ok(()),
    }
}

/// One grapheme, or none to take a reaction back.
pub(super) fn one_emoji(emoji: &str, _: &()) -> garde::Result {
    let one = emoji.graphemes(true).count() <= 1 && emoji.chars().count() <= 16;
    let visible = emoji.is_empty() || !emoji.trim().is_empty();
    match one && visible {
        true => Ok(()),
        false => Err(Error::new("must be one emoji, or empty to take the reaction back")),
    }
}

pub(super) fn template_name(name: &str, _: &()) -> garde::Result {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    match name.bytes().all(allowed) {
        true => Ok(()),
        false => Err(Error::new("must be lower case letters, digits and underscores")),
    }
}

/// Meta refuses parameters with new lines, tabs or more than four spaces in a row (132012).
pub(super) fn template_text(text: &str, context: &()) -> garde::Result {
    if text.contains(['\n', '\r', '\t']) || text.contains("     ") {
        return Err(Error::new("must not have new lines, tabs or more than four spaces in a row"));
    }
    not_blank(text, context)
}

fn has_twice<'a>(texts: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = std::collections::HashSet::new();
    texts.into_iter().any(|text| !seen.insert(text))
}
