//! What was understood, seen from where the conversation stands: the same few words are an answer when a question is
//! open, and nothing can be changed or withdrawn that was never filed.

use jiff::SignedDuration;

use super::filed::says_withdraw;
use super::hearing::bare_answer;
use super::{BatchMessage, Input, is_chain, is_said};
use crate::dialogue::state::{ANSWER_LASTS, Awaited, DialogueState};
use crate::dialogue::understanding::{AskedSlot, Intent, Understanding};

/// Longer texts are no answer to "where?".
const LONGEST_PLACE: usize = 15;
/// After so long nobody answers a question without saying what is meant.
const QUESTION_LASTS: SignedDuration = SignedDuration::from_hours(24);
/// Said instead of an answer.
const NO_ANSWER: [&str; 16] = [
    "tau", "tahu", "lupa", "bingung", "nanti", "besok", "sebentar", "bentar", "bntr", "tunggu", "males",
    "malas", "makasih", "terima", "know", "later",
];

/// Who asks something does not answer.
const QUESTION_WORDS: [&str; 22] = [
    "apa",
    "apakah",
    "berapa",
    "brp",
    "siapa",
    "kapan",
    "kpn",
    "gimana",
    "gmn",
    "bagaimana",
    "kenapa",
    "knp",
    "mengapa",
    "mana",
    "dimana",
    "how",
    "what",
    "when",
    "who",
    "why",
    "where",
    "which",
];
/// Of what was taken for something else altogether, only what says where is an answer to "where?".
const WHERE_WORDS: [&str; 36] = [
    "di",
    "jl",
    "jln",
    "jalan",
    "gg",
    "gang",
    "no",
    "rt",
    "rw",
    "blok",
    "dusun",
    "dsn",
    "kampung",
    "kp",
    "desa",
    "perum",
    "perumahan",
    "komplek",
    "dekat",
    "deket",
    "dkt",
    "depan",
    "dpn",
    "belakang",
    "blkg",
    "blakang",
    "samping",
    "smping",
    "sebelah",
    "sblh",
    "seberang",
    "pinggir",
    "pertigaan",
    "perempatan",
    "simpang",
    "near",
];

/// The understanding that the turn goes by.
pub(super) fn in_context(state: &DialogueState, input: &Input<'_>) -> Understanding {
    let mut understanding = input.understanding.clone();
    take_as_answer(state, input, &mut understanding);
    take_as_new(state, input, &mut understanding);
    understanding
}

/// What is about nothing by itself answers the question that is open.
fn take_as_answer(state: &DialogueState, input: &Input<'_>, understanding: &mut Understanding) {
    let Some(draft) = state.open_draft() else { return };
    let Some(slot) = draft.asked_for.filter(|_| input.now.duration_since(draft.updated_at) <= QUESTION_LASTS)
    else {
        return;
    };
    let about_nothing =
        understanding.intents.iter().all(|intent| matches!(intent, Intent::OffTopic | Intent::Unknown));
    let slots = &mut understanding.slots;
    if !about_nothing || slots.alamat.is_some() || slots.rt_rw.is_some() || slots.deskripsi.is_some() {
        return;
    }
    let Some(answer) = own_words(input.messages).filter(|words| is_answer(words)) else { return };
    let lost = understanding.intents.contains(&Intent::OffTopic);
    if lost && slot == AskedSlot::Alamat && !has_word(&answer, &WHERE_WORDS) {
        return;
    }
    let words = answer.split_whitespace().count();
    match slot {
        AskedSlot::Alamat if words <= LONGEST_PLACE => slots.alamat = Some(answer),
        AskedSlot::Deskripsi if words >= 2 => slots.deskripsi = Some(answer),
        _ => return,
    }
    understanding.intents = vec![Intent::CreateComplaint];
    understanding.off_topic = false;
}

/// Who has nothing filed and tells what is wrong reports it; who has, and reports first of all, does so too.
fn take_as_new(state: &DialogueState, input: &Input<'_>, understanding: &mut Understanding) {
    let is_change = |intent: &Intent| matches!(intent, Intent::UpdateComplaint | Intent::CancelComplaint);
    let slots = &understanding.slots;
    let tells = slots.deskripsi.is_some() && (slots.kategori.is_some() || slots.alamat.is_some());
    let asked = state.awaiting.as_ref().is_some_and(|awaiting| {
        awaiting.what == Awaited::Change && input.now.duration_since(awaiting.since) <= ANSWER_LASTS
    });
    if !tells || asked || slots.lap_id.is_some() || !understanding.intents.iter().any(is_change) {
        return;
    }
    let has_any = !state.filed.is_empty()
        || state.open_draft().is_some()
        || input.facts.complaints.iter().any(super::ComplaintFact::is_open);
    let mut ways = understanding
        .intents
        .iter()
        .filter(|intent| is_change(intent) || **intent == Intent::CreateComplaint);
    let reports_first = ways.next() == Some(&Intent::CreateComplaint);
    let withdraws = own_words(input.messages).is_some_and(|words| says_withdraw(&words));
    // "Tidak diangkut" is near to "tidak jadi".
    if state.open_draft().is_some() && !withdraws {
        return understanding.intents.retain(|intent| *intent != Intent::CancelComplaint);
    }
    if has_any && (!reports_first || slots.alamat.is_none() || withdraws) {
        return;
    }
    understanding.intents.retain(|intent| !is_change(intent) && *intent != Intent::CreateComplaint);
    understanding.intents.insert(0, Intent::CreateComplaint);
}

/// The citizen's own words as one, when there are any.
fn own_words(messages: &[BatchMessage]) -> Option<String> {
    let own = |message: &&BatchMessage| {
        is_said(&message.kind) && message.button.is_none() && message.pin.is_none() && !is_chain(message)
    };
    let texts: Vec<&str> =
        messages.iter().filter(own).filter_map(|message| message.text.as_deref()).map(str::trim).collect();
    let words = texts.join(", ");
    (!words.is_empty()).then_some(words)
}

fn is_answer(words: &str) -> bool {
    words.chars().any(char::is_alphanumeric)
        && !words.contains('?')
        && !has_word(words, &NO_ANSWER)
        && !has_word(words, &QUESTION_WORDS)
        && bare_answer(words).is_none()
}

fn has_word(text: &str, wanted: &[&str]) -> bool {
    let lower = text.to_lowercase();
    lower.split(|letter: char| !letter.is_alphanumeric()).any(|word| wanted.contains(&word))
}
