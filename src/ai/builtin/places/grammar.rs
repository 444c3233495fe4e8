//! Finds where something is: streets, blocks, landmarks, RT/RW, in the citizen's own words and spelling.
//!
//! A small grammar over words rather than one expression: a place opens with a marker ("Jl.", "depan", "RT"), runs on
//! over names, numbers and further markers, and ends where the sentence turns to something else. Vague places ("depan
//! rumah saya") are not places: the dialogue had better ask.

use std::ops::Range;

use super::words::*;
use crate::ai::builtin::categories::FAULTS;
use crate::ai::builtin::normalise::{Word, words};
use crate::ai::builtin::patterns;

/// A place in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes in the original text.
    pub span: Range<usize>,
    /// A street, estate or village stands by itself; a landmark or an RT number may only add to one.
    pub stands_alone: bool,
    /// The words before it take something back ("eh bukan, Jl. Mawar").
    pub corrects: bool,
}

/// All places in the text, in order; neighbours that belong together are one.
pub fn find(text: &str) -> Vec<Place> {
    let words = words(text);
    let shouting = !text.chars().any(char::is_lowercase);
    let scan = Scan { text, words: &words, shouting };
    let mut places: Vec<Place> = Vec::new();
    let mut index = 0;
    while index < words.len() {
        let Some((start, end, stands_alone)) = scan.place_at(index) else {
            index += 1;
            continue;
        };
        let span = quoted_whole(text, words[start].span.start..words[end - 1].span.end);
        let corrects = scan.corrected_before(start);
        match places.last_mut() {
            Some(previous) if !corrects && only_joins(&text[previous.span.end..span.start]) => {
                previous.span.end = span.end;
                previous.stands_alone |= stands_alone;
            }
            _ => places.push(Place { span, stands_alone, corrects }),
        }
        index = end;
    }
    places
}

/// Whether a name is to be expected after this word. "Jalan" spelt out is as often a road that something happened to.
pub fn opens_names(word: &str, norm: &str) -> bool {
    !word.eq_ignore_ascii_case("jalan")
        && ([STREET_MARKERS, AREA_MARKERS, PLACE_NOUNS].iter().any(|words| words.contains(&norm))
            || matches!(norm, "bapak" | "ibu" | "haji" | "mbah" | "al"))
}

/// RT and RW as `03/05`, when both are named.
pub fn rt_rw(text: &str) -> Option<String> {
    let captures = patterns::RT_RW.captures_iter(text).last()?;
    let number = |name: &str| captures.name(name)?.as_str().parse::<u16>().ok();
    Some(format!("{:02}/{:02}", number("rt")?, number("rw")?))
}

fn only_joins(gap: &str) -> bool {
    if gap.contains('\n') {
        return false;
    }
    let gap = gap.trim_matches(|character: char| character.is_whitespace() || ",.()-/".contains(character));
    gap.is_empty()
        || gap.eq_ignore_ascii_case("di")
        || gap.eq_ignore_ascii_case("tepatnya")
        || gap.eq_ignore_ascii_case("tepatnya di")
}

/// With the closing mark of a name in quotation marks.
pub fn quoted_whole(text: &str, span: Range<usize>) -> Range<usize> {
    let open = text[span.clone()].matches('"').count() % 2 == 1;
    let closes = open && text[span.end..].starts_with('"');
    span.start..span.end + usize::from(closes)
}

struct Scan<'t> {
    text: &'t str,
    words: &'t [Word],
    shouting: bool,
}

impl Scan<'_> {
    fn norm(&self, index: usize) -> &str {
        self.words.get(index).map_or("", |word| word.norm.as_str())
    }

    fn raw(&self, index: usize) -> &str {
        self.words.get(index).map_or("", |word| &self.text[word.span.clone()])
    }

    /// The text between a word and the one before it.
    fn gap_before(&self, index: usize) -> &str {
        match (index.checked_sub(1).and_then(|before| self.words.get(before)), self.words.get(index)) {
            (Some(before), Some(word)) => &self.text[before.span.end..word.span.start],
            _ => "",
        }
    }

    fn capitalised(&self, index: usize) -> bool {
        !self.shouting && self.raw(index).chars().next().is_some_and(char::is_uppercase)
    }

    /// "pos pemadam kebakaran" is a place.
    fn follows(&self, index: usize, word: &str) -> bool {
        index > 0 && self.norm(index - 1) == word
    }

    fn is_number(&self, index: usize) -> bool {
        self.raw(index).starts_with(|character: char| character.is_ascii_digit())
            && self.raw(index).len() <= 6
    }

    /// "A3", "C2", "3B": the kind of word that follows a block or a number.
    fn is_code(&self, index: usize) -> bool {
        let raw = self.raw(index);
        self.is_number(index)
            || raw.chars().count() == 1
            || (raw.len() <= 4 && raw.contains(|character: char| character.is_ascii_digit()))
    }

    fn counts_something(&self, index: usize) -> bool {
        self.is_number(index)
            && TIME_UNITS.contains(&self.norm(index + 1))
            && self.gap_before(index + 1).trim().is_empty()
    }

    fn is_name(&self, index: usize) -> bool {
        let norm = self.norm(index);
        !norm.is_empty()
            && (!STOPS.contains(&norm)
                || (matches!(norm, "besar" | "kecil") && self.follows_place_noun(index)))
            && !self.is_ordinary(index)
            && (!LANDMARK_MARKERS.contains(&norm) || self.capitalised(index))
            && (!FAULTS.contains(&norm) || self.follows(index, "pemadam"))
            && !self.counts_something(index)
            && (!THINGS.contains(&norm) || (self.capitalised(index) && norm != "jalan"))
    }

    fn follows_place_noun(&self, index: usize) -> bool {
        index > 0 && PLACE_NOUNS.contains(&self.norm(index - 1))
    }

    /// A word in lower case that says what happened rather than where.
    fn is_ordinary(&self, index: usize) -> bool {
        let norm = self.norm(index);
        let known = [PLACE_NOUNS, AREA_MARKERS, STREET_MARKERS, NUMBER_MARKERS, LANDMARK_MARKERS, OF_NAMES];
        if self.capitalised(index) || known.iter().any(|words| words.contains(&norm)) {
            return false;
        }
        if self.follows(index, "pemadam") {
            return false;
        }
        // After "jl" and "bu" comes a name, whatever it means.
        let before = if index > 0 { self.raw(index - 1).to_lowercase() } else { String::new() };
        if matches!(
            &*before,
            "jl" | "jln" | "gg" | "dsn" | "perum" | "ds" | "kp" | "bu" | "pak" | "haji" | "h" | "al"
        ) {
            return false;
        }
        let raw = self.raw(index).to_lowercase();
        (raw.len() > 5 && raw.ends_with("nya")) || raw == "nya" || ORDINARY.contains(norm)
    }

    /// "RT 03", "rt03", "RW05".
    fn is_rt(&self, index: usize) -> bool {
        let raw = self.raw(index).to_lowercase();
        let glued = ["rt", "rw"].iter().any(|prefix| {
            raw.strip_prefix(prefix)
                .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|digit| digit.is_ascii_digit()))
        });
        glued || (matches!(raw.as_str(), "rt" | "rw") && self.is_number(index + 1))
    }

    fn corrected_before(&self, start: usize) -> bool {
        let from = start.saturating_sub(5);
        (from..start).any(|index| CORRECTIONS.contains(&self.norm(index)))
    }

    /// A place that opens at this word: (first word, word after the last, stands alone).
    fn place_at(&self, index: usize) -> Option<(usize, usize, bool)> {
        let norm = self.norm(index);
        let close = |at: usize| self.gap_before(at).trim_matches([' ', '.', ':', '-', '"']).is_empty();
        let (start, stands_alone) = if STREET_MARKERS.contains(&norm) && !self.raw(index).ends_with("nya") {
            let spelt_out = self.raw(index).eq_ignore_ascii_case("jalan");
            let named = !(spelt_out && self.starts_a_clause(index + 1, 1))
                && (self.is_name(index + 1) || (norm != "jalan" && self.is_code(index + 1)))
                && close(index + 1);
            (named.then_some(index)?, true)
        } else if self.is_rt(index) {
            (index, false)
        } else if AREA_MARKERS.contains(&norm) {
            let named =
                (self.is_name(index + 1) || (norm == "blok" && self.is_code(index + 1))) && close(index + 1);
            (named.then_some(index)?, true)
        } else if LANDMARK_MARKERS.contains(&norm) {
            (self.opens_landmark(index).then_some(index)?, false)
        } else if PLACE_NOUNS.contains(&norm)
            && self.gap_before(index + 1).trim_matches([' ', '"']).is_empty()
            && !(index > 0 && self.is_number(index - 1))
            && self.is_named(index, index + 1)
        {
            (index, false)
        } else if matches!(norm, "di" | "ke" | "lokasi" | "alamat" | "at" | "on" | "in") && close(index + 1) {
            let next = self.norm(index + 1);
            let noun =
                PLACE_NOUNS.contains(&next) && (!VAGUE_ALONE.contains(&next) || self.is_name(index + 2));
            let proper = self.capitalised(index + 1)
                && self.is_name(index + 1)
                && norm != "in"
                && !PLACE_NOUNS.contains(&next);
            let opens_itself = STREET_MARKERS.contains(&next)
                || AREA_MARKERS.contains(&next)
                || LANDMARK_MARKERS.contains(&next)
                || self.is_rt(index + 1);
            if opens_itself {
                return None;
            }
            ((noun || proper).then_some(index + 1)?, false)
        } else {
            return None;
        };
        let end = self.run_from(start)?;
        (!self.is_vague(start, end)).then_some((start, end, stands_alone))
    }

    /// Whether the thing before `next` is told by its name or its place.
    fn is_named(&self, thing: usize, next: usize) -> bool {
        let norm = self.norm(next);
        let marker = [STREET_MARKERS, AREA_MARKERS].iter().any(|markers| markers.contains(&norm));
        let placed = (marker && self.is_name(next + 1))
            || self.is_rt(next)
            || (LANDMARK_MARKERS.contains(&norm) && self.opens_landmark(next));
        if placed || (self.capitalised(next) && self.is_name(next)) {
            return true;
        }
        let person = matches!(norm, "bapak" | "ibu" | "haji" | "mbah" | "mas" | "ustadz");
        if person && HOUSES.contains(&self.norm(thing)) {
            return self.is_name(next + 1) || matches!(self.norm(next + 1), "rt" | "rw" | "lurah" | "kades");
        }
        let thing = self.norm(thing);
        if thing.starts_with("sd") || thing.starts_with("sm") || thing == "mts" {
            return self.is_number(next) && !self.counts_something(next);
        }
        if KINDS.contains(&norm) && thing != norm && next < self.words.len() {
            return self.gap_before(next + 1).trim().is_empty()
                && !KINDS.contains(&self.norm(next + 1))
                && self.is_named(next, next + 1);
        }
        NAMED_THINGS.contains(&thing) && self.is_name(next) && !self.starts_a_clause(next, 1)
    }

    fn opens_landmark(&self, index: usize) -> bool {
        // "behind the market"
        let next = if self.norm(index + 1) == "the" { index + 2 } else { index + 1 };
        if !self.gap_before(next).trim().is_empty() || self.counts_something(next) || self.is_number(next) {
            return false;
        }
        if matches!(self.norm(index), "arah" | "menuju" | "atas" | "bawah" | "antara" | "sepanjang") {
            return self.opens_known_place(next);
        }
        self.opens_known_place(next)
            || self.is_name(next)
            || (THINGS.contains(&self.norm(next)) && self.norm(index) != "sekitar" && self.is_name(next + 1))
    }

    fn opens_known_place(&self, index: usize) -> bool {
        PLACE_NOUNS.contains(&self.norm(index))
            || (STREET_MARKERS.contains(&self.norm(index)) && self.is_name(index + 1))
    }

    /// Where a place that opens at `start` ends.
    fn run_from(&self, start: usize) -> Option<usize> {
        let mut end = start + 1;
        let mut names = 0_usize;
        while end < self.words.len() {
            let norm = self.norm(end);
            let gap = self.gap_before(end);
            let previous = self.norm(end - 1);
            let after_marker = end == start + 1
                || LANDMARK_MARKERS.contains(&previous)
                || AREA_MARKERS.contains(&previous)
                || STREET_MARKERS.contains(&previous);
            let continues = self.is_rt(end)
                || (NUMBER_MARKERS.contains(&norm)
                    && self.is_code(end + 1)
                    && !self.counts_something(end + 1))
                || (AREA_MARKERS.contains(&norm) && self.is_name(end + 1))
                || (LANDMARK_MARKERS.contains(&norm) && norm != "sekitar" && self.opens_landmark(end))
                || (STREET_MARKERS.contains(&norm)
                    && self.is_name(end + 1)
                    && (after_marker || self.raw(end).len() < 4));
            let into = matches!(norm, "di" | "sampai")
                && (LANDMARK_MARKERS.contains(&self.norm(end + 1)) && self.opens_landmark(end + 1)
                    || self.opens_street(end + 1));
            let between = matches!(norm, "dan" | "sama")
                && self.norm(start) == "antara"
                && (self.is_name(end + 1) || self.opens_known_place(end + 1));
            let house_of = matches!(previous, "bapak" | "ibu" | "haji" | "bidan" | "ustadz")
                && end >= 2
                && HOUSES.contains(&self.norm(end - 2))
                && (matches!(norm, "rt" | "rw" | "lurah" | "kades" | "haji") || self.is_name(end));
            let article = norm == "the" && after_marker;
            if gap.contains(['\n', '!', '?', ';', '…'])
                || (ends_by_dot(previous, gap) && !self.is_rt(end) && !AREA_MARKERS.contains(&norm))
            {
                break;
            }
            if gap.contains([',', ':', '(']) && !(continues || into) {
                break;
            }
            if continues || article {
                names = 0;
                end += 1;
            } else if house_of {
                names += 1;
                end += 1;
            } else if between || into {
                names = 0;
                end += 2;
            } else if (self.is_code(end) && self.is_number_here(end, previous, names))
                || (HOUSES.contains(&previous)
                    && matches!(norm, "bapak" | "ibu" | "haji" | "ustadz" | "mbah" | "mas"))
            {
                names = names.max(1);
                end += 1;
            } else if self.starts_a_clause(end, names) || names >= 4 {
                break;
            } else if self.is_name(end) || (after_marker && THINGS.contains(&norm) && end > start) {
                names += 1;
                end += 1;
            } else {
                break;
            }
        }
        // A marker at the very end names nothing.
        while end > start + 1
            && (LANDMARK_MARKERS.contains(&self.norm(end - 1))
                || matches!(self.norm(end - 1), "nomor" | "di" | "the"))
        {
            end -= 1;
        }
        (end > start).then_some(end)
    }

    fn opens_street(&self, index: usize) -> bool {
        STREET_MARKERS.contains(&self.norm(index)) && self.is_name(index + 1)
    }

    fn is_number_here(&self, index: usize, previous: &str, names: usize) -> bool {
        !self.counts_something(index)
            && (NUMBER_MARKERS.contains(&previous)
                || PLACE_NOUNS.contains(&previous)
                || (self.is_number(index) && names > 0)
                || self.is_number(index - 1)
                || self.is_rt(index - 1)
                || self.raw(index).contains(|character: char| character.is_ascii_digit()))
    }

    /// A lower-case verb after a name ("jl mawar tertutup longsor") belongs to what happened, not to where.
    fn starts_a_clause(&self, index: usize, names: usize) -> bool {
        let norm = self.norm(index);
        names > 0
            && norm.len() >= 5
            && !self.raw(index).starts_with(char::is_uppercase)
            && !PLACE_NOUNS.contains(&norm)
            && !AREA_MARKERS.contains(&norm)
            && !self.follows(index, "pemadam")
            && (["ter", "ber", "men", "mem", "meng", "di", "ng", "ny", "nge"]
                .iter()
                .any(|prefix| norm.starts_with(prefix))
                || (norm.starts_with("ke") && norm.ends_with("an")))
    }

    /// "depan rumah", "ujung jalan": a place that only its teller can find.
    fn is_vague(&self, start: usize, end: usize) -> bool {
        if end == start + 1 && self.is_rt(start) {
            return false;
        }
        let skipped = [LANDMARK_MARKERS, VAGUE_ALONE].iter().any(|words| words.contains(&self.norm(start)));
        let rest = if skipped && end > start + 1 { start + 1 } else { start };
        (rest..end).all(|index| {
            let norm = self.norm(index);
            matches!(
                norm,
                "rumah"
                    | "jalan"
                    | "kampung"
                    | "desa"
                    | "lingkungan"
                    | "kompleks"
                    | "komplek"
                    | "perumahan"
                    | "gang"
                    | "tetangga"
                    | "kelurahan"
                    | "raya"
                    | "utama"
            ) || LANDMARK_MARKERS.contains(&norm)
                || THINGS.contains(&norm)
        })
    }
}

fn ends_by_dot(previous: &str, gap: &str) -> bool {
    let abbreviation = STREET_MARKERS.contains(&previous)
        || NUMBER_MARKERS.contains(&previous)
        || AREA_MARKERS.contains(&previous)
        || matches!(previous, "bapak" | "ibu" | "haji" | "sd" | "smp" | "sma")
        || previous.chars().count() == 1;
    gap.contains('.') && !abbreviation && !gap.ends_with('.')
}
