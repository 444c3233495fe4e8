//! The examples, from their files to what models learn from.

use std::hash::Hasher as _;

use anyhow::Context as _;
use fnv::FnvHasher;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use strum::IntoEnumIterator as _;

use govconnect::ai::builtin::places::tagger::Tagger;
use govconnect::ai::builtin::weighing::{self, Told};
use govconnect::ai::builtin::{normalise, patterns, told_of, urgency};
use govconnect::dialogue::understanding::Intent;

use crate::linear::Example;
use crate::{FOLDS, tagging};

/// Variants of a batch with a place, each with a place of another batch in it.
const COPIES: u64 = 2;

#[derive(Clone, Deserialize)]
pub struct IntentExample {
    pub id: String,
    #[serde(deserialize_with = "one_or_more", alias = "texts")]
    pub text: String,
    pub intents: Vec<Intent>,
}

#[derive(Clone, Deserialize)]
pub struct KategoriExample {
    pub id: String,
    #[serde(deserialize_with = "one_or_more", alias = "texts")]
    pub text: String,
    pub kategori: String,
}

#[derive(Clone, Deserialize)]
pub struct EmergencyExample {
    pub id: String,
    pub text: String,
    pub emergency: bool,
}

#[derive(Clone, Deserialize)]
pub struct PlaceExample {
    pub id: String,
    #[serde(deserialize_with = "one_or_more", alias = "texts")]
    pub text: String,
    pub alamat: Option<String>,
}

#[derive(Deserialize)]
struct Question {
    id: String,
    text: String,
}

/// A text, or the messages of a batch.
fn one_or_more<'d, D: serde::Deserializer<'d>>(input: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Texts {
        One(String),
        More(Vec<String>),
    }
    Ok(match Texts::deserialize(input)? {
        Texts::One(text) => text,
        Texts::More(texts) => texts.join("\n"),
    })
}

pub struct Data {
    pub intents: Vec<IntentExample>,
    pub kategori: Vec<KategoriExample>,
    pub emergency: Vec<EmergencyExample>,
    pub places: Vec<PlaceExample>,
}

/// Whether an example judged until a fresh set took its place; what is judged now is like it.
pub fn judged_once(id: &str) -> bool {
    ["u-", "c-", "e-", "q-", "n-"].iter().any(|prefix| id.starts_with(prefix))
}

/// Whether an example was written, or judged, for its intents, rather than borrowed from another purpose.
pub fn for_intents(id: &str) -> bool {
    ["ti-", "tc-", "tm-", "u-"].iter().any(|prefix| id.starts_with(prefix))
}

/// A number that looks thrown, always the same for an example.
pub fn chance(id: &str) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(id.as_bytes());
    hasher.finish()
}

/// Which part an example belongs to.
pub fn fold_of(id: &str) -> u64 {
    chance(id) % FOLDS
}

/// JSON, one object a line.
fn lines<T: DeserializeOwned>(bytes: &[u8]) -> anyhow::Result<Vec<T>> {
    Ok(serde_json::Deserializer::from_slice(bytes).into_iter().collect::<Result<_, _>>()?)
}

impl Data {
    /// Reads the files of `learned::INPUTS`, in their order.
    ///
    /// # Errors
    /// A file that is missing, or a line that is not an example.
    pub fn read(inputs: &[Vec<u8>]) -> anyhow::Result<Data> {
        let [intents, kategori, emergency, places, _, utterances, complaints, emergencies, questions] =
            inputs
        else {
            anyhow::bail!("{} files", inputs.len());
        };
        let mut data = Data {
            intents: lines(intents).context("intents")?,
            kategori: lines(kategori).context("kategori")?,
            emergency: lines(emergency).context("emergency")?,
            places: lines(places).context("places")?,
        };
        data.intents.extend(lines::<IntentExample>(utterances).context("utterances")?);
        data.kategori.extend(lines::<KategoriExample>(complaints).context("complaints")?);
        data.places.extend(lines::<PlaceExample>(complaints).context("complaints")?);
        data.emergency.extend(lines::<EmergencyExample>(emergencies).context("emergencies")?);
        let complaint = |(id, text): (&String, &String)| IntentExample {
            id: id.clone(),
            text: text.clone(),
            intents: vec![Intent::CreateComplaint],
        };
        let complaints = data.kategori.iter().map(|example| (&example.id, &example.text));
        data.intents.extend(complaints.map(complaint));
        let questions: Vec<Question> = lines(questions).context("questions")?;
        data.intents.extend(questions.into_iter().map(|question| IntentExample {
            id: question.id,
            text: question.text,
            intents: vec![Intent::KnowledgeQuery],
        }));
        Ok(data)
    }

    /// The texts that nobody is judged by.
    pub fn written_for_training(&self) -> impl Iterator<Item = &String> {
        let intents = self.intents.iter().filter(|example| for_intents(&example.id));
        let intents = intents.map(|example| (&example.id, &example.text));
        let kategori = self.kategori.iter().map(|example| (&example.id, &example.text));
        let emergency = self.emergency.iter().map(|example| (&example.id, &example.text));
        intents.chain(kategori).chain(emergency).filter(|(id, _)| !judged_once(id)).map(|(_, text)| text)
    }

    /// Each example as it is, broken into fragments as people send them, and in one breath with another matter.
    pub fn intent_examples(&self, taggers: &[Tagger]) -> Vec<Example> {
        let example = |fold: u64, text: &str, intents: &[Intent]| Example {
            fold,
            features: told_of(&taggers[fold as usize], text, weighing::intent_features),
            holds: Intent::iter().map(|intent| intents.contains(&intent)).collect(),
        };
        let clear = |example: &&IntentExample| {
            !example.intents.iter().any(|intent| matches!(intent, Intent::Unknown | Intent::OffTopic))
        };
        let mut all = Vec::new();
        for (index, one) in self.intents.iter().enumerate() {
            let fold = fold_of(&one.id);
            all.push(example(fold, &one.text, &one.intents));
            if !for_intents(&one.id) {
                // One variant is enough of what was written for something else: there is much of it.
                continue;
            }
            let chance = chance(&one.id);
            let words: Vec<&str> = one.text.split_whitespace().collect();
            if words.len() >= 4 {
                let at = 1 + (chance % (words.len() as u64 - 2)) as usize;
                let broken = format!("{}\n{}", words[..at].join(" "), words[at..].join(" "));
                all.push(example(fold, &broken, &one.intents));
            }
            let others = self
                .intents
                .iter()
                .cycle()
                .skip(index + 1 + (chance % 499) as usize)
                .take(self.intents.len());
            let other =
                others.filter(clear).find(|other| fold_of(&other.id) == fold && for_intents(&other.id));
            if let (true, Some(other)) = (clear(&one), other) {
                let joint = ["\n", ". ", ", ", " "][(chance / 7 % 4) as usize];
                let intents: Vec<Intent> = one.intents.iter().chain(&other.intents).copied().collect();
                all.push(example(fold, &format!("{}{joint}{}", one.text, other.text), &intents));
            }
        }
        all
    }

    pub fn kategori_labels(&self) -> Vec<String> {
        let mut labels: Vec<String> = self.kategori.iter().map(|example| example.kategori.clone()).collect();
        labels.sort_unstable();
        labels.dedup();
        labels
    }

    pub fn kategori_examples(&self, taggers: &[Tagger]) -> Vec<Example> {
        let labels = self.kategori_labels();
        let example = |example: &KategoriExample| {
            let features = |told: Told<'_>| weighing::kategori_features(told.sentences, told.matter);
            let fold = fold_of(&example.id);
            Example {
                fold,
                features: told_of(&taggers[fold as usize], &example.text, features),
                holds: labels.iter().map(|label| *label == example.kategori).collect(),
            }
        };
        self.kategori.iter().map(example).collect()
    }

    /// Beside what was written for it: nobody in danger asks, thanks or withdraws, and a complaint without any word of
    /// danger is none.
    pub fn emergency_examples(&self) -> Vec<Example> {
        let example = |id: &str, text: &str, emergency: bool| Example {
            fold: fold_of(id),
            features: urgency::features(text, &normalise::sentences(text)),
            holds: vec![emergency],
        };
        let written = self.emergency.iter().map(|item| example(&item.id, &item.text, item.emergency));
        let other_matters = self
            .intents
            .iter()
            .filter(|item| !item.intents.contains(&Intent::CreateComplaint))
            .map(|item| example(&item.id, &item.text, false));
        let complaints = self.kategori.iter().map(|item| example(&item.id, &item.text, false));
        let harmless = |example: &Example| example.features.rules.iter().take(2).all(|cue| *cue == 0.0);
        written.chain(other_matters).chain(complaints.filter(harmless)).collect()
    }

    /// Each batch as it is, in small letters, some in capitals, and with places of others.
    pub fn tagging_examples(&self) -> Vec<tagging::Example> {
        let marked: Vec<(u64, &str, Option<std::ops::Range<usize>>)> = self
            .places
            .iter()
            .map(|example| (fold_of(&example.id), &*example.text, marked(example)))
            .collect();
        let mut all = Vec::new();
        for (index, (fold, text, place)) in marked.iter().enumerate() {
            all.push(tagging::Example::new(*fold, text, place.clone()));
            let small = text.to_ascii_lowercase();
            if small != *text {
                all.push(tagging::Example::new(*fold, &small, place.clone()));
            }
            if index % 4 == 0 {
                all.push(tagging::Example::new(*fold, &text.to_ascii_uppercase(), place.clone()));
            }
            let Some(place) = place else { continue };
            for copy in 1..=COPIES {
                let from = index + (chance(&self.places[index].id) % 499) as usize + 101 * copy as usize;
                let others = marked.iter().cycle().skip(from).take(marked.len());
                let mut others = others.filter(|(of, ..)| of == fold);
                let other = others.find_map(|(_, text, place)| Some(&text[place.clone()?]));
                if let Some(other) = other {
                    let text = format!("{}{other}{}", &text[..place.start], &text[place.end..]);
                    all.push(tagging::Example::new(
                        *fold,
                        &text,
                        Some(place.start..place.start + other.len()),
                    ));
                }
            }
        }
        all
    }
}

/// Where the place is in the text; none when it is told by RT and RW alone, which rules find.
fn marked(example: &PlaceExample) -> Option<std::ops::Range<usize>> {
    let place = example.alamat.as_deref()?;
    if patterns::AREA_NUMBER.find(place).is_some_and(|found| found.len() == place.len()) {
        return None;
    }
    let start = example.text.rfind(place)?;
    Some(start..start + place.len())
}
