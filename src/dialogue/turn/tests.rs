//! Turns as sentences: what is said, what is asked, what is filed.

use super::*;
use crate::dialogue::understanding::{AskedSlot, Slots};

fn office() -> OfficeVoice {
    OfficeVoice { name: "Kantor Kelurahan Sukamaju".into(), emergency_numbers: vec!["Darurat: 112".into()] }
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
    let pin =
        vec![BatchMessage { kind: "location".into(), pin: Some((-6.2, 106.8)), ..BatchMessage::default() }];
    let third = turn(second.state, &pin, &understood(&[], Slots::default()));
    let [Effect::CreateComplaint(draft)] = &third.effects[..] else { panic!("{third:?}") };
    assert_eq!((draft.latitude, draft.deskripsi.as_deref()), (Some(-6.2), Some("lampu mati")));
}

#[test]
fn the_first_reply_says_what_is_speaking_and_later_ones_do_not() {
    let first =
        turn(DialogueState::default(), &said("halo"), &understood(&[Intent::Greeting], Slots::default()));
    assert!(text_of(&first).contains("asisten otomatis") && text_of(&first).contains("PETUGAS"), "{first:?}");
    let second = turn(first.state, &said("halo"), &understood(&[Intent::Greeting], Slots::default()));
    assert!(!text_of(&second).contains("asisten otomatis"), "{second:?}");
}

#[test]
fn thanks_stickers_and_reactions_need_no_reply() {
    let thanks =
        turn(DialogueState::default(), &said("makasih"), &understood(&[Intent::Thanks], Slots::default()));
    assert_eq!(thanks.reply, None);
    for kind in ["sticker", "reaction", "revoke"] {
        let message =
            vec![BatchMessage { kind: kind.into(), text: Some("👍".into()), ..BatchMessage::default() }];
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
    let outcome =
        turn(DialogueState::default(), &said("x"), &understood(&[Intent::KnowledgeQuery], Slots::default()));
    assert!(text_of(&outcome).contains("belum punya informasinya"), "{outcome:?}");
    let mut understanding = understood(&[Intent::KnowledgeQuery], Slots::default());
    understanding.passages =
        vec![Passage { source_title: "Layanan KTP".into(), text: "KTP dibuat gratis.".into(), score: 0.9 }];
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
    assert!(outcome.hand_over.is_some() && text_of(&outcome).contains("teruskan ke petugas"), "{outcome:?}");
}

#[test]
fn a_filed_complaint_is_changed_by_an_officer() {
    let slots = Slots { alamat: Some("Jl. Mawar".into()), ..Slots::default() };
    let outcome =
        turn(DialogueState::default(), &said("x"), &understood(&[Intent::UpdateComplaint], slots.clone()));
    assert!(outcome.hand_over.is_some() && text_of(&outcome).contains("petugas"), "{outcome:?}");
    let state = DialogueState { draft: Some(Draft::new(DraftId::new(), now())), ..DialogueState::default() };
    let outcome = turn(state, &said("x"), &understood(&[Intent::UpdateComplaint], slots));
    assert_eq!(outcome.hand_over, None);
    assert_eq!(outcome.state.draft.and_then(|draft| draft.alamat).as_deref(), Some("Jl. Mawar"));
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
    assert!(outcome.state.draft.is_none() && text_of(&outcome).contains("tidak jadi dikirim"), "{outcome:?}");
    let slots = Slots { lap_id: Some("LAP-20260101-001".into()), ..Slots::default() };
    let outcome = turn(outcome.state, &said("batal"), &understood(&[Intent::CancelComplaint], slots));
    let button = outcome.reply.as_ref().and_then(|reply| reply.buttons.first()).cloned().unwrap();
    assert!(outcome.effects.is_empty());
    let tap =
        vec![BatchMessage { kind: "interactive".into(), button: Some(button.id), ..BatchMessage::default() }];
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
    understanding.passages =
        vec![Passage { source_title: "Layanan KTP".into(), text: "KTP dibuat gratis.".into(), score: 0.9 }];
    let outcome = turn(DialogueState::default(), &said("x"), &understanding);
    assert!(text_of(&outcome).contains("gratis") && text_of(&outcome).contains("lokasinya"), "{outcome:?}");
}
