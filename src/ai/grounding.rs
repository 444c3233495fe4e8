//! A model points, it never speaks. What it says it understood counts only as far as the citizen's own texts say it, and
//! what it says answers a question is only a choice among sentences of the office's documents. Both are cut from the
//! originals here, so a number, status or name that a model invented has no way to a citizen. Pure.
//!
//! What fails is dropped, and the builtin's reading stands in its place.

use std::ops::Range;
use std::str::FromStr;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::builtin::categories;
use super::builtin::patterns;
use super::builtin::places;
use super::builtin::slots;
use crate::dialogue::understanding::{
    Intent, Language, Passage, Slots, UnderstandRequest, Understanding, Urgency,
};
use crate::store::ai::FoundPassage;

/// A slot's words, at most: an address and a description as the builtin bounds them.
const LONGEST_ADDRESS: usize = 200;
const LONGEST_DESCRIPTION: usize = 2_000;
/// Sentences that a model is shown, and that it may choose.
const MOST_CANDIDATES: usize = 60;
const MOST_CHOSEN: usize = 6;

/// The reading with what a model saw in the same texts. `restore` puts back what was masked. `None` when the answer is
/// not of the agreed structure.
pub fn understood(
    answer: &Value,
    request: &UnderstandRequest,
    builtin: &Understanding,
    restore: impl Fn(&str) -> String,
) -> Option<Understanding> {
    let told = answer["slots"].as_object()?;
    let mut intents = Vec::new();
    for name in answer["intents"].as_array()? {
        if let Some(intent) = name.as_str().and_then(|name| Intent::from_str(name).ok())
            && !intents.contains(&intent)
        {
            intents.push(intent);
        }
    }
    if answer["off_topic"].as_bool() == Some(true) && intents.is_empty() {
        intents.push(Intent::OffTopic);
    }
    if intents.is_empty() {
        intents.clone_from(&builtin.intents);
    }
    let urgency = match answer["urgency"].as_str() {
        Some("emergency") => Urgency::Emergency,
        // Never lowered: who is in danger is not to depend on a model's opinion.
        _ => builtin.urgency,
    };
    if urgency == Urgency::Emergency && !intents.contains(&Intent::CreateComplaint) {
        intents.insert(0, Intent::CreateComplaint);
    }
    // A person is always one word away, whatever a model makes of that word.
    if builtin.wants(Intent::HumanHandoff) && !intents.contains(&Intent::HumanHandoff) {
        intents.push(Intent::HumanHandoff);
    }
    let text = request.texts.join("\n");
    let said = |slot: &str, longest: usize| -> Option<&str> {
        let told = restore(told.get(slot)?.as_str()?);
        spoken(&text, &told).filter(|words| words.chars().count() <= longest)
    };
    let collects = intents.contains(&Intent::CreateComplaint)
        || intents.contains(&Intent::UpdateComplaint)
        || request.asked_for.is_some();
    let of_builtin = |slot: &Option<String>| slot.clone().filter(|_| collects);
    let kategori = told.get("kategori").and_then(Value::as_str);
    let slots = Slots {
        kategori: kategori
            .filter(|code| collects && categories::codes().any(|known| known == *code))
            .map(str::to_owned)
            .or_else(|| of_builtin(&builtin.slots.kategori)),
        alamat: said("alamat", LONGEST_ADDRESS)
            .filter(|_| collects || intents.contains(&Intent::CheckStatus))
            .map(str::to_owned)
            .or_else(|| of_builtin(&builtin.slots.alamat)),
        rt_rw: builtin.slots.rt_rw.clone().or_else(|| said("rt_rw", LONGEST_ADDRESS).and_then(places::rt_rw)),
        deskripsi: said("deskripsi", LONGEST_DESCRIPTION)
            .filter(|_| collects)
            .map(str::to_owned)
            .or_else(|| of_builtin(&builtin.slots.deskripsi)),
        lap_id: told
            .get("lap_id")
            .and_then(Value::as_str)
            .and_then(slots::lap_id)
            .filter(|lap_id| lap_ids(&text).contains(lap_id))
            .or_else(|| builtin.slots.lap_id.clone()),
    };
    let language = match answer["language"].as_str() {
        Some("en") => Language::En,
        Some("id") => Language::Id,
        _ => builtin.language,
    };
    Some(Understanding { intents, slots, language, urgency, ..Understanding::default() })
}

fn lap_ids(text: &str) -> Vec<String> {
    patterns::LAP_ID.find_iter(text).filter_map(|found| slots::lap_id(found.as_str())).collect()
}

/// Where `told` stands in `text`, letter case, punctuation and spacing aside: the citizen's own words, cut from the
/// original. `None` when they were not said like that.
pub fn spoken<'t>(text: &'t str, told: &str) -> Option<&'t str> {
    let (said, wanted) = (comparable(text), comparable(told));
    if wanted.is_empty() {
        return None;
    }
    let found = said
        .windows(wanted.len())
        .find(|window| window.iter().zip(&wanted).all(|((_, said), (_, wanted))| said == wanted))?;
    let (first, last) = (found.first()?, found.last()?);
    Some(&text[first.0.start..last.0.end])
}

/// Runs of letters and digits, in a form in which spellings of the same word are equal.
fn comparable(text: &str) -> Vec<(Range<usize>, String)> {
    text.unicode_word_indices()
        .map(|(start, word)| (start..start + word.len(), word.nfkc().collect::<String>().to_lowercase()))
        .collect()
}

/// A sentence that a model may point at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub title: String,
    pub heading: String,
    pub text: String,
    /// Which of the found passages it is from, and which of its lines.
    passage: usize,
    line: usize,
}

/// The sentences of the passages found, in their order; without those that address a machine.
pub fn candidates(found: &[FoundPassage]) -> Vec<Candidate> {
    let quiet = |text: &str| if addresses_a_machine(text) { String::new() } else { text.to_owned() };
    let mut candidates = Vec::new();
    for (passage, found) in found.iter().enumerate() {
        for (line, text) in found.content.lines().enumerate() {
            candidates.extend(trusted(text).into_iter().map(|sentence| Candidate {
                title: quiet(&found.source_title),
                heading: quiet(&found.heading),
                text: sentence.to_owned(),
                passage,
                line,
            }));
        }
    }
    candidates.truncate(MOST_CANDIDATES);
    candidates
}

/// The passages made of the sentences that a model pointed at; empty when it says that none answers. `None` when its
/// answer is not of the agreed structure, or points at nothing that there is.
pub fn pointed(answer: &Value, candidates: &[Candidate], found: &[FoundPassage]) -> Option<Vec<Passage>> {
    let numbers = answer["nomor"].as_array()?;
    let mut chosen: Vec<usize> = Vec::new();
    for number in numbers.iter().filter_map(Value::as_u64) {
        let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        if let Some(place) = place.filter(|place| *place < candidates.len() && !chosen.contains(place)) {
            chosen.push(place);
        }
    }
    if chosen.is_empty() {
        return numbers.is_empty().then(Vec::new);
    }
    chosen.truncate(MOST_CHOSEN);
    let mut order: Vec<usize> = Vec::new();
    for place in &chosen {
        if !order.contains(&candidates[*place].passage) {
            order.push(candidates[*place].passage);
        }
    }
    // As the document has them: a list's second item does not come before its first.
    chosen.sort_unstable();
    let quoted = |passage: usize| {
        let mut text = String::new();
        let mut before: Option<&Candidate> = None;
        for candidate in chosen.iter().map(|place| &candidates[*place]).filter(|each| each.passage == passage)
        {
            match before {
                Some(before) if before.line == candidate.line => text.push(' '),
                Some(_) => text.push('\n'),
                None => {}
            }
            text.push_str(&candidate.text);
            before = Some(candidate);
        }
        Passage {
            source_title: found[passage].source_title.clone(),
            text,
            score: found[passage].score as f32,
        }
    };
    Some(order.into_iter().map(quoted).collect())
}

/// The passages without the sentences that address a machine; those of which nothing is left are gone.
pub fn quotable(passages: Vec<Passage>) -> Vec<Passage> {
    let mut kept = Vec::with_capacity(passages.len());
    for mut passage in passages {
        if passage.text.lines().any(addresses_a_machine) {
            let lines: Vec<String> = passage.text.lines().map(|line| trusted(line).join(" ")).collect();
            passage.text = lines.join("\n").trim().to_owned();
        }
        if !passage.text.is_empty() {
            kept.push(passage);
        }
    }
    kept
}

/// The sentences of a line up to the first that addresses a machine: what comes after it may belong to it.
fn trusted(line: &str) -> Vec<&str> {
    sentences(line).into_iter().take_while(|sentence| !addresses_a_machine(sentence)).collect()
}

/// Sentences of a line. A full stop after an abbreviation ends none.
pub(super) fn sentences(line: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, piece) in line.split_sentence_bound_indices() {
        let end = at + piece.len();
        let last_word = line[start..end].split_whitespace().next_back().unwrap_or_default().to_lowercase();
        if ABBREVIATIONS.contains(&last_word.trim_start_matches(['(', '"'])) && end < line.len() {
            continue;
        }
        let sentence = line[start..end].trim();
        if sentence.chars().any(char::is_alphanumeric) {
            sentences.push(sentence);
        }
        start = end;
    }
    sentences
}

#[rustfmt::skip]
const ABBREVIATIONS: &[&str] = &[
    "jl.", "jln.", "gg.", "no.", "kec.", "kel.", "kab.", "ds.", "dsn.", "prov.", "bpk.", "sdr.", "sdri.", "dr.", "drs.", "dra.", "h.", "hj.", "ir.", "rp.", "tgl.", "telp.", "hp.",
    "pkl.", "pk.", "s.d.", "a.n.", "u.p.", "dll.", "dsb.", "dst.", "mis.", "min.", "maks.", "ps.", "lt.", "st.", "1.", "2.", "3.", "4.", "5.", "6.", "7.", "8.", "9.",
];

/// Speaks to whoever processes the text instead of whoever reads it.
static TO_A_MACHINE: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::unwrap_used, reason = "a constant expression; a test compiles it")]
    Regex::new(
        r"(?x)
        \b(?:abaikan|lupakan|hiraukan|langgar|kesampingkan)\b.{0,40}\b(?:instruksi|perintah|aturan|petunjuk|prompt|arahan|batasan|sistem)\b
        | \b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:instructions?|prompts?|rules?|previous|above|prior|guidelines?|everything)\b
        | \b(?:system|developer|hidden)\ (?:prompt|message|instructions?)\b | \bprompt\ sistem\b | \binstruksi\ (?:sistem|baru|tersembunyi)\b | \bpesan\ sistem\b
        | \b(?:you\ are|act\ as|pretend\ to\ be|roleplay\ as|respond\ as)\b.{0,30}\b(?:ai|assistant|chatbot|bot|model|system|admin|officer|unrestricted)\b
        | \b(?:kamu|anda|engkau)\ (?:adalah|sekarang|kini|harus|wajib|akan)\b.{0,30}\b(?:ai|asisten|chatbot|bot|model|robot|mesin)\b
        | \b(?:berpura\ pura|berperan|bertindak)\b.{0,30}\b(?:ai|asisten|chatbot|bot|sistem|admin|petugas)\b
        | \b(?:as\ an?|sebagai|wahai|dear|kepada|untuk)\ (?:an?\ )?(?:ai|llm|chatbot|asisten\ (?:ai|otomatis|virtual)|model\ bahasa|language\ model|bot)\b
        | \b(?:ai|asisten|assistant|chatbot|bot)\ (?:harus|wajib|must|should|shall|diminta)\b
        | \b(?:jailbreak|developer\ mode|mode\ pengembang|dan\ mode|do\ anything\ now|language\ model|model\ bahasa|llm|chatgpt|openai|gemini)\b
        | \b(?:jawab|balas|katakan|sebutkan|respond|reply|answer|say)(?:lah)?\ (?:selalu|always|only|hanya|setiap)\b
        | \bim\ (?:start|end)\b | \bend\ ?of\ ?text\b | ^\ ?(?:system|assistant|user|human)\ ?:\ | \binst\b",
    )
    .unwrap()
});

/// Whether a sentence of a document gives instructions to a machine rather than information to a person.
pub fn addresses_a_machine(text: &str) -> bool {
    let mut plain = String::with_capacity(text.len());
    for character in text.nfkc().filter(|character| !is_invisible(*character)) {
        match character {
            ':' => plain.push_str(" : "),
            character if character.is_alphanumeric() => plain.extend(character.to_lowercase()),
            _ if plain.ends_with(' ') => {}
            _ => plain.push(' '),
        }
    }
    let plain = plain.replace("  ", " ");
    TO_A_MACHINE.is_match(&plain)
}

/// Characters that split a word for a program and not for a reader.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests;
