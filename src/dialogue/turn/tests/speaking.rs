//! What is answered, and what is not.

use super::*;

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
fn a_voice_note_is_acknowledged_once_in_six_hours_and_queued_each_time() {
    let voice = vec![BatchMessage { kind: "audio".into(), sent_at: now(), ..BatchMessage::default() }];
    let nothing = Understanding::default();
    let first = turn(DialogueState::default(), &voice, &nothing);
    assert!(text_of(&first).contains("Pesan suara sudah kami terima"), "{first:?}");
    assert_eq!(first.hand_over.as_deref(), Some(phrases::TO_BE_HEARD));
    let facts = Facts::default();
    let second = turn_on(first.state.clone(), &voice, &nothing, &facts, hours_later(5));
    assert_eq!((&second.reply, second.hand_over.as_deref()), (&None, Some(phrases::TO_BE_HEARD)));
    let third = turn_on(second.state, &voice, &nothing, &facts, hours_later(6));
    assert!(third.reply.is_some());
    // Beside words it is evidence.
    let mut both = said("lampu mati");
    both.extend(voice);
    let slots = Slots { deskripsi: Some("lampu mati".into()), ..Slots::default() };
    let outcome = turn(DialogueState::default(), &both, &understood(&[Intent::CreateComplaint], slots));
    assert!(text_of(&outcome).contains("lokasinya"), "{outcome:?}");
}

#[test]
fn chain_messages_never_file() {
    let chain =
        vec![BatchMessage { forwarded_many_times: true, ..said("BANJIR BANDANG DI MANA MANA").remove(0) }];
    let outcome = turn(DialogueState::default(), &chain, &understood(&[Intent::CreateComplaint], pothole()));
    assert!(outcome.effects.is_empty() && outcome.state.draft.is_none(), "{outcome:?}");
    assert!(text_of(&outcome).contains("Pesan berantai"), "{outcome:?}");
}

#[test]
fn whoever_writes_without_end_is_told_once_and_danger_is_heard_all_the_same() {
    let mut state = DialogueState { introduced: true, ..DialogueState::default() };
    let asks = understood(&[Intent::KnowledgeQuery], Slots::default());
    for number in 0..TURNS_AN_HOUR {
        let outcome = turn(state, &said(&format!("tanya {number}")), &asks);
        assert!(outcome.reply.is_some(), "{number}");
        state = outcome.state;
    }
    let told = turn(state, &said("satu lagi"), &asks);
    assert!(told.hand_over.is_some() && text_of(&told).contains("berhenti menjawab"), "{told:?}");
    let silent = turn(told.state.clone(), &said("dua lagi"), &asks);
    assert_eq!((&silent.reply, &silent.hand_over), (&None, &None));
    let danger = turn(silent.state, &said("kebakaran"), &in_danger(Slots::default()));
    assert!(matches!(&danger.effects[..], [Effect::CreateComplaint(_)]), "{danger:?}");
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

#[test]
fn who_wants_a_person_or_to_withdraw_is_also_answered_what_they_ask() {
    let passages =
        vec![Passage { source_title: "Layanan KTP".into(), text: "KTP dibuat gratis.".into(), score: 0.9 }];
    for intent in [Intent::HumanHandoff, Intent::CancelComplaint] {
        let mut understanding = understood(&[intent, Intent::KnowledgeQuery], Slots::default());
        understanding.passages.clone_from(&passages);
        let outcome = turn(with_filed(&filed()), &said("x"), &understanding);
        assert!(text_of(&outcome).contains("gratis"), "{outcome:?}");
        assert_eq!(outcome.hand_over.is_some(), intent == Intent::HumanHandoff);
        assert_eq!(text_of(&outcome).contains("ingin dibatalkan"), intent == Intent::CancelComplaint);
    }
    // Who wants a person is asked nothing by the bot, and a complaint that is whole is filed all the same.
    let wants = [Intent::HumanHandoff, Intent::CreateComplaint];
    let whole = turn(DialogueState::default(), &said("x"), &understood(&wants, pothole()));
    assert!(
        matches!(&whole.effects[..], [Effect::CreateComplaint(_)]) && whole.hand_over.is_some(),
        "{whole:?}"
    );
    let half = Slots { alamat: None, ..pothole() };
    let half = turn(DialogueState::default(), &said("x"), &understood(&wants, half));
    assert!(!text_of(&half).contains('?') && half.state.open_draft().is_some(), "{half:?}");
}

#[test]
fn a_person_is_called_when_the_bot_does_not_understand_three_times_in_a_row() {
    let unclear = understood(&[Intent::Unknown], Slots::default());
    let first = turn(DialogueState::default(), &said("zzz"), &unclear);
    let second = turn(first.state, &said("zzz"), &unclear);
    assert!(second.hand_over.is_none() && text_of(&second).contains("belum memahami"), "{second:?}");
    let third = turn(second.state.clone(), &said("zzz"), &unclear);
    assert!(third.hand_over.is_some() && text_of(&third).contains("teruskan ke petugas"), "{third:?}");
    // Anything understood in between starts the count afresh.
    let greeted = turn(second.state, &said("halo"), &understood(&[Intent::Greeting], Slots::default()));
    let again = turn(greeted.state, &said("zzz"), &unclear);
    assert_eq!(again.hand_over, None);
}
