//! What an error asks for: of the message, of its person, and of the number (facts: "Error codes").

use std::time::Duration;

use rand::RngExt;
use serde_json::Value;

use crate::store::channel::aftermath::Aftermath;
use crate::whatsapp::errors::{BSUID_REFUSED, CallError, ErrorClass, WINDOW_CLOSED};
use crate::whatsapp::outgoing::Recipient;

/// The longest pause before a message is tried again, but for [`ErrorClass::PersonLater`].
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How a send ended, and what the outbox is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// Meta took it under this id.
    Sent { wamid: String },
    /// Known not to be taken; again after this long, and as soon as the number may.
    Retry { after: Duration, error: Value },
    /// It may have been taken; a status will tell.
    Unknown { error: Value },
    /// Not again by itself: a dead letter.
    Failed { error: Value, aftermath: Option<Aftermath> },
}

/// How often and how soon a message is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Attempts of a transient failure before the message is a dead letter.
    pub tries: i32,
    /// The first pause; it doubles each time.
    pub first: Duration,
}

impl Patience {
    /// The pause after that many attempts, with jitter, so that many do not come back at once.
    pub fn pause(&self, attempt: i32) -> Duration {
        let doubled = self.first.saturating_mul(1 << attempt.clamp(1, 16).saturating_sub(1));
        doubled.min(LONGEST_PAUSE).mul_f64(rand::rng().random_range(0.75..1.25))
    }
}

/// What an error means for the message. What it means for the number is [`super::numbers`]'s: a number that is paused
/// holds its messages back by itself, so these are due again at once.
pub fn settle(error: &CallError, recipient: &Recipient, attempt: i32, patience: Patience) -> Settled {
    let json = error.to_json();
    match error {
        CallError::Ambiguous => Settled::Unknown { error: json },
        CallError::NotSent => Settled::Retry { after: patience.pause(attempt), error: json },
        CallError::Unbuildable(_) => Settled::Failed { error: json, aftermath: None },
        CallError::Refused { class, code, .. } => match class {
            ErrorClass::MessageWrong | ErrorClass::Unreachable => {
                let owed = match final_aftermath(*class, *code) {
                    // It went to the phone number: there is no other address.
                    Some(Aftermath::OtherAddress) if matches!(recipient, Recipient::Phone(_)) => {
                        Some(Aftermath::Unreachable)
                    }
                    owed => owed,
                };
                Settled::Failed { error: json, aftermath: owed }
            }
            // n counts the refusals.
            ErrorClass::PersonLater => {
                let seconds = 4_u64.saturating_pow(attempt.clamp(1, 6).unsigned_abs());
                Settled::Retry { after: Duration::from_secs(seconds), error: json }
            }
            ErrorClass::Transient | ErrorClass::Media if attempt >= patience.tries => {
                Settled::Failed { error: json, aftermath: None }
            }
            ErrorClass::Transient | ErrorClass::Media => {
                Settled::Retry { after: patience.pause(attempt), error: json }
            }
            ErrorClass::NumberSlower
            | ErrorClass::AccountSlower
            | ErrorClass::SpamLimit
            | ErrorClass::Operator => Settled::Retry { after: Duration::ZERO, error: json },
        },
    }
}

/// What follows when Meta took a message and reported later that it failed: a known failure, so what may be repeated is.
pub fn aftermath_of_status(class: ErrorClass, code: i64) -> Option<Aftermath> {
    match class.is_retried() {
        true => Some(Aftermath::Retry),
        // A status does not say to which address the message went; a refused BSUID is told in the answer.
        false if code == BSUID_REFUSED => Some(Aftermath::Unreachable),
        false => final_aftermath(class, code),
    }
}

fn final_aftermath(class: ErrorClass, code: i64) -> Option<Aftermath> {
    match (class, code) {
        (_, WINDOW_CLOSED) => Some(Aftermath::Window),
        (_, BSUID_REFUSED) => Some(Aftermath::OtherAddress),
        (ErrorClass::Unreachable, _) => Some(Aftermath::Unreachable),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { tries: 6, first: Duration::from_secs(1) };

    fn refused(code: i64) -> CallError {
        CallError::Refused { class: ErrorClass::of(code, 400), code, http_status: 400, title: String::new() }
    }

    fn phone() -> Recipient {
        Recipient::Phone("6281".into())
    }

    fn outcome(settled: &Settled) -> &'static str {
        match settled {
            Settled::Sent { .. } => "sent",
            Settled::Retry { .. } => "retried",
            Settled::Unknown { .. } => "unknown",
            Settled::Failed { .. } => "failed",
        }
    }

    #[test]
    fn every_class_of_error_settles_as_the_facts_say() {
        for (error, attempt, expected) in [
            (refused(131_026), 1, "failed"),
            (refused(131_047), 1, "failed"),
            (refused(131_000), 1, "retried"),
            (refused(131_000), 6, "failed"),
            (refused(131_053), 5, "retried"),
            (refused(131_053), 6, "failed"),
            (refused(130_429), 99, "retried"),
            (refused(4), 99, "retried"),
            (refused(131_048), 99, "retried"),
            (refused(190), 99, "retried"),
            (CallError::Ambiguous, 1, "unknown"),
            (CallError::NotSent, 99, "retried"),
        ] {
            assert_eq!(
                outcome(&settle(&error, &phone(), attempt, PATIENCE)),
                expected,
                "{error:?} at attempt {attempt}"
            );
        }
    }

    #[test]
    fn a_refused_bsuid_is_followed_by_the_phone_number_if_it_was_the_bsuid() {
        let bsuid = Recipient::Bsuid("ID.a".into());
        for (recipient, expected) in [(bsuid, Aftermath::OtherAddress), (phone(), Aftermath::Unreachable)] {
            let settled = settle(&refused(131_062), &recipient, 1, PATIENCE);
            assert!(matches!(settled, Settled::Failed { aftermath: Some(owed), .. } if owed == expected));
        }
    }

    #[test]
    fn a_person_waits_four_to_the_power_of_the_refusals() {
        for (attempt, seconds) in [(1, 4), (2, 16), (3, 64), (6, 4096), (60, 4096)] {
            let Settled::Retry { after, .. } = settle(&refused(131_056), &phone(), attempt, PATIENCE) else {
                panic!("not retried")
            };
            assert_eq!(after, Duration::from_secs(seconds));
        }
    }

    #[test]
    fn pauses_double_and_stay_bounded() {
        for (attempt, least, most) in [(1, 0.75, 1.25), (3, 3.0, 5.0), (6, 24.0, 40.0), (99, 45.0, 75.0)] {
            let seconds = PATIENCE.pause(attempt).as_secs_f64();
            assert!((least..=most).contains(&seconds), "{seconds} at attempt {attempt}");
        }
    }

    #[test]
    fn a_failure_told_later_is_followed_up_like_one_told_at_once() {
        for (code, expected) in [
            (131_000, Some(Aftermath::Retry)),
            (131_053, Some(Aftermath::Retry)),
            (131_042, Some(Aftermath::Retry)),
            (131_047, Some(Aftermath::Window)),
            (131_026, Some(Aftermath::Unreachable)),
            (131_050, Some(Aftermath::Unreachable)),
            (131_062, Some(Aftermath::Unreachable)),
            (132_000, None),
            (100, None),
        ] {
            assert_eq!(aftermath_of_status(ErrorClass::of(code, 200), code), expected, "{code}");
        }
    }
}
