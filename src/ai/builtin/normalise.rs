//! Makes informal writing comparable: lower case, slang and abbreviations written out, stretched letters and small
//! typos repaired, `-nya` dropped, one sentence at a time. For matching only: what is kept of a citizen's words is
//! always cut from the original text, by the offsets carried here. Must never be shown to anybody.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use super::lexicon::{PROTECTED, SLANG, VOCABULARY};

/// Words longer than this are not looked at: nobody writes them, and they would only cost time.
const LONGEST_WORD: usize = 40;

/// A word of the original text with its comparable form (which may be several words: "gpp" → "tidak apa apa").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Bytes in the original text.
    pub span: Range<usize>,
    pub norm: String,
}

/// A sentence: its words, and their comparable forms joined by single spaces with a space at both ends.
#[derive(Clone, Debug)]
pub struct Sentence {
    pub words: Vec<Word>,
    pub norm: String,
    /// Ends in a question mark.
    pub asked: bool,
}

impl Sentence {
    /// Whether `phrase` (one or several normalised words) occurs as whole words.
    pub fn has(&self, phrase: &str) -> bool {
        contains_phrase(&self.norm, phrase)
    }

    /// Whether any of `phrases` occurs.
    pub fn has_any(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.has(phrase))
    }

    /// Whether the sentence, apart from spaces, is one of `phrases`.
    pub fn is_any(&self, phrases: &[&str]) -> bool {
        phrases.contains(&self.norm.trim())
    }

    /// The sentence without the words that overlap any of `spans` of the original text.
    pub fn without(&self, spans: &[Range<usize>]) -> Sentence {
        let outside =
            |word: &&Word| !spans.iter().any(|span| word.span.start < span.end && span.start < word.span.end);
        let words: Vec<Word> = self.words.iter().filter(outside).cloned().collect();
        Sentence { norm: join(&words), words, asked: self.asked }
    }
}

/// Whether `phrase` occurs in `norm` as whole words.
pub fn contains_phrase(norm: &str, phrase: &str) -> bool {
    let bytes = norm.as_bytes();
    norm.match_indices(phrase).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|index| bytes.get(index));
        let after = bytes.get(at + phrase.len());
        before.is_none_or(|byte| *byte == b' ') && after.is_none_or(|byte| *byte == b' ')
    })
}

fn join(words: &[Word]) -> String {
    let mut norm = String::from(" ");
    for word in words {
        norm.push_str(&word.norm);
        norm.push(' ');
    }
    norm
}

/// Cuts a text into sentences of normalised words; sentences without any word are left out.
pub fn sentences(text: &str) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    let mut current: Vec<Word> = Vec::new();
    let words = words(text);
    for (index, word) in words.iter().enumerate() {
        if starts_another_topic(&words, index) {
            close(&mut sentences, &mut current, false);
        }
        let gap_end = words.get(index + 1).map_or(text.len(), |next| next.span.start);
        let gap = &text[word.span.end..gap_end];
        let ends = ends_sentence(word, gap);
        current.push(word.clone());
        if ends {
            close(&mut sentences, &mut current, gap.contains('?'));
        }
    }
    close(&mut sentences, &mut current, false);
    sentences
}

/// Where the sentences of a text stand, each with the marks that end it.
pub fn spans(text: &str) -> Vec<Range<usize>> {
    let starts = sentences(text).into_iter().filter_map(|sentence| Some(sentence.words.first()?.span.start));
    let starts: Vec<usize> = starts.collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

fn close(sentences: &mut Vec<Sentence>, current: &mut Vec<Word>, asked: bool) {
    if current.is_empty() {
        return;
    }
    let words = std::mem::take(current);
    sentences.push(Sentence { norm: join(&words), words, asked });
}

/// "… oh ya mau tanya …", "… sekalian …": people do not end the sentence before they turn to the next thing.
fn starts_another_topic(words: &[Word], index: usize) -> bool {
    if index == 0 {
        return false;
    }
    let norm = |offset: usize| words.get(index + offset).map_or("", |word| word.norm.as_str());
    matches!(norm(0), "sekalian" | "omong omong" | "oh ya" | "by the way")
        || (norm(0) == "oh" && norm(1) == "ya")
        || (matches!(norm(0), "mau" | "ingin" | "numpang") && norm(1) == "tanya")
}

fn ends_sentence(word: &Word, gap: &str) -> bool {
    if gap.contains(['!', '?', '\n', ';', '…']) {
        return true;
    }
    let Some(after_dot) = gap.split_once('.').map(|(_, after)| after) else { return false };
    let abbreviation = matches!(
        word.norm.as_str(),
        "jalan"
            | "gang"
            | "nomor"
            | "rt"
            | "rw"
            | "kelurahan"
            | "kecamatan"
            | "desa"
            | "kampung"
            | "bapak"
            | "ibu"
            | "dokter"
            | "haji"
            | "blok"
            | "perumahan"
            | "komplek"
            | "lorong"
            | "saudara"
    ) || word.norm.chars().count() == 1;
    let followed_by_space = after_dot.is_empty() || after_dot.starts_with([' ', '.', '\n', '\t', ',']);
    followed_by_space && !abbreviation
}

/// All words of a text: runs of letters and digits, and of marks that belong to them.
pub fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, character) in text.char_indices().chain([(text.len(), ' ')]) {
        let belongs = character.is_alphanumeric()
            || (start.is_some() && (matches!(character, '\u{200d}' | '\u{ad}') || is_combining(character)));
        match (belongs, start) {
            (true, None) => start = Some(at),
            (false, Some(begin)) => {
                words.push(Word { span: begin..at, norm: normalise_word(&text[begin..at]) });
                start = None;
            }
            _ => {}
        }
    }
    words
}

fn is_combining(character: char) -> bool {
    matches!(u32::from(character), 0x300..=0x36f)
}

/// The comparable form of one word.
pub fn normalise_word(word: &str) -> String {
    let folded: String = word
        .nfkd()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .take(LONGEST_WORD)
        .collect();
    if folded.is_empty() || folded.chars().all(|character| character.is_ascii_digit()) {
        return folded;
    }
    let calm = unstretch(&folded);
    for candidate in [folded.as_str(), calm.as_str()] {
        if let Some(written_out) = SLANG_BY_WORD.get(candidate) {
            return (*written_out).to_owned();
        }
    }
    // "anak2", "lubang2": a number after letters doubles the word.
    let single = calm
        .strip_suffix('2')
        .filter(|stem| stem.len() >= 3 && stem.chars().all(char::is_alphabetic))
        .unwrap_or(&calm);
    let stem = without_possessive(single);
    if let Some(written_out) = SLANG_BY_WORD.get(stem) {
        return (*written_out).to_owned();
    }
    repaired(stem).unwrap_or(stem).to_owned()
}

/// Three and more of one letter become one ("tolooong"); two are left, as in "saat".
fn unstretch(word: &str) -> String {
    let characters: Vec<char> = word.chars().collect();
    let mut out = String::with_capacity(word.len());
    let mut index = 0;
    while index < characters.len() {
        let character = characters[index];
        let run = characters[index..].iter().take_while(|other| **other == character).count();
        let kept = if run >= 3 && character.is_alphabetic() { 1 } else { run };
        out.extend(std::iter::repeat_n(character, kept));
        index += run;
    }
    out
}

/// "jalannya" → "jalan"; words that merely end so are left alone.
fn without_possessive(word: &str) -> &str {
    match word.strip_suffix("nya") {
        Some(stem) if stem.len() >= 3 && !matches!(word, "bertanya" | "menanya" | "hanya" | "sunya") => stem,
        _ => word,
    }
}

/// The project's list of informal words: one a line, a tab, the plain word or words. Phrases are not looked up.
const INFORMAL: &str = include_str!("../../../data/builtin/normal.tsv");

static SLANG_BY_WORD: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let informal = INFORMAL.lines().filter_map(|line| line.split_once('\t'));
    // What the rules were written against comes last and stays.
    let known = |word: &str| VOCABULARY.contains(&word) || PROTECTED.contains(&word);
    informal.filter(|(word, _)| !word.contains(' ') && !known(word)).chain(SLANG.iter().copied()).collect()
});
static KNOWN: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| VOCABULARY.iter().chain(PROTECTED).copied().collect());

/// The one word of the vocabulary that is a single slip away; none when the word is known, short, or two would do.
fn repaired(word: &str) -> Option<&'static str> {
    let length = word.chars().count();
    if !(5..=16).contains(&length) || KNOWN.contains(word) || !word.is_ascii() {
        return None;
    }
    let mut found = None;
    for candidate in VOCABULARY {
        // Short words have too many neighbours: there the first letter must agree and the length be at least 6.
        let long_enough = candidate.len() >= 6 && candidate.as_bytes().first() == word.as_bytes().first();
        if long_enough && one_slip_apart(word.as_bytes(), candidate.as_bytes()) {
            if found.is_some() {
                return None;
            }
            found = Some(*candidate);
        }
    }
    found
}

/// One letter missing, added, replaced, or two neighbours swapped.
fn one_slip_apart(left: &[u8], right: &[u8]) -> bool {
    let (short, long) = if left.len() <= right.len() { (left, right) } else { (right, left) };
    let prefix = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let (short_rest, long_rest) = (&short[prefix..], &long[prefix..]);
    match long.len() - short.len() {
        0 => {
            let replaced = short_rest.get(1..) == long_rest.get(1..);
            let swapped = short_rest.len() >= 2
                && short_rest[0] == long_rest[1]
                && short_rest[1] == long_rest[0]
                && short_rest[2..] == long_rest[2..];
            !short_rest.is_empty() && (replaced || swapped)
        }
        1 => short_rest == &long_rest[1..],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_comparable() {
        for (word, expected) in [
            ("Jl", "jalan"),
            ("JLN", "jalan"),
            ("ga", "tidak"),
            ("nggak", "tidak"),
            ("yg", "yang"),
            ("dgn", "dengan"),
            ("sy", "saya"),
            ("tolooong", "tolong"),
            ("banjiiiir", "banjir"),
            ("jalannya", "jalan"),
            ("hanya", "hanya"),
            ("lubang2", "lubang"),
            ("sampha", "sampah"),
            ("smapah", "sampah"),
            ("sampai", "sampai"),
            ("selokn", "selokan"),
            ("saat", "saat"),
            ("2026", "2026"),
            ("ＢＡＮＪＩＲ", "banjir"),
        ] {
            assert_eq!(normalise_word(word), expected, "{word}");
        }
    }

    #[test]
    fn abbreviations_do_not_end_a_sentence() {
        let texts = |text: &str| -> Vec<String> {
            sentences(text).iter().map(|sentence| sentence.norm.trim().to_owned()).collect()
        };
        assert_eq!(
            texts("Rusak di Jl. Melati No. 15. Tolong!"),
            ["rusak di jalan melati nomor 15", "tolong"]
        );
        assert_eq!(texts("lampu mati sekalian syarat ktp apa?"), ["lampu mati", "sekalian syarat ktp apa"]);
        assert!(texts("🙏🙏").is_empty());
    }
}
