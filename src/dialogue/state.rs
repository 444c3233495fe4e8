//! What a conversation remembers between turns; stored as JSON with the conversation.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::understanding::{AskedSlot, Urgency};
use crate::ids::{DraftId, MessageId};

/// Days that an unfinished draft is kept.
pub const DRAFT_DAYS: i64 = 14;

/// The memory of a conversation. Unknown fields of an older or newer version are ignored, missing ones are empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DialogueState {
    /// The citizen has been told that they write with a machine, and of privacy.
    pub introduced: bool,
    /// The complaint being collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft: Option<Draft>,
    /// The complaint filed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_filed: Option<Filed>,
    /// So many messages in a row that were not understood.
    #[serde(skip_serializing_if = "is_zero")]
    pub misunderstood: u32,
    /// The end of the takeover after which the bot has said that it is back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back_since: Option<Timestamp>,
    /// How the reply to a call's answer opens: numbers of an emergency, the answer to a greeting.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub opening: Vec<String>,
    /// What else the citizen is to be told together with the answer of a call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also_say: Vec<String>,
}

// Serde hands fields over by reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A complaint being collected. Its id becomes the idempotency key of its creation (I5).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    pub id: DraftId,
    #[serde(default)]
    pub kategori: Option<String>,
    #[serde(default)]
    pub alamat: Option<String>,
    #[serde(default)]
    pub rt_rw: Option<String>,
    #[serde(default)]
    pub deskripsi: Option<String>,
    #[serde(default)]
    pub latitude: Option<f64>,
    #[serde(default)]
    pub longitude: Option<f64>,
    /// Photos and other evidence.
    #[serde(default)]
    pub media: Vec<MessageId>,
    #[serde(default)]
    pub urgency: Urgency,
    /// What the bot asked for last.
    #[serde(default)]
    pub asked_for: Option<AskedSlot>,
    /// Filed: waiting for the number.
    #[serde(default)]
    pub submitted: bool,
    pub updated_at: Timestamp,
}

/// A complaint that has its number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filed {
    pub lap_id: String,
    pub at: Timestamp,
}

impl Draft {
    /// An empty draft.
    pub fn new(id: DraftId, now: Timestamp) -> Self {
        Draft {
            id,
            kategori: None,
            alamat: None,
            rt_rw: None,
            deskripsi: None,
            latitude: None,
            longitude: None,
            media: Vec::new(),
            urgency: Urgency::Normal,
            asked_for: None,
            submitted: false,
            updated_at: now,
        }
    }

    /// Whether it says where it is, in words or by a pin.
    pub fn has_place(&self) -> bool {
        self.alamat.is_some() || self.latitude.is_some()
    }

    /// The first slot still missing; `None` when it can be filed.
    pub fn missing(&self) -> Option<AskedSlot> {
        if self.deskripsi.is_none() {
            Some(AskedSlot::Deskripsi)
        } else if !self.has_place() {
            Some(AskedSlot::Alamat)
        } else {
            None
        }
    }
}

impl DialogueState {
    /// From the stored JSON; what cannot be read starts afresh rather than stopping the conversation, and the caller
    /// is told so that it can log it.
    pub fn from_json(value: &Value) -> (Self, bool) {
        match serde_json::from_value(value.clone()) {
            Ok(state) => (state, true),
            Err(_) => (Self::default(), false),
        }
    }

    /// As stored.
    pub fn to_json(&self) -> Value {
        // Strings, numbers and lists only: serialization cannot fail.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Drops a draft that nobody went on with.
    pub fn forget_stale_draft(&mut self, now: Timestamp) {
        let stale = |draft: &Draft| {
            !draft.submitted && now.duration_since(draft.updated_at).as_hours() > DRAFT_DAYS * 24
        };
        if self.draft.as_ref().is_some_and(stale) {
            self.draft = None;
        }
    }

    /// One memory of two, when two people turned out to be one: this one's draft unless it has none, the complaint filed
    /// last, and everything that is still to be said.
    pub fn joined_by(mut self, younger: DialogueState) -> Self {
        self.introduced |= younger.introduced;
        self.draft = self.draft.or(younger.draft);
        self.last_filed = match (self.last_filed, younger.last_filed) {
            (Some(one), Some(other)) => Some(if other.at > one.at { other } else { one }),
            (one, other) => one.or(other),
        };
        self.opening.extend(younger.opening);
        self.also_say.extend(younger.also_say);
        self
    }

    /// The slot that the bot waits for.
    pub fn asked_for(&self) -> Option<AskedSlot> {
        self.draft.as_ref().filter(|draft| !draft.submitted).and_then(|draft| draft.asked_for)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn state(draft: Option<&str>, filed: Option<(&str, i64)>, say: &str) -> DialogueState {
        DialogueState {
            draft: draft
                .map(|words| Draft { deskripsi: Some(words.into()), ..Draft::new(DraftId::new(), at(0)) }),
            last_filed: filed.map(|(lap_id, second)| Filed { lap_id: lap_id.into(), at: at(second) }),
            also_say: vec![say.into()],
            ..DialogueState::default()
        }
    }

    #[test]
    fn joined_memories_keep_the_older_draft_the_latest_number_and_every_word_owed() {
        for (older, younger, draft, filed) in [
            ((Some("a"), None), (Some("b"), None), Some("a"), None),
            ((None, None), (Some("b"), None), Some("b"), None),
            ((None, Some(("1", 1))), (None, Some(("2", 2))), None, Some("2")),
            ((None, Some(("1", 3))), (None, Some(("2", 2))), None, Some("1")),
            ((None, None), (None, Some(("2", 2))), None, Some("2")),
        ] {
            let younger = DialogueState { introduced: true, ..state(younger.0, younger.1, "y") };
            let joined = state(older.0, older.1, "o").joined_by(younger);
            assert!(joined.introduced);
            assert_eq!(joined.also_say, ["o", "y"]);
            assert_eq!(joined.draft.and_then(|draft| draft.deskripsi).as_deref(), draft);
            assert_eq!(joined.last_filed.map(|filed| filed.lap_id).as_deref(), filed);
        }
    }
}
