//! What a conversation remembers between turns; stored as JSON with the conversation.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rounds::Rounds;
use super::understanding::{AskedSlot, Language, Urgency};
use crate::ids::{DraftId, MessageId};

/// Days that an unfinished draft is kept.
pub const DRAFT_DAYS: i64 = 14;

/// The memory of a conversation. Unknown fields of an older or newer version are ignored, missing ones are empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DialogueState {
    /// The citizen has been told that they write with a machine, and of privacy.
    pub introduced: bool,
    /// The language that the citizen wrote last.
    #[serde(default)]
    pub language: Language,
    /// The complaint being collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft: Option<Draft>,
    /// A complaint that was being collected when another, whole one was told: it is gone on with when that has its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aside: Option<Draft>,
    /// The complaints filed last, the latest at the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filed: Vec<Filed>,
    /// What the bot asked about something that was filed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub awaiting: Option<Awaiting>,
    /// When a voice note was acknowledged last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice_acknowledged: Option<Timestamp>,
    /// How much was asked of the bot lately.
    #[serde(default)]
    pub rounds: Rounds,
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
    /// Raised whenever it changes; buttons name it.
    #[serde(default)]
    pub version: u32,
    /// The category was asked for once; not told then, it is "lainnya".
    #[serde(default)]
    pub asked_kategori: bool,
    /// The complaint that it looks like; the citizen is asked whether it is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resembles: Option<String>,
    /// The citizen says that it is another matter than what it looks like.
    #[serde(default)]
    pub is_another: bool,
    /// The one reminder was sent.
    #[serde(default)]
    pub reminded: bool,
    /// Filed: waiting for the number.
    #[serde(default)]
    pub submitted: bool,
    pub updated_at: Timestamp,
}

/// A complaint that has its number, as far as it is spoken of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filed {
    pub lap_id: String,
    /// The draft that it was; buttons name it.
    pub draft: DraftId,
    /// Raised whenever the citizen changes it; buttons name it.
    pub version: u32,
    pub kategori: String,
    /// Place in the citizen's words; empty when there are none.
    pub alamat: String,
    pub urgency: Urgency,
    pub at: Timestamp,
}

/// A question of the bot about something that was filed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Awaiting {
    pub lap_id: String,
    pub what: Awaited,
    pub since: Timestamp,
}

/// What the answer would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Awaited {
    /// What is to be changed.
    Change,
    /// Whether it is to be withdrawn.
    Withdrawal,
    /// Where the emergency is.
    Location,
}

/// Complaints that are remembered as filed.
const MOST_FILED: usize = 5;
/// A question is answered by a bare "ya" for so long; after that it is shown again.
pub const ANSWER_LASTS: SignedDuration = SignedDuration::from_hours(1);

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
            version: 1,
            asked_kategori: false,
            resembles: None,
            is_another: false,
            reminded: false,
            submitted: false,
            updated_at: now,
        }
    }

    /// Whether it says where it is, in words or by a pin.
    pub fn has_place(&self) -> bool {
        self.alamat.is_some() || self.latitude.is_some()
    }

    /// The first slot still missing; `None` when it can be filed. In danger nothing is waited for but what happens.
    pub fn missing(&self) -> Option<AskedSlot> {
        let danger = self.urgency == Urgency::Emergency;
        if self.deskripsi.is_none() {
            Some(AskedSlot::Deskripsi)
        } else if danger {
            None
        } else if !self.has_place() {
            Some(AskedSlot::Alamat)
        } else if self.kategori.is_none() && !self.asked_kategori {
            Some(AskedSlot::Kategori)
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
        self.aside = self.aside.or(younger.aside);
        self.filed.extend(younger.filed);
        self.filed.sort_by_key(|filed| filed.at);
        self.keep_last_filed();
        self.awaiting = self.awaiting.or(younger.awaiting);
        self.opening.extend(younger.opening);
        self.also_say.extend(younger.also_say);
        self
    }

    /// The draft that is still being collected.
    pub fn open_draft(&self) -> Option<&Draft> {
        self.draft.as_ref().filter(|draft| !draft.submitted)
    }

    /// Remembers what was filed.
    pub fn remember_filed(&mut self, filed: Filed) {
        self.filed.push(filed);
        self.keep_last_filed();
    }

    fn keep_last_filed(&mut self) {
        let over = self.filed.len().saturating_sub(MOST_FILED);
        self.filed.drain(..over);
    }

    /// What was filed under this number, if it is remembered.
    pub fn filed_as(&self, lap_id: &str) -> Option<&Filed> {
        self.filed.iter().find(|filed| filed.lap_id == lap_id)
    }

    /// [`DialogueState::filed_as`], to be changed.
    pub fn filed_as_mut(&mut self, lap_id: &str) -> Option<&mut Filed> {
        self.filed.iter_mut().find(|filed| filed.lap_id == lap_id)
    }

    /// The slot that the bot waits for.
    pub fn asked_for(&self) -> Option<AskedSlot> {
        self.open_draft().and_then(|draft| draft.asked_for)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn filed_at(lap_id: &str, second: i64) -> Filed {
        Filed {
            lap_id: lap_id.into(),
            draft: DraftId::new(),
            version: 1,
            kategori: "sampah".into(),
            alamat: String::new(),
            urgency: Urgency::Normal,
            at: at(second),
        }
    }

    fn state(draft: Option<&str>, filed: Option<(&str, i64)>, say: &str) -> DialogueState {
        DialogueState {
            draft: draft
                .map(|words| Draft { deskripsi: Some(words.into()), ..Draft::new(DraftId::new(), at(0)) }),
            filed: filed.map(|(lap_id, second)| filed_at(lap_id, second)).into_iter().collect(),
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
            assert_eq!(joined.filed.last().map(|filed| filed.lap_id.as_str()), filed);
        }
    }
}
