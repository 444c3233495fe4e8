//! The one word about a draft that nobody went on with: inside the 24 hours in which an answer is free, and not at night.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::time;
use jiff::tz::TimeZone;

use super::phrases;
use super::reply::{Reply, join};
use super::state::DialogueState;
use super::understanding::AskedSlot;

/// So long after the citizen's last word.
const AFTER: Duration = Duration::from_hours(4);
/// The window closes a day after the citizen's last word; the reminder is sent well before or not at all.
const AT_MOST: Duration = Duration::from_hours(23);

/// When to remind of the open draft, by the office's clock; none when there is none, or it was reminded of.
pub fn due(state: &DialogueState, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    state.open_draft().filter(|draft| !draft.reminded)?;
    let wanted = now.checked_add(AFTER).ok()?.to_zoned(zone.clone());
    let (morning, evening) = (time(7, 30, 0, 0), time(20, 0, 0, 0));
    let at = match wanted.time() {
        early if early < morning => wanted.with().time(morning).build().ok()?,
        late if late >= evening => wanted.tomorrow().ok()?.with().time(morning).build().ok()?,
        _ => wanted,
    };
    let at = at.timestamp();
    (at <= now.checked_add(AT_MOST).ok()?).then_some(at)
}

/// Reminds: the state afterwards, and what is said; nothing when there is no draft to be reminded of any more, or the
/// window, open until `window`, has closed meanwhile.
pub fn remind(
    mut state: DialogueState,
    window: Option<Timestamp>,
    now: Timestamp,
) -> (DialogueState, Option<Reply>) {
    let language = state.language;
    let open = window.is_some_and(|until| until > now);
    let Some(draft) = state.draft.as_mut().filter(|draft| open && !draft.submitted && !draft.reminded) else {
        return (state, None);
    };
    draft.reminded = true;
    let slot = draft.missing().unwrap_or(AskedSlot::Deskripsi);
    draft.asked_for = Some(slot);
    let says = [
        phrases::reminder(language, &phrases::draft_in_words(language, draft)),
        phrases::ask_again(language, slot),
    ];
    (state, Some(Reply::words(join(&says))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::state::Draft;
    use crate::ids::DraftId;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-{text}:00+07:00").parse().unwrap()
    }

    fn with_draft(now: Timestamp) -> DialogueState {
        let draft = Draft { deskripsi: Some("lampu mati".into()), ..Draft::new(DraftId::new(), now) };
        DialogueState { draft: Some(draft), ..DialogueState::default() }
    }

    #[test]
    fn a_draft_is_reminded_of_by_day_and_within_the_window() {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        for (now, expected) in [
            ("23T09:00", "23T13:00"),
            ("23T15:59", "23T19:59"),
            ("23T16:00", "24T07:30"),
            ("23T23:00", "24T07:30"),
            ("23T02:00", "23T07:30"),
        ] {
            assert_eq!(due(&with_draft(at(now)), at(now), &zone), Some(at(expected)), "{now}");
        }
        assert_eq!(due(&DialogueState::default(), at("23T09:00"), &zone), None);
    }

    #[test]
    fn it_is_said_once_while_the_window_is_open_and_asks_for_what_is_missing() {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        let now = at("23T13:00");
        for closed in [None, Some(now)] {
            let before = with_draft(at("23T09:00"));
            assert_eq!(remind(before.clone(), closed, now), (before, None));
        }
        let window = Some(at("24T09:00"));
        let (state, reply) = remind(with_draft(at("23T09:00")), window, now);
        let text = reply.unwrap().text;
        assert!(text.contains("lampu mati") && text.contains("lokasinya"), "{text}");
        assert_eq!(due(&state, at("23T13:00"), &zone), None);
        assert_eq!(remind(state, window, now).1, None);
    }
}
