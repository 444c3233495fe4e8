//! The part of a passage that answers: a reply has room for few words, a passage is longer, and what was asked for seldom
//! stands first. Pure.

use std::collections::BTreeSet;

use super::builtin::normalise;
use super::grounding;

/// Shorter terms count only as whole words; longer ones also inside a word with prefixes and suffixes.
const SHORTEST_STEM: usize = 4;
/// What a figure is worth to somebody who asks how much or when, compared with one of their words.
const FIGURE: f64 = 0.5;

/// The consecutive lines and sentences of `passage`, `most_words` at most, in which most of the question's `terms`
/// (normalised) stand; with `wants_figure` rather those with a number. The beginning when none is better. Whole when it
/// is short.
pub fn excerpt(passage: &str, terms: &[String], wants_figure: bool, most_words: usize) -> String {
    if count(passage) <= most_words {
        return passage.trim().to_owned();
    }
    let units = units(passage);
    let told: Vec<BTreeSet<usize>> = units.iter().map(|unit| terms_in(unit.text, terms)).collect();
    let mut best = (f64::MIN, 0..1);
    for start in 0..units.len() {
        let (mut words, mut covered, mut figure) = (0, BTreeSet::<usize>::new(), false);
        for end in start..units.len() {
            words += count(units[end].text);
            if words > most_words && end > start {
                break;
            }
            covered.extend(&told[end]);
            figure |= units[end].text.contains(|letter: char| letter.is_ascii_digit());
            // What opens with an asked word answers rather than what ends with it; of equals the longest.
            let opens = told[start].len() as f64 * 0.2;
            let worth = covered.len() as f64
                + opens
                + if wants_figure && figure { FIGURE } else { 0.0 }
                + words as f64 * 1e-4
                - start as f64 * 1e-3;
            if worth > best.0 {
                best = (worth, start..end + 1);
            }
        }
    }
    joined(&units[best.1], most_words)
}

/// Whether a question asks for a number: how much, how many, when, at what time.
pub fn wants_figure(texts: &[String]) -> bool {
    let asks = |word: &str| {
        matches!(word, "berapa" | "kapan" | "jam" | "pukul" | "biaya" | "when" | "much" | "many")
    };
    texts.iter().any(|text| normalise::words(text).iter().any(|word| asks(word.norm.as_str())))
}

/// A sentence or a line.
struct Unit<'a> {
    text: &'a str,
    ends_line: bool,
}

fn units(passage: &str) -> Vec<Unit<'_>> {
    let mut units = Vec::new();
    for line in passage.lines().filter(|line| !line.trim().is_empty()) {
        units.extend(grounding::sentences(line).into_iter().map(|text| Unit { text, ends_line: false }));
        if let Some(last) = units.last_mut() {
            last.ends_line = true;
        }
    }
    units
}

/// Which of the terms stand in the words.
fn terms_in(text: &str, terms: &[String]) -> BTreeSet<usize> {
    let words: Vec<String> = normalise::words(text).into_iter().map(|word| word.norm).collect();
    let stands = |term: &String| {
        words.iter().any(|word| word == term || (term.len() >= SHORTEST_STEM && word.contains(term.as_str())))
    };
    terms.iter().enumerate().filter(|(_, term)| stands(term)).map(|(index, _)| index).collect()
}

fn joined(units: &[Unit<'_>], most_words: usize) -> String {
    let mut text = String::new();
    for (index, unit) in units.iter().enumerate() {
        text.push_str(unit.text);
        if index + 1 < units.len() {
            text.push(if unit.ends_line { '\n' } else { ' ' });
        }
    }
    if count(&text) <= most_words {
        return text;
    }
    // A sentence that is longer than a reply; the cut is shown.
    let head: Vec<&str> = text.split_whitespace().take(most_words).collect();
    format!("{} …", head.join(" "))
}

fn count(text: &str) -> usize {
    text.split_whitespace().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSAGE: &str = "Pelayanan KTP dibuka setiap hari kerja di loket dua kantor kelurahan bagi semua warga yang berdomisili di sini. \
        Pemohon membawa kartu keluarga asli.\n\
        - KTP hilang: surat kehilangan dari kepolisian dan fotokopi kartu keluarga.\n\
        - KTP rusak: KTP lama diserahkan.\n\
        Pencetakan ulang selesai dalam 5 hari kerja dan tidak dipungut biaya.";

    fn of(question: &[&str], figure: bool) -> String {
        let terms: Vec<String> = question.iter().map(|&term| term.to_owned()).collect();
        excerpt(PASSAGE, &terms, figure, 14)
    }

    #[test]
    fn it_is_the_part_that_was_asked_for() {
        assert!(of(&["ktp", "hilang"], false).contains("surat kehilangan dari kepolisian"));
        assert!(of(&["cetak", "lama"], true).contains("5 hari kerja"));
        assert!(of(&["biaya"], true).contains("tidak dipungut biaya"));
    }

    #[test]
    fn without_a_match_it_is_the_beginning_and_never_too_long() {
        let text = of(&["gajah"], false);
        assert!(text.starts_with("Pelayanan KTP dibuka"), "{text}");
        for words in 1..60 {
            let text = excerpt(PASSAGE, &["ktp".to_owned()], true, words);
            assert!(!text.is_empty() && count(&text) <= words + 1, "{words}: {text}");
        }
        assert_eq!(excerpt(" pendek ", &[], false, 40), "pendek");
    }

    #[test]
    fn who_asks_when_or_how_much_wants_a_figure() {
        assert!(wants_figure(&["brp biayanya pak".to_owned()]));
        assert!(!wants_figure(&["syarat ktp hilang".to_owned()]));
    }
}
