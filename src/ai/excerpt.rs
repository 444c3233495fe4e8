//! The part of a passage that answers: a reply has room for few words, a passage is longer, and what was asked for seldom
//! stands first. Pure.

use std::collections::BTreeSet;

use super::builtin::normalise;
use super::grounding;
use super::retrieval::question::{Question, Wanted};

/// Shorter words count only as they are; longer ones also inside a word with prefixes and suffixes.
const SHORTEST_STEM: usize = 4;
/// What a word is worth that the heading has already: all of the passage is about it.
const OF_THE_HEADING: f64 = 0.25;
/// What words of the wanted kind of answer are worth, such as a price to who asks what it costs.
const OF_THE_KIND: f64 = 0.6;

/// A later part must answer so much more than the beginning does.
const WORTH_A_JUMP: f64 = 0.8;

/// The consecutive lines and sentences of a passage, `most_words` at most, that answer most of the question; the beginning
/// when none is better. Whole when it is short. `heading` is all that stands above the passage.
pub fn excerpt(passage: &str, heading: &str, question: &Question, most_words: usize) -> String {
    let passage = &readable(passage);
    if count(passage) <= most_words {
        return passage.clone();
    }
    let units = units(passage);
    let sought = Sought::of(question, heading);
    let told: Vec<BTreeSet<usize>> = units.iter().map(|unit| sought.in_words(unit.text)).collect();
    let (mut best, mut beginning) = ((f64::MIN, 0..1), (f64::MIN, 0..1));
    for start in 0..units.len() {
        let (mut words, mut covered) = (0, BTreeSet::new());
        for end in start..units.len() {
            words += count(units[end].text);
            if words > most_words && end > start {
                break;
            }
            covered.extend(&told[end]);
            // What opens with an asked word answers rather than what ends with it; of equals the longest, the first.
            let opens = sought.worth(&told[start]) * 0.2;
            let worth = sought.worth(&covered) + opens + words as f64 * 1e-4 - start as f64 * 1e-3;
            if worth > best.0 {
                best = (worth, start..end + 1);
            }
            if start == 0 && worth > beginning.0 {
                beginning = (worth, 0..end + 1);
            }
        }
    }
    let chosen = if best.0 >= beginning.0 + WORTH_A_JUMP { best } else { beginning };
    joined(&units[chosen.1], most_words)
}

/// A passage as it is read on a phone: rows of tables as lines, without the marks of Markdown.
pub fn readable(passage: &str) -> String {
    let lines = passage.lines().map(str::trim).filter(|line| !is_ruler(line));
    let read = |line: &str| -> String {
        let line = line.trim_start_matches('#').trim_start().replace("**", "*");
        if !line.starts_with('|') {
            return line;
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect();
        cells.join(" – ")
    };
    lines.map(read).collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// The line between a table's header and its rows.
fn is_ruler(line: &str) -> bool {
    line.starts_with('|')
        && line.contains('-')
        && line.chars().all(|mark| matches!(mark, '|' | '-' | ':' | ' '))
}

/// What an answer would have, and what each of it is worth.
struct Sought<'q> {
    words: Vec<(&'q Wanted, f64)>,
    kinds: &'q [&'static [&'static str]],
}

impl<'q> Sought<'q> {
    fn of(question: &'q Question, heading: &str) -> Self {
        let heading = norms(heading);
        let worth = |wanted: &Wanted| if stands(wanted, &heading) { OF_THE_HEADING } else { 1.0 };
        let words = question.wanted.iter().map(|wanted| (wanted, worth(wanted))).collect();
        Sought { words, kinds: &question.answer_words }
    }

    /// The numbers of what stands in a text: words first, then kinds.
    fn in_words(&self, text: &str) -> BTreeSet<usize> {
        let norms = norms(text);
        let words = self.words.iter().map(|(wanted, _)| stands(wanted, &norms));
        let kinds = self.kinds.iter().map(|kind| norms.iter().any(|norm| kind.contains(&norm.as_str())));
        words.chain(kinds).enumerate().filter(|(_, stands)| *stands).map(|(number, _)| number).collect()
    }

    fn worth(&self, found: &BTreeSet<usize>) -> f64 {
        found.iter().map(|number| self.words.get(*number).map_or(OF_THE_KIND, |(_, worth)| *worth)).sum()
    }
}

fn norms(text: &str) -> Vec<String> {
    normalise::words(text).into_iter().map(|word| word.norm).collect()
}

/// Whether a word, or what it stands for, is among the words of a text.
fn stands(wanted: &Wanted, norms: &[String]) -> bool {
    let forms = wanted.word.iter().chain(&wanted.plain_forms).map(String::as_str);
    forms.chain(wanted.official.iter().copied()).any(|form| {
        norms.iter().any(|norm| norm == form || (form.len() >= SHORTEST_STEM && norm.contains(form)))
    })
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

    fn of(question: &str, heading: &str) -> String {
        excerpt(PASSAGE, heading, &Question::of(&[question.to_owned()]), 14)
    }

    #[test]
    fn it_is_the_part_that_was_asked_for() {
        assert!(of("ktp ilang gmn", "").contains("surat kehilangan dari kepolisian"));
        assert!(of("cetak ulang brp lama", "Layanan KTP").contains("5 hari kerja"));
        assert!(of("bayar ga pak", "").contains("tidak dipungut biaya"));
    }

    #[test]
    fn tables_are_read_as_lines() {
        let table =
            "## Tarif\n\n| Layanan | Tarif |\n|---|---:|\n| Sewa **aula** | Rp150.000 per hari |\n- bebas";
        assert_eq!(readable(table), "Tarif\n\nLayanan – Tarif\nSewa *aula* – Rp150.000 per hari\n- bebas");
    }

    #[test]
    fn without_a_match_it_is_the_beginning_and_never_too_long() {
        let text = of("gajah", "");
        assert!(text.starts_with("Pelayanan KTP dibuka"), "{text}");
        let text = of("pelayanan ktp", "Pelayanan KTP");
        assert!(text.starts_with("Pelayanan KTP dibuka"), "{text}");
        let question = Question::of(&["ktp berapa lama".to_owned()]);
        for words in 1..60 {
            let text = excerpt(PASSAGE, "", &question, words);
            assert!(!text.is_empty() && count(&text) <= words + 1, "{words}: {text}");
        }
        assert_eq!(excerpt(" pendek ", "", &question, 40), "pendek");
    }
}
