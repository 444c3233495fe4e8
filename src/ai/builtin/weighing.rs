//! Rules and what was learned, together: which intents are meant, and what a complaint is about.
//!
//! The rules' scores are figures that the models weigh beside the words themselves. A message with several sentences is
//! weighed as a whole and sentence by sentence, so that a complaint and a question in one breath are both found.

use strum::IntoEnumIterator as _;

use super::categories;
use super::intents::{self, Context, MEANT, Scored};
use super::learned;
use super::learned::{Features, Model};
use super::normalise::Sentence;
use crate::dialogue::understanding::Intent;

/// What one sentence of several says counts so much beside the whole.
const SHARE_OF_SENTENCES: f32 = 0.5;
/// Below this share of its threshold even the likeliest intent is not meant.
const ALMOST: f32 = 0.6;
/// A second matter beside the main one must be as likely as this: most messages have one.
const LEAST_SECOND: f32 = 0.6;
/// Below this the category of a few words that name nothing is left open.
const LEAST_UNNAMED: f32 = 0.5;
/// Below this the category is left open, unless a word names it.
const LEAST_KATEGORI: f32 = 0.05;

/// A text in sentences: whole, and without its places.
#[derive(Clone, Copy, Debug)]
pub struct Told<'t> {
    pub sentences: &'t [Sentence],
    pub matter: &'t [Sentence],
    pub context: Context,
}

impl<'t> Told<'t> {
    fn each(self) -> impl Iterator<Item = Told<'t>> {
        let pairs = self.sentences.chunks(1).zip(self.matter.chunks(1));
        pairs.map(move |(sentences, matter)| Told { sentences, matter, ..self })
    }

    fn words(self) -> usize {
        self.sentences.iter().map(|sentence| sentence.words.len()).sum()
    }
}

fn figure(holds: bool) -> f32 {
    f32::from(u8::from(holds))
}

/// What the model of intents weighs.
pub fn intent_features(told: Told<'_>) -> Features {
    let scores = intents::score(told.sentences, told.matter, told.context);
    let found = |intent: Intent| scores.iter().find(|scored| scored.intent == intent);
    let mut rules: Vec<f32> = Intent::iter()
        .map(|intent| found(intent).map_or(0.0, |scored| scored.score.max(1.0) / 3.0))
        .collect();
    let words = told.words();
    rules.extend([
        figure(scores.is_empty()),
        figure(told.context.has_place),
        figure(told.context.has_lap_id),
        figure(told.context.has_correction),
        figure(told.context.only_thanking_signs),
        figure(told.matter.iter().any(categories::tells_fault)),
        categories::classify(told.matter).map_or(0.0, |(_, score)| score.min(6.0) / 3.0),
        figure(told.sentences.iter().any(|sentence| sentence.asked)),
        figure(words <= 1),
        figure((2..=3).contains(&words)),
        figure((4..=8).contains(&words)),
        figure(words > 20),
        figure(told.sentences.len() > 1),
    ]);
    Features { hashed: learned::features(told.sentences), rules }
}

/// How likely each intent is, in the order of [`Intent::iter`].
pub fn intent_probabilities(model: &Model, told: Told<'_>) -> Vec<f32> {
    let mut whole = model.intents.probabilities(&intent_features(told));
    if told.sentences.len() < 2 || told.sentences.len() > 12 {
        return whole;
    }
    for sentence in told.each() {
        let alone = model.intents.probabilities(&intent_features(sentence));
        for ((intent, whole), alone) in Intent::iter().zip(&mut whole).zip(alone) {
            // A fragment by itself is often not understood, and means nothing.
            if !matches!(intent, Intent::Unknown | Intent::OffTopic) {
                *whole = whole.max(alone * SHARE_OF_SENTENCES);
            }
        }
    }
    whole
}

/// The intents that are meant, best first, courtesies last; none when nothing was understood.
pub fn intents(model: &Model, told: Told<'_>) -> Vec<Scored> {
    if told.sentences.is_empty() {
        return intents::score(told.sentences, told.matter, told.context);
    }
    let likely = intent_probabilities(model, told);
    let ratio = |index: usize| likely[index] / model.intents.thresholds[index];
    let all: Vec<(Intent, f32, f32)> =
        Intent::iter().enumerate().map(|(index, intent)| (intent, likely[index], ratio(index))).collect();
    let unknown =
        all.iter().find(|(intent, ..)| *intent == Intent::Unknown).map_or(0.0, |(.., ratio)| *ratio);
    let most = all.iter().filter(|(intent, ..)| *intent != Intent::Unknown).map(|(.., ratio)| *ratio);
    let most = most.fold(0.0, f32::max);
    if unknown > most && (unknown >= 1.0 || most < ALMOST) {
        // "p", "ping": too short for any piece of a word, and known to the rules.
        let mut known = intents::score(told.sentences, told.matter, told.context);
        known.retain(|scored| is_courtesy(scored.intent) && told.words() == 1);
        return known;
    }
    let substantial = |intent: Intent| !is_courtesy(intent) && intent != Intent::Unknown;
    let matters = all.iter().filter(|(intent, ..)| substantial(*intent));
    let main = matters.max_by(|left, right| left.2.total_cmp(&right.2)).map(|(intent, ..)| *intent);
    let least = most.min(1.0);
    let meant = |intent: Intent, likely: f32, ratio: f32| {
        let second = substantial(intent) && main != Some(intent);
        ratio >= least && (!second || likely >= LEAST_SECOND)
    };
    let mut scores: Vec<Scored> = all
        .iter()
        .filter(|(intent, likely, ratio)| *intent != Intent::Unknown && meant(*intent, *likely, *ratio))
        .map(|(intent, likely, _)| Scored {
            intent: *intent,
            score: if is_courtesy(*intent) { *likely } else { MEANT + 3.0 * likely },
        })
        .collect();
    // "Mau buang kasur bekas gimana": what the rules read as a question is searched for when nothing else is meant.
    let ruled = intents::score(told.sentences, told.matter, told.context);
    let asks = ruled.first().is_some_and(|first| first.intent == Intent::KnowledgeQuery);
    if asks && scores.iter().all(|scored| is_courtesy(scored.intent)) {
        scores.push(Scored { intent: Intent::KnowledgeQuery, score: MEANT });
    }
    let filed = scores.iter().any(|scored| is_of_a_filed_complaint(scored.intent));
    if filed && !tells_another(model, told) {
        scores.retain(|scored| scored.intent != Intent::CreateComplaint);
    }
    scores.sort_by(|left, right| right.score.total_cmp(&left.score));
    scores
}

/// About a complaint that the office has: its words tell what that is about, and seldom of something new.
fn is_of_a_filed_complaint(intent: Intent) -> bool {
    matches!(
        intent,
        Intent::CheckStatus | Intent::UpdateComplaint | Intent::CancelComplaint | Intent::History
    )
}

/// Whether a sentence by itself tells of a trouble and not of a complaint that was filed.
fn tells_another(model: &Model, told: Told<'_>) -> bool {
    told.each().filter(|_| told.sentences.len() > 1).any(|sentence| {
        let likely = model.intents.probabilities(&intent_features(sentence));
        let taken = |(intent, _): &(Intent, bool)| {
            *intent == Intent::CreateComplaint || is_of_a_filed_complaint(*intent)
        };
        let pairs =
            likely.iter().zip(&model.intents.thresholds).map(|(likely, threshold)| likely >= threshold);
        let taken: Vec<Intent> = Intent::iter()
            .zip(pairs)
            .filter(taken)
            .filter(|(_, taken)| *taken)
            .map(|(intent, _)| intent)
            .collect();
        taken == [Intent::CreateComplaint]
    })
}

/// Greeting and thanks are answered, or left alone, beside what was really meant.
pub fn is_courtesy(intent: Intent) -> bool {
    matches!(intent, Intent::Greeting | Intent::Thanks)
}

/// What the model of categories weighs: the words without the places, as "depan taman" is not about the park.
pub fn kategori_features(sentences: &[Sentence], matter: &[Sentence]) -> Features {
    let nothing_else = matter.iter().all(|sentence| sentence.words.is_empty());
    let about = if nothing_else { sentences } else { matter };
    let mut rules: Vec<f32> = Vec::new();
    rules.extend(categories::scores(about).map(|score| score.min(8.0) / 3.0));
    rules.extend(categories::scores(sentences).map(|score| score.min(8.0) / 3.0));
    rules.push(figure(categories::classify(about).is_none()));
    rules.push(figure(about.iter().any(categories::tells_fault)));
    Features { hashed: learned::features(about), rules }
}

/// The code of the category, when the words tell.
pub fn kategori(model: &Model, sentences: &[Sentence], matter: &[Sentence]) -> Option<String> {
    let likely = model.kategori.probabilities(&kategori_features(sentences, matter));
    let best = likely.iter().zip(&model.kategori.labels).max_by(|left, right| left.0.total_cmp(right.0));
    // "Mau lapor" is about nothing yet.
    let words: usize = matter.iter().map(|sentence| sentence.words.len()).sum();
    let named =
        words > 5 || matter.iter().any(categories::tells_fault) || categories::classify(matter).is_some();
    let least = if named { LEAST_KATEGORI } else { LEAST_UNNAMED };
    let clear = best.filter(|(likely, _)| **likely >= least).map(|(_, code)| code.clone());
    clear.or_else(|| categories::classify(matter).map(|(code, _)| code.to_owned()))
}
