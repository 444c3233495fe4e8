//! What is wanted: weighted cues per intent, read sentence by sentence, so that a complaint and a question in one
//! breath are both found. Scores are comparable between intents; 2 and above counts.

use super::categories::{classify, tells_fault};
use super::lexicon_intents::*;
use super::normalise::Sentence;
use crate::dialogue::understanding::Intent;

/// From this score on an intent is taken as meant.
pub const MEANT: f32 = 2.0;

/// What the other parts of the builtin have found already.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    pub has_place: bool,
    pub has_lap_id: bool,
    pub has_correction: bool,
    /// Nothing but signs: 🙏, 👍, a sticker's name.
    pub only_thanking_signs: bool,
}

/// An intent and how strongly the words speak for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    pub intent: Intent,
    pub score: f32,
}

/// The intents that are meant, best first. `sentences` are whole; `matter` are the same without places.
pub fn score(sentences: &[Sentence], matter: &[Sentence], context: Context) -> Vec<Scored> {
    let mut scores: Vec<Scored> = Vec::new();
    let mut add = |intent: Intent, score: f32| {
        if score < MEANT {
            return;
        }
        match scores.iter_mut().find(|scored| scored.intent == intent) {
            Some(scored) => scored.score = scored.score.max(score),
            None => scores.push(Scored { intent, score }),
        }
    };
    if context.only_thanking_signs {
        return vec![Scored { intent: Intent::Thanks, score: MEANT }];
    }
    let alone = sentences.len() == 1;
    let mut off_topic = 0.0_f32;
    for (sentence, matter) in sentences.iter().zip(matter) {
        let handoff = handoff(sentence, alone);
        add(Intent::HumanHandoff, handoff);
        let cancel = cancel(sentence);
        add(Intent::CancelComplaint, cancel);
        let history = history(sentence);
        add(Intent::History, history);
        let update = update(sentence, context);
        add(Intent::UpdateComplaint, update);
        let taken = cancel.max(history).max(update) >= MEANT;
        let status = if taken { 0.0 } else { status(sentence, context) };
        add(Intent::CheckStatus, status);
        let complaint = if taken { 0.0 } else { complaint(sentence, matter, context, status) };
        add(Intent::CreateComplaint, complaint);
        let knowledge = if taken || handoff >= MEANT { 0.0 } else { knowledge(sentence, status, complaint) };
        off_topic = off_topic.max(off_topic_score(sentence));
        if off_topic_score(sentence) < MEANT || knowledge >= 3.0 {
            add(Intent::KnowledgeQuery, knowledge);
        }
    }
    let substance = !scores.is_empty();
    if off_topic >= MEANT && !substance {
        scores.push(Scored { intent: Intent::OffTopic, score: off_topic });
    }
    // Courtesies come last: they are answered, or left alone, beside what was really meant.
    if let Some(first) = sentences.first().filter(|first| greets(first, alone)) {
        let score = if first.norm.trim().len() <= 2 { 0.5 } else { 1.0 };
        scores.push(Scored { intent: Intent::Greeting, score });
    }
    if sentences.iter().any(thanks) || (!substance && !sentences.is_empty() && sentences.iter().all(assents))
    {
        scores.push(Scored { intent: Intent::Thanks, score: 0.9 });
    }
    scores.sort_by(|left, right| right.score.total_cmp(&left.score));
    scores
}

fn handoff(sentence: &Sentence, alone: bool) -> f32 {
    if sentence.is_any(PERSON_ALONE) {
        return 5.0;
    }
    if sentence.has_any(NO_BOT) {
        return 4.0;
    }
    let person = PERSONS.iter().find_map(|person| sentence.norm.find(&format!(" {person} ")));
    let talk = TALK.iter().find_map(|talk| sentence.norm.find(&format!(" {talk} ")));
    match (talk, person) {
        (Some(talk), Some(person))
            if talk < person && person - talk <= 40 && !sentence.has_any(NOT_A_CALL) =>
        {
            5.0
        }
        (None, Some(_))
            if alone && sentence.words.len() <= 3 && !tells_fault(sentence) && !asks(sentence) =>
        {
            3.0
        }
        _ => 0.0,
    }
}

fn cancel(sentence: &Sentence) -> f32 {
    if sentence.has_any(&[
        "tidak dibatalkan",
        "jangan dibatalkan",
        "jangan batalkan",
        "tidak batal",
        "cara batalkan",
        "bisa dibatalkan",
    ]) {
        return 0.0;
    }
    if sentence.has_any(CANCEL) {
        return 4.5;
    }
    // "ga jadi" ends a draft; "airnya ga jadi keluar" does not.
    let not_after_all = sentence.has("tidak jadi") && (sentence.words.len() <= 5 && !tells_fault(sentence));
    if not_after_all { 3.5 } else { 0.0 }
}

fn history(sentence: &Sentence) -> f32 {
    if sentence.has_any(HISTORY) { 4.2 } else { 0.0 }
}

fn update(sentence: &Sentence, context: Context) -> f32 {
    let changes = sentence.has_any(CHANGE);
    let of_a_complaint = context.has_lap_id
        || sentence.has_any(OWN_COMPLAINT)
        || sentence.has("laporan")
        || sentence.has("aduan");
    match (changes, of_a_complaint) {
        (true, true) if !sentence.has_any(STATUS_STRONG) => 4.4,
        _ if sentence.has_any(CHANGE_STRONG) => 3.0,
        _ => 0.0,
    }
}

fn status(sentence: &Sentence, context: Context) -> f32 {
    let mut score = 0.0_f32;
    if sentence.has_any(STATUS_STRONG) {
        score += 3.5;
    }
    if sentence.has_any(OWN_COMPLAINT) && !sentence.has_any(OFFERS) {
        score += 1.5;
        if asks(sentence) || sentence.has_any(&["belum", "kelanjutan", "cek", "check", "sudah"]) {
            score += 1.5;
        }
    }
    if context.has_lap_id && sentence.has("lap") {
        score += if asks(sentence) { 4.0 } else { 2.5 };
    }
    if sentence.has_any(ALREADY_TOLD) {
        score += 3.0;
    }
    // "kapan lampu jalan diperbaiki?" asks after work on something that was told.
    if sentence.has_any(&["kapan", "when"]) && sentence.has_any(REPAIRED) {
        score += 3.2;
    }
    score
}

fn complaint(sentence: &Sentence, matter: &Sentence, context: Context, status: f32) -> f32 {
    let wants_to_report = sentence.has_any(REPORT) && !sentence.has_any(HOW_TO_REPORT);
    let fault = tells_fault(matter);
    let about = classify(std::slice::from_ref(matter)).map(|(code, weight)| (code, weight.min(4.0)));
    let pleads = sentence.has_any(PLEAS);
    let mut score = 0.0_f32;
    if wants_to_report {
        score += 3.0;
    }
    match about {
        // Papers are asked about; only a fault of the service is a complaint.
        Some(("pelayanan_administrasi", weight)) if !fault || weight < 2.5 => {}
        Some((_, weight)) if fault => score += 1.7 + weight / 4.0,
        Some(_) if pleads || wants_to_report => score += 1.5,
        None if fault && (pleads || context.has_place || (sentence.words.len() >= 3 && !asks(sentence))) => {
            score += 2.0
        }
        _ => {}
    }
    if context.has_place && (fault || pleads) {
        score += 0.7;
    }
    if pleads && fault {
        score += 0.5;
    }
    if context.has_correction && context.has_place && sentence.words.len() <= 12 {
        score += 3.0;
    }
    if !wants_to_report && asks_for_advice(sentence) {
        // A question about a trouble is no report of one, unless it says where.
        score -= if context.has_place && fault { 0.8 } else { 2.5 };
    } else if !wants_to_report && !context.has_place && !pleads && (sentence.asked && asks(sentence)) {
        score -= 1.5;
    }
    if status >= 3.0 && !wants_to_report && !(context.has_place && fault) {
        score -= 2.0;
    }
    if sentence.has_any(ALREADY_TOLD) {
        score -= 2.0;
    }
    score
}

fn knowledge(sentence: &Sentence, status: f32, complaint: f32) -> f32 {
    if sentence.has("apa kabar") {
        return 0.0;
    }
    let question = asks(sentence) || sentence.asked;
    let mut score = 0.0_f32;
    if sentence.has_any(HOW_TO_REPORT) {
        score += 3.5;
    }
    if sentence.has_any(SERVICE_WORDS) {
        score += 2.2;
    }
    if sentence.has_any(PAPERS) {
        score += if complaint >= MEANT { 0.8 } else { 2.0 };
    }
    if question {
        score += 1.0;
    }
    if asks_for_advice(sentence) {
        score += 2.2;
    } else if question && score <= 1.0 {
        // Some question, of which the documents may know: "saya mau tanya", "imunisasi anak kapan".
        let serious = sentence.words.len() >= 3 && status < MEANT && complaint < MEANT;
        score += if serious || sentence.has("tanya") { 1.0 } else { 0.0 };
    }
    // "kapan diperbaiki" is answered by the state of the complaint, "tolong diperbaiki ya?" by taking it.
    if status >= 3.0 || (complaint >= 3.0 && !sentence.has_any(SERVICE_WORDS) && !asks_for_advice(sentence)) {
        score -= 2.0;
    }
    score
}

fn off_topic_score(sentence: &Sentence) -> f32 {
    if sentence.has_any(OFF_TOPIC) { 2.5 } else { 0.0 }
}

fn asks(sentence: &Sentence) -> bool {
    sentence.has_any(QUESTION_WORDS)
}

fn asks_for_advice(sentence: &Sentence) -> bool {
    sentence.has_any(ADVICE)
}

fn greets(first: &Sentence, alone: bool) -> bool {
    GREETINGS.iter().any(|greeting| first.norm.trim_start().starts_with(&format!("{greeting} ")))
        || (alone && first.is_any(GREETINGS_ALONE))
}

fn thanks(sentence: &Sentence) -> bool {
    sentence.has_any(THANKS)
}

fn assents(sentence: &Sentence) -> bool {
    sentence.words.iter().all(|word| ASSENT.contains(&word.norm.as_str()))
        && !sentence
            .words
            .iter()
            .all(|word| matches!(word.norm.as_str(), "bapak" | "ibu" | "kakak" | "admin" | "sama"))
}
