//! The words that tell where: a conditional random field over the words of a batch, trained by
//! `examples/train_builtin` on places that people marked.
//!
//! A batch is read as: words before the place, its first word, its further words, words after it. So one place at most
//! is found, and which of several is meant is learned as well as where it begins and ends.

use std::hash::Hasher as _;
use std::ops::Range;

use fnv::FnvHasher;
use serde::{Deserialize, Serialize};

use super::grammar::Place;
use super::words::classes;
use crate::ai::builtin::normalise::Word;

/// Rows of the table of weights; a power of two.
pub const ROWS: usize = 1 << 15;
/// Before the place, its first word, further words of it, after it.
pub const STATES: usize = 4;
/// The state of a place's first word.
pub const BEGIN: usize = 1;
/// The state of its further words.
pub const INSIDE: usize = 2;
/// Which state may follow which: `FOLLOWS[before][after]`.
pub const FOLLOWS: [[bool; STATES]; STATES] = [
    [true, true, false, false],
    [false, false, true, true],
    [false, false, true, true],
    [false, false, false, true],
];
/// Which state a batch may begin with.
pub const STARTS: [bool; STATES] = [true, true, false, false];
/// The lists of words that open a name: streets, areas, landmarks, things of the public.
const OPENERS: u32 = 0b10111;
/// Words that are read: the place is told in the first of them.
const MOST_WORDS: usize = 400;

/// Weights of hashed hints and of what follows what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tagger {
    /// What one step of a stored weight is worth, a state.
    pub scales: [f32; STATES],
    pub moves: [[f32; STATES]; STATES],
    /// For each row the weight of each state.
    #[serde(skip)]
    pub weights: Vec<i8>,
}

impl Tagger {
    /// Rounds weights (rows of states) to steps of a byte.
    pub fn rounded(moves: [[f32; STATES]; STATES], weights: &[f32]) -> Tagger {
        let mut scales = [f32::MIN_POSITIVE; STATES];
        for row in weights.chunks(STATES) {
            for (scale, weight) in scales.iter_mut().zip(row) {
                *scale = scale.max(weight.abs() / 127.0);
            }
        }
        let steps = weights.chunks(STATES).flat_map(|row| row.iter().zip(&scales));
        let weights = steps.map(|(weight, scale)| (weight / scale).round().clamp(-127.0, 127.0) as i8);
        let weights = weights.collect();
        Tagger { scales, moves, weights }
    }

    /// The place that is meant, in bytes of the text; `ruled` is what [`super::find`] says of the same text.
    pub fn place(&self, text: &str, words: &[Word], ruled: &[Place]) -> Option<Range<usize>> {
        let words = &words[..words.len().min(MOST_WORDS)];
        let scores: Vec<[f32; STATES]> =
            hints(text, words, ruled).iter().map(|rows| self.score(rows)).collect();
        let states = self.likeliest(&scores);
        let first = states.iter().position(|state| *state == BEGIN)?;
        let last = states.iter().rposition(|state| matches!(*state, BEGIN | INSIDE))?;
        Some(words[first].span.start..words[last].span.end)
    }

    fn score(&self, rows: &[u32]) -> [f32; STATES] {
        let mut sums = [0.0_f32; STATES];
        for row in rows {
            let start = *row as usize * STATES;
            for (sum, weight) in sums.iter_mut().zip(self.weights.get(start..start + STATES).unwrap_or(&[])) {
                *sum += f32::from(*weight);
            }
        }
        for (sum, scale) in sums.iter_mut().zip(self.scales) {
            *sum *= scale;
        }
        sums
    }

    /// The best way through the states (Viterbi).
    fn likeliest(&self, scores: &[[f32; STATES]]) -> Vec<usize> {
        let mut best = [f32::NEG_INFINITY; STATES];
        let mut came_from: Vec<[usize; STATES]> = Vec::with_capacity(scores.len());
        for (index, here) in scores.iter().enumerate() {
            let mut next = [f32::NEG_INFINITY; STATES];
            let mut from = [0; STATES];
            for (state, score) in here.iter().enumerate() {
                if index == 0 {
                    if STARTS[state] {
                        next[state] = *score;
                    }
                    continue;
                }
                for before in (0..STATES).filter(|before| FOLLOWS[*before][state]) {
                    let sum = best[before] + self.moves[before][state] + score;
                    if sum > next[state] {
                        (next[state], from[state]) = (sum, before);
                    }
                }
            }
            best = next;
            came_from.push(from);
        }
        let mut state = (0..STATES).max_by(|left, right| best[*left].total_cmp(&best[*right])).unwrap_or(0);
        let mut states = vec![0; scores.len()];
        for (index, from) in came_from.iter().enumerate().rev() {
            states[index] = state;
            state = from[state];
        }
        states
    }
}

/// The states of the words when `place` (bytes of the text) is the place that is meant.
pub fn states(words: &[Word], place: Option<Range<usize>>) -> Vec<usize> {
    let mut begun = false;
    let state = |word: &Word| match &place {
        Some(place) if word.span.start < place.end && place.start < word.span.end => {
            let state = if begun { INSIDE } else { BEGIN };
            begun = true;
            state
        }
        Some(_) if begun => STATES - 1,
        _ => 0,
    };
    words.iter().map(state).collect()
}

/// What the hints are made of: one word as its neighbours see it.
struct Seen<'t> {
    norm: &'t str,
    raw: String,
    shape: u64,
    classes: u32,
    /// What stands before it: nothing, a space, a comma, a dot, a new message.
    gap: u64,
    ruled: u64,
}

/// For each word the rows of the table that tell of it.
pub fn hints(text: &str, words: &[Word], ruled: &[Place]) -> Vec<Vec<u32>> {
    let shouting = !text.chars().any(char::is_lowercase);
    let mut end = 0;
    let seen: Vec<Seen<'_>> = words
        .iter()
        .map(|word| {
            let gap = gap_kind(&text[end..word.span.start], end == 0);
            end = word.span.end;
            let raw = &text[word.span.clone()];
            Seen {
                norm: &word.norm,
                shape: shape(raw, shouting),
                raw: raw.to_lowercase(),
                classes: classes(&word.norm),
                gap,
                ruled: ruled_here(word, ruled),
            }
        })
        .collect();
    (0..seen.len()).map(|index| hints_of(&seen, index)).collect()
}

fn ruled_here(word: &Word, ruled: &[Place]) -> u64 {
    let Some(place) =
        ruled.iter().find(|place| word.span.start < place.span.end && place.span.start < word.span.end)
    else {
        return 0;
    };
    let first = word.span.start <= place.span.start;
    let last = word.span.end >= place.span.end;
    1 + u64::from(first)
        + 2 * u64::from(place.stands_alone)
        + 4 * u64::from(place.corrects)
        + 8 * u64::from(last)
}

fn gap_kind(gap: &str, at_start: bool) -> u64 {
    match gap {
        _ if gap.contains('\n') => 1,
        _ if gap.contains(['!', '?', ';', '…']) => 2,
        _ if gap.contains('.') => 3,
        _ if gap.contains([',', ':']) => 4,
        _ if gap.contains(['(', ')', '"', '/', '-']) => 5,
        _ if at_start => 1,
        "" => 6,
        _ => 7,
    }
}

fn shape(raw: &str, shouting: bool) -> u64 {
    let digits = raw.chars().filter(char::is_ascii_digit).count();
    let all = raw.chars().count();
    let upper = raw.chars().filter(|character| character.is_uppercase()).count();
    match () {
        () if digits == all => 1 + all.min(4) as u64,
        () if digits > 0 => 6,
        () if shouting => 7,
        () if all == 1 && upper == 1 => 8,
        () if all == 1 => 9,
        () if upper == all => 10,
        () if raw.starts_with(char::is_uppercase) => 11,
        () => 12,
    }
}

fn hints_of(seen: &[Seen<'_>], index: usize) -> Vec<u32> {
    let at = |offset: isize| index.checked_add_signed(offset).and_then(|index| seen.get(index));
    let norm = |offset: isize| at(offset).map_or("", |seen| seen.norm);
    let number =
        |offset: isize| at(offset).map_or(0, |seen| u64::from(seen.classes) | (seen.shape << 16) | (1 << 24));
    let mut rows: Vec<u32> = Vec::with_capacity(64);
    let mut add = |kind: u8, numbers: &[u64], words: &[&str]| rows.push(row(kind, numbers, words));
    let Some(here) = at(0) else { return Vec::new() };
    add(0, &[], &[]);
    for offset in -2..=2 {
        let kind = (10 + offset) as u8;
        add(kind, &[0], &[norm(offset)]);
        if let Some(other) = at(offset) {
            add(kind, &[1, other.shape], &[]);
            for bit in (0..16).filter(|bit| other.classes & (1 << bit) != 0) {
                add(kind, &[2, bit], &[]);
            }
            if other.classes == 0 {
                add(kind, &[2, 99], &[]);
            }
            add(kind, &[3, other.ruled], &[]);
            if offset >= 0 {
                add(kind, &[4, other.gap], &[]);
            }
        } else {
            add(kind, &[5], &[]);
        }
    }
    add(20, &[], &[norm(-1), norm(0)]);
    add(21, &[], &[norm(0), norm(1)]);
    add(22, &[number(-1), number(0)], &[]);
    add(23, &[number(0), number(1)], &[]);
    add(24, &[number(-1), number(0), number(1)], &[]);
    add(25, &[here.ruled, here.gap, here.shape], &[]);
    add(26, &[here.ruled], &[norm(0)]);
    add(27, &[here.gap], &[norm(0)]);
    add(28, &[number(0)], &[norm(-1)]);
    add(29, &[number(0)], &[norm(1)]);
    add(30, &[here.gap, number(-1), number(0)], &[]);
    add(31, &[at(1).map_or(9, |next| next.gap)], &[norm(0)]);
    add(
        32,
        &[here.ruled, at(-1).map_or(99, |before| before.ruled), at(1).map_or(99, |next| next.ruled)],
        &[],
    );
    add(33, &[number(-2), number(-1)], &[]);
    add(34, &[number(1), number(2)], &[]);
    add(35, &[here.shape, at(-1).map_or(0, |other| other.shape)], &[norm(-1)]);
    add(36, &[], &[&here.raw]);
    // How far the word is from what opened a name, and what that was.
    let message = seen[..=index].iter().rposition(|word| word.gap == 1).unwrap_or(0);
    let opened = (message..index).rev().take(6).find(|before| seen[*before].classes & OPENERS != 0);
    let (distance, opener) = opened.map_or((9, ""), |at| (index - at, seen[at].norm));
    add(50, &[distance as u64, here.shape], &[]);
    add(51, &[distance as u64, u64::from(here.classes)], &[]);
    add(52, &[distance as u64], &[opener]);
    add(53, &[(index - message).min(4) as u64, number(0)], &[]);
    let ends = seen[index + 1..].iter().position(|word| word.gap == 1).unwrap_or(seen.len() - index - 1);
    add(54, &[(index - message).min(3) as u64, ends.min(3) as u64], &[]);
    add(55, &[number(-2), number(-1), number(0)], &[]);
    add(56, &[number(0), number(1), number(2)], &[]);
    add(
        57,
        &[
            number(0),
            u64::from(at(1).is_some_and(|next| next.classes & OPENERS != 0)),
            u64::from(at(2).is_some_and(|next| next.classes & OPENERS != 0)),
        ],
        &[norm(0)],
    );
    let characters: Vec<char> = here.norm.chars().collect();
    for length in 2..=4 {
        if characters.len() > length {
            let start: String = characters[..length].iter().collect();
            let end: String = characters[characters.len() - length..].iter().collect();
            add(40, &[length as u64], &[&start]);
            add(41, &[length as u64], &[&end]);
        }
    }
    rows
}

/// FNV-1a, whose values never change: the table is stored by them.
fn row(kind: u8, numbers: &[u64], words: &[&str]) -> u32 {
    let mut hasher = FnvHasher::default();
    hasher.write_u8(kind);
    for number in numbers {
        hasher.write(&number.to_le_bytes());
    }
    for word in words {
        hasher.write(word.as_bytes());
        hasher.write_u8(0);
    }
    let hash = hasher.finish();
    ((hash ^ (hash >> 32)) & (ROWS as u64 - 1)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ai::builtin::learned::Model;
    use crate::ai::builtin::normalise::words;
    use crate::ai::builtin::places::find;

    fn place(text: &str) -> Option<&str> {
        Model::shipped().places.place(text, &words(text), &find(text)).map(|span| &text[span])
    }

    #[test]
    fn places_that_no_rule_knows_are_found() {
        assert_eq!(
            place("lampune mati neng ngarep balai desa Karanglo, peteng"),
            Some("ngarep balai desa Karanglo")
        );
        assert_eq!(place("tolong sampahnya diangkut dong pak"), None);
        assert_eq!(place(""), None);
    }

    #[test]
    fn what_is_marked_is_what_is_read_back() {
        let text = "lampu di Jl. Mawar mati";
        let place = text.find("Jl.").map(|start| start..start + "Jl. Mawar".len());
        assert_eq!(states(&words(text), place), [0, 0, BEGIN, INSIDE, STATES - 1]);
        assert_eq!(states(&words(text), None), [0; 5]);
    }

    #[test]
    fn states_follow_each_other_as_they_may() {
        // Weights that want the impossible: a place inside that never began.
        let mut weights = vec![0.0; ROWS * STATES];
        weights.chunks_mut(STATES).for_each(|row| row[INSIDE] = 1.0);
        let tagger = Tagger::rounded([[0.0; STATES]; STATES], &weights);
        assert_eq!(tagger.likeliest(&[[0.0, 0.0, 9.0, 0.0]; 3]), [BEGIN, INSIDE, INSIDE]);
        assert!(tagger.likeliest(&[]).is_empty());
    }
}
