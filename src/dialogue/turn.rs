//! One turn: what was said, understood and looked up becomes a new state, at most one reply, and effects.
//!
//! First [`lookups`] says which facts are needed (reading only), then [`take`] decides. Facts about complaints come
//! from the case service, never from what was understood.

use jiff::Timestamp;

use super::phrases;
use super::reply::{Reply, ReplyButton, join};
use super::state::{DialogueState, Draft};
use super::understanding::{Intent, Language, Passage, Understanding, Urgency};
use crate::ids::{DraftId, MessageId};

/// Words of a quoted passage that fit a reply.
const QUOTE_WORDS: usize = 40;
/// The prefix of a button that withdraws a filed complaint.
const CANCEL_BUTTON: &str = "cancel:";

/// What the bot knows of its office.
#[derive(Clone, Debug)]
pub struct OfficeVoice {
    pub name: String,
    /// "label: number", told first in an emergency.
    pub emergency_numbers: Vec<String>,
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
        !matches!(
            message.kind.as_str(),
            "reaction" | "sticker" | "system" | "edit" | "revoke" | "unsupported"
        ) && (message.text.is_some()
            || message.button.is_some()
            || message.pin.is_some()
            || is_evidence(message))
    })
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
        opening: Vec::new(),
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
    /// What stands before everything: numbers of an emergency, the answer to a greeting.
    opening: Vec<String>,
    says: Vec<String>,
    buttons: Vec<ReplyButton>,
    effects: Vec<Effect>,
    hand_over: Option<String>,
}

impl Turn<'_> {
    fn run(&mut self) {
        if self.tapped_cancel() {
            return;
        }
        let understanding = self.input.understanding;
        if understanding.urgency == Urgency::Emergency && !self.input.office.emergency_numbers.is_empty() {
            self.opening.push(phrases::emergency(self.language, &self.input.office.emergency_numbers));
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
        } else {
            self.says.push(phrases::not_understood(self.language));
            self.says.push(phrases::offer(self.language));
        }
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
        if self.state.draft.as_ref().is_some_and(|draft| !draft.submitted) {
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

    /// A complaint is being made, or went on being made.
    fn concerns_a_complaint(&self) -> bool {
        let understanding = self.input.understanding;
        let draft_open = self.state.draft.as_ref().is_some_and(|draft| !draft.submitted);
        let adds_to_draft = draft_open
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
mod tests {
    use super::*;
    use crate::dialogue::understanding::{AskedSlot, Slots};

    fn office() -> OfficeVoice {
        OfficeVoice {
            name: "Kantor Kelurahan Sukamaju".into(),
            emergency_numbers: vec!["Darurat: 112".into()],
        }
    }

    fn said(text: &str) -> Vec<BatchMessage> {
        vec![BatchMessage { kind: "text".into(), text: Some(text.into()), ..BatchMessage::default() }]
    }

    fn understood(intents: &[Intent], slots: Slots) -> Understanding {
        Understanding { intents: intents.to_vec(), slots, ..Understanding::default() }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_767_225_600).unwrap()
    }

    fn turn(state: DialogueState, messages: &[BatchMessage], understanding: &Understanding) -> Outcome {
        turn_with(state, messages, understanding, &Facts::default())
    }

    fn turn_with(
        state: DialogueState,
        messages: &[BatchMessage],
        understanding: &Understanding,
        facts: &Facts,
    ) -> Outcome {
        let office = office();
        take(
            state,
            &Input { office: &office, messages, understanding, facts, now: now(), fresh_id: DraftId::new() },
        )
    }

    fn text_of(outcome: &Outcome) -> &str {
        outcome.reply.as_ref().map_or("", |reply| reply.text.as_str())
    }

    fn pothole() -> Slots {
        Slots {
            kategori: Some("jalan_rusak".into()),
            alamat: Some("Jl. Melati No. 15".into()),
            deskripsi: Some("jalan rusak, banyak lubang".into()),
            ..Slots::default()
        }
    }

    #[test]
    fn a_complete_complaint_is_filed_at_once_and_answered_when_it_has_its_number() {
        let outcome =
            turn(DialogueState::default(), &said("x"), &understood(&[Intent::CreateComplaint], pothole()));
        assert_eq!(outcome.reply, None);
        let [Effect::CreateComplaint(draft)] = &outcome.effects[..] else { panic!("{outcome:?}") };
        assert_eq!(draft.alamat.as_deref(), Some("Jl. Melati No. 15"));
        assert!(outcome.state.draft.is_some_and(|kept| kept.submitted && kept.id == draft.id));
    }

    #[test]
    fn what_is_missing_is_asked_one_at_a_time_and_kept() {
        let first = turn(
            DialogueState::default(),
            &said("mau lapor"),
            &understood(&[Intent::CreateComplaint], Slots::default()),
        );
        assert!(text_of(&first).contains("apa yang terjadi"), "{first:?}");
        assert_eq!(first.state.asked_for(), Some(AskedSlot::Deskripsi));
        let slots = Slots {
            deskripsi: Some("lampu mati".into()),
            kategori: Some("lampu_jalan".into()),
            ..Slots::default()
        };
        let second = turn(first.state, &said("lampu mati"), &understood(&[Intent::CreateComplaint], slots));
        assert!(text_of(&second).contains("lokasinya"), "{second:?}");
        let pin = vec![BatchMessage {
            kind: "location".into(),
            pin: Some((-6.2, 106.8)),
            ..BatchMessage::default()
        }];
        let third = turn(second.state, &pin, &understood(&[], Slots::default()));
        let [Effect::CreateComplaint(draft)] = &third.effects[..] else { panic!("{third:?}") };
        assert_eq!((draft.latitude, draft.deskripsi.as_deref()), (Some(-6.2), Some("lampu mati")));
    }

    #[test]
    fn the_first_reply_says_what_is_speaking_and_later_ones_do_not() {
        let first =
            turn(DialogueState::default(), &said("halo"), &understood(&[Intent::Greeting], Slots::default()));
        assert!(
            text_of(&first).contains("asisten otomatis") && text_of(&first).contains("PETUGAS"),
            "{first:?}"
        );
        let second = turn(first.state, &said("halo"), &understood(&[Intent::Greeting], Slots::default()));
        assert!(!text_of(&second).contains("asisten otomatis"), "{second:?}");
    }

    #[test]
    fn thanks_stickers_and_reactions_need_no_reply() {
        let thanks = turn(
            DialogueState::default(),
            &said("makasih"),
            &understood(&[Intent::Thanks], Slots::default()),
        );
        assert_eq!(thanks.reply, None);
        for kind in ["sticker", "reaction", "revoke"] {
            let message =
                vec![BatchMessage {
                    kind: kind.into(), text: Some("👍".into()), ..BatchMessage::default()
                }];
            assert_eq!(turn(DialogueState::default(), &message, &Understanding::default()).reply, None);
        }
    }

    #[test]
    fn status_comes_from_facts_alone() {
        let slots = Slots { lap_id: Some("LAP-20260101-001".into()), ..Slots::default() };
        let understanding = understood(&[Intent::CheckStatus], slots);
        assert_eq!(lookups(&understanding), vec![Lookup::Complaint("LAP-20260101-001".into())]);
        let facts = Facts {
            complaints: vec![ComplaintFact {
                lap_id: "LAP-20260101-001".into(),
                kategori: "jalan_rusak".into(),
                status: "diproses".into(),
            }],
            unavailable: false,
        };
        let known = turn_with(DialogueState::default(), &said("x"), &understanding, &facts);
        assert!(text_of(&known).contains("sedang ditangani"), "{known:?}");
        let unknown = turn(DialogueState::default(), &said("x"), &understanding);
        assert!(text_of(&unknown).contains("tidak menemukan"), "{unknown:?}");
        let away = Facts { unavailable: true, ..Facts::default() };
        let away = turn_with(DialogueState::default(), &said("x"), &understanding, &away);
        assert!(text_of(&away).contains("belum dapat kami tampilkan"), "{away:?}");
    }

    #[test]
    fn a_question_without_a_passage_is_answered_with_not_knowing() {
        let outcome = turn(
            DialogueState::default(),
            &said("x"),
            &understood(&[Intent::KnowledgeQuery], Slots::default()),
        );
        assert!(text_of(&outcome).contains("belum punya informasinya"), "{outcome:?}");
        let mut understanding = understood(&[Intent::KnowledgeQuery], Slots::default());
        understanding.passages = vec![Passage {
            source_title: "Layanan KTP".into(),
            text: "KTP dibuat gratis.".into(),
            score: 0.9,
        }];
        let outcome = turn(DialogueState::default(), &said("x"), &understanding);
        assert!(text_of(&outcome).contains("KTP dibuat gratis.\n(Sumber: Layanan KTP)"), "{outcome:?}");
    }

    #[test]
    fn a_person_is_one_word_away() {
        let outcome = turn(
            DialogueState::default(),
            &said("PETUGAS"),
            &understood(&[Intent::HumanHandoff], Slots::default()),
        );
        assert!(
            outcome.hand_over.is_some() && text_of(&outcome).contains("teruskan ke petugas"),
            "{outcome:?}"
        );
    }

    #[test]
    fn an_emergency_tells_the_numbers_before_anything_else() {
        let mut understanding = understood(
            &[Intent::CreateComplaint],
            Slots { deskripsi: Some("kebakaran".into()), ..Slots::default() },
        );
        understanding.urgency = Urgency::Emergency;
        let outcome = turn(DialogueState::default(), &said("kebakaran!"), &understanding);
        assert!(text_of(&outcome).starts_with("Bila ada bahaya, hubungi:\nDarurat: 112"), "{outcome:?}");
        assert_eq!(outcome.state.asked_for(), Some(AskedSlot::Alamat));
    }

    #[test]
    fn a_draft_is_dropped_on_request_and_a_filed_complaint_only_after_a_tap() {
        let draft = Draft::new(DraftId::new(), now());
        let state = DialogueState { draft: Some(draft), ..DialogueState::default() };
        let outcome = turn(state, &said("batal"), &understood(&[Intent::CancelComplaint], Slots::default()));
        assert!(
            outcome.state.draft.is_none() && text_of(&outcome).contains("tidak jadi dikirim"),
            "{outcome:?}"
        );
        let slots = Slots { lap_id: Some("LAP-20260101-001".into()), ..Slots::default() };
        let outcome = turn(outcome.state, &said("batal"), &understood(&[Intent::CancelComplaint], slots));
        let button = outcome.reply.as_ref().and_then(|reply| reply.buttons.first()).cloned().unwrap();
        assert!(outcome.effects.is_empty());
        let tap = vec![BatchMessage {
            kind: "interactive".into(),
            button: Some(button.id),
            ..BatchMessage::default()
        }];
        let outcome = turn(outcome.state, &tap, &Understanding::default());
        assert!(
            matches!(&outcome.effects[..], [Effect::CancelComplaint { lap_id, .. }] if lap_id == "LAP-20260101-001")
        );
    }

    #[test]
    fn several_intents_are_served_in_one_reply() {
        let mut understanding = understood(
            &[Intent::KnowledgeQuery, Intent::CreateComplaint],
            Slots { deskripsi: Some("lampu mati".into()), ..Slots::default() },
        );
        understanding.passages = vec![Passage {
            source_title: "Layanan KTP".into(),
            text: "KTP dibuat gratis.".into(),
            score: 0.9,
        }];
        let outcome = turn(DialogueState::default(), &said("x"), &understanding);
        assert!(
            text_of(&outcome).contains("gratis") && text_of(&outcome).contains("lokasinya"),
            "{outcome:?}"
        );
    }
}
