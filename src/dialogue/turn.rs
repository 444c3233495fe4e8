//! One turn: what was said, understood and looked up becomes a new state, at most one reply, and effects.
//!
//! First [`lookups`] says which facts are needed (reading only), then [`take`] decides. Facts about complaints come
//! from the case service, never from what was understood.

mod collecting;
mod filed;
mod hearing;
mod quoting;
mod sense;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use super::batching;
use super::hours::{Closed, OfficeHours, moment};
use super::phrases;
use super::reminder;
use super::reply::{Below, Reply, join};
use super::rounds::Round;
use super::state::{DialogueState, Draft};
use super::understanding::{Intent, Language, Understanding, Urgency};
use crate::complaint::ComplaintStatus;
use crate::ids::{DraftId, MessageId};

pub use hearing::{deserves_reply, is_chain, is_said};

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
    /// It went through many hands before, as Meta tells.
    pub forwarded_many_times: bool,
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
    pub alamat: String,
    pub status: String,
}

impl ComplaintFact {
    /// Whether the office still has to do with it.
    pub fn is_open(&self) -> bool {
        self.status.parse::<ComplaintStatus>().is_ok_and(ComplaintStatus::is_open)
    }
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
    /// Change or add to a complaint of the writer; the key makes a repetition harmless.
    AmendComplaint { key: DraftId, lap_id: String, amendment: Box<Amendment> },
    /// Withdraw a complaint of the writer; the key makes a repetition harmless.
    CancelComplaint { key: DraftId, lap_id: String },
}

/// What the writer changes in, or adds to, a complaint that was filed; at least one of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Amendment {
    pub kategori: Option<String>,
    pub alamat: Option<String>,
    pub rt_rw: Option<String>,
    /// Added to what was told before.
    pub addition: Option<String>,
    /// Latitude, longitude.
    pub pin: Option<(f64, f64)>,
    /// Photos and other evidence.
    pub media: Vec<MessageId>,
}

impl Amendment {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Amendment::default()
    }
}

/// What a turn decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub state: DialogueState,
    pub reply: Option<Reply>,
    pub effects: Vec<Effect>,
    /// Why a person is wanted.
    pub hand_over: Option<String>,
    /// When to remind of the open draft, if nothing is said until then.
    pub remind_at: Option<Timestamp>,
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
pub fn lookups(state: &DialogueState, understanding: &Understanding) -> Vec<Lookup> {
    let wants = |intents: &[Intent]| intents.iter().any(|intent| understanding.wants(*intent));
    let one = wants(&[Intent::CheckStatus, Intent::UpdateComplaint, Intent::CancelComplaint]);
    match &understanding.slots.lap_id {
        Some(lap_id) if one => vec![Lookup::Complaint(lap_id.clone())],
        _ if one || wants(&[Intent::History]) => vec![Lookup::OwnComplaints],
        // Who filed something before may be telling it again.
        _ if !state.filed.is_empty()
            && (wants(&[Intent::CreateComplaint]) || state.open_draft().is_some()) =>
        {
            vec![Lookup::OwnComplaints]
        }
        _ => Vec::new(),
    }
}

/// Takes the turn.
pub fn take(mut state: DialogueState, input: &Input<'_>) -> Outcome {
    state.forget_stale_draft(input.now);
    let understanding = sense::in_context(&state, input);
    let input = &Input { understanding: &understanding, ..input.clone() };
    // Taps, pins and photos are in no language.
    if input.messages.iter().any(|message| message.kind == "text") {
        state.language = input.understanding.language;
    }
    let mut turn = Turn {
        language: state.language,
        input,
        state,
        alarm: Vec::new(),
        opening: Vec::new(),
        misunderstood: false,
        says: Vec::new(),
        below: Below::Nothing,
        effects: Vec::new(),
        hand_over: None,
    };
    if deserves_reply(input.messages) {
        turn.run();
    }
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
    below: Below,
    effects: Vec<Effect>,
    hand_over: Option<String>,
}

impl Turn<'_> {
    fn run(&mut self) {
        if !self.takes_part() {
            return;
        }
        if self.in_danger() && !self.input.office.emergency_numbers.is_empty() {
            self.alarm.push(phrases::emergency(self.language, &self.input.office.emergency_numbers));
        }
        if self.tapped() || self.heard_only_voices() || self.read_only_chains() || self.answered_barely() {
            return;
        }
        let understanding = self.input.understanding;
        if understanding.wants(Intent::Greeting) && !self.in_danger() {
            self.opening.push(phrases::greeting(self.language, self.greeted_with_salam()));
        }
        if understanding.wants(Intent::HumanHandoff) {
            self.says.push(phrases::hand_over(self.language));
            self.hand_over = Some("the citizen asked for a person".into());
        }
        let withdraws = understanding.wants(Intent::CancelComplaint);
        if withdraws {
            self.cancel();
        }
        let asks_status = understanding.wants(Intent::CheckStatus) || understanding.wants(Intent::History);
        if asks_status {
            self.tell_status();
        }
        if understanding.wants(Intent::KnowledgeQuery) {
            self.answer(asks_status);
        }
        if !withdraws && self.changes_what_was_filed() {
            return self.amend();
        }
        if !withdraws && self.concerns_a_complaint() {
            return self.collect();
        }
        if withdraws || self.hand_over.is_some() {
            return;
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

    fn in_danger(&self) -> bool {
        self.input.understanding.urgency == Urgency::Emergency
    }

    /// Whether this round is answered at all ([`super::rounds`]); danger always is.
    fn takes_part(&mut self) -> bool {
        let (messages, now) = (self.input.messages, self.input.now);
        let round = match self.in_danger() {
            true => Round::Go,
            false => self.state.rounds.ask(messages, now),
        };
        self.state.rounds.note(messages, round, now);
        match round {
            Round::Go => return true,
            Round::TellLimit => {
                self.says.push(phrases::limit_reached(self.language));
                self.hand_over = Some("more messages than the bot answers in an hour".into());
            }
            Round::EndLoop => {
                self.hand_over = Some("the same words again and again, perhaps a machine".into())
            }
            Round::Silent => {}
        }
        false
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

    /// One message a turn. When a call is under way its answer is the reply, and what was said so far rides along.
    fn finish(mut self) -> Outcome {
        self.state.misunderstood = match (self.misunderstood, &self.hand_over) {
            (true, None) => self.state.misunderstood + 1,
            _ => 0,
        };
        let calls_a_person = self.hand_over.is_some() && !self.says.is_empty();
        if calls_a_person && !self.in_danger() {
            self.says.extend(self.input.office.closed_words(self.language, self.input.now));
        }
        let says_something = !(self.alarm.is_empty() && self.opening.is_empty() && self.says.is_empty());
        if says_something || !self.effects.is_empty() {
            self.say_what_the_citizen_must_know_first();
        }
        let zone = self.input.office.hours.zone();
        let mut outcome = Outcome {
            remind_at: reminder::due(&self.state, self.input.now, &zone),
            state: self.state,
            reply: None,
            effects: self.effects,
            hand_over: self.hand_over,
        };
        if outcome.effects.is_empty() {
            let said = Said { opening: self.opening, says: self.says, below: self.below };
            outcome.reply = compose(&mut outcome.state, self.language, self.input.office, said);
        } else {
            outcome.state.opening.append(&mut self.opening);
            outcome.state.also_say.append(&mut self.says);
        }
        outcome
    }
}

/// The parts of a reply.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Before the introduction: a greeting, or the numbers of an emergency.
    pub opening: Vec<String>,
    pub says: Vec<String>,
    pub below: Below,
}

/// Puts the introduction into a first reply, after its opening; nothing to say is no reply.
pub(super) fn compose(
    state: &mut DialogueState,
    language: Language,
    office: &OfficeVoice,
    said: Said,
) -> Option<Reply> {
    let mut parts = said.opening;
    if parts.is_empty() && said.says.is_empty() {
        return None;
    }
    if !state.introduced {
        parts.push(phrases::introduction(language, &office.name));
        state.introduced = true;
    }
    parts.extend(said.says);
    Some(Reply { text: join(&parts), below: said.below })
}
