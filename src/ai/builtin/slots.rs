//! Takes out what a complaint needs, in the citizen's own words: place, description, number of an earlier complaint.
//! Cuts only where the rest still reads as a sentence; when in doubt the words stay whole.

use std::ops::Range;

use super::categories;
use super::normalise::{sentences, words};
use super::patterns;
use super::places::tagger::Tagger;
use super::places::{self, Place};

/// A description is at most this long; the rest is in the messages themselves.
const LONGEST_DESCRIPTION: usize = 2_000;
/// Who is writing is told in at most so many bytes.
const LONGEST_INTRODUCTION: usize = 100;
/// And an address this.
const LONGEST_ADDRESS: usize = 200;

/// What the texts say about where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Where {
    pub alamat: Option<String>,
    pub rt_rw: Option<String>,
    /// Every place found, kept or not, in the text.
    pub spans: Vec<Range<usize>>,
    /// The place kept takes back an earlier one.
    pub corrects: bool,
}

/// Finds the place that is meant, with the landmark that a later message adds to it.
pub fn place(tagger: &Tagger, text: &str) -> Where {
    let ruled = places::find(text);
    let words = words(text);
    // A street or an estate that the tagger missed is better than none.
    let alone = || ruled.iter().rfind(|place| place.stands_alone).map(|place| place.span.clone());
    // "Eh bukan, Jl. Mawar" takes back whatever stood before.
    let corrected = ruled.iter().rfind(|place| place.corrects).map(|place| place.span.clone());
    let tagged = corrected
        .or_else(|| tagger.place(text, &words, &ruled))
        .or_else(alone)
        .map(|span| places::quoted_whole(text, span));
    let rt_rw = places::rt_rw(text);
    let mut spans: Vec<Range<usize>> = tagged.iter().cloned().collect();
    let beside = |place: &&Place| {
        !tagged.as_ref().is_some_and(|span| place.span.start < span.end && span.start < place.span.end)
    };
    spans.extend(ruled.iter().filter(beside).map(|place| place.span.clone()));
    spans.sort_by_key(|span| span.start);
    let Some(tagged) = tagged else {
        // RT and RW have a slot of their own; they are the place when nothing else is.
        let alamat = patterns::AREA_NUMBER.find_iter(text).last().map(|found| found.as_str().to_owned());
        return Where { alamat, rt_rw, spans, corrects: ruled.iter().any(|place| place.corrects) };
    };
    let whole = tidy(&text[tagged.clone()]);
    let without = without_rt_rw(whole);
    let mut parts: Vec<&str> = if without.is_empty() { whole } else { without }.lines().map(tidy).collect();
    parts.extend(
        ruled
            .iter()
            .filter(|place| adds_a_landmark(text, &tagged, place))
            .map(|place| tidy(&text[place.span.clone()])),
    );
    let corrects =
        |place: &&Place| place.corrects && place.span.start < tagged.end && tagged.start < place.span.end;
    Where {
        alamat: shortened(&parts.join(", "), LONGEST_ADDRESS),
        rt_rw,
        corrects: ruled.iter().any(|place| corrects(&place)),
        spans,
    }
}

/// Whether a later message is a landmark and nothing else ("lampu mati di Jl. Mawar", "dekat masjid").
fn adds_a_landmark(text: &str, tagged: &Range<usize>, place: &Place) -> bool {
    if place.span.start < tagged.end || place.stands_alone || place.corrects {
        return false;
    }
    let start = text[..place.span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[place.span.end..].find('\n').map_or(text.len(), |at| place.span.end + at);
    let around = [&text[start..place.span.start], &text[place.span.end..end]];
    start >= tagged.end
        && around.iter().flat_map(|part| words(part)).all(|word| word.norm == "di")
        && !patterns::AREA_NUMBER.is_match(&text[place.span.clone()])
}

/// The place without RT and RW at its end or its beginning; empty when they are all of it.
fn without_rt_rw(place: &str) -> &str {
    let Some(found) = patterns::RT_RW.find_iter(place).last() else { return place };
    let joints = |character: char| character.is_whitespace() || ",.-/(".contains(character);
    let (before, after) = (place[..found.start()].trim_end_matches(joints), &place[found.end()..]);
    let after =
        after.trim_start_matches(|character: char| character.is_whitespace() || ",.-/)".contains(character));
    match (before.is_empty(), after.is_empty()) {
        (true, _) => after,
        (false, true) => before.strip_suffix(" di").unwrap_or(before),
        (false, false) => place,
    }
}

/// The number of a complaint, however it was typed, as `LAP-20260102-003`; the last one named.
pub fn lap_id(text: &str) -> Option<String> {
    let captures = patterns::LAP_ID.captures_iter(text).last()?;
    Some(format!("LAP-{}-{}", captures.name("day")?.as_str(), captures.name("number")?.as_str()))
}

/// The citizen's words about the problem: each message without preface, closing and, where it can be cut cleanly, place.
///
/// `places` are bytes of the texts joined by line ends, as [`place`] found them.
pub fn description(texts: &[String], places: &[Range<usize>]) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut start = 0;
    for text in texts {
        let end = start + text.len();
        let within = places.iter().filter(|place| place.start >= start && place.end <= end);
        let within: Vec<Range<usize>> = within.map(|place| place.start - start..place.end - start).collect();
        let part = matter(text, &within);
        start = end + 1;
        if !says_something(&part) || parts.contains(&part) {
            continue;
        }
        parts.push(part);
    }
    shortened(&parts.join("\n"), LONGEST_DESCRIPTION)
}

fn matter(text: &str, places: &[Range<usize>]) -> String {
    let mut rest = text.to_owned();
    // From the back, so that what is cut does not move what comes before; neighbours must not be cut twice.
    let mut uncut = text.len();
    for place in places.iter().rev() {
        if let Some((cut, joint)) = clean_cut(text, place)
            && cut.start < uncut
        {
            rest.replace_range(cut.start..cut.end.min(uncut), joint);
            uncut = cut.start;
        }
    }
    let start = introduction_length(&rest);
    let rest = &rest[start..];
    let end = patterns::CLOSING.find(rest).map_or(rest.len(), |found| found.start());
    tidy(&rest[..end]).to_owned()
}

/// The bytes before the matter: greetings, who is writing, "mau melaporkan".
fn introduction_length(text: &str) -> usize {
    let preface = patterns::REPORT_PREFACE.find(text).map_or(0, |found| found.end());
    let verb = patterns::REPORT_VERB.find(text).filter(|found| {
        // Far into the text, or after the fault was told, it is part of the story.
        found.start() <= LONGEST_INTRODUCTION
            && !sentences(&text[..found.start()]).iter().any(categories::tells_fault)
            && says_something(&text[found.end()..])
    });
    preface.max(verb.map_or(0, |found| found.end()))
}

/// Whether the place at `span` can go without leaving a torn sentence: the bytes to cut and what joins the ends.
fn clean_cut(text: &str, span: &Range<usize>) -> Option<(Range<usize>, &'static str)> {
    let before = &text[..span.start];
    let after = &text[span.end..];
    let lead = preposition_length(before);
    let opened = lead > 0 || before.trim_end().ends_with([',', '.', '\n', ':', '(']);
    let bracketed = before.trim_end().ends_with('(') && after.starts_with(')');
    let closed = after.trim_start().is_empty()
        || after.trim_start_matches(' ').starts_with([',', '.', '\n', '!', '?', ';', ')']);
    let at_start = before.trim().is_empty();
    let clean = closed || (opened && !at_start);
    if !clean {
        return None;
    }
    let start = span.start - lead;
    if bracketed {
        let bracket = before.trim_end().len() - 1;
        return Some((text[..bracket].trim_end().len()..span.end + 1, ""));
    }
    let kept_before = text[..start].trim_end_matches([' ', ',', ':']);
    let cut = kept_before.len()..span.end;
    let joint = if kept_before.is_empty()
        || after.trim_start_matches(' ').starts_with([',', '.', '\n', '!', '?', ';'])
        || after.is_empty()
    {
        ""
    } else {
        " "
    };
    let skipped = if joint == " " { after.len() - after.trim_start_matches(' ').len() } else { 0 };
    Some((cut.start..cut.end + skipped, joint))
}

/// How many bytes at the end of `before` are "di", "di daerah", "lokasinya di" and the space after.
fn preposition_length(before: &str) -> usize {
    let mut length = 0;
    loop {
        let rest = &before[..before.len() - length];
        let trimmed = rest.trim_end_matches([' ', ':']);
        let word_start = trimmed
            .rfind(|character: char| !character.is_alphanumeric())
            .map_or(0, |at| at + trimmed[at..].chars().next().map_or(1, char::len_utf8));
        let word = trimmed[word_start..].to_lowercase();
        let leads = matches!(
            word.as_str(),
            "di" | "d"
                | "ke"
                | "pada"
                | "daerah"
                | "area"
                | "sekitar"
                | "lokasi"
                | "lokasinya"
                | "alamat"
                | "alamatnya"
                | "tepatnya"
                | "at"
                | "on"
                | "near"
                | "in"
        );
        if !leads || rest.len() - trimmed.len() > 2 {
            return length;
        }
        length = before.len() - word_start;
    }
}

/// More than a filler: at least one word of three letters that is not a form of address.
fn says_something(part: &str) -> bool {
    #[rustfmt::skip]
    const FILLERS: &[&str] = &[
        "saya", "bapak", "ibu", "ya", "tolong", "mohon", "mau", "lapor", "ada", "ini", "dong", "halo",
        "terima kasih", "tidak", "bukan", "eh", "maaf", "admin", "maksud", "salah", "ralat", "ingin", "kami",
        "di", "alamat", "lokasi", "itu", "petugas", "ok",
    ];
    words(part).iter().any(|word| {
        word.norm.chars().count() >= 3
            && !FILLERS.contains(&word.norm.as_str())
            && word.norm.chars().any(char::is_alphabetic)
    })
}

/// A bare answer to "where is it?", without "di" and "alamatnya".
pub fn bare_answer(text: &str) -> Option<String> {
    let mut rest = text.trim();
    loop {
        let first = rest.split_whitespace().next().unwrap_or_default();
        let plain = first.trim_matches(|character: char| !character.is_alphanumeric()).to_lowercase();
        if !matches!(
            plain.as_str(),
            "di" | "d"
                | "alamat"
                | "alamatnya"
                | "lokasi"
                | "lokasinya"
                | "itu"
                | "ya"
                | "iya"
                | "eh"
                | "tempatnya"
        ) {
            break;
        }
        rest = rest[first.len()..].trim_start_matches([' ', ':', ',', '\n']);
    }
    shortened(tidy(rest), LONGEST_ADDRESS)
}

/// Without white space and marks around it; an opening bracket keeps its closing one.
fn tidy(text: &str) -> &str {
    let text =
        text.trim_matches(|character: char| character.is_whitespace() || ",.;:-–!".contains(character));
    if text.ends_with('(') { text.trim_end_matches(['(', ' ']) } else { text }
}

fn shortened(text: &str, most: usize) -> Option<String> {
    let text: String = text.chars().take(most).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
