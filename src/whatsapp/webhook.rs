//! A webhook body becomes updates. One malformed element never costs the others: it comes out as [`Update::Odd`]
//! with its bytes, to be parked. Facts: `entry[] × changes[] × (messages[] | statuses[])`, each belonging to the
//! `metadata.phone_number_id` of its own change.
//!
//! - [`elements`]: one message, status or echo
//! - [`shown`]: what a person would read of it

mod elements;
mod shown;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use elements::{as_text, is_identifier, read_call, read_echo, read_message, read_status, replace_nul, short};

/// One thing that Meta told.
#[derive(Clone, Debug)]
pub enum Update {
    /// Somebody wrote or called.
    Message(Box<InboundMessage>),
    /// Something happened to a message of ours.
    Status(StatusUpdate),
    /// An officer wrote from the office's own phone.
    Echo(Box<EchoedMessage>),
    /// Nothing we can file, kept with its bytes and the reason.
    Odd(OddUpdate),
}

/// A message from a citizen.
#[derive(Clone, Debug)]
pub struct InboundMessage {
    pub phone_number_id: String,
    pub wamid: String,
    pub sender: Sender,
    /// Meta's time.
    pub sent_at: Timestamp,
    /// One of the kinds that Meta names today, `call`, or `unsupported`; a name not known yet is in `content.type`.
    pub kind: String,
    /// Text, caption, or the title of what was tapped; NUL replaced.
    pub text: Option<String>,
    /// The element as JSON, NUL replaced.
    pub content: Value,
    /// The element's bytes as received.
    pub raw: Vec<u8>,
    /// The citizen did it themselves, so the 24 h window opens; not so what WhatsApp tells about them.
    pub opens_window: bool,
    /// The `wamid` of the message that this one edits or takes back.
    pub changes: Option<String>,
    /// What it tells about who the sender is from now on.
    pub identity: Option<IdentityChange>,
}

/// What Meta tells about who somebody is (system messages).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityChange {
    /// The same person under other names (`user_changed_number`, `user_changed_user_id`).
    Renamed { before: Box<Sender>, after: Box<Sender> },
    /// Somebody else answers at this number now (`customer_identity_changed`).
    Replaced,
}

/// Whom a message is from; at least one of phone and bsuid is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    pub phone: Option<String>,
    pub bsuid: Option<String>,
    pub parent_bsuid: Option<String>,
    pub name: Option<String>,
    pub username: Option<String>,
}

/// A message that the office sent from its own phone.
#[derive(Clone, Debug)]
pub struct EchoedMessage {
    pub phone_number_id: String,
    pub wamid: String,
    /// To whom.
    pub recipient: Sender,
    pub sent_at: Timestamp,
    pub kind: String,
    pub text: Option<String>,
    pub content: Value,
    pub raw: Vec<u8>,
}

/// What happened to a message of ours.
#[derive(Clone, Debug)]
pub struct StatusUpdate {
    pub wamid: String,
    /// `sent`, `delivered`, `read`, `failed`, …
    pub status: String,
    pub at: Timestamp,
    /// Our own message id, echoed from the send.
    pub our_id: Option<uuid::Uuid>,
    pub errors: Option<Value>,
}

/// Which piece of a body something is; enough to read it again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Piece {
    Entry,
    Change,
    Message,
    Status,
    Echo,
    Call,
    /// An element of the `errors` beside the messages.
    Error,
}

/// Why a piece was put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum OddKind {
    /// It should have been readable.
    Poison,
    /// It is well-formed, and nothing here deals with it (yet).
    NotHandled,
}

/// A piece that could not be filed.
#[derive(Clone, Debug)]
pub struct OddUpdate {
    pub kind: OddKind,
    pub piece: Piece,
    pub phone_number_id: Option<String>,
    /// The `contacts` beside it; null when there are none. NUL replaced.
    pub contacts: Value,
    pub reason: String,
    pub raw: Vec<u8>,
}

/// The body as a whole is not what Meta sends.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Not JSON at all (the message names only the position).
    #[error("the body is not valid JSON (line {line}, column {column})")]
    Json { line: usize, column: usize },
    /// JSON, but without `entry`.
    #[error("the body has no list `entry`")]
    NotAnEnvelope,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    entry: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    changes: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow, default)]
    field: Option<&'a RawValue>,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// Each part is read on its own, so that one of the wrong type costs only itself.
#[derive(Deserialize)]
struct ChangeValue<'a> {
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    contacts: Option<&'a RawValue>,
    #[serde(borrow, default)]
    messages: Option<&'a RawValue>,
    #[serde(borrow, default)]
    statuses: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message_echoes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    calls: Option<&'a RawValue>,
    #[serde(borrow, default)]
    errors: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Metadata {
    phone_number_id: Option<Value>,
}

/// What the elements of one change have in common.
struct Surroundings {
    phone_number_id: String,
    contacts: Vec<Value>,
    /// The only message of its change belongs to the only contact.
    alone: bool,
}

/// Reads a body. Every element comes out, in the order of the body.
///
/// # Errors
/// Only when the body as a whole is no envelope; single elements become [`Update::Odd`].
pub fn parse(body: &[u8]) -> Result<Vec<Update>, WebhookError> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            WebhookError::NotAnEnvelope
        } else {
            WebhookError::Json { line: error.line(), column: error.column() }
        }
    })?;
    let entries = envelope.entry.ok_or(WebhookError::NotAnEnvelope)?;
    let mut updates = Vec::new();
    for entry in entries {
        read_entry(entry, &mut updates);
    }
    Ok(updates)
}

/// Reads a piece again that was put aside, with what is known of its surroundings. Nothing comes out of bytes that are
/// no JSON.
pub fn parse_piece(piece: Piece, phone_number_id: Option<&str>, contacts: &Value, raw: &[u8]) -> Vec<Update> {
    let mut updates = Vec::new();
    let Ok(raw) = serde_json::from_slice::<&RawValue>(raw) else { return updates };
    let surroundings = || Surroundings {
        phone_number_id: phone_number_id.unwrap_or_default().to_owned(),
        contacts: contacts.as_array().cloned().unwrap_or_default(),
        alone: contacts.as_array().is_some_and(|contacts| contacts.len() == 1),
    };
    match piece {
        Piece::Entry => read_entry(raw, &mut updates),
        Piece::Change => read_change(raw, &mut updates),
        Piece::Message | Piece::Status | Piece::Echo | Piece::Call | Piece::Error => {
            read_element(piece, raw, &surroundings(), &mut updates);
        }
    }
    updates
}

fn read_entry(raw: &RawValue, updates: &mut Vec<Update>) {
    match serde_json::from_str::<Entry<'_>>(raw.get()) {
        Ok(Entry { changes: Some(changes) }) => {
            changes.into_iter().for_each(|change| read_change(change, updates));
        }
        Ok(Entry { changes: None }) => {
            updates.push(odd(OddKind::NotHandled, Piece::Entry, "an entry without changes", raw));
        }
        Err(_) => updates.push(odd(OddKind::Poison, Piece::Entry, "an entry without readable changes", raw)),
    }
}

fn read_change(raw: &RawValue, updates: &mut Vec<Update>) {
    let poison = |reason: &str| odd(OddKind::Poison, Piece::Change, reason, raw);
    let Ok(change) = serde_json::from_str::<Change<'_>>(raw.get()) else {
        return updates.push(poison("a change without a value"));
    };
    let field = change.field.and_then(|field| serde_json::from_str::<String>(field.get()).ok());
    let lists: &[Piece] = match field.as_deref() {
        Some("messages") => &[Piece::Message, Piece::Status],
        Some("smb_message_echoes") => &[Piece::Echo],
        Some("calls") => &[Piece::Call, Piece::Status],
        other => {
            let name = short(other.unwrap_or_default());
            let reason = format!("field {name} is not handled");
            return updates.push(odd(OddKind::NotHandled, Piece::Change, &reason, raw));
        }
    };
    let Ok(value) = serde_json::from_str::<ChangeValue<'_>>(change.value.get()) else {
        return updates.push(poison("a change whose value cannot be read"));
    };
    let metadata = value.metadata.and_then(|metadata| serde_json::from_str::<Metadata>(metadata.get()).ok());
    let phone_number_id = metadata.and_then(|metadata| metadata.phone_number_id).and_then(|id| as_text(&id));
    let Some(phone_number_id) = phone_number_id.filter(|id| is_identifier(id)) else {
        return updates.push(poison("a change without metadata.phone_number_id"));
    };
    let contacts =
        value.contacts.and_then(|contacts| serde_json::from_str::<Vec<Value>>(contacts.get()).ok());
    let mut surroundings =
        Surroundings { phone_number_id, contacts: contacts.unwrap_or_default(), alone: false };
    surroundings.contacts.iter_mut().for_each(replace_nul);
    let before = updates.len();
    for piece in lists.iter().copied().chain([Piece::Error]) {
        let list = match piece {
            Piece::Message => value.messages,
            Piece::Status => value.statuses,
            Piece::Echo => value.message_echoes,
            Piece::Call => value.calls,
            _ => value.errors,
        };
        let Some(list) = list.filter(|list| list.get() != "null") else { continue };
        let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(list.get()) else {
            let reason = format!("a change whose list of {piece} elements is no list");
            updates.push(poison(&reason));
            continue;
        };
        surroundings.alone = elements.len() == 1;
        for element in elements {
            read_element(piece, element, &surroundings, updates);
        }
    }
    let told = [value.messages, value.statuses, value.message_echoes, value.calls, value.errors];
    if updates.len() == before && told.iter().all(Option::is_none) {
        updates.push(odd(OddKind::NotHandled, Piece::Change, "a change that tells nothing known", raw));
    }
}

fn read_element(piece: Piece, raw: &RawValue, around: &Surroundings, updates: &mut Vec<Update>) {
    let read = match piece {
        Piece::Message => read_message(around, raw).map(|message| Update::Message(Box::new(message))),
        Piece::Call => read_call(around, raw).map(|message| Update::Message(Box::new(message))),
        Piece::Echo => read_echo(around, raw).map(|echo| Update::Echo(Box::new(echo))),
        Piece::Status => read_status(raw).map(Update::Status),
        _ => Err(elements::error_told(raw)),
    };
    updates.push(read.unwrap_or_else(|(kind, reason)| {
        Update::Odd(OddUpdate {
            kind,
            piece,
            phone_number_id: Some(around.phone_number_id.clone()),
            contacts: if around.contacts.is_empty() {
                Value::Null
            } else {
                Value::Array(around.contacts.clone())
            },
            reason,
            raw: raw.get().as_bytes().to_vec(),
        })
    }));
}

fn odd(kind: OddKind, piece: Piece, reason: &str, raw: &RawValue) -> Update {
    Update::Odd(OddUpdate {
        kind,
        piece,
        phone_number_id: None,
        contacts: Value::Null,
        reason: reason.to_owned(),
        raw: raw.get().as_bytes().to_vec(),
    })
}
