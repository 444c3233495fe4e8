//! Office hours, late replies, and the bot's return.

use super::*;

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
