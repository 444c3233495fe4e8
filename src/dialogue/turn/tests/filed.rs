//! What was filed: told, changed, withdrawn.

use super::*;

#[test]
fn status_comes_from_facts_alone() {
    let slots = Slots { lap_id: Some("LAP-20260101-001".into()), ..Slots::default() };
    let understanding = understood(&[Intent::CheckStatus], slots);
    assert_eq!(
        lookups(&DialogueState::default(), &understanding),
        vec![Lookup::Complaint("LAP-20260101-001".into())]
    );
    let facts = Facts {
        complaints: vec![ComplaintFact {
            lap_id: "LAP-20260101-001".into(),
            kategori: "jalan_rusak".into(),
            alamat: "Jl. Melati".into(),
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
fn a_filed_complaint_is_changed_by_words_or_after_a_tap() {
    let filed = filed();
    let place = || Slots { alamat: Some("Jl. Mawar 3".into()), ..Slots::default() };
    let words = understood(&[Intent::UpdateComplaint], place());
    let outcome = turn(with_filed(&filed), &said("alamatnya Jl. Mawar 3"), &words);
    assert_eq!(amendment_of(&outcome).alamat.as_deref(), Some("Jl. Mawar 3"));
    let asked = turn(with_filed(&filed), &tap(Act::Edit, filed.draft, 3), &Understanding::default());
    assert!(text_of(&asked).contains("Apa yang ingin diubah"), "{asked:?}");
    let answered =
        turn(asked.state.clone(), &said("Jl. Mawar 3"), &understood(&[Intent::CreateComplaint], place()));
    assert_eq!(amendment_of(&answered).alamat.as_deref(), Some("Jl. Mawar 3"));
    assert_eq!(answered.state.awaiting, None);
    let pinned = turn(asked.state.clone(), &pin(), &Understanding::default());
    assert_eq!(amendment_of(&pinned).pin, Some((-6.2, 106.8)));
    let told = turn(
        asked.state.clone(),
        &said("yang rusak dua titik"),
        &understood(&[Intent::Unknown], Slots::default()),
    );
    assert_eq!(amendment_of(&told).addition.as_deref(), Some("yang rusak dua titik"));
    // Another matter is no change.
    let asks =
        turn(asked.state, &said("syarat ktp?"), &understood(&[Intent::KnowledgeQuery], Slots::default()));
    assert!(asks.effects.is_empty(), "{asks:?}");
    // Nothing filed, nothing to change.
    let outcome = turn(DialogueState::default(), &said("x"), &words);
    assert!(outcome.effects.is_empty() && text_of(&outcome).contains("Belum ada laporan"), "{outcome:?}");
    // An open draft is simply corrected.
    let state = DialogueState { draft: Some(Draft::new(DraftId::new(), now())), ..DialogueState::default() };
    let outcome = turn(state, &said("x"), &words);
    assert_eq!(outcome.state.draft.and_then(|draft| draft.alamat).as_deref(), Some("Jl. Mawar 3"));
}

#[test]
fn a_pin_or_photo_right_after_the_number_belongs_to_it_and_later_to_a_new_one() {
    let filed = filed();
    let outcome = turn(with_filed(&filed), &pin(), &Understanding::default());
    assert!(amendment_of(&outcome).pin.is_some());
    let photo = vec![BatchMessage { kind: "image".into(), sent_at: now(), ..BatchMessage::default() }];
    let outcome = turn(with_filed(&filed), &photo, &Understanding::default());
    assert!(amendment_of(&outcome).addition.is_some());
    let later =
        turn_on(with_filed(&filed), &pin(), &Understanding::default(), &Facts::default(), hours_later(2));
    assert!(later.effects.is_empty() && later.state.draft.is_some(), "{later:?}");
}

#[test]
fn a_stale_button_shows_how_things_stand_and_never_acts() {
    let filed = filed();
    for (act, version) in [(Act::Withdraw, 2), (Act::Edit, 2), (Act::Withdraw, 4)] {
        let outcome = turn(with_filed(&filed), &tap(act, filed.draft, version), &Understanding::default());
        assert!(outcome.effects.is_empty() && text_of(&outcome).contains("LAP-20260101-001"), "{outcome:?}");
        assert_eq!(outcome.reply.as_ref().map(|reply| reply.buttons().len()), Some(2));
    }
    let unknown = turn(with_filed(&filed), &tap(Act::Withdraw, DraftId::new(), 3), &Understanding::default());
    assert!(unknown.effects.is_empty() && text_of(&unknown).contains("tidak berlaku"), "{unknown:?}");
    let fresh = turn(with_filed(&filed), &tap(Act::Withdraw, filed.draft, 3), &Understanding::default());
    assert!(matches!(&fresh.effects[..], [Effect::CancelComplaint { .. }]), "{fresh:?}");
}

#[test]
fn a_bare_yes_acts_within_the_hour_and_shows_the_matter_again_after_it() {
    let filed = filed();
    let cancel = understood(&[Intent::CancelComplaint], Slots::default());
    let asked = turn(with_filed(&filed), &said("batalkan laporan saya"), &cancel);
    assert!(asked.effects.is_empty() && text_of(&asked).contains("ingin dibatalkan?"), "{asked:?}");
    let yes = understood(&[Intent::Thanks], Slots::default());
    let facts = Facts::default();
    let soon = turn_on(asked.state.clone(), &said("ya"), &yes, &facts, hours_later(1));
    assert!(matches!(&soon.effects[..], [Effect::CancelComplaint { .. }]), "{soon:?}");
    let late = turn_on(asked.state.clone(), &said("ya"), &yes, &facts, hours_later(2));
    assert!(late.effects.is_empty() && text_of(&late).contains("ingin dibatalkan?"), "{late:?}");
    let no = turn_on(
        asked.state,
        &said("tidak"),
        &understood(&[Intent::Unknown], Slots::default()),
        &facts,
        now(),
    );
    assert!(no.effects.is_empty() && text_of(&no).contains("tetap kami catat"), "{no:?}");
    // The same of a draft: shown, never filed.
    let draft = Draft { deskripsi: Some("lampu mati".into()), ..Draft::new(DraftId::new(), now()) };
    let state = DialogueState { draft: Some(draft), introduced: true, ..DialogueState::default() };
    let outcome = turn_on(state, &said("ya"), &yes, &facts, hours_later(2));
    assert!(
        outcome.effects.is_empty() && text_of(&outcome).contains("belum terkirim: lampu mati"),
        "{outcome:?}"
    );
}

#[test]
fn a_draft_is_dropped_and_a_filed_complaint_withdrawn_when_it_is_plain_that_it_is_wanted_and_which() {
    let draft = Draft::new(DraftId::new(), now());
    let state = DialogueState { draft: Some(draft), ..DialogueState::default() };
    let outcome = turn(state, &said("batal"), &understood(&[Intent::CancelComplaint], Slots::default()));
    assert!(outcome.state.draft.is_none() && text_of(&outcome).contains("tidak jadi dikirim"), "{outcome:?}");
    let slots = Slots { lap_id: Some("LAP-20260101-001".into()), ..Slots::default() };
    let cancel = understood(&[Intent::CancelComplaint], slots);
    let unknown = turn(outcome.state.clone(), &said("batal"), &cancel);
    assert!(unknown.effects.is_empty() && text_of(&unknown).contains("tidak menemukan"), "{unknown:?}");
    let facts = Facts {
        complaints: vec![ComplaintFact {
            lap_id: "LAP-20260101-001".into(),
            kategori: "jalan_rusak".into(),
            alamat: "Jl. Melati".into(),
            status: "baru".into(),
        }],
        unavailable: false,
    };
    let plain = turn_with(outcome.state.clone(), &said("batal"), &cancel, &facts);
    assert!(matches!(&plain.effects[..], [Effect::CancelComplaint { .. }]), "{plain:?}");
    // Without the word it may have been misread, and of several it may be another: asked first.
    let mut several = facts.clone();
    several
        .complaints
        .push(ComplaintFact { lap_id: "LAP-20260101-002".into(), ..facts.complaints[0].clone() });
    let unnamed = understood(&[Intent::CancelComplaint], Slots::default());
    let which = turn_with(outcome.state.clone(), &said("batal"), &unnamed, &several);
    assert!(which.effects.is_empty() && text_of(&which).contains("nomor"), "{which:?}");
    let outcome = turn_with(outcome.state, &said("sudah beres kok"), &cancel, &facts);
    assert!(outcome.effects.is_empty());
    let buttons = outcome.reply.as_ref().map(Reply::buttons).unwrap_or_default();
    let withdraw = buttons.iter().find(|button| button.title == "Batalkan").unwrap().id.clone();
    let tap =
        vec![BatchMessage { kind: "interactive".into(), button: Some(withdraw), ..BatchMessage::default() }];
    let outcome = turn(outcome.state, &tap, &Understanding::default());
    assert!(
        matches!(&outcome.effects[..], [Effect::CancelComplaint { lap_id, .. }] if lap_id == "LAP-20260101-001")
    );
}

#[test]
fn an_oke_after_the_number_needs_no_reply_and_later_shows_what_was_filed() {
    let unclear = understood(&[Intent::Unknown], Slots::default());
    let soon = turn(with_filed(&filed()), &said("oke pak"), &unclear);
    assert_eq!((&soon.reply, soon.state.misunderstood), (&None, 0));
    let later = turn_on(with_filed(&filed()), &said("ya"), &unclear, &Facts::default(), hours_later(27));
    assert!(later.effects.is_empty() && text_of(&later).contains("LAP-"), "{later:?}");
    let never = turn(DialogueState::default(), &said("ya"), &unclear);
    assert!(never.reply.is_some());
}
