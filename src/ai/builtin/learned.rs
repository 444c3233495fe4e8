//! What was learned from examples: three small linear models over hashed pieces of normalised words, beside what the
//! rules have found, and the tagger of places. They were made by `examples/train_builtin` from `data/builtin/` and are part of the program.
//!
//! A model tells, for each of its labels, how likely it holds (logistic regression, one label against the rest). What
//! follows from that is decided by the callers.

use std::hash::Hasher as _;
use std::sync::LazyLock;

use aws_lc_rs::digest::{Context, SHA256};
use fnv::FnvHasher;
use serde::{Deserialize, Serialize};

use super::normalise::Sentence;
use super::places::tagger::{self, Tagger};

/// Rows of a table of weights; a power of two.
pub const ROWS: usize = 1 << 15;
/// Changes with everything that changes what [`features`] or the rules' own figures mean.
const FORMAT: u32 = 2;
/// Words that are looked at; nobody needs more to say what they want.
const MOST_WORDS: usize = 400;
/// Lengths of the pieces of words.
const PIECES: std::ops::RangeInclusive<usize> = 3..=5;
/// What all pieces together weigh beside all words together.
const WEIGHT_OF_PIECES: f32 = 0.8;

/// The model that is shipped.
static SHIPPED: LazyLock<Model> = LazyLock::new(|| {
    #[expect(clippy::unwrap_used, reason = "a constant of this program; a test reads it")]
    Model::from_bytes(include_bytes!("../../../data/builtin/model/builtin.model")).unwrap()
});

/// Why bytes are not a model.
#[derive(Debug, thiserror::Error)]
pub enum NotAModel {
    #[error("there is no line with the description")]
    NoDescription,
    #[error("the description cannot be read: {0}")]
    Description(#[from] serde_json::Error),
    #[error("made for format {0}")]
    Format(u32),
    #[error("the weights do not fit the description")]
    Weights,
}

/// What is told of a text: pieces of its words as rows with a value, and what the rules found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    pub hashed: Vec<(u32, f32)>,
    pub rules: Vec<f32>,
}

/// One linear model with several labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    pub labels: Vec<String>,
    /// From which probability on a label is taken.
    pub thresholds: Vec<f32>,
    pub biases: Vec<f32>,
    /// For each figure of the rules, the weight of each label.
    pub rules: Vec<f32>,
    /// What one step of a stored weight is worth, a label.
    pub scales: Vec<f32>,
    /// For each row the weight of each label.
    #[serde(skip)]
    pub weights: Vec<i8>,
}

/// The models for intents, categories, emergencies and places.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The fingerprint of the data that it was made from.
    pub made_from: String,
    pub intents: Head,
    pub kategori: Head,
    pub emergency: Head,
    pub places: Tagger,
}

#[derive(Serialize, Deserialize)]
struct Description {
    format: u32,
    made_from: String,
    heads: [Head; 3],
    places: Tagger,
}

impl Model {
    /// The one that is part of the program.
    pub fn shipped() -> &'static Model {
        &SHIPPED
    }

    /// Reads what [`Model::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`NotAModel`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Model, NotAModel> {
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(NotAModel::NoDescription)?;
        let description: Description = serde_json::from_slice(&bytes[..end])?;
        if description.format != FORMAT {
            return Err(NotAModel::Format(description.format));
        }
        let mut rest = &bytes[end + 1..];
        let [mut intents, mut kategori, mut emergency] = description.heads;
        for head in [&mut intents, &mut kategori, &mut emergency] {
            let labels = head.labels.len();
            let (weights, others) = rest.split_at_checked(labels * ROWS).ok_or(NotAModel::Weights)?;
            let each = [&head.thresholds, &head.biases, &head.scales];
            if each.iter().any(|values| values.len() != labels) {
                return Err(NotAModel::Weights);
            }
            head.weights = weights.iter().map(|byte| byte.cast_signed()).collect();
            rest = others;
        }
        if rest.len() != tagger::ROWS * tagger::STATES {
            return Err(NotAModel::Weights);
        }
        let mut places = description.places;
        places.weights = rest.iter().map(|byte| byte.cast_signed()).collect();
        Ok(Model { made_from: description.made_from, intents, kategori, emergency, places })
    }

    /// One line of JSON that describes the heads, then their weights, a byte each.
    ///
    /// # Errors
    /// A number that JSON cannot hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let description = Description {
            format: FORMAT,
            made_from: self.made_from.clone(),
            heads: [self.intents.clone(), self.kategori.clone(), self.emergency.clone()],
            places: self.places.clone(),
        };
        let mut bytes = serde_json::to_vec(&description)?;
        bytes.push(b'\n');
        for head in [&self.intents, &self.kategori, &self.emergency] {
            bytes.extend(head.weights.iter().map(|weight| weight.cast_unsigned()));
        }
        bytes.extend(self.places.weights.iter().map(|weight| weight.cast_unsigned()));
        Ok(bytes)
    }
}

impl Head {
    /// Rounds weights (rows of labels) to steps of a byte.
    pub fn rounded(labels: Vec<String>, biases: Vec<f32>, rules: Vec<f32>, weights: &[f32]) -> Head {
        let count = labels.len();
        let greatest = |label: usize| {
            weights.iter().skip(label).step_by(count).fold(0.0_f32, |most, weight| most.max(weight.abs()))
        };
        let scales: Vec<f32> =
            (0..count).map(|label| greatest(label).max(f32::MIN_POSITIVE) / 127.0).collect();
        let steps = weights.chunks(count).flat_map(|row| row.iter().zip(&scales));
        let weights = steps.map(|(weight, scale)| (weight / scale).round().clamp(-127.0, 127.0) as i8);
        let weights = weights.collect();
        Head { thresholds: vec![0.5; count], labels, biases, rules, scales, weights }
    }

    /// How likely each label is, in their order.
    pub fn probabilities(&self, features: &Features) -> Vec<f32> {
        let count = self.labels.len();
        let mut sums = vec![0.0_f32; count];
        for (row, value) in &features.hashed {
            let start = *row as usize * count;
            for (sum, weight) in sums.iter_mut().zip(self.weights.get(start..start + count).unwrap_or(&[])) {
                *sum += value * f32::from(*weight);
            }
        }
        for ((sum, scale), bias) in sums.iter_mut().zip(&self.scales).zip(&self.biases) {
            *sum = *sum * scale + bias;
        }
        for (value, weights) in features.rules.iter().zip(self.rules.chunks(count)) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += value * weight;
            }
        }
        sums.into_iter().map(logistic).collect()
    }

    /// Whether the first label is likely enough.
    pub fn takes_first(&self, features: &Features) -> bool {
        let likely = self.probabilities(features);
        likely.first().zip(self.thresholds.first()).is_some_and(|(likely, threshold)| likely >= threshold)
    }
}

/// Names the data that a model was made from: the files of [`INPUTS`] in their order.
pub fn fingerprint<'t>(inputs: impl IntoIterator<Item = &'t [u8]>) -> String {
    let mut context = Context::new(&SHA256);
    context.update(&FORMAT.to_be_bytes());
    for input in inputs {
        context.update(&(input.len() as u64).to_be_bytes());
        context.update(input);
    }
    hex::encode(context.finish())
}

/// What models are made from, in `data/`: written for it, and what judged until a fresh set took its place.
pub const INPUTS: [&str; 9] = [
    "builtin/intents.jsonl",
    "builtin/kategori.jsonl",
    "builtin/emergency.jsonl",
    "builtin/places.jsonl",
    "builtin/normal.tsv",
    "tuning/utterances.jsonl",
    "tuning/complaints.jsonl",
    "tuning/emergencies.jsonl",
    "tuning/questions.jsonl",
];

/// The logistic function.
pub fn logistic(sum: f32) -> f32 {
    1.0 / (1.0 + (-sum).exp())
}

/// Words, pairs of words and pieces of words, each as a row of the tables. What the rules found is the caller's to add.
pub fn features(sentences: &[Sentence]) -> Vec<(u32, f32)> {
    let mut words: Vec<u32> = Vec::new();
    let mut pieces: Vec<u32> = Vec::new();
    let mut left = MOST_WORDS;
    let mut characters: Vec<char> = Vec::new();
    for sentence in sentences {
        let mut before = "^";
        for word in sentence.norm.split_ascii_whitespace().take(left) {
            left -= 1;
            // Which number it is says nothing.
            let word = if word.bytes().all(|byte| byte.is_ascii_digit()) { "0" } else { word };
            words.push(row(b'w', word.chars()));
            words.push(row(b'p', before.chars().chain([' ']).chain(word.chars())));
            before = word;
            characters.clear();
            characters.push('<');
            characters.extend(word.chars());
            characters.push('>');
            for length in PIECES {
                pieces.extend(characters.windows(length).map(|piece| row(b'c', piece.iter().copied())));
            }
        }
        let end = if sentence.asked { "?" } else { "$" };
        words.push(row(b'p', before.chars().chain([' ']).chain(end.chars())));
    }
    let mut all = evenly(words, 1.0);
    all.extend(evenly(pieces, WEIGHT_OF_PIECES));
    all
}

/// Each row once, all together of this length.
fn evenly(mut rows: Vec<u32>, length: f32) -> Vec<(u32, f32)> {
    rows.sort_unstable();
    rows.dedup();
    let value = length / (rows.len().max(1) as f32).sqrt();
    rows.into_iter().map(|row| (row, value)).collect()
}

/// FNV-1a, whose values never change: the tables are stored by them.
fn row(kind: u8, characters: impl Iterator<Item = char>) -> u32 {
    let mut hasher = FnvHasher::default();
    hasher.write_u8(kind);
    for character in characters {
        hasher.write(&u32::from(character).to_le_bytes());
    }
    let hash = hasher.finish();
    // The upper bits are better mixed than the lower.
    ((hash ^ (hash >> 32)) & (ROWS as u64 - 1)) as u32
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ai::builtin::normalise::sentences;

    #[test]
    fn the_shipped_model_was_made_from_the_data_beside_it() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
        let inputs: Vec<Vec<u8>> =
            INPUTS.iter().map(|file| std::fs::read(folder.join(file)).unwrap()).collect();
        let expected = fingerprint(inputs.iter().map(Vec::as_slice));
        assert_eq!(Model::shipped().made_from, expected, "run: cargo run --release --example train_builtin");
        let bytes = std::fs::read(folder.join("builtin/model/builtin.model")).unwrap();
        assert!(bytes.len() < 1_000_000, "{} bytes", bytes.len());
        assert_eq!(Model::shipped().to_bytes().unwrap(), bytes);
    }

    #[test]
    fn what_is_no_model_is_refused() {
        let bytes = Model::shipped().to_bytes().unwrap();
        for wrong in [&b""[..], b"{}\n", &bytes[..bytes.len() - 1]] {
            assert!(Model::from_bytes(wrong).is_err());
        }
    }

    #[test]
    fn rounding_changes_little_and_features_are_bounded() {
        let features = Features { hashed: features(&sentences("lampu jalan mati")), rules: vec![1.0] };
        let weights: Vec<f32> =
            (0..ROWS).flat_map(|row| [(row % 7) as f32 - 3.0, (row % 5) as f32]).collect();
        let labels = vec!["a".to_owned(), "b".to_owned()];
        let head = Head::rounded(labels, vec![0.0, 0.1], vec![0.5, -0.5], &weights);
        let exact = |label: usize, rest: f32| {
            let rows = features.hashed.iter();
            logistic(rest + rows.map(|(row, value)| value * weights[*row as usize * 2 + label]).sum::<f32>())
        };
        let likely = head.probabilities(&features);
        assert!((likely[0] - exact(0, 0.5)).abs() < 0.03 && (likely[1] - exact(1, -0.4)).abs() < 0.03);
        assert!(super::features(&sentences(&"kata ".repeat(5000))).len() < 100);
    }
}
