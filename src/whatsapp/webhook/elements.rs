//! One element of a change: a message, a call, a status or an echo. Lenient: what can be filed is filed, whatever else
//! the element says.

use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;

use super::shown::{known_kind, shown_text};
use super::{EchoedMessage, IdentityChange, InboundMessage, OddKind, Sender, StatusUpdate, Surroundings};

/// Why an element cannot be filed.
pub(super) type Unfit = (OddKind, String);

/// Longest id of a message.
const LONGEST_WAMID: usize = 512;
/// Longest name of a person that is kept, in characters.
const LONGEST_NAME: usize = 256;
/// Unix seconds of its first moment.
const YEAR_2100: i64 = 4_102_444_800;

fn poison(reason: &str) -> Unfit {
    (OddKind::Poison, reason.to_owned())
}

/// What every element that becomes a row of messages has.
struct Head {
    content: Value,
    wamid: String,
    sent_at: Timestamp,
}

fn read_head(raw: &RawValue, what: &str) -> Result<Head, Unfit> {
    let unfit = |reason: &str| poison(&format!("a {what} {reason}"));
    let mut content: Value =
        serde_json::from_str(raw.get()).map_err(|_| unfit("that is not readable JSON"))?;
    replace_nul(&mut content);
    let wamid = string(&content, "id").filter(|id| !id.is_empty()).ok_or_else(|| unfit("without an id"))?;
    if wamid.len() > LONGEST_WAMID {
        return Err(unfit("whose id is longer than 512 bytes"));
    }
    let sent_at =
        content.get("timestamp").and_then(timestamp).ok_or_else(|| unfit("without a readable timestamp"))?;
    Ok(Head { content, wamid, sent_at })
}

pub(super) fn read_message(around: &Surroundings, raw: &RawValue) -> Result<InboundMessage, Unfit> {
    let Head { content, wamid, sent_at } = read_head(raw, "message")?;
    let kind = known_kind(content.get("type").and_then(Value::as_str));
    let identity = identity_change(kind, &content);
    // What a system message stands beside is not told to be its sender.
    let alone = around.alone && kind != "system";
    let mut sender = read_sender(&content, &around.contacts, alone);
    if sender.phone.is_none() && sender.bsuid.is_none() {
        // Of a change of names one may be told without the others.
        let named = match &identity {
            Some(IdentityChange::Renamed { before, after }) => {
                [before, after].into_iter().find(|names| names.phone.is_some() || names.bsuid.is_some())
            }
            _ => None,
        };
        sender = named.map(|names| (**names).clone()).ok_or_else(|| poison("a message without a sender"))?;
    }
    Ok(InboundMessage {
        phone_number_id: around.phone_number_id.clone(),
        wamid,
        sender,
        sent_at,
        text: shown_text(kind, &content),
        kind: kind.to_owned(),
        opens_window: kind != "system",
        changes: changed_message(kind, &content),
        identity,
        content,
        raw: raw.get().as_bytes().to_vec(),
    })
}

/// A call that the citizen made opens the window like a message. Meta tells of one call several times under one id.
pub(super) fn read_call(around: &Surroundings, raw: &RawValue) -> Result<InboundMessage, Unfit> {
    let Head { content, wamid, sent_at } = read_head(raw, "call")?;
    if content.get("direction").and_then(Value::as_str) != Some("USER_INITIATED") {
        return Err((OddKind::NotHandled, "a call that the citizen did not make".into()));
    }
    let sender = read_sender(&content, &around.contacts, around.alone);
    if sender.phone.is_none() && sender.bsuid.is_none() {
        return Err(poison("a call without a caller"));
    }
    Ok(InboundMessage {
        phone_number_id: around.phone_number_id.clone(),
        wamid,
        sender,
        sent_at,
        text: None,
        kind: "call".to_owned(),
        opens_window: true,
        changes: None,
        identity: None,
        content,
        raw: raw.get().as_bytes().to_vec(),
    })
}

pub(super) fn read_echo(around: &Surroundings, raw: &RawValue) -> Result<EchoedMessage, Unfit> {
    let Head { content, wamid, sent_at } = read_head(raw, "message echo")?;
    let kind = known_kind(content.get("type").and_then(Value::as_str));
    let names = ["to", "to_user_id", "to_parent_user_id"];
    let recipient = read_person(&content, names, &around.contacts, around.alone);
    if recipient.phone.is_none() && recipient.bsuid.is_none() {
        return Err(poison("a message echo without a recipient"));
    }
    Ok(EchoedMessage {
        phone_number_id: around.phone_number_id.clone(),
        wamid,
        recipient,
        sent_at,
        text: shown_text(kind, &content),
        kind: kind.to_owned(),
        content,
        raw: raw.get().as_bytes().to_vec(),
    })
}

pub(super) fn read_status(raw: &RawValue) -> Result<StatusUpdate, Unfit> {
    let Head { content, wamid, sent_at } = read_head(raw, "status")?;
    Ok(StatusUpdate {
        wamid,
        status: string(&content, "status").ok_or_else(|| poison("a status without a status"))?,
        at: sent_at,
        our_id: string(&content, "biz_opaque_callback_data").and_then(|id| id.parse().ok()),
        errors: content.get("errors").filter(|errors| !errors.is_null()).cloned(),
    })
}

/// What is kept of an error that Meta tells beside the messages: for the operator, with its code.
pub(super) fn error_told(raw: &RawValue) -> Unfit {
    let content: Value = serde_json::from_str(raw.get()).unwrap_or_default();
    let code = content.get("code").and_then(as_text).map(|code| short(&code)).unwrap_or_default();
    (OddKind::NotHandled, format!("Meta tells of an error {code}"))
}

fn read_sender(content: &Value, contacts: &[Value], alone: bool) -> Sender {
    read_person(content, ["from", "from_user_id", "from_parent_user_id"], contacts, alone)
}

/// Phone, BSUID and parent BSUID by these keys, completed by the contact that matches either (or the only one there is).
fn read_person(content: &Value, names: [&str; 3], contacts: &[Value], alone: bool) -> Sender {
    let [phone, bsuid, parent_bsuid] = names.map(|name| identifier(content, name));
    let same = |contact: &&Value| {
        (phone.is_some() && identifier(contact, "wa_id") == phone)
            || (bsuid.is_some() && identifier(contact, "user_id") == bsuid)
    };
    let contact =
        contacts.iter().find(same).or_else(|| contacts.first().filter(|_| alone && contacts.len() == 1));
    let from_contact = |key: &str| contact.and_then(|contact| identifier(contact, key));
    let profile = contact.and_then(|contact| contact.get("profile"));
    let name = |key: &str| {
        let text = profile.and_then(|profile| string(profile, key))?;
        Some(text.chars().take(LONGEST_NAME).collect())
    };
    Sender {
        phone: phone.or_else(|| from_contact("wa_id")),
        bsuid: bsuid.or_else(|| from_contact("user_id")),
        parent_bsuid: parent_bsuid.or_else(|| from_contact("parent_user_id")),
        name: name("name"),
        username: name("username"),
    }
}

/// What a system message tells about who somebody is; the names after it, and those before it where they are told.
fn identity_change(kind: &str, content: &Value) -> Option<IdentityChange> {
    let system = content.get("system").filter(|_| kind == "system")?;
    let told = Sender {
        phone: identifier(system, "wa_id").or_else(|| identifier(system, "new_wa_id")),
        bsuid: identifier(system, "user_id"),
        parent_bsuid: identifier(system, "parent_user_id"),
        ..Sender::default()
    };
    let from = Sender {
        phone: identifier(content, "from"),
        bsuid: identifier(system, "previous_user_id").or_else(|| identifier(content, "from_user_id")),
        parent_bsuid: identifier(system, "previous_parent_user_id"),
        ..Sender::default()
    };
    match system.get("type").and_then(Value::as_str)? {
        "user_changed_number" | "customer_changed_number" | "user_changed_user_id" => {
            // The same value before and after is no change.
            let before = Sender {
                phone: from.phone.filter(|phone| told.phone.as_ref() != Some(phone)),
                bsuid: from.bsuid.filter(|bsuid| told.bsuid.as_ref() != Some(bsuid)),
                ..from
            };
            let complete = (before.phone.is_some() || before.bsuid.is_some())
                && (told.phone.is_some() || told.bsuid.is_some());
            complete.then(|| IdentityChange::Renamed { before: Box::new(before), after: Box::new(told) })
        }
        "customer_identity_changed" => Some(IdentityChange::Replaced),
        _ => None,
    }
}

/// The message that an edit or a revocation is about.
fn changed_message(kind: &str, content: &Value) -> Option<String> {
    let object = content.get(kind).filter(|_| matches!(kind, "edit" | "revoke"))?;
    string(object, "original_message_id").filter(|wamid| (1..=LONGEST_WAMID).contains(&wamid.len()))
}

/// Unix seconds as a string or number; now and then milliseconds.
fn timestamp(value: &Value) -> Option<Timestamp> {
    let number: i64 = match value {
        Value::String(text) => text.parse().ok()?,
        Value::Number(number) => number.as_i64()?,
        _ => return None,
    };
    // Seconds pass 10^11 in the year 5138; milliseconds passed it in 1973.
    let time = if number.unsigned_abs() >= 100_000_000_000 {
        Timestamp::from_millisecond(number).ok()?
    } else {
        Timestamp::from_second(number).ok()?
    };
    // A time that nobody can have written at would keep the window open for good and overflow what is counted from it.
    (0..YEAR_2100).contains(&time.as_second()).then_some(time)
}

fn string(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(as_text)
}

fn identifier(value: &Value, key: &str) -> Option<String> {
    string(value, key).filter(|text| is_identifier(text))
}

pub(super) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Something that may serve as a key: short, printable, not empty.
pub(super) fn is_identifier(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.chars().all(|character| character.is_ascii_graphic())
}

/// PostgreSQL's text and jsonb cannot hold NUL; the raw bytes keep it.
pub(super) fn replace_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{FFFD}"),
        Value::Array(items) => items.iter_mut().for_each(replace_nul),
        Value::Object(map) => {
            if map.keys().any(|key| key.contains('\0')) {
                *map = std::mem::take(map)
                    .into_iter()
                    .map(|(key, value)| (key.replace('\0', "\u{FFFD}"), value))
                    .collect();
            }
            map.values_mut().for_each(replace_nul);
        }
        _ => {}
    }
}

pub(super) fn short(text: &str) -> String {
    text.chars().filter(|character| character.is_ascii_graphic()).take(64).collect()
}
