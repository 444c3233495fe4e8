//! The same words mean what the conversation makes of them.

use super::*;
use crate::dialogue::answers::{self, Answer};

/// A road whose place was asked for.
fn waiting_for_place() -> DialogueState {
    let slots = Slots { alamat: None, ..pothole() };
    turn(DialogueState::default(), &said("jalan rusak"), &understood(&[Intent::CreateComplaint], slots)).state
}

#[test]
fn a_few_words_that_are_about_nothing_answer_the_question_that_is_open() {
    let lost = understood(&[Intent::OffTopic], Slots::default());
    let outcome = turn(waiting_for_place(), &said("belakang SDN Sidorejo 3"), &lost);
    let [Effect::CreateComplaint(draft)] = &outcome.effects[..] else { panic!("{outcome:?}") };
    assert_eq!(draft.alamat.as_deref(), Some("belakang SDN Sidorejo 3"));
    for words in
        ["ga tau pak", "di mana ya?", "ya", "🙏", "timnas semalam menang berapa sih", "wkwk bercanda"]
    {
        let outcome = turn(waiting_for_place(), &said(words), &lost);
        assert!(outcome.effects.is_empty(), "{words}: {outcome:?}");
    }
    let outcome =
        turn_on(waiting_for_place(), &said("deket situ"), &lost, &Facts::default(), hours_later(25));
    assert!(outcome.effects.is_empty(), "{outcome:?}");
    let begun = turn(
        DialogueState::default(),
        &said("mau lapor"),
        &understood(&[Intent::CreateComplaint], Slots::default()),
    );
    let told = turn(begun.state, &said("itu randu doyong"), &lost);
    assert_eq!(told.state.open_draft().unwrap().deskripsi.as_deref(), Some("itu randu doyong"));
}

#[test]
fn the_place_does_not_change_what_it_is_about() {
    let place = Slots {
        kategori: Some("keamanan_ketertiban".into()),
        alamat: Some("depan pos polisi".into()),
        ..Slots::default()
    };
    let answered =
        turn(waiting_for_place(), &said("x"), &understood(&[Intent::CreateComplaint], place.clone()));
    let [Effect::CreateComplaint(draft)] = &answered.effects[..] else { panic!("{answered:?}") };
    assert_eq!(draft.kategori.as_deref(), Some("jalan_rusak"));
    let corrected = turn(waiting_for_place(), &said("x"), &understood(&[Intent::UpdateComplaint], place));
    let [Effect::CreateComplaint(draft)] = &corrected.effects[..] else { panic!("{corrected:?}") };
    assert_eq!(draft.kategori.as_deref(), Some("keamanan_ketertiban"));
}

#[test]
fn a_whole_complaint_about_something_else_is_filed_and_the_first_one_gone_on_with() {
    let lamp = Slots {
        kategori: Some("lampu_jalan".into()),
        alamat: Some("depan Taman Dewi".into()),
        deskripsi: Some("lampu mati".into()),
        ..Slots::default()
    };
    let understanding = understood(&[Intent::CreateComplaint], lamp);
    let told = turn(waiting_for_place(), &said("lampu depan Taman Dewi juga mati"), &understanding);
    let [Effect::CreateComplaint(draft)] = &told.effects[..] else { panic!("{told:?}") };
    assert_eq!(
        (draft.kategori.as_deref(), draft.deskripsi.as_deref()),
        (Some("lampu_jalan"), Some("lampu mati"))
    );
    let created = Answer::Created { lap_id: "LAP-20260101-002".into(), kategori: "lampu_jalan".into() };
    let answered = answers::apply(told.state, &created, &office(), Language::Id, now());
    let text = answered.reply.unwrap().text;
    assert!(text.contains("LAP-20260101-002") && text.contains("Taman Dewi"), "{text}");
    assert!(text.contains("banyak lubang") && text.contains("lokasinya"), "{text}");
    assert!(text.split_whitespace().count() <= 60, "{text}");
    assert_eq!(answered.state.open_draft().unwrap().kategori.as_deref(), Some("jalan_rusak"));
    assert_eq!(answered.state.asked_for(), Some(AskedSlot::Alamat));
}

#[test]
fn who_has_nothing_filed_reports_whatever_else_it_sounds_like() {
    for intents in [
        vec![Intent::CreateComplaint, Intent::CancelComplaint],
        vec![Intent::UpdateComplaint, Intent::CreateComplaint],
        vec![Intent::UpdateComplaint],
    ] {
        let understanding = understood(&intents, pothole());
        let outcome = turn(DialogueState::default(), &said("sampah tidak diangkut"), &understanding);
        assert!(matches!(&outcome.effects[..], [Effect::CreateComplaint(_)]), "{intents:?}: {outcome:?}");
    }
    // With a complaint it is that which is changed, unless another place is told first of all.
    let both = [Intent::CreateComplaint, Intent::UpdateComplaint];
    let same = Slots { alamat: None, ..pothole() };
    let changed = turn(with_filed(&filed()), &said("x"), &understood(&both, same));
    assert!(matches!(&changed.effects[..], [Effect::AmendComplaint { .. }]), "{changed:?}");
    let elsewhere = Slots { alamat: Some("Gang Sawo 3".into()), ..pothole() };
    let new = turn(with_filed(&filed()), &said("x"), &understood(&both, elsewhere));
    assert!(matches!(&new.effects[..], [Effect::CreateComplaint(_)]), "{new:?}");
}

#[test]
fn a_draft_is_dropped_only_by_words_that_drop_it_when_they_also_tell_something() {
    let both = understood(&[Intent::CreateComplaint, Intent::CancelComplaint], pothole());
    let filed = turn(waiting_for_place(), &said("di Jl. Melati No. 15 tidak pernah dirawat"), &both);
    assert!(matches!(&filed.effects[..], [Effect::CreateComplaint(_)]), "{filed:?}");
    let dropped = turn(waiting_for_place(), &said("batalkan saja yang jalan rusak"), &both);
    assert!(dropped.effects.is_empty() && dropped.state.draft.is_none(), "{dropped:?}");
}

#[test]
fn a_photo_without_words_begins_a_complaint_that_is_told_afterwards() {
    let photo =
        BatchMessage { message_id: Some(MessageId::new()), kind: "image".into(), ..said("").remove(0) };
    let photo = BatchMessage { text: None, ..photo };
    let shown = turn(DialogueState::default(), std::slice::from_ref(&photo), &Understanding::default());
    assert!(text_of(&shown).contains("apa yang terjadi"), "{shown:?}");
    let told = turn(shown.state, &said("x"), &understood(&[Intent::CreateComplaint], pothole()));
    let [Effect::CreateComplaint(draft)] = &told.effects[..] else { panic!("{told:?}") };
    assert_eq!(draft.media, [photo.message_id.unwrap()]);
}
