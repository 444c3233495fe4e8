//! The JSON of webhooks: envelope, messages and statuses, with the ways a person may be named. Pure. Written
//! from the facts page alone, so that the product's own parser meets an independent opinion.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::people::{Author, ChatMessage, Citizen, Progress};

const ACCOUNT_ID: &str = "102290129340398";

/// One change: what happened at one number of the office.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    pub phone_number_id: String,
    pub contacts: Vec<Value>,
    pub messages: Vec<Value>,
    pub statuses: Vec<Value>,
}

/// The body of a webhook.
pub(super) fn envelope(changes: Vec<Change>) -> Value {
    let changes: Vec<Value> = changes
        .into_iter()
        .map(|change| {
            let mut value = json!({
                "messaging_product": "whatsapp",
                "metadata": {
                    "display_phone_number": display_number(&change.phone_number_id),
                    "phone_number_id": change.phone_number_id,
                },
            });
            let lists =
                [("contacts", change.contacts), ("messages", change.messages), ("statuses", change.statuses)];
            for (name, list) in lists {
                if !list.is_empty() {
                    value[name] = Value::Array(list);
                }
            }
            json!({"field": "messages", "value": value})
        })
        .collect();
    json!({"object": "whatsapp_business_account", "entry": [{"id": ACCOUNT_ID, "changes": changes}]})
}

/// The body that tells of a message sent from the office's own phone.
pub(super) fn echo_envelope(phone_number_id: &str, citizen: &Citizen, message: &ChatMessage) -> Value {
    let mut echo = json!({
        "from": display_number(phone_number_id),
        "id": message.wamid,
        "timestamp": message.at.as_second().to_string(),
        "type": message.kind,
    });
    echo[&message.kind] = message.content.clone();
    if let Some(phone) = &citizen.phone {
        echo["to"] = phone.as_str().into();
    }
    if let Some(bsuid) = &citizen.bsuid {
        echo["to_user_id"] = bsuid.as_str().into();
    }
    let value = json!({
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": display_number(phone_number_id),
            "phone_number_id": phone_number_id,
        },
        "message_echoes": [echo],
    });
    let changes = json!([{"field": "smb_message_echoes", "value": value}]);
    json!({"object": "whatsapp_business_account", "entry": [{"id": ACCOUNT_ID, "changes": changes}]})
}

/// A phone number to show, made of the last digits of the id.
pub(super) fn display_number(phone_number_id: &str) -> String {
    let digits: String = phone_number_id.chars().filter(char::is_ascii_digit).collect();
    let tail = &digits[digits.len().saturating_sub(8)..];
    format!("6221{tail}")
}

pub(super) fn contact(citizen: &Citizen) -> Value {
    let mut profile = json!({"name": citizen.name});
    if let Some(username) = &citizen.username {
        profile["username"] = username.as_str().into();
    }
    let mut contact = json!({ "profile": profile });
    if let Some(phone) = &citizen.phone {
        contact["wa_id"] = phone.as_str().into();
    }
    if let Some(bsuid) = &citizen.bsuid {
        contact["user_id"] = bsuid.as_str().into();
    }
    contact
}

/// A citizen's message. `content` is named by `kind`; a `raw` object replaces everything it names, and its `null`
/// takes a key away.
pub(super) fn message(
    citizen: &Citizen,
    message: &ChatMessage,
    forwarded: Option<&str>,
    raw: Option<&Map<String, Value>>,
) -> Value {
    let mut value = json!({
        "id": message.wamid,
        "timestamp": message.at.as_second().to_string(),
        "type": message.kind,
    });
    if let Some(phone) = &citizen.phone {
        value["from"] = phone.as_str().into();
    }
    if let Some(bsuid) = &citizen.bsuid {
        value["from_user_id"] = bsuid.as_str().into();
    }
    if raw.is_none() {
        value[&message.kind] = message.content.clone();
    }
    if let Some(reply_to) = &message.reply_to {
        value["context"] = json!({"id": reply_to});
    }
    if let Some(forwarded) = forwarded {
        value["context"] = json!({ forwarded: true });
    }
    if let (Some(raw), Value::Object(fields)) = (raw, &mut value) {
        for (key, replacement) in raw {
            if replacement.is_null() {
                fields.remove(key);
            } else {
                fields.insert(key.clone(), replacement.clone());
            }
        }
    }
    value
}

/// A status of a message of the office.
pub(super) fn status(
    citizen: &Citizen,
    message: &ChatMessage,
    state: &str,
    at: Timestamp,
    errors: Option<Vec<Value>>,
) -> Value {
    let mut value = json!({
        "id": message.wamid,
        "status": state,
        "timestamp": at.as_second().to_string(),
    });
    if let Some(phone) = &citizen.phone {
        value["recipient_id"] = phone.as_str().into();
    }
    if let Some(bsuid) = &citizen.bsuid {
        value["recipient_user_id"] = bsuid.as_str().into();
    }
    if let Some(opaque) = &message.opaque {
        value["biz_opaque_callback_data"] = opaque.as_str().into();
    }
    match errors {
        Some(errors) => value["errors"] = Value::Array(errors),
        None => {
            let category = if message.kind == "template" { "utility" } else { "service" };
            value["pricing"] =
                json!({"billable": true, "pricing_model": "PMP", "type": "regular", "category": category});
            if state == "sent" {
                let expires = message.at.as_second() + 24 * 3_600;
                value["conversation"] = json!({
                    "id": hex::encode(format!("{}:{category}", citizen.id)),
                    "expiration_timestamp": expires.to_string(),
                    "origin": {"type": category},
                });
            }
        }
    }
    value
}

/// How a state is called on the wire; `accepted` has no status of its own.
pub(super) fn state_name(progress: Progress) -> Option<&'static str> {
    match progress {
        Progress::Accepted => None,
        Progress::Sent => Some("sent"),
        Progress::Delivered => Some("delivered"),
        Progress::Read => Some("read"),
        Progress::Failed => Some("failed"),
    }
}

/// Whether a status may be told of this message at all.
pub(super) fn has_statuses(message: &ChatMessage) -> bool {
    message.from == Author::Office && message.kind != "reaction"
}
