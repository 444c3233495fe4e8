//! Trains the linear models: logistic regression, each label against the rest.

use std::hash::Hasher as _;

use fnv::FnvHasher;

use govconnect::ai::builtin::learned::{Features, Head, ROWS, logistic};

/// What squared slopes begin with, so that first steps are not wild.
const INITIAL_SQUARE: f32 = 0.01;

/// How long and how carefully a model learns; chosen by the figures over held out examples.
pub struct Schooling {
    /// Rounds over all examples.
    pub epochs: u64,
    /// The first step's length (AdaGrad).
    pub step: f32,
    /// How strongly weights are drawn to zero at each example that they take part in.
    pub draw: f32,
}

pub const INTENTS: Schooling = Schooling { epochs: 25, step: 0.3, draw: 2e-5 };
pub const KATEGORI: Schooling = Schooling { epochs: 25, step: 0.3, draw: 2e-5 };
pub const EMERGENCY: Schooling = Schooling { epochs: 25, step: 0.3, draw: 2e-4 };

/// What a head learns from: features, and which labels hold.
pub struct Example {
    pub fold: u64,
    pub features: Features,
    pub holds: Vec<bool>,
}

/// Logistic regression, each label against the rest, by AdaGrad; without the examples of `fold`.
pub fn learn(examples: &[Example], labels: &[String], fold: Option<u64>, schooling: &Schooling) -> Head {
    let count = labels.len();
    let figures = examples.first().map_or(0, |example| example.features.rules.len());
    let (mut weights, mut squares) = (vec![0.0_f32; ROWS * count], vec![INITIAL_SQUARE; ROWS * count]);
    let (mut rules, mut rule_squares) =
        (vec![0.0_f32; figures * count], vec![INITIAL_SQUARE; figures * count]);
    let (mut biases, mut bias_squares) = (vec![0.0_f32; count], vec![INITIAL_SQUARE; count]);
    let mut order: Vec<usize> =
        (0..examples.len()).filter(|index| Some(examples[*index].fold) != fold).collect();
    // What is kept is the mean of the later rounds, which wanders less than any of them.
    let mut mean = Mean::default();
    for epoch in 0..schooling.epochs {
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
            step(&mut biases, &mut bias_squares, &errors, 1.0, schooling);
            for (row, value) in hashed {
                let range = *row as usize * count..(*row as usize + 1) * count;
                step(&mut weights[range.clone()], &mut squares[range], &errors, *value, schooling);
            }
            for (figure, value) in figures.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                let range = figure * count..(figure + 1) * count;
                step(&mut rules[range.clone()], &mut rule_squares[range], &errors, *value, schooling);
            }
        }
        if epoch * 2 >= schooling.epochs {
            mean.add([&weights, &rules, &biases]);
        }
    }
    let [weights, rules, biases] = mean.parts();
    Head::rounded(labels.to_vec(), biases, rules, &weights)
}

/// The mean of several states of the three tables.
#[derive(Default)]
struct Mean {
    sums: [Vec<f32>; 3],
    count: f32,
}

impl Mean {
    fn add(&mut self, tables: [&Vec<f32>; 3]) {
        for (sum, table) in self.sums.iter_mut().zip(tables) {
            sum.resize(table.len(), 0.0);
            sum.iter_mut().zip(table).for_each(|(sum, value)| *sum += value);
        }
        self.count += 1.0;
    }

    fn parts(self) -> [Vec<f32>; 3] {
        self.sums.map(|sum| sum.into_iter().map(|value| value / self.count).collect())
    }
}

fn step(weights: &mut [f32], squares: &mut [f32], errors: &[f32], value: f32, schooling: &Schooling) {
    for ((weight, square), error) in weights.iter_mut().zip(squares).zip(errors) {
        let slope = error * value + schooling.draw * *weight;
        *square += slope * slope;
        *weight -= schooling.step * slope / square.sqrt();
    }
}
