//! Meta's error codes become what to do. Acts on `code`, never on the title (facts: "Error codes").

use serde_json::{Value, json};

/// What an error asks of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display, strum::EnumIter, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ErrorClass {
    /// Too fast for this person: wait 4^n seconds, others go on.
    PersonLater,
    /// Too fast for this number: slow its bucket.
    NumberSlower,
    /// Too fast for the account: back off all of it.
    AccountSlower,
    /// Meta stumbled: again, with exponential back-off.
    Transient,
    /// The media must be fetched or uploaded again first.
    Media,
    /// Meta limits us for spam: pause the number and tell the operator.
    SpamLimit,
    /// Our message is wrong: never again, fail with the reason.
    MessageWrong,
    /// This person cannot be reached: never again.
    Unreachable,
    /// The operator must act (token, payment, permission): open the number's circuit, keep the queue.
    Operator,
}

impl ErrorClass {
    /// The class of a Graph error code; `http_status` decides for codes that are not known.
    pub fn of(code: i64, http_status: u16) -> Self {
        use ErrorClass::*;
        match code {
            131_056 => PersonLater,
            130_429 | 131_057 => NumberSlower,
            4 | 80_007 => AccountSlower,
            1 | 2 | 131_000 | 131_016 | 133_004 => Transient,
            131_052 | 131_053 => Media,
            131_048 | 131_064 | 133_016 => SpamLimit,
            131_026 | 131_050 | 131_049 | 130_472 | 131_030 | 131_062 | 137_000 => Unreachable,
            0 | 3 | 10 | 33 | 190 | 200..=299 | 368 => Operator,
            131_031 | 130_497 | 131_042 | 131_044 | 131_045 | 131_005 | 131_037 => Operator,
            100 | 131_008 | 131_009 | 131_021 | 131_047 | 131_051 | 132_000..=132_016 | 132_068 | 132_069 => {
                MessageWrong
            }
            _ if http_status == 429 => AccountSlower,
            _ if http_status >= 500 => Transient,
            _ if http_status == 401 || http_status == 403 => Operator,
            _ => MessageWrong,
        }
    }

    /// Whether the same call may be made again later.
    pub fn is_retried(self) -> bool {
        !matches!(self, ErrorClass::MessageWrong | ErrorClass::Unreachable)
    }
}

/// Outside the 24 h window only templates may be sent.
pub const WINDOW_CLOSED: i64 = 131_047;
/// This message may not go to a business-scoped id.
pub const BSUID_REFUSED: i64 = 131_062;

/// Why a message that was taken failed later, from the `errors` of its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusFailure {
    pub class: ErrorClass,
    pub code: i64,
    pub title: String,
}

impl StatusFailure {
    /// Reads the first error; one without a code is taken for a wrong message, so it is never repeated.
    pub fn from_errors(errors: Option<&Value>) -> Self {
        let first = errors.and_then(|errors| errors.get(0));
        let code = first.and_then(|error| error.get("code")).and_then(Value::as_i64).unwrap_or(-1);
        let title = first.map(title_of).filter(|title| !title.is_empty());
        StatusFailure {
            class: ErrorClass::of(code, 200),
            code,
            title: title.unwrap_or_else(|| "failed without a reason".into()),
        }
    }

    /// As stored with the message; holds no personal data.
    pub fn to_json(&self) -> Value {
        json!({"code": self.code, "class": self.class.to_string(), "title": self.title})
    }
}

/// Why a call to the Graph API brought no message id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Meta said no: the message was not taken.
    #[error("meta refused with code {code} ({class})")]
    Refused { class: ErrorClass, code: i64, http_status: u16, title: String },
    /// The call never left: nobody answered the connection.
    #[error("meta could not be reached")]
    NotSent,
    /// The call left and no readable answer came: it may have been taken. Reconcile, do not repeat.
    #[error("the answer of meta was lost")]
    Ambiguous,
    /// We could not make the request at all.
    #[error("the request could not be built: {0}")]
    Unbuildable(String),
}

impl CallError {
    /// From an answer that is not a success.
    pub fn from_answer(http_status: u16, body: &[u8]) -> Self {
        let error = serde_json::from_slice::<Value>(body).ok().and_then(|body| body.get("error").cloned());
        let code = error.as_ref().and_then(|error| error.get("code")).and_then(Value::as_i64);
        match code {
            Some(code) => CallError::Refused {
                class: ErrorClass::of(code, http_status),
                code,
                http_status,
                title: error.as_ref().map(title_of).unwrap_or_default(),
            },
            // A gateway's error page tells nothing about whether the message was taken.
            None if http_status >= 500 => CallError::Ambiguous,
            None => CallError::Refused {
                class: ErrorClass::of(-1, http_status),
                code: -1,
                http_status,
                title: format!("HTTP {http_status} without an error code"),
            },
        }
    }

    /// As stored with the message and shown to officers; holds no personal data.
    pub fn to_json(&self) -> Value {
        match self {
            CallError::Refused { class, code, title, .. } => {
                json!({"code": code, "class": class.to_string(), "title": title})
            }
            other => json!({"class": other.class_name(), "title": other.to_string()}),
        }
    }

    /// The class by name, for metrics and lists.
    pub fn class_name(&self) -> &'static str {
        match self {
            CallError::Refused { class, .. } => class.into(),
            CallError::NotSent => "not_reached",
            CallError::Ambiguous => "ambiguous",
            CallError::Unbuildable(_) => ErrorClass::MessageWrong.into(),
        }
    }
}

/// Meta's fixed title or message for the code, cut short.
fn title_of(error: &Value) -> String {
    let text = ["error_user_title", "message", "title"].iter().find_map(|key| error.get(key)?.as_str());
    text.unwrap_or_default().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_fall_into_the_classes_of_the_facts_page() {
        use ErrorClass::*;
        for (codes, class) in [
            (vec![131_056], PersonLater),
            (vec![130_429, 131_057], NumberSlower),
            (vec![4, 80_007], AccountSlower),
            (vec![1, 2, 131_000, 131_016, 133_004], Transient),
            (vec![131_052, 131_053], Media),
            (vec![131_048, 131_064, 133_016], SpamLimit),
            (
                vec![131_047, 131_051, 131_008, 131_009, 100, 132_000, 132_016, 132_068, 132_069, 131_021],
                MessageWrong,
            ),
            (vec![131_026, 131_050, 131_049, 130_472, 131_030, 131_062, 137_000], Unreachable),
            (
                vec![
                    0, 3, 10, 190, 200, 299, 368, 131_031, 130_497, 131_042, 131_044, 131_045, 131_005,
                    131_037, 33,
                ],
                Operator,
            ),
        ] {
            for code in codes {
                assert_eq!(ErrorClass::of(code, 400), class, "{code}");
            }
        }
        assert_eq!(ErrorClass::of(999_999, 500), Transient);
        assert_eq!(ErrorClass::of(999_999, 429), AccountSlower);
        assert_eq!(ErrorClass::of(999_999, 400), MessageWrong);
    }

    #[test]
    fn a_failed_status_is_classed_by_its_first_error() {
        let failure =
            StatusFailure::from_errors(Some(&json!([{"code": 131_026, "title": "Message undeliverable"}])));
        assert_eq!((failure.class, failure.code), (ErrorClass::Unreachable, 131_026));
        assert_eq!(
            failure.to_json(),
            json!({"code": 131_026, "class": "unreachable", "title": "Message undeliverable"})
        );
        for nothing in [None, Some(json!([])), Some(json!({})), Some(json!([{"title": "x"}]))] {
            assert_eq!(StatusFailure::from_errors(nothing.as_ref()).class, ErrorClass::MessageWrong);
        }
    }

    #[test]
    fn an_answer_without_a_code_is_ambiguous_only_when_meta_may_have_taken_the_message() {
        assert_eq!(CallError::from_answer(502, b"<html>"), CallError::Ambiguous);
        assert!(matches!(
            CallError::from_answer(404, b""),
            CallError::Refused { class: ErrorClass::MessageWrong, .. }
        ));
        let body = br#"{"error":{"message":"Rate limit hit","code":130429}}"#;
        assert!(matches!(
            CallError::from_answer(429, body),
            CallError::Refused { class: ErrorClass::NumberSlower, code: 130_429, .. }
        ));
    }
}
