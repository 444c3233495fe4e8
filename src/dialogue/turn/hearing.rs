//! What a batch is made of, before its meaning: what deserves an answer, what came from hand to hand, voices, bare answers.

use jiff::SignedDuration;

use super::{BatchMessage, Turn};
use crate::dialogue::phrases;

/// A voice note is acknowledged once in so long.
const VOICE_PAUSE: SignedDuration = SignedDuration::from_hours(6);
/// What chain messages ask for; a message that asks for it and is long is one.
const CHAIN_WORDS: [&str; 9] = [
    "sebarkan",
    "viralkan",
    "share ke",
    "share sebanyak",
    "teruskan pesan ini",
    "forward pesan ini",
    "copas dari",
    "kirim ke semua",
    "forward this",
];
/// Words of a chain message, at least.
const CHAIN_LENGTH: usize = 12;

/// Whether anything in the batch can call for an answer; reactions and stickers cannot.
pub fn deserves_reply(messages: &[BatchMessage]) -> bool {
    messages.iter().any(|message| {
        is_said(&message.kind)
            && (message.text.is_some()
                || message.button.is_some()
                || message.pin.is_some()
                || is_evidence(message))
    })
}

/// Whether a message of this kind is something said to the office. What WhatsApp tells about people and messages is not,
/// nor what only goes along with words.
pub fn is_said(kind: &str) -> bool {
    !matches!(
        kind,
        "reaction" | "sticker" | "contacts" | "order" | "call" | "system" | "edit" | "revoke" | "unsupported"
    )
}

/// Whether a message goes from hand to hand: nobody's own words, so nothing is filed for it.
pub fn is_chain(message: &BatchMessage) -> bool {
    let asks_to_be_spread = || {
        message.text.as_deref().is_some_and(|text| {
            let lower = text.to_lowercase();
            text.split_whitespace().count() >= CHAIN_LENGTH
                && CHAIN_WORDS.iter().any(|words| lower.contains(words))
        })
    };
    message.forwarded_many_times || asks_to_be_spread()
}

pub(super) fn is_evidence(message: &BatchMessage) -> bool {
    matches!(message.kind.as_str(), "image" | "video" | "document" | "audio")
}

/// "Ya" or "tidak" and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BareAnswer {
    Yes,
    No,
}

const YES: [&str; 26] = [
    "ya", "iya", "y", "yoi", "yups", "yup", "ok", "oke", "okey", "okay", "betul", "benar", "bener", "lanjut",
    "yes", "sip", "setuju", "boleh", "siap", "sama", "nggih", "enggih", "muhun", "sumuhun", "leres", "yep",
];
const NO: [&str; 12] =
    ["tidak", "tdk", "ga", "gak", "nggak", "enggak", "ngga", "bukan", "no", "mboten", "henteu", "jangan"];
/// Goes along with either.
const ALONGSIDE: [&str; 14] =
    ["pak", "bu", "bapak", "ibu", "min", "admin", "kak", "mas", "mbak", "dong", "saja", "aja", "deh", "itu"];

pub(super) fn bare_answer(text: &str) -> Option<BareAnswer> {
    let lower = text.to_lowercase();
    let mut answer = None;
    for word in lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let this = match word {
            word if YES.contains(&word) => BareAnswer::Yes,
            word if NO.contains(&word) => BareAnswer::No,
            word if ALONGSIDE.contains(&word) => continue,
            _ => return None,
        };
        // "Tidak, bukan": no. "Ya tidak" is neither.
        if answer.replace(this).is_some_and(|before| before != this) {
            return None;
        }
    }
    answer
}

impl Turn<'_> {
    pub(super) fn said(&self) -> impl Iterator<Item = &BatchMessage> {
        self.input.messages.iter().filter(|message| is_said(&message.kind))
    }

    /// The citizen's own words, messages apart.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let own =
            |message: &&BatchMessage| message.button.is_none() && message.pin.is_none() && !is_chain(message);
        self.said().filter(own).filter_map(|message| message.text.as_deref())
    }

    pub(super) fn greeted_with_salam(&self) -> bool {
        self.texts().any(|text| {
            let text = text.to_lowercase();
            text.contains("assalam") || text.contains("askum")
        })
    }

    /// The one bare answer that the batch is.
    pub(super) fn bare_answer(&self) -> Option<BareAnswer> {
        let mut messages = self.said();
        let (message, None) = (messages.next()?, messages.next()) else { return None };
        message.text.as_deref().filter(|_| message.kind == "text").and_then(bare_answer)
    }

    /// Nothing but voices: said once that a person will listen, and put into their queue.
    pub(super) fn heard_only_voices(&mut self) -> bool {
        if !self.said().all(|message| message.kind == "audio" && message.text.is_none()) {
            return false;
        }
        let now = self.input.now;
        let fresh = |at: jiff::Timestamp| now.duration_since(at) < VOICE_PAUSE;
        if !self.state.voice_acknowledged.is_some_and(fresh) {
            self.state.voice_acknowledged = Some(now);
            self.says.push(phrases::voice_note(self.language));
        }
        self.hand_over = Some(phrases::TO_BE_HEARD.into());
        true
    }

    /// Nothing but what went from hand to hand.
    pub(super) fn read_only_chains(&mut self) -> bool {
        let only = self.said().all(is_chain);
        if only {
            self.says.push(phrases::forwarded(self.language));
        }
        only
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_answers_are_told_from_words() {
        for (text, expected) in [
            ("ya", Some(BareAnswer::Yes)),
            ("Iya pak, betul", Some(BareAnswer::Yes)),
            ("OK 👍", Some(BareAnswer::Yes)),
            ("bukan", Some(BareAnswer::No)),
            ("ga pak", Some(BareAnswer::No)),
            ("ga jadi", None),
            ("ya lampunya mati", None),
            ("ya tidak", None),
            ("👍", None),
            ("", None),
        ] {
            assert_eq!(bare_answer(text), expected, "{text}");
        }
    }

    #[test]
    fn chain_messages_are_known_by_hands_and_by_words() {
        let said = |text: &str, many| BatchMessage {
            kind: "text".into(),
            text: Some(text.into()),
            forwarded_many_times: many,
            ..BatchMessage::default()
        };
        assert!(is_chain(&said("banjir!", true)));
        assert!(is_chain(&said(
            "INFO PENTING besok ada razia besar di semua jalan utama kota mohon SEBARKAN ke grup lain ya",
            false
        )));
        assert!(!is_chain(&said("tolong jangan sebarkan nomor saya", false)));
        assert!(!is_chain(&said("jalan rusak di depan rumah", false)));
    }
}
