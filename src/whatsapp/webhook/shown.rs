//! What a person would read of a message: words where it has some, or what it is about. Never a reason to refuse it.

use serde_json::Value;

/// Names of contacts that are told one by one; the others are counted.
const NAMES_TOLD: usize = 5;

/// A kind that is understood, or `unsupported`.
pub(super) fn known_kind(kind: Option<&str>) -> &'static str {
    const KINDS: [&str; 16] = [
        "text",
        "image",
        "video",
        "document",
        "audio",
        "sticker",
        "location",
        "contacts",
        "interactive",
        "button",
        "reaction",
        "order",
        "system",
        "edit",
        "revoke",
        "unsupported",
    ];
    KINDS.into_iter().find(|known| kind == Some(*known)).unwrap_or("unsupported")
}

/// The words; `None` where there are none.
pub(super) fn shown_text(kind: &str, content: &Value) -> Option<String> {
    let object = content.get(kind).unwrap_or(&Value::Null);
    let at = |path: &str| words(object, path);
    let text = match kind {
        "text" => at("/body"),
        "image" | "video" | "document" | "audio" | "sticker" => at("/caption"),
        "interactive" => {
            at("/button_reply/title").or_else(|| at("/list_reply/title")).or_else(|| at("/nfm_reply/body"))
        }
        "button" => at("/text"),
        "location" => at("/address").or_else(|| at("/name")).or_else(|| coordinates(object)),
        "reaction" => at("/emoji"),
        "contacts" => names(object),
        "order" => object.get("product_items").and_then(Value::as_array).map(|items| match items.len() {
            1 => "1 product".to_owned(),
            count => format!("{count} products"),
        }),
        "system" => at("/body"),
        "edit" => object.get("message").and_then(|message| {
            let kind = known_kind(message.get("type").and_then(Value::as_str));
            // An edit of an edit is nothing that Meta sends.
            (kind != "edit").then(|| shown_text(kind, message)).flatten()
        }),
        _ => None,
    };
    text.filter(|text| !text.is_empty())
}

fn words(object: &Value, path: &str) -> Option<String> {
    object.pointer(path).and_then(Value::as_str).map(str::to_owned)
}

fn coordinates(object: &Value) -> Option<String> {
    let at = |key: &str| object.get(key).and_then(Value::as_f64);
    let (latitude, longitude) = at("latitude").zip(at("longitude"))?;
    Some(format!("{latitude:.5}, {longitude:.5}"))
}

fn names(contacts: &Value) -> Option<String> {
    let names: Vec<String> = contacts
        .as_array()?
        .iter()
        .filter_map(|contact| {
            words(contact, "/name/formatted_name").or_else(|| words(contact, "/phones/0/phone"))
        })
        .collect();
    let more = names.len().saturating_sub(NAMES_TOLD);
    let told = names.into_iter().take(NAMES_TOLD).collect::<Vec<_>>().join(", ");
    Some(if more > 0 { format!("{told} (+{more})") } else { told })
}
