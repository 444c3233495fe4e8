//! Makes `data/builtin/model/builtin.model` from the examples in `data/builtin/` and `data/tuning/`; the same data make
//! the same model.
//!
//! Each fifth of the examples is first held out and read by a model of the other four: thresholds are chosen, and the
//! printed figures measured, on what a model has not seen. The shipped model then learns from all of them. Nothing of
//! `tests/eval/` is read: that judges what is made here.
//!
//! `cargo run --release --example train_builtin`; with `-- --wrong` it also lists what the held out readings got wrong,
//! with `-- --dry` it writes nothing.
//!
//! `data`: the examples · `linear`, `tagging`: how is learned · `thresholds`: from when on a label holds · `report`

#![expect(clippy::print_stdout, reason = "a command whose output is its purpose")]

mod data;
mod linear;
mod report;
mod tagging;
mod thresholds;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use strum::IntoEnumIterator as _;

use data::Data;
use govconnect::ai::builtin::learned::{self, INPUTS, Model};
use govconnect::ai::builtin::{normalise, places};
use govconnect::dialogue::understanding::Intent;

/// Parts of the examples, each held out once.
const FOLDS: u64 = 5;

fn main() -> anyhow::Result<()> {
    let flag = |name: &str| std::env::args().any(|argument| argument == name);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let inputs = INPUTS
        .iter()
        .map(|file| std::fs::read(folder.join(file)).with_context(|| format!("could not read {file}")))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let data = Data::read(&inputs)?;
    let made_from = learned::fingerprint(inputs.iter().map(Vec::as_slice));
    let model = make(&data, made_from, flag("--wrong"));
    if flag("--dry") {
        return Ok(());
    }
    let folder = folder.join("builtin/model");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("builtin.model"), model.to_bytes()?)?;
    std::fs::write(folder.join("ordinary.txt"), ordinary(&data))?;
    println!("written to {}", folder.display());
    Ok(())
}

/// Normalised words of at least two examples that seldom follow what opens a place; one a line.
fn ordinary(data: &Data) -> String {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for text in data.written_for_training() {
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

fn make(data: &Data, made_from: String, list_wrong: bool) -> Model {
    let places = data.tagging_examples();
    // What is read of an example's place must not come from a tagger that has seen the example.
    let mut taggers: Vec<_> = (0..FOLDS).map(|fold| tagging::learn(&places, Some(fold))).collect();
    let intents = data.intent_examples(&taggers);
    let kategori = data.kategori_examples(&taggers);
    let emergency = data.emergency_examples();
    let intent_labels: Vec<String> = Intent::iter().map(|intent| intent.to_string()).collect();
    let kategori_labels = data.kategori_labels();
    taggers.push(tagging::learn(&places, None));
    let mut models: Vec<Model> = taggers
        .into_iter()
        .enumerate()
        .map(|(fold, places)| {
            let fold = Some(fold as u64).filter(|fold| *fold < FOLDS);
            Model {
                made_from: made_from.clone(),
                intents: linear::learn(&intents, &intent_labels, fold, &linear::INTENTS),
                kategori: linear::learn(&kategori, &kategori_labels, fold, &linear::KATEGORI),
                emergency: linear::learn(&emergency, &["emergency".to_owned()], fold, &linear::EMERGENCY),
                places,
            }
        })
        .collect();
    let intent_thresholds = thresholds::intents(&data.intents, &models);
    let emergency_threshold = thresholds::emergency(&emergency, &models);
    for model in &mut models {
        model.intents.thresholds.clone_from(&intent_thresholds);
        model.emergency.thresholds = vec![emergency_threshold];
    }
    report::print(data, &models, list_wrong);
    println!("thresholds: intents {intent_thresholds:.2?}, emergency {emergency_threshold:.2}");
    // The last of them held nothing out.
    models.swap_remove(FOLDS as usize)
}
