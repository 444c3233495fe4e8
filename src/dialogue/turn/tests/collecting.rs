//! Complaints that are being made.

use super::*;

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
fn a_likely_duplicate_is_asked_about_before_it_is_filed() {
    let filed = filed();
    let facts = Facts {
        complaints: vec![ComplaintFact {
            lap_id: filed.lap_id.clone(),
            kategori: "jalan_rusak".into(),
            alamat: "jalan melati 15".into(),
            status: "diproses".into(),
        }],
        unavailable: false,
    };
    let again = understood(&[Intent::CreateComplaint], pothole());
    assert_eq!(lookups(&with_filed(&filed), &again), vec![Lookup::OwnComplaints]);
    let asked = turn_with(with_filed(&filed), &said("x"), &again, &facts);
    assert!(
        asked.effects.is_empty() && text_of(&asked).contains("sama dengan laporan LAP-20260101-001"),
        "{asked:?}"
    );
    let draft = asked.state.draft.clone().unwrap();
    let same =
        turn(asked.state.clone(), &tap(Act::AddToFiled, draft.id, draft.version), &Understanding::default());
    assert_eq!(amendment_of(&same).addition.as_deref(), Some("jalan rusak, banyak lubang"));
    assert_eq!(same.state.draft, None);
    let another = turn_with(asked.state.clone(), &said("bukan"), &Understanding::default(), &facts);
    assert!(matches!(&another.effects[..], [Effect::CreateComplaint(_)]), "{another:?}");
    let stale =
        turn(asked.state, &tap(Act::FileAnyway, draft.id, draft.version - 1), &Understanding::default());
    assert!(stale.effects.is_empty() && text_of(&stale).contains("belum terkirim"), "{stale:?}");
    // What the office is done with is no duplicate.
    let done = Facts {
        complaints: vec![ComplaintFact { status: "selesai".into(), ..facts.complaints[0].clone() }],
        unavailable: false,
    };
    let outcome = turn_with(with_filed(&filed), &said("x"), &again, &done);
    assert!(matches!(&outcome.effects[..], [Effect::CreateComplaint(_)]), "{outcome:?}");
}

#[test]
fn the_category_is_asked_for_once_when_the_words_do_not_tell_it() {
    let vague = Slots { kategori: None, ..pothole() };
    let asked = turn(DialogueState::default(), &said("x"), &understood(&[Intent::CreateComplaint], vague));
    assert_eq!(asked.state.asked_for(), Some(AskedSlot::Kategori));
    let outcome = turn(
        asked.state,
        &said("entah, pokoknya rusak"),
        &understood(&[Intent::CreateComplaint], Slots::default()),
    );
    assert!(matches!(&outcome.effects[..], [Effect::CreateComplaint(_)]), "{outcome:?}");
}
