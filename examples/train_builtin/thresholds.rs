//! From which probability on a label is taken, chosen on what a model has not seen.

use strum::IntoEnumIterator as _;

use govconnect::ai::builtin::learned::Model;
use govconnect::ai::builtin::{told_of, weighing};
use govconnect::dialogue::understanding::Intent;

use crate::data::{IntentExample, fold_of, for_intents};
use crate::linear::Example;

/// The share of held out emergencies that must be seen. The written ones are harder than what people send: of those that
/// judged once, more are seen at the same threshold. Beyond it false alarms double for the next in a hundred.
const RECALL: f32 = 0.945;

/// For each intent the threshold with the best F1 on examples that the model has not seen.
pub fn intents(examples: &[IntentExample], held_out: &[Model]) -> Vec<f32> {
    let examples: Vec<&IntentExample> = examples.iter().filter(|example| for_intents(&example.id)).collect();
    let likely: Vec<Vec<f32>> = examples
        .iter()
        .map(|example| {
            let model = &held_out[fold_of(&example.id) as usize];
            told_of(&model.places, &example.text, |told| weighing::intent_probabilities(model, told))
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
pub fn emergency(examples: &[Example], held_out: &[Model]) -> f32 {
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
pub fn f1(pairs: impl Iterator<Item = (bool, bool)>) -> f32 {
    let (mut right, mut wrong) = (0.0_f32, 0.0_f32);
    for (holds, taken) in pairs {
        right += f32::from(u8::from(holds && taken));
        wrong += f32::from(u8::from(holds != taken));
    }
    2.0 * right / (2.0 * right + wrong).max(1.0)
}
