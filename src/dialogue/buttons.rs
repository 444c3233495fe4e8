//! The buttons below replies. Each names the draft and its version as they were when the button was shown: a tap on an
//! old one shows how things stand now and never acts.

use std::fmt;
use std::str::FromStr;

use super::phrases;
use super::reply::ReplyButton;
use super::state::{Draft, Filed};
use super::understanding::Language;
use crate::ids::DraftId;

/// What a tap asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString, strum::EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum Act {
    /// Change what was filed.
    Edit,
    /// Withdraw what was filed.
    Withdraw,
    /// File the draft although it looks like one that was filed.
    FileAnyway,
    /// The draft is about the same: add it to what was filed.
    AddToFiled,
}

/// A button that was tapped: what it asks for, and of which draft in which version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tap {
    pub act: Act,
    pub draft: DraftId,
    pub version: u32,
}

impl fmt::Display for Tap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.act, self.draft.0, self.version)
    }
}

/// Not the id of a button of ours.
#[derive(Debug, thiserror::Error)]
#[error("not a button of a draft")]
pub struct NotATap;

impl FromStr for Tap {
    type Err = NotATap;

    fn from_str(id: &str) -> Result<Self, NotATap> {
        let mut parts = id.split(':');
        let (act, draft, version) = (parts.next(), parts.next(), parts.next());
        let (Some(act), Some(draft), Some(version), None) = (act, draft, version, parts.next()) else {
            return Err(NotATap);
        };
        Ok(Tap {
            act: act.parse().map_err(|_| NotATap)?,
            draft: DraftId(draft.parse().map_err(|_| NotATap)?),
            version: version.parse().map_err(|_| NotATap)?,
        })
    }
}

/// [Ubah] and [Batalkan], below what was filed.
pub fn of_filed(language: Language, filed: &Filed) -> Vec<ReplyButton> {
    let button = |act, title| ReplyButton {
        id: Tap { act, draft: filed.draft, version: filed.version }.to_string(),
        title,
    };
    vec![
        button(Act::Edit, phrases::edit_button(language)),
        button(Act::Withdraw, phrases::cancel_button(language)),
    ]
}

/// Whether the draft is about what was filed already.
pub fn of_duplicate(language: Language, draft: &Draft) -> Vec<ReplyButton> {
    let button = |act, title| ReplyButton {
        id: Tap { act, draft: draft.id, version: draft.version }.to_string(),
        title,
    };
    vec![
        button(Act::AddToFiled, phrases::same_button(language)),
        button(Act::FileAnyway, phrases::another_button(language)),
    ]
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn a_button_comes_back_as_it_was_shown() {
        for act in Act::iter() {
            let tap = Tap { act, draft: DraftId::new(), version: 7 };
            assert_eq!(tap.to_string().parse::<Tap>().unwrap(), tap);
        }
        for id in ["", "edit", "edit:x:1", "csat:LAP-20260101-001:5", "edit:a:b:c:d"] {
            assert!(id.parse::<Tap>().is_err(), "{id}");
        }
    }
}
