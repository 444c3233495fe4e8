//! Turns as sentences: what is said, what is asked, what is filed.

use super::*;
use crate::dialogue::understanding::{AskedSlot, Slots};

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
    let office = office();
    take(
        state,
        &Input {
            office: &office,
            messages,
            understanding,
            facts,
            now: now(),
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
    let text = text_of(&outcome);
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
            prop::option::of(prop::sample::select(vec!["cancel:LAP-20260101-001", "csat:x", ""])),
            -100_000_i64..1_000,
        )
            .prop_map(|(kind, text, pin, button, age_s)| BatchMessage {
                message_id: Some(MessageId::new()),
                kind: kind.into(),
                text,
                button: button.filter(|_| kind == "interactive").map(str::to_owned),
                pin: pin.filter(|_| kind == "location"),
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
                    prop_assert!(!reply.text.trim().is_empty() && reply.buttons.len() <= 3);
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
