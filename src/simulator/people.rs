//! The citizens and their phones: who they are, and each chat as the phone shows it. Pure data; nothing here
//! sends anything.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::limits::TokenBucket;
use super::validate::Recipient;

pub(super) const MOST_CITIZENS: usize = 50_000;
const MOST_MESSAGES_A_CHAT: usize = 500;
const WINDOW: SignedDuration = SignedDuration::from_hours(24);

#[derive(Clone, Debug, Serialize)]
pub(super) struct Citizen {
    pub id: String,
    pub name: String,
    /// Digits only.
    pub phone: Option<String>,
    pub bsuid: Option<String>,
    pub username: Option<String>,
    /// Off: messages get as far as `sent`.
    pub online: bool,
    /// Grows with each citizen, so that lists keep their order.
    #[serde(skip)]
    joined: usize,
    /// By phone number id of the office.
    #[serde(skip)]
    pub chats: BTreeMap<String, Chat>,
}

impl Citizen {
    /// Every name a fault or a reader of the log may call this person by.
    pub fn names(&self) -> Vec<&str> {
        let names = [Some(self.id.as_str()), self.phone.as_deref(), self.bsuid.as_deref()];
        names.into_iter().flatten().collect()
    }
}

/// One chat between a citizen and a number of the office.
#[derive(Clone, Debug, Default)]
pub(super) struct Chat {
    pub messages: VecDeque<ChatMessage>,
    /// Until when the office may write freely.
    pub window_until: Option<Timestamp>,
    pub typing_until: Option<Timestamp>,
    pub pair_bucket: Option<TokenBucket>,
}

impl Chat {
    pub fn open_window(&mut self, now: Timestamp) {
        self.window_until = now.checked_add(WINDOW).ok();
    }

    pub fn window_is_open(&self, now: Timestamp) -> bool {
        self.window_until.is_some_and(|until| now < until)
    }

    pub fn message(&mut self, wamid: &str) -> Option<&mut ChatMessage> {
        self.messages.iter_mut().rev().find(|message| message.wamid == wamid)
    }

    /// Adds a message and gives back the id of one that had to make room.
    pub fn push(&mut self, message: ChatMessage) -> Option<String> {
        self.messages.push_back(message);
        if self.messages.len() <= MOST_MESSAGES_A_CHAT {
            return None;
        }
        self.messages.pop_front().map(|oldest| oldest.wamid)
    }

    /// The chat as the phone shows it.
    pub fn to_json(&self, now: Timestamp) -> Value {
        let typing_ms = self.typing_until.map_or(0, |until| until.as_millisecond() - now.as_millisecond());
        let window_ms = self.window_until.map_or(0, |until| until.as_millisecond() - now.as_millisecond());
        json!({
            "typing": typing_ms > 0,
            "typing_ms_left": typing_ms.max(0),
            "window": {"open": window_ms > 0, "seconds_left": window_ms.max(0) / 1_000},
            "messages": self.messages,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Author {
    Citizen,
    Office,
}

/// How far a message of the office has come; never goes backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Progress {
    Accepted,
    Sent,
    Delivered,
    Read,
    Failed,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ChatMessage {
    pub wamid: String,
    pub from: Author,
    #[serde(rename = "type")]
    pub kind: String,
    /// The object named by the type; for a template with a `rendered` text where known.
    pub content: Value,
    pub reply_to: Option<String>,
    pub at: Timestamp,
    /// For the office's messages. For the citizen's: `delivered` once the webhook was answered 200, `read` by receipt.
    pub progress: Progress,
    pub error: Option<Value>,
    pub opaque: Option<String>,
    /// For the citizen's messages.
    pub webhook: Option<WebhookState>,
    /// Emoji by author.
    pub reactions: BTreeMap<&'static str, String>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct WebhookState {
    pub attempts: u32,
    pub answered_200: bool,
    /// HTTP status of the last answer; absent if none came.
    pub last_status: Option<u16>,
}

/// A citizen as a script or the phone page introduces one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Introduction {
    #[serde(default)]
    pub id: Option<String>,
    pub name: String,
    #[serde(default)]
    pub phone: Option<String>,
    #[serde(default)]
    pub bsuid: Option<String>,
    #[serde(default)]
    pub username: Option<String>,
}

/// Everybody, findable by id, phone number or BSUID.
#[derive(Debug, Default)]
pub(super) struct People {
    citizens: BTreeMap<String, Citizen>,
    by_phone: HashMap<String, String>,
    by_bsuid: HashMap<String, String>,
    last_number: u64,
}

/// Why somebody cannot be introduced: the field and the reason.
pub(super) struct NotIntroduced {
    pub field: &'static str,
    pub reason: String,
}

impl People {
    pub fn samples() -> Self {
        let mut people = People::default();
        let samples = [
            ("siti", "Siti Rahmawati", Some("6281234567801"), None, None),
            ("budi", "Budi Santoso", Some("6281234567802"), Some("ID.7c2f0b54a91e4d3388"), None),
            ("wayan", "Wayan Lestari", None, Some("ID.1f6ad90c2b7745e0aa"), Some("wayan.lestari")),
        ];
        for (id, name, phone, bsuid, username) in samples {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            people.insert(Citizen {
                id: id.to_owned(),
                name: name.to_owned(),
                phone: owned(phone),
                bsuid: owned(bsuid),
                username: owned(username),
                online: true,
                joined: 0,
                chats: BTreeMap::new(),
            });
        }
        people
    }

    /// Everybody, in the order of their introduction.
    pub fn all(&self) -> Vec<&Citizen> {
        let mut citizens: Vec<&Citizen> = self.citizens.values().collect();
        citizens.sort_unstable_by_key(|citizen| citizen.joined);
        citizens
    }

    pub fn get(&self, id: &str) -> Option<&Citizen> {
        self.citizens.get(id)
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut Citizen> {
        self.citizens.get_mut(id)
    }

    pub fn find(&self, recipient: &Recipient) -> Option<&Citizen> {
        let id = match recipient {
            Recipient::Phone(phone) => self.by_phone.get(phone),
            Recipient::UserId(bsuid) => self.by_bsuid.get(bsuid),
        };
        self.citizens.get(id?)
    }

    /// Adds a citizen, or says which field stands in the way.
    pub fn introduce(&mut self, introduction: Introduction) -> Result<&Citizen, NotIntroduced> {
        let refuse = |field, reason: &str| Err(NotIntroduced { field, reason: reason.to_owned() });
        if self.citizens.len() >= MOST_CITIZENS {
            return refuse("name", "there are too many citizens; reset first");
        }
        let Introduction { id, name, phone, bsuid, username } = introduction;
        if name.trim().is_empty() {
            return refuse("name", "must not be empty");
        }
        let phone = phone.map(|phone| phone.trim_start_matches('+').replace([' ', '-'], ""));
        if phone.is_none() && bsuid.is_none() {
            return refuse("phone", "a phone number or a bsuid is needed");
        }
        if let Some(phone) = &phone {
            if !(6..=15).contains(&phone.len()) || !phone.bytes().all(|byte| byte.is_ascii_digit()) {
                return refuse("phone", "must be 6 to 15 digits");
            }
            if self.by_phone.contains_key(phone) {
                return refuse("phone", "belongs to another citizen");
            }
        }
        if let Some(bsuid) = &bsuid {
            if !super::validate::is_user_id(bsuid) {
                return refuse("bsuid", "must be a country code, a dot and up to 128 letters and digits");
            }
            if self.by_bsuid.contains_key(bsuid) {
                return refuse("bsuid", "belongs to another citizen");
            }
        }
        let id = id.unwrap_or_else(|| {
            self.last_number += 1;
            format!("c{}", self.last_number)
        });
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if id.is_empty() || id.len() > 64 || !id.bytes().all(plain) {
            return refuse("id", "must be 1 to 64 letters, digits, hyphens or underscores");
        }
        if self.citizens.contains_key(&id) {
            return refuse("id", "belongs to another citizen");
        }
        let citizen = Citizen {
            id: id.clone(),
            name,
            phone,
            bsuid,
            username,
            online: true,
            joined: 0,
            chats: BTreeMap::new(),
        };
        self.insert(citizen);
        self.citizens.get(&id).ok_or(NotIntroduced { field: "id", reason: "was lost".to_owned() })
    }

    fn insert(&mut self, mut citizen: Citizen) {
        citizen.joined = self.citizens.len();
        if let Some(phone) = &citizen.phone {
            self.by_phone.insert(phone.clone(), citizen.id.clone());
        }
        if let Some(bsuid) = &citizen.bsuid {
            self.by_bsuid.insert(bsuid.clone(), citizen.id.clone());
        }
        self.citizens.insert(citizen.id.clone(), citizen);
    }
}
