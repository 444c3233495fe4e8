//! One turn: what was said, understood and looked up becomes a new state, at most one reply, and effects.
//!
//! First [`lookups`] says which facts are needed (reading only), then [`take`] decides. Facts about complaints come
//! from the case service, never from what was understood.

use jiff::Timestamp;

use super::batching;
use super::hours::{Closed, OfficeHours, moment};
use super::phrases;
use super::reply::{Reply, ReplyButton, join};
use super::state::{DialogueState, Draft};
use super::understanding::{Intent, Language, Passage, Understanding, Urgency};
use crate::ids::{DraftId, MessageId};

/// Words of a quoted passage that fit a reply.
const QUOTE_WORDS: usize = 40;
/// The prefix of a button that withdraws a filed complaint.
const CANCEL_BUTTON: &str = "cancel:";

/// So many messages in a row that were not understood, and a person is called.
const MISUNDERSTOOD: u32 = 3;

/// What the bot knows of its office.
#[derive(Clone, Debug, Default)]
pub struct OfficeVoice {
    pub name: String,
    /// "label: number", told first in an emergency.
    pub emergency_numbers: Vec<String>,
    /// When people answer.
    pub hours: OfficeHours,
}

impl OfficeVoice {
    /// What to add when a person is called while nobody is there: the hours. `None` when somebody is.
    pub fn closed_words(&self, language: Language, now: Timestamp) -> Option<String> {
        let hours = self.hours.in_words(language);
        Some(match self.hours.closed(now)? {
            Closed::OutsideHours => phrases::outside_hours(language, &hours),
            Closed::Holiday(name) => phrases::holiday(language, &name, &hours),
        })
    }
}

/// One message of the batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchMessage {
    pub message_id: Option<MessageId>,
    /// As Meta names it.
    pub kind: String,
    /// Text, caption or title.
    pub text: Option<String>,
    /// The id of a tapped button.
    pub button: Option<String>,
    /// A location pin: latitude, longitude.
    pub pin: Option<(f64, f64)>,
    /// Meta's time.
    pub sent_at: Timestamp,
}

/// A fact to be asked of the case service before the turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// One complaint of the writer, by number.
    Complaint(String),
    /// The writer's complaints, the latest first.
    OwnComplaints,
}

/// A complaint as the case service tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComplaintFact {
    pub lap_id: String,
    pub kategori: String,
    pub status: String,
}

/// What the lookups brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub complaints: Vec<ComplaintFact>,
    /// The case service did not answer.
    pub unavailable: bool,
}

/// Something to be done in another service after the commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// File this draft; its id is the key.
    CreateComplaint(Box<Draft>),
    /// Withdraw a complaint of the writer; the key makes a repetition harmless.
    CancelComplaint { key: DraftId, lap_id: String },
}

/// What a turn decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub state: DialogueState,
    pub reply: Option<Reply>,
    pub effects: Vec<Effect>,
    /// Why a person is wanted.
    pub hand_over: Option<String>,
}

/// Everything a turn sees.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    pub office: &'a OfficeVoice,
    pub messages: &'a [BatchMessage],
    pub understanding: &'a Understanding,
    pub facts: &'a Facts,
    pub now: Timestamp,
    /// When a person last gave the conversation back.
    pub returned_at: Option<Timestamp>,
    /// The id a new draft would get; made by the caller, so that this stays a pure function.
    pub fresh_id: DraftId,
}

/// The facts that [`take`] will want.
pub fn lookups(understanding: &Understanding) -> Vec<Lookup> {
    let asks = understanding.wants(Intent::CheckStatus) || understanding.wants(Intent::History);
    match &understanding.slots.lap_id {
        Some(lap_id) if understanding.wants(Intent::CheckStatus) => vec![Lookup::Complaint(lap_id.clone())],
        _ if asks => vec![Lookup::OwnComplaints],
        _ => Vec::new(),
    }
}

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

fn is_evidence(message: &BatchMessage) -> bool {
    matches!(message.kind.as_str(), "image" | "video" | "document" | "audio")
}

/// Takes the turn.
pub fn take(mut state: DialogueState, input: &Input<'_>) -> Outcome {
    state.forget_stale_draft(input.now);
    if !deserves_reply(input.messages) {
        return Outcome { state, reply: None, effects: Vec::new(), hand_over: None };
    }
    let mut turn = Turn {
        language: input.understanding.language,
        input,
        state,
        alarm: Vec::new(),
        opening: Vec::new(),
        misunderstood: false,
        says: Vec::new(),
        buttons: Vec::new(),
        effects: Vec::new(),
        hand_over: None,
    };
    turn.run();
    turn.finish()
}

struct Turn<'a> {
    language: Language,
    input: &'a Input<'a>,
    state: DialogueState,
    /// Numbers of an emergency; before everything.
    alarm: Vec<String>,
    /// What stands before the rest: the answer to a greeting.
    opening: Vec<String>,
    /// Nothing in the batch was understood.
    misunderstood: bool,
    says: Vec<String>,
    buttons: Vec<ReplyButton>,
    effects: Vec<Effect>,
    hand_over: Option<String>,
}

impl Turn<'_> {
    fn run(&mut self) {
        let understanding = self.input.understanding;
        if understanding.urgency == Urgency::Emergency && !self.input.office.emergency_numbers.is_empty() {
            self.alarm.push(phrases::emergency(self.language, &self.input.office.emergency_numbers));
        }
        if self.tapped_cancel() {
            return;
        }
        if understanding.wants(Intent::Greeting) && understanding.urgency == Urgency::Normal {
            self.opening.push(phrases::greeting(self.language, self.greeted_with_salam()));
        }
        if understanding.wants(Intent::HumanHandoff) {
            self.says.push(phrases::hand_over(self.language));
            self.hand_over = Some("the citizen asked for a person".into());
            return;
        }
        if understanding.wants(Intent::CancelComplaint) {
            return self.cancel();
        }
        if understanding.wants(Intent::UpdateComplaint) && self.draft_is_closed() {
            // A filed complaint is changed by an officer; the citizen's words are in the conversation.
            self.says.push(phrases::changed_by_officer(self.language));
            self.hand_over = Some("the citizen wants to change a filed complaint".into());
            return;
        }
        let asks_status = understanding.wants(Intent::CheckStatus) || understanding.wants(Intent::History);
        if asks_status {
            self.tell_status();
        }
        if understanding.wants(Intent::KnowledgeQuery) {
            self.answer(asks_status);
        }
        if self.concerns_a_complaint() {
            return self.collect();
        }
        let only_polite =
            understanding.intents.iter().all(|intent| matches!(intent, Intent::Thanks | Intent::Greeting))
                && !understanding.intents.is_empty();
        if only_polite && understanding.wants(Intent::Greeting) {
            self.says.push(phrases::offer(self.language));
        } else if understanding.wants(Intent::OffTopic) {
            self.says.push(phrases::off_topic(self.language));
        } else if !only_polite && !asks_status && !understanding.wants(Intent::KnowledgeQuery) {
            self.not_understood();
        }
    }

    /// Something unclear may still be answered by a passage that fits it well.
    fn not_understood(&mut self) {
        if let Some(passage) = self.input.understanding.passages.first() {
            self.says.push(self.quote(passage));
            return;
        }
        self.misunderstood = true;
        if self.state.misunderstood + 1 >= MISUNDERSTOOD {
            self.says.push(phrases::hand_over(self.language));
            self.hand_over = Some(format!("not understood {MISUNDERSTOOD} times in a row"));
        } else {
            self.says.push(phrases::not_understood(self.language));
            self.says.push(phrases::offer(self.language));
        }
    }

    /// Numbers of an emergency, then why the answer comes late, then who is speaking, then the answer to a greeting.
    fn say_what_the_citizen_must_know_first(&mut self) {
        let mut opening = std::mem::take(&mut self.alarm);
        opening.extend(self.late());
        // The citizen talked to a person last; the bot says once that it is a machine again.
        if self.input.returned_at.is_some() && self.state.back_since != self.input.returned_at {
            self.state.back_since = self.input.returned_at;
            opening.extend(self.state.introduced.then(|| phrases::back(self.language)));
        }
        opening.append(&mut self.opening);
        self.opening = opening;
    }

    /// After an outage messages come late; the reply names when they were written.
    fn late(&self) -> Option<String> {
        let said = || self.input.messages.iter().filter(|message| is_said(&message.kind));
        let sent = || said().map(|message| message.sent_at);
        let (first, last) = (sent().min()?, sent().max()?);
        let zone = self.input.office.hours.zone();
        let told = |at| moment(self.language, at, self.input.now, &zone);
        let (from, until) = (told(first), told(last));
        batching::is_late(last, self.input.now)
            .then(|| phrases::late(self.language, &from, (until != from).then_some(until.as_str())))
    }

    fn greeted_with_salam(&self) -> bool {
        self.texts().any(|text| {
            let text = text.to_lowercase();
            text.contains("assalam") || text.contains("askum")
        })
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.input.messages.iter().filter_map(|message| message.text.as_deref())
    }

    fn tapped_cancel(&mut self) -> bool {
        let tapped = self.input.messages.iter().rev().find_map(|message| message.button.as_deref());
        let Some(lap_id) = tapped.and_then(|button| button.strip_prefix(CANCEL_BUTTON)) else { return false };
        self.effects.push(Effect::CancelComplaint { key: self.input.fresh_id, lap_id: lap_id.to_owned() });
        true
    }

    fn cancel(&mut self) {
        if !self.draft_is_closed() {
            self.state.draft = None;
            return self.says.push(phrases::draft_dropped(self.language));
        }
        let named = self.input.understanding.slots.lap_id.clone();
        match named.or_else(|| self.state.last_filed.as_ref().map(|filed| filed.lap_id.clone())) {
            Some(lap_id) => {
                self.says.push(phrases::confirm_cancel(self.language, &lap_id));
                self.buttons.push(cancel_button(self.language, &lap_id));
            }
            None => self.says.push(phrases::nothing_to_cancel(self.language)),
        }
    }

    fn tell_status(&mut self) {
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

    fn answer(&mut self, also_status: bool) {
        match self.input.understanding.passages.first() {
            Some(passage) => self.says.push(self.quote(passage)),
            None if also_status || self.concerns_a_complaint() => {}
            None => self.says.push(phrases::not_known(self.language)),
        }
    }

    fn quote(&self, passage: &Passage) -> String {
        phrases::quoted(self.language, &shortened(&passage.text), &passage.source_title)
    }

    fn draft_is_closed(&self) -> bool {
        self.state.draft.as_ref().is_none_or(|draft| draft.submitted)
    }

    /// A complaint is being made, or went on being made.
    fn concerns_a_complaint(&self) -> bool {
        let understanding = self.input.understanding;
        let adds_to_draft = !self.draft_is_closed()
            && (understanding.slots.alamat.is_some()
                || understanding.slots.deskripsi.is_some()
                || understanding.slots.kategori.is_some()
                || understanding.slots.rt_rw.is_some()
                || self.input.messages.iter().any(|message| message.pin.is_some() || is_evidence(message)));
        understanding.wants(Intent::CreateComplaint)
            || understanding.urgency == Urgency::Emergency
            || adds_to_draft
    }

    fn collect(&mut self) {
        let input = self.input;
        let slots = input.understanding.slots.clone();
        // A draft that is on its way keeps its content; what comes now is a new one.
        let mut draft = match self.state.draft.take() {
            Some(draft) if !draft.submitted => draft,
            _ => Draft::new(input.fresh_id, input.now),
        };
        draft.kategori = slots.kategori.or(draft.kategori);
        draft.alamat = slots.alamat.or(draft.alamat);
        draft.rt_rw = slots.rt_rw.or(draft.rt_rw);
        draft.deskripsi = merged(draft.deskripsi.take(), slots.deskripsi);
        if input.understanding.urgency == Urgency::Emergency {
            draft.urgency = Urgency::Emergency;
        }
        for message in input.messages {
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
        draft.updated_at = input.now;
        match draft.missing() {
            Some(slot) => {
                self.says.push(phrases::ask(self.language, slot));
                draft.asked_for = Some(slot);
            }
            None => {
                draft.submitted = true;
                draft.asked_for = None;
                self.effects.push(Effect::CreateComplaint(Box::new(draft.clone())));
            }
        }
        self.state.draft = Some(draft);
    }

    /// One message a turn. When a call is under way its answer is the reply, and what was said so far rides along.
    fn finish(mut self) -> Outcome {
        self.state.misunderstood = match (self.misunderstood, &self.hand_over) {
            (true, None) => self.state.misunderstood + 1,
            _ => 0,
        };
        if self.hand_over.is_some() {
            self.says.extend(self.input.office.closed_words(self.language, self.input.now));
        }
        let says_something = !(self.alarm.is_empty() && self.opening.is_empty() && self.says.is_empty());
        if says_something || !self.effects.is_empty() {
            self.say_what_the_citizen_must_know_first();
        }
        if !self.effects.is_empty() {
            self.state.opening.append(&mut self.opening);
            self.state.also_say.append(&mut self.says);
            return Outcome {
                state: self.state,
                reply: None,
                effects: self.effects,
                hand_over: self.hand_over,
            };
        }
        let reply =
            compose(&mut self.state, self.language, self.input.office, self.opening, self.says, self.buttons);
        Outcome { state: self.state, reply, effects: self.effects, hand_over: self.hand_over }
    }
}

/// Puts the introduction into a first reply, after its opening (a greeting, or the numbers of an emergency); nothing to
/// say is no reply.
pub(super) fn compose(
    state: &mut DialogueState,
    language: Language,
    office: &OfficeVoice,
    opening: Vec<String>,
    says: Vec<String>,
    buttons: Vec<ReplyButton>,
) -> Option<Reply> {
    let mut parts = opening;
    if parts.is_empty() && says.is_empty() {
        return None;
    }
    if !state.introduced {
        parts.push(phrases::introduction(language, &office.name));
        state.introduced = true;
    }
    parts.extend(says);
    Some(Reply { text: join(&parts), buttons })
}

/// The button that withdraws this complaint.
pub(super) fn cancel_button(language: Language, lap_id: &str) -> ReplyButton {
    ReplyButton { id: format!("{CANCEL_BUTTON}{lap_id}"), title: phrases::cancel_button(language) }
}

/// Adds words to a description without saying the same twice.
fn merged(before: Option<String>, more: Option<String>) -> Option<String> {
    match (before, more) {
        (Some(before), Some(more)) if before.contains(&more) => Some(before),
        (Some(before), Some(more)) => Some(format!("{before}. {more}")),
        (before, more) => before.or(more),
    }
}

/// The first sentences of a passage that fit; a cut is shown.
fn shortened(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() <= QUOTE_WORDS {
        return text.trim().to_owned();
    }
    let head = &words[..QUOTE_WORDS];
    let end =
        head.iter().rposition(|word| word.ends_with(['.', '!', '?'])).filter(|at| *at + 1 >= QUOTE_WORDS / 2);
    match end {
        Some(at) => head[..=at].join(" "),
        None => format!("{} …", head.join(" ")),
    }
}

#[cfg(test)]
mod tests;
