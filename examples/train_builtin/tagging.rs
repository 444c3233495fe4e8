//! Trains the tagger of places: a conditional random field, by the slope of its likelihood (AdaGrad).

use std::hash::Hasher as _;
use std::ops::Range;

use fnv::FnvHasher;

use govconnect::ai::builtin::normalise::words;
use govconnect::ai::builtin::places::{self, tagger};
use tagger::{FOLLOWS, ROWS, STARTS, STATES, Tagger};

/// Rounds over all examples.
const EPOCHS: u64 = 30;
/// The first step's length.
const STEP: f32 = 0.05;
/// What squared slopes begin with, so that first steps are not wild.
const INITIAL_SQUARE: f32 = 0.1;
/// How strongly weights are drawn to zero each time that they are touched.
const DRAW: f32 = 1e-4;

/// A batch with its place.
pub struct Example {
    pub fold: u64,
    hints: Vec<Vec<u32>>,
    states: Vec<usize>,
}

impl Example {
    /// `place` in bytes of the text.
    pub fn new(fold: u64, text: &str, place: Option<Range<usize>>) -> Example {
        let words = words(text);
        let hints = tagger::hints(text, &words, &places::find(text));
        Example { fold, hints, states: tagger::states(&words, place) }
    }
}

/// Learns from all examples but those of `fold`.
pub fn learn(examples: &[Example], fold: Option<u64>) -> Tagger {
    let mut weights = vec![0.0_f32; ROWS * STATES];
    let mut squares = vec![INITIAL_SQUARE; ROWS * STATES];
    let mut moves = [[0.0_f32; STATES]; STATES];
    let mut move_squares = [[INITIAL_SQUARE; STATES]; STATES];
    let used = |example: &&Example| Some(example.fold) != fold && !example.states.is_empty();
    let mut order: Vec<(usize, &Example)> = examples.iter().filter(used).enumerate().collect();
    // What is kept is the mean of the later rounds, which wanders less than any of them.
    let mut sums = vec![0.0_f32; ROWS * STATES];
    let mut move_sums = [[0.0_f32; STATES]; STATES];
    let mut rounds = 0.0;
    for epoch in 0..EPOCHS {
        // A new order each round, the same in each run.
        order.sort_by_cached_key(|(index, _)| {
            let mut hasher = FnvHasher::default();
            hasher.write_u64(epoch);
            hasher.write_usize(*index);
            hasher.finish()
        });
        for (_, example) in &order {
            let scores: Vec<[f32; STATES]> = example.hints.iter().map(|rows| score(&weights, rows)).collect();
            let likely = Likely::of(&scores, &moves);
            for (index, rows) in example.hints.iter().enumerate() {
                let mut errors = likely.states[index];
                errors[example.states[index]] -= 1.0;
                for row in rows {
                    let start = *row as usize * STATES;
                    for (state, error) in errors.iter().enumerate() {
                        step(&mut weights[start + state], &mut squares[start + state], *error);
                    }
                }
            }
            let mut errors = likely.moves;
            for pair in example.states.windows(2) {
                errors[pair[0]][pair[1]] -= 1.0;
            }
            for before in 0..STATES {
                for after in (0..STATES).filter(|after| FOLLOWS[before][*after]) {
                    let (weight, square) = (&mut moves[before][after], &mut move_squares[before][after]);
                    step(weight, square, errors[before][after]);
                }
            }
        }
        if epoch * 2 >= EPOCHS {
            rounds += 1.0;
            sums.iter_mut().zip(&weights).for_each(|(sum, weight)| *sum += weight);
            move_sums
                .iter_mut()
                .flatten()
                .zip(moves.iter().flatten())
                .for_each(|(sum, weight)| *sum += weight);
        }
    }
    sums.iter_mut().chain(move_sums.iter_mut().flatten()).for_each(|sum| *sum /= rounds);
    Tagger::rounded(move_sums, &sums)
}

fn step(weight: &mut f32, square: &mut f32, error: f32) {
    let slope = error + DRAW * *weight;
    *square += slope * slope;
    *weight -= STEP * slope / square.sqrt();
}

fn score(weights: &[f32], rows: &[u32]) -> [f32; STATES] {
    let mut sums = [0.0; STATES];
    for row in rows {
        let start = *row as usize * STATES;
        for (sum, weight) in sums.iter_mut().zip(&weights[start..start + STATES]) {
            *sum += weight;
        }
    }
    sums
}

/// How likely each state of each word, and how often each move, is by the present weights (forward and backward).
struct Likely {
    states: Vec<[f32; STATES]>,
    moves: [[f32; STATES]; STATES],
}

impl Likely {
    fn of(scores: &[[f32; STATES]], moves: &[[f32; STATES]; STATES]) -> Likely {
        const NEVER: f32 = f32::NEG_INFINITY;
        let count = scores.len();
        let mut forward = vec![[NEVER; STATES]; count];
        for state in (0..STATES).filter(|state| STARTS[*state]) {
            forward[0][state] = scores[0][state];
        }
        for index in 1..count {
            for after in 0..STATES {
                let ways = (0..STATES).filter(|before| FOLLOWS[*before][after]);
                let ways = ways.map(|before| forward[index - 1][before] + moves[before][after]);
                forward[index][after] = scores[index][after] + log_sum(ways);
            }
        }
        let mut backward = vec![[0.0; STATES]; count];
        for index in (0..count - 1).rev() {
            for before in 0..STATES {
                let ways = (0..STATES).filter(|after| FOLLOWS[before][*after]);
                let ways = ways.map(|after| {
                    moves[before][after] + scores[index + 1][after] + backward[index + 1][after]
                });
                backward[index][before] = log_sum(ways);
            }
        }
        let whole = log_sum(forward[count - 1].into_iter());
        let mut states = vec![[0.0; STATES]; count];
        let mut expected = [[0.0; STATES]; STATES];
        for index in 0..count {
            for state in 0..STATES {
                states[index][state] = (forward[index][state] + backward[index][state] - whole).exp();
                for after in (0..STATES).filter(|after| index + 1 < count && FOLLOWS[state][*after]) {
                    let way = forward[index][state] + moves[state][after] + scores[index + 1][after];
                    expected[state][after] += (way + backward[index + 1][after] - whole).exp();
                }
            }
        }
        Likely { states, moves: expected }
    }
}

fn log_sum(values: impl Iterator<Item = f32> + Clone) -> f32 {
    let most = values.clone().fold(f32::NEG_INFINITY, f32::max);
    if most == f32::NEG_INFINITY {
        return most;
    }
    most + values.map(|value| (value - most).exp()).sum::<f32>().ln()
}
