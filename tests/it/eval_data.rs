//! The evaluation judges only as long as its data are what they claim to be: complete, well formed, and not known to
//! what was trained.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// From this similarity on (as `pg_trgm` counts it) a judging item is one that was trained on.
const SAME: f64 = 0.7;
/// Fewer items would say little about an intent.
const ITEMS_AN_INTENT: usize = 25;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn lines(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder(file)).unwrap();
    let items = text.lines().enumerate().map(|(line, item)| {
        serde_json::from_str(item).unwrap_or_else(|error| panic!("{file}, line {}: {error}", line + 1))
    });
    items.collect()
}

fn text(item: &Value, key: &str) -> String {
    item[key].as_str().unwrap_or_else(|| panic!("{item} has no {key}")).to_owned()
}

fn texts(item: &Value) -> Vec<String> {
    item["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The words of an item, whether it is one message or a batch.
fn said(item: &Value) -> String {
    if item["text"].is_string() { text(item, "text") } else { texts(item).join(" ") }
}

/// The trigrams of a text as `pg_trgm` makes them: of each word in lower case, two spaces before it and one after.
fn trigrams(text: &str) -> BTreeSet<[char; 3]> {
    let text = text.to_lowercase();
    let words = text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    words
        .flat_map(|word| {
            let padded: Vec<char> = "  ".chars().chain(word.chars()).chain([' ']).collect();
            padded.windows(3).map(|window| [window[0], window[1], window[2]]).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn similarity_is_counted_as_pg_trgm_does() {
    // SELECT similarity('word', 'two words') is 0.36363637: 4 of 11 trigrams are in both.
    let (one, other) = (trigrams("word"), trigrams("two words"));
    assert_eq!((one.intersection(&other).count(), one.union(&other).count()), (4, 11));
    assert_eq!(trigrams("jalan rusak"), trigrams("Rusak, JALAN!"));
}

#[test]
fn nothing_that_judges_is_known_to_what_was_trained() {
    let mut trained: Vec<(String, BTreeSet<[char; 3]>)> = Vec::new();
    for (folder, files) in [
        ("data/builtin", &["intents", "kategori", "emergency", "places"][..]),
        ("data/tuning", &["utterances", "complaints", "emergencies"][..]),
    ] {
        for file in files {
            let items = lines(&format!("{folder}/{file}.jsonl"));
            assert!(items.len() >= 100, "{file}: {}", items.len());
            let id = |item: &Value| format!("{folder}/{file} {}", text(item, "id"));
            trained.extend(items.iter().map(|item| (id(item), trigrams(&said(item)))));
        }
    }
    // By number, so that comparing is counting; and which of the trained have each trigram.
    let mut having: BTreeMap<[char; 3], Vec<usize>> = BTreeMap::new();
    for (index, (_, of_text)) in trained.iter().enumerate() {
        for trigram in of_text {
            having.entry(*trigram).or_default().push(index);
        }
    }
    let mut judging: Vec<(String, String)> = Vec::new();
    for file in ["utterances", "complaints", "injections", "emergencies", "questions"] {
        for item in lines(&format!("tests/eval/{file}.jsonl")) {
            judging.push((text(&item, "id"), said(&item)));
        }
    }
    let mut known = Vec::new();
    for (id, words) in &judging {
        let of_text = trigrams(words);
        let mut shared = vec![0_usize; trained.len()];
        for index in of_text.iter().filter_map(|trigram| having.get(trigram)).flatten() {
            shared[*index] += 1;
        }
        for ((trained_id, other), shared) in trained.iter().zip(shared) {
            let similarity = shared as f64 / (of_text.len() + other.len() - shared).max(1) as f64;
            if similarity >= SAME {
                known.push(format!("{id} and {trained_id}: {similarity:.2}"));
            }
        }
    }
    assert!(known.is_empty(), "{} judging items were trained on:\n{}", known.len(), known.join("\n"));
}

#[test]
fn every_intent_is_judged_by_enough_items() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let utterances = lines("tests/eval/utterances.jsonl");
    for utterance in &utterances {
        for intent in utterance["intents"].as_array().unwrap() {
            *counts.entry(intent.as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert!(utterances.len() >= 300, "{}", utterances.len());
    assert_eq!(counts.len(), 11, "{counts:?}");
    assert!(counts.values().all(|count| *count >= ITEMS_AN_INTENT), "{counts:?}");
    for (file, least) in [("complaints", 120), ("questions", 150), ("emergencies", 150), ("injections", 60)] {
        let items = lines(&format!("tests/eval/{file}.jsonl"));
        assert!(items.len() >= least, "{file}: {}", items.len());
        let ids: BTreeSet<String> = items.iter().map(|item| text(item, "id")).collect();
        assert_eq!(ids.len(), items.len(), "{file}: an id twice");
    }
    let dialogues = std::fs::read_to_string(folder("tests/eval/dialogues.json")).unwrap();
    let dialogues: Vec<Value> = serde_json::from_str(&dialogues).unwrap();
    assert_eq!(dialogues.len(), 40);
}

#[test]
fn answers_stand_literally_in_their_documents() {
    for office in ["office", "office-hostile"] {
        let index = std::fs::read_to_string(folder(&format!("tests/eval/{office}/index.json"))).unwrap();
        let documents: Vec<Value> = serde_json::from_str(&index).unwrap();
        for document in &documents {
            let file = folder(&format!("tests/eval/{office}/{}", text(document, "file")));
            assert!(!std::fs::read_to_string(file).unwrap().trim().is_empty());
        }
        assert!(office != "office" || documents.len() >= 12, "{}", documents.len());
    }
    let questions = lines("tests/eval/questions.jsonl").into_iter().map(|question| ("office", question));
    let hostile = lines("tests/eval/office-hostile/questions.jsonl");
    let hostile = hostile.into_iter().map(|question| ("office-hostile", question));
    for (office, question) in questions.chain(hostile).filter(|(_, question)| !question["answer"].is_null()) {
        let file = folder(&format!("tests/eval/{office}/{}", text(&question, "file")));
        let document = std::fs::read_to_string(file).unwrap();
        assert!(document.contains(&text(&question, "answer")), "{}", text(&question, "id"));
    }
}
