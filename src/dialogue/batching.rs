//! When is it the bot's turn? People write in fragments; a turn waits for the citizen to pause (DESIGN §3.4).

use std::time::Duration;

use jiff::Timestamp;

/// How soon a message wants to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// A button was tapped, or there is danger: now.
    Immediate,
    /// Words: after the ordinary pause.
    Normal,
    /// A bare greeting, or a photo without words: more is about to come.
    Slow,
}

/// One waiting message.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// When we got it, by our clock.
    pub received_at: Timestamp,
    pub pace: Pace,
}

/// The pauses; see `[conversation]` of the settings.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    pub quiet: Duration,
    pub greeting_quiet: Duration,
    pub max_wait: Duration,
    pub max_batch: usize,
}

/// What to do with what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing waits.
    Idle,
    /// The citizen may go on writing: look again then.
    WaitUntil(Timestamp),
    /// It is the bot's turn.
    Run,
}

/// Decides from what waits. `messages` may be in any order.
pub fn decide(messages: &[Waiting], now: Timestamp, timing: &Timing) -> Decision {
    let Some(last) = messages.iter().max_by_key(|message| message.received_at) else { return Decision::Idle };
    let first = messages.iter().map(|message| message.received_at).min().unwrap_or(last.received_at);
    let immediate = messages.iter().any(|message| message.pace == Pace::Immediate);
    if immediate || messages.len() >= timing.max_batch {
        return Decision::Run;
    }
    let quiet = match last.pace {
        Pace::Slow => timing.greeting_quiet,
        _ => timing.quiet,
    };
    let due = later(last.received_at, quiet).min(later(first, timing.max_wait));
    if now >= due { Decision::Run } else { Decision::WaitUntil(due) }
}

/// What is older than this was held up, by an outage of Meta's, of ours, or of the phone's.
pub const LATE: Duration = Duration::from_mins(10);

/// Whether a message, by Meta's time, comes late. Such messages are one turn of their own, whose reply names the time.
pub fn is_late(sent_at: Timestamp, now: Timestamp) -> bool {
    later(sent_at, LATE) < now
}

/// How many of the waiting messages, in Meta's order, make up the next turn: those that come late, or else all.
pub fn next_turn(sent_at: &[Timestamp], now: Timestamp) -> usize {
    match sent_at.partition_point(|at| is_late(*at, now)) {
        0 => sent_at.len(),
        late => late,
    }
}

/// Whether a turn under way may still be restarted for a newer message: at most twice, and never once the first
/// message has waited the longest time.
pub fn may_restart(restarts: u32, first_received: Timestamp, now: Timestamp, timing: &Timing) -> bool {
    restarts < 2 && now < later(first_received, timing.max_wait)
}

/// The pace of a message by what it is; danger is recognised elsewhere.
pub fn pace_of(kind: &str, text: Option<&str>) -> Pace {
    match (kind, text.map(str::trim).filter(|text| !text.is_empty())) {
        ("interactive" | "button", _) => Pace::Immediate,
        ("image" | "video" | "document" | "audio" | "sticker" | "location", None) => Pace::Slow,
        (_, Some(text)) if is_bare_greeting(text) => Pace::Slow,
        _ => Pace::Normal,
    }
}

/// "Assalamualaikum", "pagi pak", "halo min": a greeting and nothing else.
pub fn is_bare_greeting(text: &str) -> bool {
    const GREETINGS: [&str; 21] = [
        "halo",
        "hallo",
        "hai",
        "hi",
        "hello",
        "hei",
        "hey",
        "pagi",
        "siang",
        "sore",
        "malam",
        "assalamualaikum",
        "assalamu'alaikum",
        "assalamu",
        "alaikum",
        "salam",
        "permisi",
        "punten",
        "ass",
        "askum",
        "p",
    ];
    const AROUND: [&str; 14] = [
        "selamat", "pak", "bu", "bapak", "ibu", "min", "admin", "kak", "mas", "mbak", "wr", "wb", "good",
        "morning",
    ];
    let mut greeted = false;
    let words = text.split(|character: char| !character.is_alphanumeric() && character != '\'');
    for word in words.filter(|word| !word.is_empty()) {
        let word = word.to_lowercase();
        if GREETINGS.contains(&word.as_str()) {
            greeted = true;
        } else if !AROUND.contains(&word.as_str()) {
            return false;
        }
    }
    greeted
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIMING: Timing = Timing {
        quiet: Duration::from_secs(3),
        greeting_quiet: Duration::from_secs(8),
        max_wait: Duration::from_secs(25),
        max_batch: 30,
    };

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_millisecond(1_767_225_600_000 + (seconds * 1000.0) as i64).unwrap()
    }

    fn decide_for(messages: &[(f64, Pace)], now: f64) -> Decision {
        let waiting: Vec<Waiting> =
            messages.iter().map(|(second, pace)| Waiting { received_at: at(*second), pace: *pace }).collect();
        decide(&waiting, at(now), &TIMING)
    }

    #[test]
    fn a_turn_waits_for_the_pause_that_fits_the_last_message() {
        use Pace::*;
        for (messages, now, expected) in [
            (vec![], 0.0, Decision::Idle),
            (vec![(0.0, Normal)], 1.0, Decision::WaitUntil(at(3.0))),
            (vec![(0.0, Normal)], 3.0, Decision::Run),
            (vec![(0.0, Slow)], 3.0, Decision::WaitUntil(at(8.0))),
            (vec![(0.0, Slow), (5.0, Normal)], 7.9, Decision::WaitUntil(at(8.0))),
            (vec![(0.0, Normal), (1.0, Immediate)], 1.0, Decision::Run),
            (vec![(0.0, Normal), (24.0, Normal)], 24.5, Decision::WaitUntil(at(25.0))),
            (vec![(0.0, Normal), (24.0, Normal)], 25.0, Decision::Run),
            (vec![(0.0, Normal); 30], 0.0, Decision::Run),
        ] {
            assert_eq!(decide_for(&messages, now), expected, "{messages:?} at {now}");
        }
    }

    #[test]
    fn a_turn_is_restarted_twice_and_never_after_the_longest_wait() {
        assert!(may_restart(0, at(0.0), at(5.0), &TIMING) && may_restart(1, at(0.0), at(24.9), &TIMING));
        assert!(!may_restart(2, at(0.0), at(5.0), &TIMING) && !may_restart(0, at(0.0), at(25.0), &TIMING));
    }

    #[test]
    fn greetings_and_wordless_photos_are_slow_and_buttons_immediate() {
        for (kind, text, pace) in [
            ("text", Some("Assalamualaikum wr wb"), Pace::Slow),
            ("text", Some("Selamat pagi, Pak 🙏"), Pace::Slow),
            ("text", Some("pagi pak jalan rusak"), Pace::Normal),
            ("text", Some("pak"), Pace::Normal),
            ("image", None, Pace::Slow),
            ("image", Some("lubang besar"), Pace::Normal),
            ("interactive", Some("Batalkan"), Pace::Immediate),
            ("interactive", None, Pace::Immediate),
        ] {
            assert_eq!(pace_of(kind, text), pace, "{kind} {text:?}");
        }
    }

    #[test]
    fn late_messages_make_a_turn_of_their_own() {
        let now = at(10_000.0);
        for (ages_s, expected) in
            [(vec![], 0), (vec![5.0, 1.0], 2), (vec![9_000.0, 601.0, 600.0, 1.0], 2), (vec![700.0], 1)]
        {
            let sent: Vec<Timestamp> = ages_s.iter().map(|age| at(10_000.0 - age)).collect();
            assert_eq!(next_turn(&sent, now), expected, "{ages_s:?}");
        }
    }

    proptest! {
        #[test]
        fn nobody_waits_longer_than_the_maximum(times in prop::collection::vec(0.0f64..100.0, 1..40), now in 0.0f64..200.0) {
            let messages: Vec<(f64, Pace)> = times.iter().map(|time| (*time, Pace::Slow)).collect();
            let first = times.iter().copied().fold(f64::MAX, f64::min);
            match decide_for(&messages, now) {
                Decision::WaitUntil(until) => prop_assert!(until <= at(first + 25.001) && until > at(now)),
                Decision::Run => prop_assert!(times.len() >= 30 || now + 0.001 >= first + 8.0),
                Decision::Idle => prop_assert!(false, "something waits"),
            }
        }
    }
}
