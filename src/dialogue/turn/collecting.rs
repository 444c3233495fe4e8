//! A complaint being made: slots are gathered over several turns, one missing slot is asked for at a time, and when all
//! is clear it is filed without asking back.

use super::hearing::is_evidence;
use super::{BatchMessage, ComplaintFact, Effect, Turn};
use crate::dialogue::reply::Below;
use crate::dialogue::state::Draft;
use crate::dialogue::understanding::{AskedSlot, Intent, Urgency};
use crate::dialogue::{buttons, phrases};

/// Characters of the citizen's words that stand for a description when nothing better was made out in danger.
const LONGEST_CRY: usize = 500;

impl Turn<'_> {
    pub(super) fn draft_is_closed(&self) -> bool {
        self.state.open_draft().is_none()
    }

    /// A complaint is being made, or went on being made.
    pub(super) fn concerns_a_complaint(&self) -> bool {
        let slots = &self.input.understanding.slots;
        let adds_to_draft = !self.draft_is_closed()
            && (slots.alamat.is_some()
                || slots.deskripsi.is_some()
                || slots.kategori.is_some()
                || slots.rt_rw.is_some()
                || self.said().any(|message| message.pin.is_some() || is_evidence(message)));
        self.input.understanding.wants(Intent::CreateComplaint)
            || self.in_danger()
            || adds_to_draft
            || self.said().any(|message| message.pin.is_some())
            || self.shows_without_words()
    }

    /// Photos or films and nothing else: something is shown that is told afterwards.
    fn shows_without_words(&self) -> bool {
        let shows = |message: &BatchMessage| matches!(message.kind.as_str(), "image" | "video");
        self.texts().next().is_none() && self.said().any(shows)
    }

    /// Puts what was said into the draft, and goes on with it.
    pub(super) fn collect(&mut self) {
        let input = self.input;
        // A draft that is on its way keeps its content; what comes now is a new one.
        let mut draft = match self.state.draft.take() {
            Some(draft) if !draft.submitted && self.is_another_matter(&draft) => {
                self.state.aside = Some(draft);
                Draft::new(input.fresh_id, input.now)
            }
            Some(draft) if !draft.submitted => draft,
            _ => Draft::new(input.fresh_id, input.now),
        };
        let before = draft.clone();
        let slots = input.understanding.slots.clone();
        // Who answers "where?" does not speak of another matter.
        let only_answers = draft.asked_for == Some(AskedSlot::Alamat)
            && (slots.alamat.is_some() || slots.rt_rw.is_some())
            && !input.understanding.wants(Intent::UpdateComplaint);
        if draft.kategori.is_none() || !only_answers {
            draft.kategori = slots.kategori.or(draft.kategori);
        }
        draft.alamat = slots.alamat.or(draft.alamat);
        draft.rt_rw = slots.rt_rw.or(draft.rt_rw);
        draft.deskripsi = merged(draft.deskripsi.take(), slots.deskripsi);
        if self.in_danger() {
            draft.urgency = Urgency::Emergency;
            draft.deskripsi = draft.deskripsi.or_else(|| self.cry());
        }
        for message in self.said() {
            if let Some((latitude, longitude)) = message.pin {
                (draft.latitude, draft.longitude) = (Some(latitude), Some(longitude));
                if draft.alamat.is_none() {
                    draft.alamat = message.text.clone().filter(|text| !text.trim().is_empty());
                }
            }
            if is_evidence(message) {
                draft.media.extend(message.message_id);
            }
        }
        if draft != before {
            draft.version += 1;
        }
        draft.updated_at = input.now;
        self.go_on_with(draft);
    }

    /// Whether a whole complaint about something else was told while the draft still waits for its place. The words must
    /// say so: a landmark next to the place may sound like another category.
    fn is_another_matter(&self, draft: &Draft) -> bool {
        let understanding = self.input.understanding;
        let slots = &understanding.slots;
        let differs = |kategori: &String| slots.kategori.as_ref().is_some_and(|told| told != kategori);
        draft.asked_for == Some(AskedSlot::Alamat)
            && draft.kategori.as_ref().is_some_and(differs)
            && slots.alamat.is_some()
            && slots.deskripsi.is_some()
            && self.texts().any(announces_another)
            && understanding.wants(Intent::CreateComplaint)
            && !understanding.wants(Intent::UpdateComplaint)
    }

    /// Files the draft, or asks for what is missing.
    pub(super) fn go_on_with(&mut self, mut draft: Draft) {
        if let Some(slot) = draft.missing() {
            // Who asked for a person is asked nothing by the bot.
            if self.hand_over.is_none() {
                self.says.push(phrases::ask(self.language, slot));
            }
            draft.asked_for = Some(slot);
            draft.asked_kategori |= slot == AskedSlot::Kategori;
            self.state.draft = Some(draft);
            return;
        }
        draft.asked_for = None;
        draft.resembles = self.resembling(&draft);
        match draft.resembles.clone() {
            Some(lap_id) => self.ask_whether_the_same(&draft, &lap_id),
            None => {
                draft.submitted = true;
                if draft.urgency == Urgency::Emergency {
                    self.hand_over = Some(phrases::EMERGENCY.into());
                }
                self.effects.push(Effect::CreateComplaint(Box::new(draft.clone())));
            }
        }
        self.state.draft = Some(draft);
    }

    pub(super) fn ask_whether_the_same(&mut self, draft: &Draft, lap_id: &str) {
        self.says.push(phrases::resembles(self.language, lap_id));
        self.below = Below::Buttons(buttons::of_duplicate(self.language, draft));
    }

    /// A complaint of the writer that the office still has and that is about the same thing at the same place.
    fn resembling(&self, draft: &Draft) -> Option<String> {
        if draft.is_another || draft.urgency == Urgency::Emergency {
            return None;
        }
        let kategori = draft.kategori.as_deref()?;
        let place = draft.alamat.as_deref()?;
        let same = |fact: &&ComplaintFact| {
            fact.is_open() && fact.kategori == kategori && is_same_place(place, &fact.alamat)
        };
        self.input.facts.complaints.iter().find(same).map(|fact| fact.lap_id.clone())
    }

    fn cry(&self) -> Option<String> {
        let words: Vec<&str> = self.texts().collect();
        let cry: String = words.join(". ").chars().take(LONGEST_CRY).collect();
        (!cry.trim().is_empty()).then_some(cry)
    }
}

fn announces_another(text: &str) -> bool {
    const WORDS: [&str; 8] = ["juga", "jg", "lapor", "melaporkan", "sekalian", "selain", "also", "another"];
    let lower = text.to_lowercase();
    lower.split(|letter: char| !letter.is_alphanumeric()).any(|word| WORDS.contains(&word))
}

/// Adds words to a description without saying the same twice.
fn merged(before: Option<String>, more: Option<String>) -> Option<String> {
    match (before, more) {
        (Some(before), Some(more)) if before.contains(&more) => Some(before),
        (Some(before), Some(more)) => Some(format!("{before}. {more}")),
        (before, more) => before.or(more),
    }
}

/// Whether two descriptions of a place share most of their words, "jl", "jalan" and the like not counted.
fn is_same_place(left: &str, right: &str) -> bool {
    const COMMON: [&str; 12] =
        ["jl", "jln", "jalan", "gg", "gang", "no", "nomor", "di", "depan", "dekat", "rt", "rw"];
    let words = |text: &str| -> Vec<String> {
        text.to_lowercase()
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty() && !COMMON.contains(word))
            .map(str::to_owned)
            .collect()
    };
    let (left, right) = (words(left), words(right));
    let shared = left.iter().filter(|word| right.contains(word)).count();
    shared > 0 && shared * 4 >= left.len().max(right.len()) * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_the_same_when_most_of_their_words_are() {
        assert!(is_same_place("Jl. Melati No. 15", "jalan melati 15"));
        assert!(is_same_place("depan SDN 2 Sukamaju", "SDN 2 Sukamaju"));
        assert!(!is_same_place("Jl. Melati No. 15", "Jl. Melati No. 2"));
        assert!(!is_same_place("Jl. Melati", "Jl. Mawar"));
        assert!(!is_same_place("depan jalan", "jalan"));
    }
}
