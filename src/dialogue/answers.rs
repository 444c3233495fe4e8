//! What the answer of a call means for the conversation: the second commit's state and reply (DESIGN §3.6).

use jiff::Timestamp;

use super::reply::{Below, Reply};
use super::state::{Awaited, Awaiting, DialogueState, Draft, Filed};
use super::turn::{OfficeVoice, Said, compose};
use super::understanding::{Language, Urgency};
use super::{buttons, phrases};
use crate::ids::DraftId;

/// What the other service answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The complaint exists under this number.
    Created { lap_id: String, kategori: String },
    /// It stands so now, after what the citizen changed or added.
    Amended { lap_id: String, kategori: String, alamat: String },
    /// It cannot be changed by the citizen.
    NotAmended { lap_id: String },
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
    let mut said = Said {
        opening: std::mem::take(&mut state.opening),
        says: std::mem::take(&mut state.also_say),
        below: Below::Nothing,
    };
    let mut hand_over = None;
    match answer {
        Answer::Created { lap_id, kategori } => {
            created(&mut state, &mut said, lap_id, kategori, language, now);
        }
        Answer::Amended { lap_id, kategori, alamat } => {
            amended(&mut state, &mut said, lap_id, kategori, alamat, language);
        }
        Answer::NotAmended { lap_id } => said.says.push(phrases::not_amended(language, lap_id)),
        Answer::Noted => {}
        Answer::Cancelled { lap_id } => {
            state.filed.retain(|filed| filed.lap_id != *lap_id);
            said.says.push(phrases::cancelled(language, lap_id));
        }
        Answer::NotCancelled { lap_id } => said.says.push(phrases::not_cancelled(language, lap_id)),
        Answer::NotCreated => {
            state.draft.take_if(|draft| draft.submitted);
            said.says.push(phrases::not_filed(language));
            hand_over = Some("the complaint was refused by the case service".into());
        }
    }
    go_back_to_what_was_put_aside(&mut state, &mut said, language, now);
    if hand_over.is_some() {
        said.says.extend(office.closed_words(language, now));
    }
    let reply = compose(&mut state, language, office, said);
    Outcome { state, reply, hand_over }
}

/// What was being told before is shown, and its question put once more.
fn go_back_to_what_was_put_aside(
    state: &mut DialogueState,
    said: &mut Said,
    language: Language,
    now: Timestamp,
) {
    if state.draft.is_some() {
        return;
    }
    let Some(mut draft) = state.aside.take() else { return };
    said.says.push(phrases::draft_shown(language, &phrases::draft_in_words(language, &draft)));
    if let Some(slot) = draft.missing() {
        said.says.push(phrases::ask_again(language, slot));
        draft.asked_for = Some(slot);
    }
    draft.updated_at = now;
    state.draft = Some(draft);
}

/// The number, what and where; in danger the place is asked for, and nothing else.
fn created(
    state: &mut DialogueState,
    said: &mut Said,
    lap_id: &str,
    kategori: &str,
    language: Language,
    now: Timestamp,
) {
    let draft =
        state.draft.take_if(|draft| draft.submitted).unwrap_or_else(|| Draft::new(DraftId::new(), now));
    let filed = Filed {
        lap_id: lap_id.to_owned(),
        draft: draft.id,
        version: draft.version,
        kategori: kategori.to_owned(),
        alamat: place_in_words(&draft),
        urgency: draft.urgency,
        at: now,
    };
    let danger = draft.urgency == Urgency::Emergency;
    if danger && !draft.has_place() {
        said.says.push(phrases::filed_without_place(language, lap_id));
        said.below = Below::LocationRequest;
        let (lap_id, what) = (lap_id.to_owned(), Awaited::Location);
        state.awaiting = Some(Awaiting { lap_id, what, since: now });
    } else {
        let place = if filed.alamat.is_empty() { phrases::pin(language) } else { filed.alamat.clone() };
        said.says.push(phrases::filed(language, lap_id, &phrases::category_words(kategori), &place));
        if !danger {
            said.below = Below::Buttons(buttons::of_filed(language, &filed));
        }
    }
    state.remember_filed(filed);
}

fn amended(
    state: &mut DialogueState,
    said: &mut Said,
    lap_id: &str,
    kategori: &str,
    alamat: &str,
    language: Language,
) {
    let Some(filed) = state.filed_as_mut(lap_id) else {
        return said.says.push(phrases::noted(language, lap_id));
    };
    let changed = filed.kategori != kategori || (!alamat.is_empty() && filed.alamat != alamat);
    filed.version += 1;
    filed.kategori = kategori.to_owned();
    filed.alamat = alamat.to_owned();
    said.says.push(match changed {
        true => phrases::amended(language, lap_id, &phrases::category_words(kategori), alamat),
        false => phrases::noted(language, lap_id),
    });
    if filed.urgency == Urgency::Normal {
        said.below = Below::Buttons(buttons::of_filed(language, filed));
    }
}

/// Empty when there are none.
fn place_in_words(draft: &Draft) -> String {
    match (draft.alamat.clone(), draft.rt_rw.as_deref()) {
        (Some(place), Some(rt_rw)) if !place.to_lowercase().contains("rt") => {
            format!("{place} RT/RW {rt_rw}")
        }
        (Some(place), _) => place,
        (None, _) => String::new(),
    }
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
        let titles: Vec<&str> = reply.buttons().iter().map(|button| button.title.as_str()).collect();
        assert_eq!(titles, ["Ubah", "Batalkan"]);
        let kept = outcome.state.filed.last().unwrap();
        let tapped: buttons::Tap = reply.buttons()[1].id.parse().unwrap();
        assert_eq!((tapped.draft, tapped.version), (kept.draft, kept.version));
        assert!(outcome.state.draft.is_none() && outcome.state.also_say.is_empty());
    }

    #[test]
    fn an_emergency_without_a_place_asks_for_it_with_one_tap_and_for_nothing_else() {
        let now = Timestamp::UNIX_EPOCH;
        let mut draft = Draft::new(DraftId::new(), now);
        (draft.submitted, draft.urgency) = (true, Urgency::Emergency);
        let state = DialogueState {
            draft: Some(draft),
            opening: vec!["Bila ada bahaya, hubungi:\n112".into()],
            ..DialogueState::default()
        };
        let answer = Answer::Created { lap_id: "LAP-20260101-001".into(), kategori: "lainnya".into() };
        let outcome = apply(state, &answer, &office(), Language::Id, now);
        let reply = outcome.reply.unwrap();
        assert!(reply.text.starts_with("Bila ada bahaya"), "{}", reply.text);
        assert_eq!(reply.below, Below::LocationRequest);
        assert_eq!(outcome.state.awaiting.map(|awaiting| awaiting.what), Some(Awaited::Location));
    }

    #[test]
    fn a_changed_complaint_is_told_as_it_stands_and_its_old_buttons_are_stale() {
        let now = Timestamp::UNIX_EPOCH;
        let filed = Filed {
            lap_id: "LAP-20260101-001".into(),
            draft: DraftId::new(),
            version: 1,
            kategori: "jalan_rusak".into(),
            alamat: "Jl. Melati".into(),
            urgency: Urgency::Normal,
            at: now,
        };
        let state = DialogueState { filed: vec![filed], introduced: true, ..DialogueState::default() };
        let stands = |alamat: &str| Answer::Amended {
            lap_id: "LAP-20260101-001".into(),
            kategori: "jalan_rusak".into(),
            alamat: alamat.into(),
        };
        let changed = apply(state.clone(), &stands("Jl. Mawar"), &office(), Language::Id, now);
        assert!(changed.reply.unwrap().text.contains("Jl. Mawar"));
        assert_eq!(changed.state.filed[0].version, 2);
        let noted = apply(state, &stands("Jl. Melati"), &office(), Language::Id, now);
        assert!(noted.reply.unwrap().text.contains("sudah kami catat"));
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
