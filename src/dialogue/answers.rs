//! What the answer of a call means for the conversation: the second commit's state and reply (DESIGN §3.6).

use jiff::Timestamp;

use super::phrases;
use super::reply::Reply;
use super::state::{DialogueState, Filed};
use super::turn::{OfficeVoice, cancel_button, compose};
use super::understanding::{Language, Urgency};

/// What the other service answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The complaint exists under this number.
    Created { lap_id: String, kategori: String },
    /// It was withdrawn (or had been).
    Cancelled { lap_id: String },
    /// It cannot be withdrawn by the citizen.
    NotCancelled { lap_id: String },
    /// The complaint will never be taken as it is.
    NotCreated,
    /// Nothing that the citizen would be told of.
    Noted,
}

/// What follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub state: DialogueState,
    pub reply: Option<Reply>,
    /// Why a person is wanted.
    pub hand_over: Option<String>,
}

/// Takes the answer in.
pub fn apply(
    mut state: DialogueState,
    answer: &Answer,
    office: &OfficeVoice,
    language: Language,
    now: Timestamp,
) -> Outcome {
    if *answer == Answer::Noted {
        return Outcome { state, reply: None, hand_over: None };
    }
    let opening = std::mem::take(&mut state.opening);
    let mut says = std::mem::take(&mut state.also_say);
    let mut buttons = Vec::new();
    let mut hand_over = None;
    match answer {
        Answer::Created { lap_id, kategori } => {
            let draft = state.draft.take_if(|draft| draft.submitted);
            let place = draft.as_ref().and_then(|draft| draft.alamat.clone());
            let place = match (place, draft.as_ref().and_then(|draft| draft.rt_rw.clone())) {
                (Some(place), Some(rt_rw)) if !place.to_lowercase().contains("rt") => {
                    format!("{place} RT/RW {rt_rw}")
                }
                (Some(place), _) => place,
                (None, _) => phrases::pin(language),
            };
            says.push(phrases::filed(language, lap_id, &phrases::category_words(kategori), &place));
            if draft.is_none_or(|draft| draft.urgency == Urgency::Normal) {
                buttons.push(cancel_button(language, lap_id));
            }
            state.last_filed = Some(Filed { lap_id: lap_id.clone(), at: now });
        }
        Answer::Noted => {}
        Answer::Cancelled { lap_id } => says.push(phrases::cancelled(language, lap_id)),
        Answer::NotCancelled { lap_id } => says.push(phrases::not_cancelled(language, lap_id)),
        Answer::NotCreated => {
            state.draft.take_if(|draft| draft.submitted);
            says.push(phrases::not_filed(language));
            hand_over = Some("the complaint was refused by the case service".into());
        }
    }
    if hand_over.is_some() {
        says.extend(office.closed_words(language, now));
    }
    let reply = compose(&mut state, language, office, opening, says, buttons);
    Outcome { state, reply, hand_over }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::state::Draft;
    use crate::ids::DraftId;

    fn office() -> OfficeVoice {
        OfficeVoice { name: "Kantor Kelurahan Sukamaju".into(), ..OfficeVoice::default() }
    }

    #[test]
    fn the_number_is_told_with_place_and_category_and_what_was_left_to_say() {
        let now = Timestamp::UNIX_EPOCH;
        let mut draft = Draft::new(DraftId::new(), now);
        draft.submitted = true;
        draft.alamat = Some("Jl. Melati No. 15".into());
        let state = DialogueState {
            introduced: true,
            draft: Some(draft),
            also_say: vec!["KTP dibuat gratis.".into()],
            ..DialogueState::default()
        };
        let answer = Answer::Created { lap_id: "LAP-20260101-001".into(), kategori: "jalan_rusak".into() };
        let outcome = apply(state, &answer, &office(), Language::Id, now);
        let reply = outcome.reply.unwrap();
        for part in ["KTP dibuat gratis.", "LAP-20260101-001", "jalan rusak", "Jl. Melati No. 15"] {
            assert!(reply.text.contains(part), "{part} in {}", reply.text);
        }
        assert_eq!(reply.buttons[0].id, "cancel:LAP-20260101-001");
        assert!(outcome.state.draft.is_none() && outcome.state.also_say.is_empty());
    }

    #[test]
    fn a_refused_complaint_is_handed_over_and_never_given_a_number() {
        let outcome = apply(
            DialogueState::default(),
            &Answer::NotCreated,
            &office(),
            Language::Id,
            Timestamp::UNIX_EPOCH,
        );
        assert!(outcome.hand_over.is_some());
        assert!(!outcome.reply.unwrap().text.contains("LAP-"));
    }
}
