//! What was filed: its status, its withdrawal, its change, and the taps on the buttons below it. Facts come from the
//! case service; what the conversation remembers of a complaint only says which one is meant.

use jiff::SignedDuration;

use super::hearing::{BareAnswer, is_evidence};
use super::{Amendment, ComplaintFact, Effect, Turn};
use crate::dialogue::buttons::{self, Act, Tap};
use crate::dialogue::phrases;
use crate::dialogue::reply::Below;
use crate::dialogue::state::{ANSWER_LASTS, Awaited, Awaiting, DRAFT_DAYS, Draft, Filed};
use crate::dialogue::understanding::{Intent, Urgency};

/// Where an emergency is may still be told so long after it was filed.
const LOCATION_LASTS: SignedDuration = SignedDuration::from_hours(24);

impl Turn<'_> {
    pub(super) fn tell_status(&mut self) {
        let facts = self.input.facts;
        if facts.unavailable {
            return self.says.push(phrases::status_unavailable(self.language));
        }
        if facts.complaints.is_empty() {
            return self.says.push(match &self.input.understanding.slots.lap_id {
                Some(lap_id) => phrases::no_such_complaint(self.language, lap_id),
                None => phrases::no_complaints(self.language),
            });
        }
        let most = if self.input.understanding.wants(Intent::History) { 5 } else { 3 };
        let lines: Vec<String> = facts
            .complaints
            .iter()
            .take(most)
            .map(|fact| {
                let kategori = phrases::category_words(&fact.kategori);
                let words = phrases::status_words(self.language, &fact.status);
                phrases::status(self.language, &fact.lap_id, &kategori, words)
            })
            .collect();
        self.says.push(lines.join("\n"));
    }

    /// Withdraws the draft at once; what was filed as well when it is plain that it is wanted and which is meant,
    /// otherwise after one more question.
    pub(super) fn cancel(&mut self) {
        let named = self.input.understanding.slots.lap_id.is_some();
        if !named && !self.draft_is_closed() {
            self.state.draft = None;
            return self.says.push(phrases::draft_dropped(self.language));
        }
        match self.meant() {
            Ok(Meant { filed, alone: true }) if self.texts().any(says_withdraw) => {
                self.withdraw(filed.lap_id)
            }
            Ok(Meant { filed, .. }) => self.confirm_withdrawal(&filed),
            Err(NotClear::NotTheirs(lap_id)) => {
                self.says.push(phrases::no_such_complaint(self.language, &lap_id));
            }
            Err(NotClear::Nothing) => self.says.push(phrases::nothing_to_cancel(self.language)),
            Err(NotClear::Several) => self.says.push(phrases::which_report(self.language)),
        }
    }

    fn confirm_withdrawal(&mut self, filed: &Filed) {
        self.says.push(phrases::confirm_cancel(self.language, &filed.lap_id));
        self.below = Below::Buttons(buttons::of_filed(self.language, filed));
        self.await_answer(&filed.lap_id, Awaited::Withdrawal);
    }

    /// What was said belongs to a complaint that has its number.
    pub(super) fn changes_what_was_filed(&self) -> bool {
        let understanding = self.input.understanding;
        let named = understanding.slots.lap_id.is_some();
        if understanding.wants(Intent::UpdateComplaint) && (named || self.draft_is_closed()) {
            return true;
        }
        if !self.draft_is_closed() {
            return false;
        }
        self.awaited(Awaited::Change, ANSWER_LASTS).is_some_and(|_| self.may_be_a_change())
            || self.awaited(Awaited::Location, LOCATION_LASTS).is_some_and(|_| self.tells_a_place())
            || self.just_filed().is_some_and(|filed| self.adds_to(filed))
    }

    /// Changes it, as far as is clear what; otherwise asks.
    pub(super) fn amend(&mut self) {
        let awaited = self.state.awaiting.as_ref().map(|awaiting| awaiting.lap_id.clone());
        let named = self.input.understanding.slots.lap_id.is_some();
        let filed = match awaited.filter(|_| !named).and_then(|lap_id| self.state.filed_as(&lap_id).cloned())
        {
            Some(filed) => Ok(filed),
            None => self.meant().map(|meant| meant.filed),
        };
        match filed {
            Ok(filed) => {
                let amendment = self.amendment();
                if amendment.is_empty() {
                    self.says.push(phrases::ask_change(self.language, &filed.lap_id));
                    return self.await_answer(&filed.lap_id, Awaited::Change);
                }
                self.send_amendment(filed.lap_id, amendment);
            }
            Err(NotClear::NotTheirs(lap_id)) => {
                self.says.push(phrases::no_such_complaint(self.language, &lap_id));
            }
            Err(NotClear::Nothing) => self.says.push(phrases::no_complaints(self.language)),
            Err(NotClear::Several) => self.says.push(phrases::which_report(self.language)),
        }
    }

    fn send_amendment(&mut self, lap_id: String, amendment: Amendment) {
        self.state.awaiting = None;
        let key = self.input.fresh_id;
        self.effects.push(Effect::AmendComplaint { key, lap_id, amendment: Box::new(amendment) });
    }

    /// A tap on one of our buttons. It acts on what it was shown for; if that has changed since, it shows how it stands.
    pub(super) fn tapped(&mut self) -> bool {
        let tapped = self.said().filter_map(|message| message.button.as_deref()).last();
        let Some(tap) = tapped.and_then(|button| button.parse::<Tap>().ok()) else { return false };
        match tap.act {
            Act::Edit | Act::Withdraw => self.tapped_filed(tap),
            Act::FileAnyway | Act::AddToFiled => self.tapped_draft(tap),
        }
        true
    }

    fn tapped_filed(&mut self, tap: Tap) {
        let Some(filed) = self.state.filed.iter().find(|filed| filed.draft == tap.draft).cloned() else {
            return self.says.push(phrases::button_too_old(self.language));
        };
        if filed.version != tap.version {
            return self.show_filed(&filed);
        }
        match tap.act {
            Act::Withdraw => self.withdraw(filed.lap_id),
            _ => {
                self.says.push(phrases::ask_change(self.language, &filed.lap_id));
                self.await_answer(&filed.lap_id, Awaited::Change);
            }
        }
    }

    fn tapped_draft(&mut self, tap: Tap) {
        let Some(draft) = self.state.open_draft().filter(|draft| draft.id == tap.draft).cloned() else {
            // Filed or dropped since.
            let filed = self.state.filed.iter().find(|filed| filed.draft == tap.draft).cloned();
            return match filed {
                Some(filed) => self.show_filed(&filed),
                None => self.says.push(phrases::button_too_old(self.language)),
            };
        };
        match draft.resembles.clone().filter(|_| draft.version == tap.version) {
            Some(lap_id) => self.decide_resemblance(draft, lap_id, tap.act == Act::AddToFiled),
            None => self.show_draft(draft),
        }
    }

    /// "Ya" or "tidak" to the last question; after an hour nobody knows any more to which, so it is shown again.
    pub(super) fn answered_barely(&mut self) -> bool {
        let Some(answer) = self.bare_answer() else { return false };
        if let Some(awaiting) = self.state.awaiting.clone() {
            return self.answered_about_filed(&awaiting, answer);
        }
        let Some(draft) = self.state.open_draft().cloned() else { return self.acknowledged(answer) };
        let fresh = self.input.now.duration_since(draft.updated_at) <= ANSWER_LASTS;
        match (draft.resembles.clone(), answer) {
            (Some(lap_id), _) if fresh => self.decide_resemblance(draft, lap_id, answer == BareAnswer::Yes),
            (Some(_), _) | (None, BareAnswer::Yes) => self.show_draft(draft),
            (None, BareAnswer::No) => return false,
        }
        true
    }

    /// "Oke" after the number came needs no reply; later nobody knows to what it is said, so what was filed last is shown.
    fn acknowledged(&mut self, answer: BareAnswer) -> bool {
        let Some(filed) = self.state.filed.last().filter(|_| answer == BareAnswer::Yes).cloned() else {
            return false;
        };
        if self.just_filed().is_none() {
            self.show_filed(&filed);
        }
        true
    }

    fn answered_about_filed(&mut self, awaiting: &Awaiting, answer: BareAnswer) -> bool {
        let fresh = self.input.now.duration_since(awaiting.since) <= ANSWER_LASTS;
        let Some(filed) = self.state.filed_as(&awaiting.lap_id).cloned() else { return false };
        match (awaiting.what, answer) {
            (Awaited::Withdrawal, BareAnswer::Yes) if fresh => self.withdraw(filed.lap_id),
            (Awaited::Withdrawal, BareAnswer::Yes) => self.confirm_withdrawal(&filed),
            (Awaited::Change, BareAnswer::Yes) => {
                self.says.push(phrases::ask_change(self.language, &filed.lap_id));
                self.await_answer(&filed.lap_id, Awaited::Change);
            }
            (Awaited::Withdrawal | Awaited::Change, BareAnswer::No) => {
                self.says.push(phrases::kept(self.language, &filed.lap_id));
                self.state.awaiting = None;
            }
            (Awaited::Location, _) => return false,
        }
        true
    }

    fn withdraw(&mut self, lap_id: String) {
        self.state.awaiting = None;
        self.effects.push(Effect::CancelComplaint { key: self.input.fresh_id, lap_id });
    }

    /// The same matter is added to what was filed, another one is filed.
    fn decide_resemblance(&mut self, mut draft: Draft, lap_id: String, is_same: bool) {
        if !is_same {
            draft.is_another = true;
            draft.version += 1;
            draft.updated_at = self.input.now;
            return self.go_on_with(draft);
        }
        self.state.draft = None;
        let amendment = Amendment {
            addition: draft.deskripsi,
            pin: draft.latitude.zip(draft.longitude),
            media: draft.media,
            ..Amendment::default()
        };
        self.send_amendment(lap_id, amendment);
    }

    fn show_filed(&mut self, filed: &Filed) {
        let kategori = phrases::category_words(&filed.kategori);
        self.says.push(phrases::filed_shown(self.language, &filed.lap_id, &kategori, &filed.alamat));
        self.below = Below::Buttons(buttons::of_filed(self.language, filed));
    }

    /// How the draft stands, and its question once more.
    fn show_draft(&mut self, mut draft: Draft) {
        self.says.push(phrases::draft_shown(self.language, &phrases::draft_in_words(self.language, &draft)));
        draft.updated_at = self.input.now;
        match (draft.missing(), draft.resembles.clone()) {
            (Some(slot), _) => {
                self.says.push(phrases::ask_again(self.language, slot));
                draft.asked_for = Some(slot);
            }
            (None, Some(lap_id)) => self.ask_whether_the_same(&draft, &lap_id),
            (None, None) => {}
        }
        self.state.draft = Some(draft);
    }

    fn await_answer(&mut self, lap_id: &str, what: Awaited) {
        self.state.awaiting = Some(Awaiting { lap_id: lap_id.to_owned(), what, since: self.input.now });
    }

    /// The question that is open, if it is this one and was asked within `lasts`.
    fn awaited(&self, what: Awaited, lasts: SignedDuration) -> Option<&Awaiting> {
        let fresh = |awaiting: &&Awaiting| self.input.now.duration_since(awaiting.since) <= lasts;
        self.state.awaiting.as_ref().filter(|awaiting| awaiting.what == what).filter(fresh)
    }

    /// What was filed last, within the hour.
    fn just_filed(&self) -> Option<&Filed> {
        self.state.filed.last().filter(|filed| self.input.now.duration_since(filed.at) <= ANSWER_LASTS)
    }

    /// A pin or a photo right after the number came, or more cries about the same danger.
    fn adds_to(&self, filed: &Filed) -> bool {
        let wordless = self.texts().next().is_none();
        let brings = self.said().any(|message| message.pin.is_some() || is_evidence(message));
        let elsewhere = || {
            let alamat = self.input.understanding.slots.alamat.as_deref();
            alamat.is_some_and(|alamat| !filed.alamat.is_empty() && alamat != filed.alamat)
        };
        let same_danger = self.in_danger() && filed.urgency == Urgency::Emergency && !elsewhere();
        // "Ini fotonya".
        let slots = &self.input.understanding.slots;
        let tells_nothing =
            || slots.kategori.is_none() && slots.alamat.is_none() && slots.deskripsi.is_none();
        (brings && (wordless || tells_nothing()) && !self.in_danger()) || same_danger
    }

    fn tells_a_place(&self) -> bool {
        let slots = &self.input.understanding.slots;
        slots.alamat.is_some() || slots.rt_rw.is_some() || self.said().any(|message| message.pin.is_some())
    }

    /// Whether the batch can be the answer to "what is to be changed?".
    fn may_be_a_change(&self) -> bool {
        let understanding = self.input.understanding;
        let another_matter = [
            Intent::CheckStatus,
            Intent::History,
            Intent::KnowledgeQuery,
            Intent::OffTopic,
            Intent::Greeting,
            Intent::Thanks,
        ];
        let says_else = understanding.intents.iter().any(|intent| another_matter.contains(intent));
        self.tells_a_place() || understanding.slots.kategori.is_some() || !says_else
    }

    /// What is changed or added, from what was understood.
    fn amendment(&self) -> Amendment {
        let slots = self.input.understanding.slots.clone();
        let pin = self.said().filter_map(|message| message.pin).last();
        let waits = self.awaited(Awaited::Change, ANSWER_LASTS).is_some();
        // Another place, or more of the same, does not make it another matter.
        let recategorised = match self.tells_a_place() {
            true => self.texts().any(names_category),
            false => self.texts().any(says_otherwise),
        };
        let mut amendment = Amendment {
            kategori: slots.kategori.filter(|_| recategorised),
            alamat: slots.alamat,
            rt_rw: slots.rt_rw,
            addition: slots.deskripsi,
            pin,
            media: Vec::new(),
        };
        if amendment.alamat.is_none() && pin.is_some() {
            let named = |message: &&super::BatchMessage| message.pin.is_some();
            amendment.alamat = self.said().filter(named).find_map(|message| message.text.clone());
        }
        let clear = !amendment.is_empty();
        if (waits || self.in_danger()) && !clear {
            amendment.addition = self.texts().next().map(|_| self.texts().collect::<Vec<_>>().join(". "));
        }
        if self.said().any(is_evidence) {
            amendment.media = self
                .said()
                .filter(|message| is_evidence(message))
                .filter_map(|message| message.message_id)
                .collect();
            amendment.addition = amendment.addition.or_else(|| Some(phrases::PHOTO_SENT.into()));
        }
        amendment
    }

    /// Which complaint is meant: the one named, else the only open one that what was said fits, else the one filed last
    /// here.
    fn meant(&mut self) -> Result<Meant, NotClear> {
        let facts = self.input.facts;
        let slots = &self.input.understanding.slots;
        if let Some(lap_id) = &slots.lap_id {
            let remembered = self.state.filed_as(lap_id).cloned();
            let known = facts.complaints.iter().find(|fact| fact.lap_id == *lap_id);
            return match (remembered, known) {
                (Some(filed), _) => Ok(Meant { filed, alone: true }),
                (None, Some(fact)) => Ok(Meant { filed: self.remember(fact), alone: true }),
                (None, None) => Err(NotClear::NotTheirs(lap_id.clone())),
            };
        }
        let open: Vec<&ComplaintFact> = facts.complaints.iter().filter(|fact| fact.is_open()).collect();
        let about = |fact: &&&ComplaintFact| slots.kategori.as_deref() == Some(&fact.kategori);
        let mut fitting: Vec<&ComplaintFact> = open.iter().filter(about).copied().collect();
        if fitting.is_empty() {
            fitting.clone_from(&open);
        }
        if let [only] = fitting[..] {
            let filed = self.state.filed_as(&only.lap_id).cloned().unwrap_or_else(|| self.remember(only));
            return Ok(Meant { filed, alone: true });
        }
        let recent = |filed: &&Filed| self.input.now.duration_since(filed.at).as_hours() <= DRAFT_DAYS * 24;
        match self.state.filed.last().filter(recent).cloned() {
            Some(filed) => Ok(Meant { filed, alone: false }),
            None if open.is_empty() => Err(NotClear::Nothing),
            None => Err(NotClear::Several),
        }
    }

    /// A complaint that was filed long ago or elsewhere becomes one that buttons can name.
    fn remember(&mut self, fact: &ComplaintFact) -> Filed {
        let filed = Filed {
            lap_id: fact.lap_id.clone(),
            draft: self.input.fresh_id,
            version: 1,
            kategori: fact.kategori.clone(),
            alamat: fact.alamat.clone(),
            urgency: Urgency::Normal,
            at: self.input.now,
        };
        self.state.remember_filed(filed.clone());
        filed
    }
}

/// Words that nobody uses who wants something to be kept.
pub(super) fn says_withdraw(text: &str) -> bool {
    const WORDS: [&str; 8] =
        ["batal", "cabut", "tarik", "ga jadi", "gak jadi", "tidak jadi", "cancel", "withdraw"];
    let text = text.to_lowercase();
    WORDS.iter().any(|word| text.contains(word))
}

/// Words about what the complaint is filed under.
fn names_category(text: &str) -> bool {
    let text = text.to_lowercase();
    ["kategori", "jenis laporan", "category"].iter().any(|word| text.contains(word))
}

/// Words of somebody who was taken wrongly, or said it wrongly.
fn says_otherwise(text: &str) -> bool {
    const WORDS: [&str; 11] = [
        "bukan", "harusnya", "salah", "maksud", "keliru", "ganti", "ubah", "ralat", "wrong", "instead",
        "mean",
    ];
    let lower = text.to_lowercase();
    names_category(text) || WORDS.iter().any(|word| lower.contains(word))
}

/// The complaint that is meant.
struct Meant {
    filed: Filed,
    /// No other can be.
    alone: bool,
}

/// Why it is not clear which complaint is meant.
enum NotClear {
    /// This number is none of the writer's.
    NotTheirs(String),
    Nothing,
    Several,
}
