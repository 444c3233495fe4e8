//! How much one citizen may ask of the bot: so many turns an hour, told once and then silent, and no endless rounds with
//! another machine. What is said is stored all the same, and an officer sees it. Danger is never held up by any of this.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::turn::BatchMessage;

/// Turns that one citizen gets within an hour.
pub const TURNS_AN_HOUR: usize = 30;
/// So often the same words in a row are answered; a machine would go on for ever.
const SAME_WORDS: u32 = 3;
const HOUR: Duration = Duration::from_hours(1);

/// Words that only machines write.
const AUTOMATIC: [&str; 10] = [
    "pesan otomatis",
    "balasan otomatis",
    "auto reply",
    "autoreply",
    "automatic reply",
    "out of office",
    "terima kasih telah menghubungi",
    "terima kasih sudah menghubungi",
    "thank you for contacting",
    "this is an automated",
];

/// What a conversation remembers of its rounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rounds {
    /// The turns of the last hour, oldest first; no more than the limit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    turns: Vec<Timestamp>,
    /// The citizen was told that the limit is reached.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    told: bool,
    /// What was said last, as a number that tells whether it is said again.
    words: u64,
    /// So often in a row.
    #[serde(skip_serializing_if = "is_zero")]
    same: u32,
}

// Serde hands fields over by reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Whether the bot takes part in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    Go,
    /// The limit is reached just now: said once.
    TellLimit,
    /// A machine, or somebody leaning on the keys: nothing is answered any more, an officer is told once.
    EndLoop,
    Silent,
}

impl Rounds {
    /// What becomes of a batch; reads only, so that a turn may be asked before it is thought about.
    pub fn ask(&self, messages: &[BatchMessage], now: Timestamp) -> Round {
        if words_of(messages).is_some_and(|words| words == self.words) && self.same >= SAME_WORDS {
            return if self.same == SAME_WORDS { Round::EndLoop } else { Round::Silent };
        }
        match (self.within_the_hour(now).count() < TURNS_AN_HOUR, self.told) {
            (true, _) => Round::Go,
            (false, false) => Round::TellLimit,
            (false, true) => Round::Silent,
        }
    }

    /// Remembers a batch, and what became of it.
    pub fn note(&mut self, messages: &[BatchMessage], round: Round, now: Timestamp) {
        if let Some(words) = words_of(messages) {
            self.same = if words == self.words { self.same.saturating_add(1) } else { 1 };
            self.words = words;
        } else {
            self.same = 0;
        }
        let mut turns: Vec<Timestamp> = self.within_the_hour(now).collect();
        self.told &= turns.len() >= TURNS_AN_HOUR;
        match round {
            Round::TellLimit => self.told = true,
            Round::Go if turns.len() < TURNS_AN_HOUR => turns.push(now),
            _ => {}
        }
        self.turns = turns;
    }

    fn within_the_hour(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        let since = now.checked_sub(HOUR).unwrap_or(Timestamp::MIN);
        self.turns.iter().copied().filter(move |at| *at > since)
    }
}

/// The words of a batch as one number, which is the same for all that machines write; none when something else than
/// words was sent.
fn words_of(messages: &[BatchMessage]) -> Option<u64> {
    if is_automatic(messages) {
        return Some(1);
    }
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut any = false;
    for message in messages {
        if message.kind != "text" {
            return None;
        }
        let letters = message.text.iter().flat_map(|text| text.chars());
        for letter in letters.filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase) {
            // FNV-1a: the same in every version of the program, which the standard hasher does not promise.
            hash = (hash ^ u64::from(u32::from(letter))).wrapping_mul(0x0100_0000_01b3);
            any = true;
        }
    }
    any.then_some(hash)
}

fn is_automatic(messages: &[BatchMessage]) -> bool {
    messages.iter().filter_map(|message| message.text.as_deref()).any(|text| {
        let text = text.to_lowercase();
        AUTOMATIC.iter().any(|words| text.contains(words))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<BatchMessage> {
        vec![BatchMessage { kind: "text".into(), text: Some(text.into()), ..BatchMessage::default() }]
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + second).unwrap()
    }

    fn play(rounds: &mut Rounds, text: &str, second: i64) -> Round {
        let round = rounds.ask(&said(text), at(second));
        rounds.note(&said(text), round, at(second));
        round
    }

    #[test]
    fn the_limit_is_told_once_and_the_hour_passes() {
        let mut rounds = Rounds::default();
        for turn in 0..TURNS_AN_HOUR {
            assert_eq!(play(&mut rounds, &format!("pesan {turn}"), turn as i64), Round::Go);
        }
        assert_eq!(play(&mut rounds, "satu lagi", 100), Round::TellLimit);
        assert_eq!(play(&mut rounds, "dua lagi", 101), Round::Silent);
        assert_eq!(play(&mut rounds, "nanti", 3_601), Round::Go, "the first turns are an hour old");
    }

    #[test]
    fn the_same_words_are_answered_three_times() {
        let mut rounds = Rounds::default();
        let played: Vec<Round> = (0..6).map(|second| play(&mut rounds, "Halo!", second)).collect();
        use Round::*;
        assert_eq!(played, [Go, Go, Go, EndLoop, Silent, Silent]);
        assert_eq!(play(&mut rounds, "jalan rusak", 10), Go);
        assert_eq!(play(&mut rounds, "halo", 11), Go);
    }

    #[test]
    fn a_machine_is_left_alone_after_three_rounds_whatever_it_counts() {
        let mut rounds = Rounds::default();
        use Round::*;
        for (number, expected) in [(1, Go), (2, Go), (3, Go), (4, EndLoop), (5, Silent)] {
            let text = format!("Terima kasih telah menghubungi Toko Maju, antrean {number}");
            assert_eq!(play(&mut rounds, &text, 0), expected, "{text}");
        }
        assert_eq!(play(&mut rounds, "lampu mati", 1), Go);
    }

    #[test]
    fn photos_and_taps_are_no_words() {
        let mut rounds = Rounds::default();
        let photo = vec![BatchMessage { kind: "image".into(), ..BatchMessage::default() }];
        for second in 0..10 {
            let round = rounds.ask(&photo, at(second));
            rounds.note(&photo, round, at(second));
            assert_eq!(round, Round::Go);
        }
    }
}
