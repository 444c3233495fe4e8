//! Makes `data/builtin/model/builtin.model` from the examples in `data/builtin/`; the same data make the same model.
//!
//! Each fifth of the examples is first held out and read by a model of the other four: thresholds are chosen, and the
//! printed figures measured, on what a model has not seen. The shipped model then learns from all of them. Nothing of
//! `tests/eval/` is read: that judges what is made here.
//!
//! `cargo run --release --example train_builtin`; with `-- --wrong` it also lists what the held out readings got wrong.

#![expect(clippy::print_stdout, reason = "a command whose output is its purpose")]

use std::collections::BTreeMap;
use std::hash::Hasher as _;
use std::path::Path;

use anyhow::Context as _;
use fnv::FnvHasher;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use strum::IntoEnumIterator as _;

use govconnect::ai::builtin::learned::{self, Features, Head, INPUTS, Model, ROWS, logistic};
use govconnect::ai::builtin::normalise;
use govconnect::ai::builtin::weighing::{self, Told};
use govconnect::ai::builtin::{places, read_with, told_of, urgency};
use govconnect::dialogue::understanding::{Intent, UnderstandRequest, Urgency};

/// Parts of the examples, each held out once.
const FOLDS: u64 = 5;
/// Rounds over all examples.
const EPOCHS: u64 = 25;
/// The first step's length (AdaGrad).
const STEP: f32 = 0.3;
/// What squared slopes begin with, so that first steps are not wild.
const INITIAL_SQUARE: f32 = 0.01;
/// How strongly weights are drawn to zero at each example that they take part in.
const DRAW: f32 = 2e-5;
/// The share of emergencies that must be seen.
const RECALL: f32 = 0.95;

#[derive(Deserialize)]
struct IntentExample {
    id: String,
    text: String,
    intents: Vec<Intent>,
}

#[derive(Deserialize)]
struct KategoriExample {
    id: String,
    text: String,
    kategori: String,
}

#[derive(Deserialize)]
struct EmergencyExample {
    id: String,
    text: String,
    emergency: bool,
}

/// What a head learns from: features, and which labels hold.
struct Example {
    fold: u64,
    features: Features,
    holds: Vec<bool>,
}

struct Data {
    intents: Vec<IntentExample>,
    kategori: Vec<KategoriExample>,
    emergency: Vec<EmergencyExample>,
}

fn main() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/builtin");
    let inputs = INPUTS
        .iter()
        .map(|file| std::fs::read(folder.join(file)).with_context(|| format!("could not read {file}")))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let data = Data {
        intents: lines(&inputs[0]).context("intents.jsonl")?,
        kategori: lines(&inputs[1]).context("kategori.jsonl")?,
        emergency: lines(&inputs[2]).context("emergency.jsonl")?,
    };
    let made_from = learned::fingerprint(inputs.iter().map(Vec::as_slice));
    let model = make(&data, made_from)?;
    let file = folder.join("model/builtin.model");
    std::fs::create_dir_all(folder.join("model"))?;
    std::fs::write(&file, model.to_bytes()?)?;
    std::fs::write(folder.join("model/ordinary.txt"), ordinary(&data))?;
    println!("written to {}", file.display());
    Ok(())
}

/// JSON, one object a line.
fn lines<T: DeserializeOwned>(bytes: &[u8]) -> anyhow::Result<Vec<T>> {
    Ok(serde_json::Deserializer::from_slice(bytes).into_iter().collect::<Result<_, _>>()?)
}

/// Normalised words of at least two examples that seldom follow what opens a place; one a line.
fn ordinary(data: &Data) -> String {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let intents = data.intents.iter().map(|example| &example.text);
    let kategori = data.kategori.iter().map(|example| &example.text);
    let emergency = data.emergency.iter().map(|example| &example.text);
    for text in intents.chain(kategori).chain(emergency) {
        // A name has one word or two.
        let mut since_opened = usize::MAX;
        for word in normalise::words(text) {
            let opens = places::opens_names(&text[word.span.clone()], &word.norm);
            let counted = counts.entry(word.norm).or_default();
            counted.0 += 1;
            counted.1 += usize::from(since_opened < 2);
            since_opened = if opens { 0 } else { since_opened.saturating_add(1) };
        }
    }
    let seldom_named = |(word, (all, named)): &(String, (usize, usize))| {
        *all >= 2 && named * 4 <= *all && !word.contains(' ')
    };
    let mut words: Vec<String> = counts
        .into_iter()
        .filter(seldom_named)
        .map(|(word, _)| word)
        .filter(|word| word.chars().all(char::is_alphabetic))
        .collect();
    words.push(String::new());
    words.join("\n")
}

fn make(data: &Data, made_from: String) -> anyhow::Result<Model> {
    let intents = intent_examples(&data.intents);
    let kategori = kategori_examples(&data.kategori);
    let emergency = emergency_examples(data);
    let intent_labels: Vec<String> = Intent::iter().map(|intent| intent.to_string()).collect();
    let kategori_labels = kategori_labels(&data.kategori);
    let learn_from = |fold: Option<u64>| Model {
        made_from: made_from.clone(),
        intents: learn(&intents, &intent_labels, fold),
        kategori: learn(&kategori, &kategori_labels, fold),
        emergency: learn(&emergency, &["emergency".to_owned()], fold),
    };
    let mut held_out: Vec<Model> = (0..FOLDS).map(|fold| learn_from(Some(fold))).collect();
    let intent_thresholds = intent_thresholds(&data.intents, &held_out);
    let emergency_threshold = emergency_threshold(&emergency, &held_out);
    let mut model = learn_from(None);
    for model in held_out.iter_mut().chain([&mut model]) {
        model.intents.thresholds.clone_from(&intent_thresholds);
        model.emergency.thresholds = vec![emergency_threshold];
    }
    let wrong = std::env::args().any(|argument| argument == "--wrong");
    report(data, &held_out, wrong);
    println!("thresholds: intents {intent_thresholds:.2?}, emergency {emergency_threshold:.2}");
    Ok(model)
}

/// A number that looks thrown, always the same for an example.
fn chance(id: &str) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(id.as_bytes());
    hasher.finish()
}

/// Which part an example belongs to.
fn fold_of(id: &str) -> u64 {
    chance(id) % FOLDS
}

/// Each example as it is, broken into fragments as people send them, and in one breath with another matter.
fn intent_examples(examples: &[IntentExample]) -> Vec<Example> {
    let example = |fold: u64, text: &str, intents: &[Intent]| Example {
        fold,
        features: told_of(text, weighing::intent_features),
        holds: Intent::iter().map(|intent| intents.contains(&intent)).collect(),
    };
    let clear = |example: &&IntentExample| {
        !example.intents.iter().any(|intent| matches!(intent, Intent::Unknown | Intent::OffTopic))
    };
    let mut all = Vec::new();
    for (index, one) in examples.iter().enumerate() {
        let fold = fold_of(&one.id);
        all.push(example(fold, &one.text, &one.intents));
        let chance = chance(&one.id);
        let words: Vec<&str> = one.text.split_whitespace().collect();
        if words.len() >= 4 {
            let at = 1 + (chance % (words.len() as u64 - 2)) as usize;
            let broken = format!("{}\n{}", words[..at].join(" "), words[at..].join(" "));
            all.push(example(fold, &broken, &one.intents));
        }
        let others = examples.iter().cycle().skip(index + 1 + (chance % 499) as usize).take(examples.len());
        let other = others.filter(clear).find(|other| fold_of(&other.id) == fold);
        if let (true, Some(other)) = (clear(&one), other) {
            let joint = ["\n", ". ", ", ", " "][(chance / 7 % 4) as usize];
            let intents: Vec<Intent> = one.intents.iter().chain(&other.intents).copied().collect();
            all.push(example(fold, &format!("{}{joint}{}", one.text, other.text), &intents));
        }
    }
    all
}

fn kategori_labels(examples: &[KategoriExample]) -> Vec<String> {
    let mut labels: Vec<String> = examples.iter().map(|example| example.kategori.clone()).collect();
    labels.sort_unstable();
    labels.dedup();
    labels
}

fn kategori_examples(examples: &[KategoriExample]) -> Vec<Example> {
    let labels = kategori_labels(examples);
    let example = |example: &KategoriExample| {
        let features = |told: Told<'_>| weighing::kategori_features(told.sentences, told.matter);
        Example {
            fold: fold_of(&example.id),
            features: told_of(&example.text, features),
            holds: labels.iter().map(|label| *label == example.kategori).collect(),
        }
    };
    examples.iter().map(example).collect()
}

/// Beside what was written for it: nobody in danger asks, thanks or withdraws, and a complaint without any word of
/// danger is none.
fn emergency_examples(data: &Data) -> Vec<Example> {
    let example = |id: &str, text: &str, emergency: bool| Example {
        fold: fold_of(id),
        features: urgency::features(text, &normalise::sentences(text)),
        holds: vec![emergency],
    };
    let written = data.emergency.iter().map(|item| example(&item.id, &item.text, item.emergency));
    let other_matters = data
        .intents
        .iter()
        .filter(|item| !item.intents.contains(&Intent::CreateComplaint))
        .map(|item| example(&item.id, &item.text, false));
    let complaints = data.kategori.iter().map(|item| example(&item.id, &item.text, false));
    let harmless = |example: &Example| example.features.rules.iter().take(2).all(|cue| *cue == 0.0);
    written.chain(other_matters).chain(complaints.filter(harmless)).collect()
}

/// Logistic regression, each label against the rest, by AdaGrad; without the examples of `fold`.
fn learn(examples: &[Example], labels: &[String], fold: Option<u64>) -> Head {
    let count = labels.len();
    let figures = examples.first().map_or(0, |example| example.features.rules.len());
    let (mut weights, mut squares) = (vec![0.0_f32; ROWS * count], vec![INITIAL_SQUARE; ROWS * count]);
    let (mut rules, mut rule_squares) =
        (vec![0.0_f32; figures * count], vec![INITIAL_SQUARE; figures * count]);
    let (mut biases, mut bias_squares) = (vec![0.0_f32; count], vec![INITIAL_SQUARE; count]);
    let mut order: Vec<usize> =
        (0..examples.len()).filter(|index| Some(examples[*index].fold) != fold).collect();
    for epoch in 0..EPOCHS {
        // A new order each round, the same in each run.
        order.sort_by_cached_key(|index| {
            let mut hasher = FnvHasher::default();
            hasher.write_u64(epoch);
            hasher.write_usize(*index);
            hasher.finish()
        });
        for example in order.iter().map(|index| &examples[*index]) {
            let mut errors = biases.clone();
            let Features { hashed, rules: figures } = &example.features;
            for (row, value) in hashed {
                let start = *row as usize * count;
                errors
                    .iter_mut()
                    .zip(&weights[start..start + count])
                    .for_each(|(sum, weight)| *sum += value * weight);
            }
            for (value, weights) in figures.iter().zip(rules.chunks(count)) {
                errors.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
            }
            for (error, holds) in errors.iter_mut().zip(&example.holds) {
                *error = logistic(*error) - f32::from(u8::from(*holds));
            }
            step(&mut biases, &mut bias_squares, &errors, 1.0);
            for (row, value) in hashed {
                let range = *row as usize * count..(*row as usize + 1) * count;
                step(&mut weights[range.clone()], &mut squares[range], &errors, *value);
            }
            for (figure, value) in figures.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                let range = figure * count..(figure + 1) * count;
                step(&mut rules[range.clone()], &mut rule_squares[range], &errors, *value);
            }
        }
    }
    Head::rounded(labels.to_vec(), biases, rules, &weights)
}

fn step(weights: &mut [f32], squares: &mut [f32], errors: &[f32], value: f32) {
    for ((weight, square), error) in weights.iter_mut().zip(squares).zip(errors) {
        let slope = error * value + DRAW * *weight;
        *square += slope * slope;
        *weight -= STEP * slope / square.sqrt();
    }
}

/// For each intent the threshold with the best F1 on examples that the model has not seen.
fn intent_thresholds(examples: &[IntentExample], held_out: &[Model]) -> Vec<f32> {
    let likely: Vec<Vec<f32>> = examples
        .iter()
        .map(|example| {
            let model = &held_out[fold_of(&example.id) as usize];
            told_of(&example.text, |told| weighing::intent_probabilities(model, told))
        })
        .collect();
    let best = |(index, intent): (usize, Intent)| {
        let f1_at = |threshold: f32| {
            let pairs = examples.iter().zip(&likely);
            f1(pairs.map(|(example, likely)| (example.intents.contains(&intent), likely[index] >= threshold)))
        };
        let candidates = (15..=75).map(|percent| percent as f32 / 100.0);
        let most = candidates.clone().map(f1_at).fold(0.0, f32::max);
        // The middle of what is as good as the best, so that it does not hang on one example.
        let good: Vec<f32> = candidates.filter(|threshold| f1_at(*threshold) >= most - 0.002).collect();
        good[good.len() / 2]
    };
    Intent::iter().enumerate().map(best).collect()
}

/// The highest threshold at which enough unseen emergencies are seen, with some room.
fn emergency_threshold(examples: &[Example], held_out: &[Model]) -> f32 {
    let mut likely: Vec<f32> = examples
        .iter()
        .filter(|example| example.holds[0])
        .map(|example| held_out[example.fold as usize].emergency.probabilities(&example.features)[0])
        .collect();
    likely.sort_by(f32::total_cmp);
    let missed = (likely.len() as f32 * (1.0 - RECALL)) as usize;
    likely.get(missed).copied().unwrap_or(0.5).clamp(0.05, 0.5)
}

/// F1 of (holds, taken).
fn f1(pairs: impl Iterator<Item = (bool, bool)>) -> f32 {
    let (mut right, mut wrong) = (0.0_f32, 0.0_f32);
    for (holds, taken) in pairs {
        right += f32::from(u8::from(holds && taken));
        wrong += f32::from(u8::from(holds != taken));
    }
    2.0 * right / (2.0 * right + wrong).max(1.0)
}

/// How the held out examples were read by the whole builtin.
fn report(data: &Data, held_out: &[Model], list_wrong: bool) {
    let read = |id: &str, text: &str| {
        let request = UnderstandRequest { texts: vec![text.to_owned()], ..UnderstandRequest::default() };
        read_with(&held_out[fold_of(id) as usize], &request).understanding
    };
    let readings: Vec<Vec<Intent>> =
        data.intents.iter().map(|example| read(&example.id, &example.text).intents).collect();
    let mut sum = 0.0;
    for intent in Intent::iter() {
        let pairs = data.intents.iter().zip(&readings);
        let f1 = f1(pairs.map(|(example, read)| (example.intents.contains(&intent), read.contains(&intent))));
        println!("{:<18} F1 {f1:.3}", intent.to_string());
        sum += f1;
    }
    println!("intents: macro-F1 {:.3} over {}", sum / Intent::iter().count() as f32, data.intents.len());
    let mut right: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for example in &data.kategori {
        let model = &held_out[fold_of(&example.id) as usize];
        let kategori = told_of(&example.text, |told| weighing::kategori(model, told.sentences, told.matter));
        let counts = right.entry(&example.kategori).or_default();
        counts.0 += usize::from(kategori.as_deref() == Some(&*example.kategori));
        counts.1 += 1;
        if list_wrong && kategori.as_deref() != Some(&*example.kategori) {
            println!("{} {kategori:?}: {}", example.kategori, example.text);
        }
    }
    for (kategori, (right, all)) in &right {
        println!("{kategori:<24} {right} of {all}");
    }
    let (all_right, all) = right.values().fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1));
    println!("kategori: {:.3} over {all}", all_right as f32 / all as f32);
    let (mut seen, mut emergencies, mut alarms, mut others) = (0, 0, 0, 0);
    for example in &data.emergency {
        let emergency = read(&example.id, &example.text).urgency == Urgency::Emergency;
        *(if example.emergency { &mut emergencies } else { &mut others }) += 1;
        seen += usize::from(emergency && example.emergency);
        alarms += usize::from(emergency && !example.emergency);
        if list_wrong && emergency != example.emergency {
            println!("emergency {}: {}", example.emergency, example.text);
        }
    }
    println!("emergencies: {seen} of {emergencies} seen, {alarms} of {others} others taken for one");
    if list_wrong {
        for (example, read) in data.intents.iter().zip(&readings) {
            let same = read.len() == example.intents.len()
                && read.iter().all(|intent| example.intents.contains(intent));
            if !same {
                println!("{:?} read {read:?}: {}", example.intents, example.text);
            }
        }
    }
}
