//! A webhook body becomes updates. One malformed element never costs the others: it comes out as [`Update::Odd`]
//! with its bytes, to be parked. Facts: `entry[] × changes[] × (messages[] | statuses[])`, each belonging to the
//! `metadata.phone_number_id` of its own change.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// One thing that Meta told.
#[derive(Clone, Debug)]
pub enum Update {
    /// Somebody wrote.
    Message(Box<InboundMessage>),
    /// Something happened to a message of ours.
    Status(StatusUpdate),
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
    /// `text`, `image`, … or a type not known yet.
    pub kind: String,
    /// Text, caption, or the title of what was tapped; NUL replaced.
    pub text: Option<String>,
    /// The element as JSON, NUL replaced.
    pub content: Value,
    /// The element's bytes as received.
    pub raw: Vec<u8>,
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
    /// `billable`, `category`, `type`, `pricing_model`.
    pub pricing: Option<Value>,
    /// Meta's conversation that the message is counted in.
    pub conversation: Option<Value>,
}

/// An element that could not be read.
#[derive(Clone, Debug)]
pub struct OddUpdate {
    pub phone_number_id: Option<String>,
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
    #[serde(borrow, default)]
    changes: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(default)]
    field: String,
    #[serde(borrow)]
    value: &'a RawValue,
}

#[derive(Deserialize)]
struct ChangeValue<'a> {
    metadata: Option<Metadata>,
    #[serde(default)]
    contacts: Option<Vec<Value>>,
    #[serde(borrow, default)]
    messages: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    statuses: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Metadata {
    phone_number_id: Option<Value>,
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
        match serde_json::from_str::<Entry<'_>>(entry.get()) {
            Ok(parsed) => parsed.changes.into_iter().for_each(|change| read_change(change, &mut updates)),
            Err(_) => updates.push(odd(None, "an entry without readable changes", entry)),
        }
    }
    Ok(updates)
}

fn read_change(raw: &RawValue, updates: &mut Vec<Update>) {
    let Ok(change) = serde_json::from_str::<Change<'_>>(raw.get()) else {
        return updates.push(odd(None, "a change without a value", raw));
    };
    if change.field != "messages" {
        return updates.push(odd(None, &format!("field {} is not handled", short(&change.field)), raw));
    }
    let Ok(value) = serde_json::from_str::<ChangeValue<'_>>(change.value.get()) else {
        return updates.push(odd(None, "a change whose value cannot be read", raw));
    };
    let phone_number_id =
        value.metadata.and_then(|metadata| metadata.phone_number_id).and_then(|id| as_text(&id));
    let Some(phone_number_id) = phone_number_id.filter(|id| is_identifier(id)) else {
        return updates.push(odd(None, "a change without metadata.phone_number_id", raw));
    };
    let contacts = value.contacts.unwrap_or_default();
    let (messages, statuses) = (value.messages.unwrap_or_default(), value.statuses.unwrap_or_default());
    let alone = messages.len() == 1;
    for element in messages {
        updates.push(match read_message(&phone_number_id, &contacts, alone, element) {
            Ok(message) => Update::Message(Box::new(message)),
            Err(reason) => odd(Some(phone_number_id.clone()), reason, element),
        });
    }
    for element in statuses {
        updates.push(match read_status(element) {
            Ok(status) => Update::Status(status),
            Err(reason) => odd(Some(phone_number_id.clone()), reason, element),
        });
    }
}

fn read_message(
    phone_number_id: &str,
    contacts: &[Value],
    alone: bool,
    element: &RawValue,
) -> Result<InboundMessage, &'static str> {
    let mut content: Value =
        serde_json::from_str(element.get()).map_err(|_| "a message that is not readable JSON")?;
    replace_nul(&mut content);
    let wamid = string(&content, "id").filter(|id| !id.is_empty()).ok_or("a message without an id")?;
    if wamid.len() > 512 {
        return Err("a message whose id is longer than 512 bytes");
    }
    let sent_at =
        content.get("timestamp").and_then(timestamp).ok_or("a message without a readable timestamp")?;
    let kind = string(&content, "type").unwrap_or_else(|| "unsupported".into());
    let sender = read_sender(&content, contacts, alone);
    if sender.phone.is_none() && sender.bsuid.is_none() {
        return Err("a message without a sender");
    }
    Ok(InboundMessage {
        phone_number_id: phone_number_id.to_owned(),
        wamid,
        sender,
        sent_at,
        text: shown_text(&kind, &content),
        kind,
        content,
        raw: element.get().as_bytes().to_vec(),
    })
}

/// `from` and `from_user_id`, completed by the contact that matches either (or the only one there is).
fn read_sender(message: &Value, contacts: &[Value], alone: bool) -> Sender {
    let phone = string(message, "from").filter(|phone| is_identifier(phone));
    let bsuid = string(message, "from_user_id").filter(|id| is_identifier(id));
    let same = |contact: &&Value| {
        let wa_id = string(contact, "wa_id");
        let user_id = string(contact, "user_id");
        (phone.is_some() && wa_id == phone) || (bsuid.is_some() && user_id == bsuid)
    };
    let contact =
        contacts.iter().find(same).or_else(|| contacts.first().filter(|_| alone && contacts.len() == 1));
    let from_contact =
        |key: &str| contact.and_then(|contact| string(contact, key)).filter(|id| is_identifier(id));
    let profile = contact.and_then(|contact| contact.get("profile"));
    Sender {
        phone: phone.or_else(|| from_contact("wa_id")),
        bsuid: bsuid.or_else(|| from_contact("user_id")),
        parent_bsuid: string(message, "from_parent_user_id").or_else(|| from_contact("parent_user_id")),
        name: profile.and_then(|profile| string(profile, "name")),
        username: profile.and_then(|profile| string(profile, "username")),
    }
}

fn read_status(element: &RawValue) -> Result<StatusUpdate, &'static str> {
    let mut content: Value =
        serde_json::from_str(element.get()).map_err(|_| "a status that is not readable JSON")?;
    replace_nul(&mut content);
    Ok(StatusUpdate {
        wamid: string(&content, "id").filter(|id| !id.is_empty()).ok_or("a status without an id")?,
        status: string(&content, "status").ok_or("a status without a status")?,
        at: content.get("timestamp").and_then(timestamp).ok_or("a status without a readable timestamp")?,
        our_id: string(&content, "biz_opaque_callback_data").and_then(|id| id.parse().ok()),
        errors: content.get("errors").filter(|errors| !errors.is_null()).cloned(),
        pricing: content.get("pricing").filter(|pricing| pricing.is_object()).cloned(),
        conversation: content.get("conversation").filter(|conversation| conversation.is_object()).cloned(),
    })
}

/// What a person would read of it.
fn shown_text(kind: &str, content: &Value) -> Option<String> {
    let at = |path: &str| content.pointer(path).and_then(Value::as_str).map(str::to_owned);
    match kind {
        "text" => at("/text/body"),
        "image" | "video" | "document" | "audio" | "sticker" => at(&format!("/{kind}/caption")),
        "interactive" => {
            at("/interactive/button_reply/title").or_else(|| at("/interactive/list_reply/title"))
        }
        "button" => at("/button/text"),
        "location" => at("/location/address").or_else(|| at("/location/name")),
        "reaction" => at("/reaction/emoji"),
        _ => None,
    }
}

/// Unix seconds of its first moment.
const YEAR_2100: i64 = 4_102_444_800;

/// Unix seconds as a string or number; now and then milliseconds.
fn timestamp(value: &Value) -> Option<Timestamp> {
    let number: i64 = match value {
        Value::String(text) => text.parse().ok()?,
        Value::Number(number) => number.as_i64()?,
        _ => return None,
    };
    // Seconds pass 10^11 in the year 5138; milliseconds passed it in 1973.
    let time = if number.abs() >= 100_000_000_000 {
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

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Something that may serve as a key: short, printable, not empty.
fn is_identifier(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.chars().all(|character| character.is_ascii_graphic())
}

/// PostgreSQL's text and jsonb cannot hold NUL; the raw bytes keep it.
fn replace_nul(value: &mut Value) {
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

fn short(text: &str) -> String {
    text.chars().filter(|character| character.is_ascii_graphic()).take(64).collect()
}

fn odd(phone_number_id: Option<String>, reason: &str, raw: &RawValue) -> Update {
    Update::Odd(OddUpdate { phone_number_id, reason: reason.to_owned(), raw: raw.get().as_bytes().to_vec() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn envelope(value: Value) -> Vec<u8> {
        json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [
            {"field": "messages", "value": value}]}]})
        .to_string()
        .into_bytes()
    }

    fn one_message(message: Value) -> Update {
        let body = envelope(json!({"messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "62", "phone_number_id": "100"},
            "contacts": [{"profile": {"name": "Siti", "username": "siti_s"}, "wa_id": "6281", "user_id": "ID.abc"}],
            "messages": [message]}));
        parse(&body).unwrap().remove(0)
    }

    #[test]
    fn every_kind_of_message_is_read_with_what_a_person_would_see() {
        for (kind, object, text) in [
            ("text", json!({"body": "halo"}), Some("halo")),
            ("image", json!({"id": "1", "mime_type": "image/jpeg", "caption": "lubang"}), Some("lubang")),
            ("video", json!({"id": "1"}), None),
            ("document", json!({"id": "1", "filename": "a.pdf"}), None),
            ("audio", json!({"id": "1", "voice": true}), None),
            ("sticker", json!({"id": "1", "animated": true}), None),
            ("location", json!({"latitude": -6.2, "longitude": 106.8, "name": "Pasar"}), Some("Pasar")),
            ("contacts", json!([{"name": {"formatted_name": "Budi"}}]), None),
            (
                "interactive",
                json!({"type": "button_reply", "button_reply": {"id": "x", "title": "Ubah"}}),
                Some("Ubah"),
            ),
            ("button", json!({"text": "Ya", "payload": "y"}), Some("Ya")),
            ("reaction", json!({"message_id": "w", "emoji": "👍"}), Some("👍")),
            ("reaction", json!({"message_id": "w"}), None),
            ("order", json!({"catalog_id": "c", "product_items": []}), None),
            ("system", json!({"body": "changed", "type": "user_changed_number"}), None),
            ("edit", json!({"original_message_id": "w"}), None),
            ("something_new", json!({"a": 1}), None),
        ] {
            let update = one_message(json!({"from": "6281", "id": "wamid.1", "timestamp": "1767225600",
                "type": kind, kind: object}));
            let Update::Message(message) = update else { panic!("{kind}: {update:?}") };
            assert_eq!((message.kind.as_str(), message.text.as_deref()), (kind, text));
            assert_eq!(message.sent_at.as_second(), 1_767_225_600);
        }
    }

    #[test]
    fn people_without_a_phone_number_are_known_by_their_business_scoped_id() {
        let Update::Message(message) = one_message(json!({"from_user_id": "ID.abc", "id": "wamid.1",
            "timestamp": 1_767_225_600_123_i64, "type": "text", "text": {"body": "x"}}))
        else {
            panic!("not a message")
        };
        assert_eq!(message.sender.bsuid.as_deref(), Some("ID.abc"));
        assert_eq!(message.sender.name.as_deref(), Some("Siti"));
        assert_eq!(message.sent_at.as_millisecond(), 1_767_225_600_123);
    }

    #[test]
    fn one_malformed_element_does_not_cost_the_others() {
        let body = envelope(json!({"metadata": {"phone_number_id": "100"},
            "messages": [{"from": "6281", "id": "a", "timestamp": "1", "type": "text", "text": {"body": "x"}},
                {"from": "6281", "timestamp": "1", "type": "text"}, "nonsense", 7, {"id": "c", "timestamp": "1"},
                {"from": "6281", "id": "b", "timestamp": "1", "type": "text", "text": {"body": "y"}}],
            "statuses": [{"id": "a", "status": "read", "timestamp": "2"}, {"status": "read"}]}));
        let updates = parse(&body).unwrap();
        let kinds: String = updates
            .iter()
            .map(|update| match update {
                Update::Message(_) => 'm',
                Update::Status(_) => 's',
                Update::Odd(_) => 'o',
            })
            .collect();
        assert_eq!(kinds, "moooomso");
    }

    #[test]
    fn nul_is_replaced_in_text_and_kept_in_the_raw_bytes() {
        let Update::Message(message) =
            one_message(json!({"from": "6281", "id": "w", "timestamp": "1", "type": "text",
            "text": {"body": "a\u{0}b"}}))
        else {
            panic!("not a message")
        };
        assert_eq!(message.text.as_deref(), Some("a\u{FFFD}b"));
        assert!(!message.content.to_string().contains("\\u0000"));
        assert!(String::from_utf8(message.raw).unwrap().contains("\\u0000"));
    }

    #[test]
    fn a_body_that_is_no_envelope_is_an_error_without_its_words() {
        for body in [&b"not json"[..], b"{}", b"[]", b"{\"entry\":5}", b"{\"entry\":[]", b"\xff\xfe"] {
            let error = parse(body).unwrap_err().to_string();
            assert!(!error.contains("not json"), "{error}");
        }
        assert!(parse(br#"{"entry":[]}"#).unwrap().is_empty());
        assert!(matches!(parse(br#"{"entry":[5]}"#).unwrap()[..], [Update::Odd(_)]));
    }

    #[test]
    fn the_numbers_of_one_body_are_kept_apart() {
        let change = |number: &str, id: &str| {
            json!({"field": "messages", "value": {"metadata": {"phone_number_id": number}, "messages": [
                {"from": "6281", "id": id, "timestamp": "1", "type": "text", "text": {"body": "x"}}]}})
        };
        let body = json!({"entry": [{"id": "1", "changes": [change("100", "a"), change("200", "b")]},
            {"id": "2", "changes": [change("300", "c"), {"field": "account_update", "value": {}}]}]})
        .to_string();
        let numbers: Vec<String> = parse(body.as_bytes())
            .unwrap()
            .into_iter()
            .filter_map(|update| match update {
                Update::Message(message) => Some(message.phone_number_id),
                _ => None,
            })
            .collect();
        assert_eq!(numbers, ["100", "200", "300"]);
    }
}
