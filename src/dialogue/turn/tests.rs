//! Turns as sentences: what is said, what is asked, what is filed.

use super::*;
use crate::dialogue::buttons::{Act, Tap};
use crate::dialogue::rounds::TURNS_AN_HOUR;
use crate::dialogue::state::{Awaited, Filed};
use crate::dialogue::understanding::{AskedSlot, Passage, Slots};

mod collecting;
mod danger;
mod filed;
mod sense;
mod speaking;
mod times;

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

fn in_danger(slots: Slots) -> Understanding {
    Understanding { urgency: Urgency::Emergency, ..understood(&[Intent::CreateComplaint], slots) }
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
