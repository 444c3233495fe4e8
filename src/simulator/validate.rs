//! What `POST /{phone_number_id}/messages` accepts: every key, every length. Stricter than Meta where Meta is
//! known to be lenient, so that a client that passes here passes there. Pure: no state, no clock.

use serde_json::Value;

use super::fields::Fields;
use super::graph_error::GraphError;
use super::{validate_interactive, validate_template};

pub(super) const LONGEST_TEXT: usize = 4_096;
pub(super) const LONGEST_CAPTION: usize = 1_024;
const LONGEST_OPAQUE: usize = 512;
const LONGEST_ID: usize = 512;
const LONGEST_URL: usize = 2_048;

/// Who a message goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Recipient {
    Phone(String),
    UserId(String),
}

impl Recipient {
    pub fn as_str(&self) -> &str {
        match self {
            Recipient::Phone(text) | Recipient::UserId(text) => text,
        }
    }
}

/// A message that may be sent as far as its body alone can tell.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outgoing {
    pub recipient: Recipient,
    /// `text`, `interactive`, … as Meta names it.
    pub kind: String,
    /// The object named by `kind`.
    pub content: Value,
    pub reply_to: Option<String>,
    pub opaque: Option<String>,
    /// The media ids it mentions, which the media store must know.
    pub media_ids: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Call {
    Send(Box<Outgoing>),
    /// The read receipt, with or without the typing indicator.
    Read {
        wamid: String,
        typing: bool,
    },
}

/// Reads a body strictly.
pub(super) fn parse(body: &Value) -> Result<Call, GraphError> {
    let mut fields = Fields::of(body, "")?;
    fields.one_of("messaging_product", &["whatsapp"])?;
    if fields.optional("status").is_some() {
        return parse_read(fields);
    }
    if fields.optional("recipient_type").is_some() {
        fields.one_of("recipient_type", &["individual"])?;
    }
    let recipient = recipient(&mut fields)?;
    let opaque = fields.optional_text("biz_opaque_callback_data", LONGEST_OPAQUE)?.map(str::to_owned);
    let reply_to = match fields.optional_object("context")? {
        None => None,
        Some(mut context) => {
            let wamid = context.text("message_id", LONGEST_ID)?.to_owned();
            context.finish()?;
            Some(wamid)
        }
    };
    let mut media_ids = Vec::new();
    let kind = fields.text("type", 64)?;
    let known = KINDS.iter().find(|known| **known == kind).ok_or_else(|| {
        GraphError::new(
            131_051,
            format!("type must be one of {}; \"{kind}\" is not sent here", KINDS.join(", ")),
        )
    })?;
    let content = fields.required(known)?;
    check_content(known, &mut fields, &mut media_ids)?;
    fields.finish()?;
    Ok(Call::Send(Box::new(Outgoing {
        recipient,
        kind: kind.to_owned(),
        content: content.clone(),
        reply_to,
        opaque,
        media_ids,
    })))
}

const KINDS: [&str; 11] = [
    "text",
    "image",
    "video",
    "document",
    "audio",
    "sticker",
    "location",
    "contacts",
    "interactive",
    "template",
    "reaction",
];

fn parse_read(mut fields: Fields<'_>) -> Result<Call, GraphError> {
    fields.one_of("status", &["read"])?;
    let wamid = fields.text("message_id", LONGEST_ID)?.to_owned();
    let typing = match fields.optional_object("typing_indicator")? {
        None => false,
        Some(mut indicator) => {
            indicator.one_of("type", &["text"])?;
            indicator.finish()?;
            true
        }
    };
    fields.finish()?;
    Ok(Call::Read { wamid, typing })
}

fn recipient(fields: &mut Fields<'_>) -> Result<Recipient, GraphError> {
    let phone = fields.optional_text("to", 32)?;
    let user_id = fields.optional_text("recipient", 160)?;
    match (phone, user_id) {
        (None, None) => Err(GraphError::missing("to or recipient")),
        (Some(_), Some(_)) => Err(GraphError::invalid_parameter("to and recipient must not both be given")),
        (Some(phone), None) => {
            let digits = phone.strip_prefix('+').unwrap_or(phone);
            if (6..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                Ok(Recipient::Phone(digits.to_owned()))
            } else {
                Err(GraphError::invalid_value("to must be a phone number of 6 to 15 digits"))
            }
        }
        (None, Some(user_id)) if is_user_id(user_id) => Ok(Recipient::UserId(user_id.to_owned())),
        (None, Some(_)) => Err(GraphError::invalid_value(
            "recipient must be a country code, a dot and up to 128 letters and digits",
        )),
    }
}

/// Whether a text looks like a business-scoped user id: `ID.` and up to 128 letters and digits.
pub(super) fn is_user_id(text: &str) -> bool {
    text.split_once('.').is_some_and(|(country, id)| {
        country.len() == 2
            && country.bytes().all(|byte| byte.is_ascii_uppercase())
            && (1..=128).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
    })
}

fn check_content(
    kind: &'static str,
    fields: &mut Fields<'_>,
    media_ids: &mut Vec<String>,
) -> Result<(), GraphError> {
    if kind == "contacts" {
        return check_contacts(fields);
    }
    let mut content = fields.object(kind)?;
    match kind {
        "text" => {
            content.text("body", LONGEST_TEXT)?;
            content.optional_boolean("preview_url")?;
        }
        "location" => {
            content.number("latitude", -90.0..=90.0)?;
            content.number("longitude", -180.0..=180.0)?;
            content.optional_text("name", 1_000)?;
            content.optional_text("address", 1_000)?;
        }
        "reaction" => {
            content.text("message_id", LONGEST_ID)?;
            // An empty emoji takes a reaction back, so it may be empty, but must be there.
            match content.required("emoji")? {
                Value::String(emoji) if emoji.chars().count() <= 16 => {}
                _ => return Err(GraphError::invalid_value("reaction.emoji must be one emoji or empty")),
            }
        }
        "interactive" => return validate_interactive::check(content, media_ids),
        "template" => return validate_template::check(content, media_ids),
        media => return check_media(content, media, media_ids),
    }
    content.finish()
}

/// A media object: an id or a link, and what the kind allows beside it.
pub(super) fn check_media(
    mut content: Fields<'_>,
    kind: &str,
    media_ids: &mut Vec<String>,
) -> Result<(), GraphError> {
    let id = content.optional_text("id", LONGEST_ID)?;
    let link = content.optional_text("link", LONGEST_URL)?;
    match (id, link) {
        (Some(id), None) => media_ids.push(id.to_owned()),
        (None, Some(link)) if link.starts_with("https://") || link.starts_with("http://") => {}
        (None, Some(_)) => {
            return Err(GraphError::invalid_value(format!("{} must be a URL", content.path_of("link"))));
        }
        _ => {
            return Err(GraphError::invalid_parameter(format!(
                "{} or link: give exactly one",
                content.path_of("id")
            )));
        }
    }
    if matches!(kind, "image" | "video" | "document") {
        content.optional_text("caption", LONGEST_CAPTION)?;
    }
    if kind == "document" {
        content.optional_text("filename", 240)?;
    }
    if kind == "audio" {
        content.optional_boolean("voice")?;
    }
    content.finish()
}

fn check_contacts(fields: &mut Fields<'_>) -> Result<(), GraphError> {
    for mut contact in fields.objects("contacts", 1..=257)? {
        let mut name = contact.object("name")?;
        name.text("formatted_name", 1_000)?;
        let parts = ["first_name", "last_name", "middle_name", "suffix", "prefix"];
        let mut given = 0;
        for part in parts {
            given += usize::from(name.optional_text(part, 1_000)?.is_some());
        }
        if given == 0 {
            let path = name.path_of("first_name");
            return Err(GraphError::missing(&format!("{path} or another part of the name")));
        }
        name.finish()?;
        contact.optional_text("birthday", 10)?;
        for (list, keys) in CONTACT_LISTS {
            if contact.optional(list).is_none() {
                continue;
            }
            for mut item in contact.objects(list, 1..=100)? {
                for key in *keys {
                    item.optional_text(key, 1_000)?;
                }
                item.finish()?;
            }
        }
        if let Some(mut company) = contact.optional_object("org")? {
            for key in ["company", "department", "title"] {
                company.optional_text(key, 1_000)?;
            }
            company.finish()?;
        }
        contact.finish()?;
    }
    Ok(())
}

const CONTACT_LISTS: &[(&str, &[&str])] = &[
    ("phones", &["phone", "wa_id", "type"]),
    ("emails", &["email", "type"]),
    ("urls", &["url", "type"]),
    ("addresses", &["street", "city", "state", "zip", "country", "country_code", "type"]),
];
