//! Turns as sentences: what is said, what is asked, what is filed.

use super::*;
use crate::dialogue::buttons::{Act, Tap};
use crate::dialogue::rounds::TURNS_AN_HOUR;
use crate::dialogue::state::{Awaited, Filed};
use crate::dialogue::understanding::{AskedSlot, Passage, Slots};

fn office() -> OfficeVoice {
    OfficeVoice {
        name: "Kantor Kelurahan Sukamaju".into(),
        emergency_numbers: vec!["Darurat: 112".into()],
        ..OfficeVoice::default()
    }
}

fn said(text: &str) -> Vec<BatchMessage> {
    vec![BatchMessage {
        kind: "text".into(),
        text: Some(text.into()),
        sent_at: now(),
        ..BatchMessage::default()
    }]
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
    turn_on(state, messages, understanding, facts, now())
}

fn turn_on(
    state: DialogueState,
    messages: &[BatchMessage],
    understanding: &Understanding,
    facts: &Facts,
    now: Timestamp,
) -> Outcome {
    let office = office();
    take(
        state,
        &Input {
            office: &office,
            messages,
            understanding,
            facts,
            now,
            returned_at: None,
            fresh_id: DraftId::new(),
        },
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

fn filed() -> Filed {
    Filed {
        lap_id: "LAP-20260101-001".into(),
        draft: DraftId::new(),
        version: 3,
        kategori: "jalan_rusak".into(),
        alamat: "Jl. Melati No. 15".into(),
        urgency: Urgency::Normal,
        at: now(),
    }
}

fn with_filed(filed: &Filed) -> DialogueState {
    DialogueState { introduced: true, filed: vec![filed.clone()], ..DialogueState::default() }
}

fn tap(act: Act, draft: DraftId, version: u32) -> Vec<BatchMessage> {
    let button = Some(Tap { act, draft, version }.to_string());
    vec![BatchMessage { kind: "interactive".into(), button, sent_at: now(), ..BatchMessage::default() }]
}

fn pin() -> Vec<BatchMessage> {
    vec![BatchMessage {
        kind: "location".into(),
        pin: Some((-6.2, 106.8)),
        sent_at: now(),
        ..BatchMessage::default()
    }]
}

fn hours_later(hours: i64) -> Timestamp {
    now() + jiff::SignedDuration::from_hours(hours)
}

fn amendment_of(outcome: &Outcome) -> &Amendment {
    let [Effect::AmendComplaint { lap_id, amendment, .. }] = &outcome.effects[..] else {
        panic!("{outcome:?}")
    };
    assert_eq!(lap_id, "LAP-20260101-001");
    amendment
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

fn in_danger(slots: Slots) -> Understanding {
    Understanding { urgency: Urgency::Emergency, ..understood(&[Intent::CreateComplaint], slots) }
}

#[test]
fn an_emergency_is_filed_at_once_and_told_with_the_numbers_first() {
    let outcome = turn(DialogueState::default(), &said("kebakaran!"), &in_danger(Slots::default()));
    let [Effect::CreateComplaint(draft)] = &outcome.effects[..] else { panic!("{outcome:?}") };
    assert_eq!(draft.deskripsi.as_deref(), Some("kebakaran!"));
    assert_eq!(outcome.hand_over.as_deref(), Some("emergency"));
    assert!(outcome.state.opening[0].starts_with("Bila ada bahaya, hubungi:\nDarurat: 112"), "{outcome:?}");
    // More of the same is added to it, not filed again; another place is another one.
    let burning = Filed { urgency: Urgency::Emergency, kategori: "lainnya".into(), ..filed() };
    let more = turn(with_filed(&burning), &said("apinya makin besar"), &in_danger(Slots::default()));
    assert_eq!(amendment_of(&more).addition.as_deref(), Some("apinya makin besar"));
    let elsewhere = Slots { alamat: Some("Jl. Anggrek 1".into()), ..Slots::default() };
    let other = turn(with_filed(&burning), &said("di Jl. Anggrek 1 juga"), &in_danger(elsewhere));
    assert!(matches!(&other.effects[..], [Effect::CreateComplaint(_)]), "{other:?}");
}

#[test]
fn the_place_of_an_emergency_is_taken_when_it_comes() {
    let mut state = with_filed(&Filed { alamat: String::new(), urgency: Urgency::Emergency, ..filed() });
    let (lap_id, what) = ("LAP-20260101-001".to_owned(), Awaited::Location);
    state.awaiting = Some(crate::dialogue::state::Awaiting { lap_id, what, since: now() });
    let place = Slots { alamat: Some("Jl. Melati 9".into()), ..Slots::default() };
    let told = turn_on(
        state.clone(),
        &said("Jl. Melati 9"),
        &understood(&[Intent::CreateComplaint], place),
        &Facts::default(),
        hours_later(3),
    );
    assert_eq!(amendment_of(&told).alamat.as_deref(), Some("Jl. Melati 9"));
    let pinned = turn_on(state, &pin(), &Understanding::default(), &Facts::default(), hours_later(3));
    assert_eq!(amendment_of(&pinned).pin, Some((-6.2, 106.8)));
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
fn a_draft_is_dropped_on_request_and_a_filed_complaint_only_after_a_tap() {
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
    let outcome = turn_with(outcome.state, &said("batal"), &cancel, &facts);
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

fn office_with_hours() -> OfficeVoice {
    let weekday = || vec!["08:00-12:00".parse().unwrap(), "13:00-16:00".parse().unwrap()];
    let week = [weekday(), weekday(), weekday(), weekday(), weekday(), vec![], vec![]];
    let zone = jiff::tz::TimeZone::get("Asia/Jakarta").unwrap();
    OfficeVoice { hours: OfficeHours::new(week, std::collections::BTreeMap::new(), zone), ..office() }
}

/// A turn with the office's hours, at a local time.
fn turn_at(
    at: &str,
    state: DialogueState,
    messages: &[BatchMessage],
    understanding: &Understanding,
    returned_at: Option<Timestamp>,
) -> Outcome {
    let office = office_with_hours();
    let now = format!("{at}+07:00").parse().unwrap();
    let facts = Facts::default();
    take(
        state,
        &Input {
            office: &office,
            messages,
            understanding,
            facts: &facts,
            now,
            returned_at,
            fresh_id: DraftId::new(),
        },
    )
}

fn said_at(at: &str, text: &str) -> BatchMessage {
    BatchMessage { sent_at: format!("{at}+07:00").parse().unwrap(), ..said(text).remove(0) }
}

#[test]
fn who_asks_for_a_person_outside_office_hours_is_told_the_hours() {
    let wants = understood(&[Intent::HumanHandoff], Slots::default());
    for (at, told) in
        [("2026-11-23T10:00:00", false), ("2026-11-23T12:30:00", true), ("2026-11-28T10:00:00", true)]
    {
        let outcome = turn_at(at, DialogueState::default(), &[said_at(at, "petugas")], &wants, None);
        assert!(outcome.hand_over.is_some());
        let hours = "Senin–Jumat 08.00–12.00 dan 13.00–16.00 WIB";
        assert_eq!(text_of(&outcome).contains(hours), told, "{at}: {outcome:?}");
    }
}

#[test]
fn a_late_reply_names_the_time_of_the_message() {
    let asks = understood(&[Intent::HumanHandoff], Slots::default());
    let late = [said_at("2026-11-23T09:05:00", "halo"), said_at("2026-11-23T09:40:10", "ada orang?")];
    let outcome = turn_at("2026-11-23T11:00:00", DialogueState::default(), &late, &asks, None);
    assert!(
        text_of(&outcome).starts_with(
            "Maaf, pesan Bapak/Ibu pukul 09.05 WIB sampai 09.40 WIB baru dapat kami balas. Saya asisten"
        ),
        "{outcome:?}"
    );
    let outcome = turn_at("2026-11-23T09:45:00", DialogueState::default(), &late, &asks, None);
    assert!(!text_of(&outcome).contains("baru dapat"), "the last one is not late: {outcome:?}");
    // What needs no reply gets none for being late.
    let thanks = understood(&[Intent::Thanks], Slots::default());
    let outcome = turn_at("2026-11-23T11:00:00", DialogueState::default(), &late[..1], &thanks, None);
    assert_eq!(outcome.reply, None);
    // A complaint is answered with its number by the second commit, which names the time too.
    let files = understood(&[Intent::CreateComplaint], pothole());
    let outcome = turn_at("2026-11-24T11:00:00", DialogueState::default(), &late[..1], &files, None);
    assert_eq!(
        outcome.state.opening,
        ["Maaf, pesan Bapak/Ibu pukul 23 November 09.05 WIB baru dapat kami balas."]
    );
}

#[test]
fn a_late_reply_names_no_time_of_what_was_taken_back() {
    let asks = understood(&[Intent::Thanks, Intent::KnowledgeQuery], Slots::default());
    let revoked = BatchMessage { kind: "revoke".into(), ..BatchMessage::default() };
    let late = [revoked, said_at("2026-11-23T09:05:00", "halo")];
    let outcome = turn_at("2026-11-23T11:00:00", DialogueState::default(), &late, &asks, None);
    let alone = turn_at("2026-11-23T11:00:00", DialogueState::default(), &late[1..], &asks, None);
    assert!(text_of(&alone).contains("baru dapat"), "{alone:?}");
    assert_eq!(text_of(&outcome), text_of(&alone));
}

#[test]
fn an_emergency_that_comes_late_still_tells_the_numbers_first() {
    let mut understanding = understood(&[Intent::CreateComplaint], Slots::default());
    understanding.urgency = Urgency::Emergency;
    let late = [said_at("2026-11-23T09:05:00", "kebakaran")];
    let outcome = turn_at("2026-11-23T11:00:00", DialogueState::default(), &late, &understanding, None);
    let text = outcome.state.opening.join(" ");
    assert!(text.starts_with("Bila ada bahaya") && text.contains("pukul 09.05 WIB"), "{text}");
}

#[test]
fn after_an_officer_the_bot_says_once_that_it_is_back() {
    let returned = Some("2026-11-23T09:59:00+07:00".parse().unwrap());
    let asks = understood(&[Intent::KnowledgeQuery], Slots::default());
    let known = DialogueState { introduced: true, ..DialogueState::default() };
    let at = "2026-11-23T10:00:00";
    let first = turn_at(at, known, &[said_at(at, "syarat ktp?")], &asks, returned);
    assert!(text_of(&first).starts_with("Percakapan kembali dilayani asisten otomatis."), "{first:?}");
    let second = turn_at(at, first.state, &[said_at(at, "syarat kk?")], &asks, returned);
    assert!(!text_of(&second).contains("kembali dilayani"), "{second:?}");
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

mod properties {
    use proptest::prelude::*;
    use strum::IntoEnumIterator;

    use super::*;

    fn intents() -> impl Strategy<Value = Vec<Intent>> {
        prop::collection::vec(prop::sample::select(Intent::iter().collect::<Vec<_>>()), 0..4)
    }

    fn slots() -> impl Strategy<Value = Slots> {
        let words = || prop::option::of("[a-z .]{1,30}");
        (words(), words(), words()).prop_map(|(alamat, deskripsi, kategori)| Slots {
            alamat,
            deskripsi,
            kategori,
            ..Slots::default()
        })
    }

    fn message() -> impl Strategy<Value = BatchMessage> {
        let kinds =
            ["text", "image", "audio", "location", "sticker", "reaction", "interactive", "unsupported"];
        (
            prop::sample::select(kinds.to_vec()),
            prop::option::of("[a-z ?]{0,40}"),
            prop::option::of((-11.0..6.0, 95.0..141.0)),
            prop::option::of(prop::sample::select(vec!["withdraw:x", "csat:x", ""])),
            -100_000_i64..1_000,
        )
            .prop_map(|(kind, text, pin, button, age_s)| BatchMessage {
                message_id: Some(MessageId::new()),
                kind: kind.into(),
                text,
                button: button.filter(|_| kind == "interactive").map(str::to_owned),
                pin: pin.filter(|_| kind == "location"),
                forwarded_many_times: false,
                sent_at: Timestamp::from_second(now().as_second() + age_s).unwrap(),
            })
    }

    proptest! {
        #[test]
        fn whatever_is_said_there_is_one_reply_and_no_invented_number(
            turns in prop::collection::vec(
                (prop::collection::vec(message(), 1..4), intents(), slots(), any::<bool>()), 1..6)
        ) {
            let mut state = DialogueState::default();
            for (messages, intents, slots, danger) in turns {
                let mut understanding = understood(&intents, slots);
                understanding.urgency = if danger { Urgency::Emergency } else { Urgency::Normal };
                let outcome = turn(state.clone(), &messages, &understanding);
                // One message a turn: when the reply waits for a call, nothing is said now.
                prop_assert!(outcome.effects.is_empty() || outcome.reply.is_none(), "{outcome:?}");
                prop_assert!(outcome.effects.len() <= 1, "{outcome:?}");
                if let Some(reply) = &outcome.reply {
                    prop_assert!(!reply.text.trim().is_empty() && reply.buttons().len() <= 3);
                    // No fact named a complaint, so no sentence may, but for the button that was offered before.
                    prop_assert!(!reply.text.contains("LAP-"), "{}", reply.text);
                }
                if !deserves_reply(&messages) {
                    prop_assert!(outcome.reply.is_none() && outcome.effects.is_empty());
                    prop_assert_eq!(&outcome.state.draft, &state.draft);
                }
                // Asked for a person, one is called.
                if deserves_reply(&messages) && understanding.wants(Intent::HumanHandoff) && outcome.effects.is_empty() {
                    prop_assert!(outcome.hand_over.is_some());
                }
                // A draft on its way keeps what it was filed with.
                if let (Some(before), Some(after)) = (&state.draft, &outcome.state.draft)
                    && before.submitted && before.id == after.id
                {
                    prop_assert_eq!(before, after);
                }
                // What is remembered survives the store.
                let (read, readable) = DialogueState::from_json(&outcome.state.to_json());
                prop_assert!(readable);
                prop_assert_eq!(&read, &outcome.state);
                state = outcome.state;
            }
        }
    }
}
