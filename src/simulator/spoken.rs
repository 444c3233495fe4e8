//! What a citizen says: the message a script or the phone page asks for, turned into the object of a webhook.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::people::{Author, ChatMessage, Progress, WebhookState};
use super::problem::Problem;
use super::sending;
use super::state::{Shared, World, new_wamid};
use super::updates::{self, Change};
use super::webhooks::{self, Delivery};

/// A small picture of a damaged road and a spoken sentence, for messages that name no file of their own.
const SAMPLE_PHOTO: &[u8] = include_bytes!("samples/road.png");
const SAMPLE_VOICE: &[u8] = include_bytes!("samples/voice.ogg");

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spoken {
    pub message: Content,
    /// The office's number; absent: its first.
    #[serde(default)]
    pub phone_number_id: Option<String>,
    /// The message this one quotes.
    #[serde(default)]
    pub reply_to: Option<String>,
    #[serde(default)]
    pub forwarded: bool,
    /// Through many hands, which Meta tells instead.
    #[serde(default)]
    pub frequently_forwarded: bool,
    /// Absent: now.
    #[serde(default)]
    pub timestamp: Option<Timestamp>,
    /// Absent: a new one. Giving one twice is a duplicate of Meta's.
    #[serde(default)]
    pub wamid: Option<String>,
}

impl Spoken {
    /// What its context says of the hands it went through.
    fn came_by(&self) -> Option<&'static str> {
        match (self.frequently_forwarded, self.forwarded) {
            (true, _) => Some("frequently_forwarded"),
            (false, true) => Some("forwarded"),
            (false, false) => None,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Content {
    Text {
        body: String,
    },
    Image(File),
    Video(File),
    Audio(File),
    Document(File),
    Sticker(File),
    Location {
        latitude: f64,
        longitude: f64,
        #[serde(default)]
        name: Option<String>,
        #[serde(default)]
        address: Option<String>,
    },
    Contacts(Vec<Value>),
    /// A tap on a reply button.
    ButtonReply {
        id: String,
        title: String,
    },
    /// A choice from a list.
    ListReply {
        id: String,
        title: String,
        #[serde(default)]
        description: Option<String>,
    },
    /// A tap on a button of a template.
    Button {
        text: String,
        payload: String,
    },
    Reaction {
        message_id: String,
        #[serde(default)]
        emoji: Option<String>,
    },
    /// A message object of one's own; `from`, `id`, `timestamp` are filled in, and a `null` takes one away.
    Raw(Map<String, Value>),
}

/// A file by the id `POST /control/media` gave; without one, a sample.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    caption: Option<String>,
}

/// A message on its way, with what its webhook says.
pub(super) struct Said {
    pub wamid: String,
    pub phone_number_id: String,
    pub kind: String,
    pub contact: Value,
    pub update: Value,
}

/// Puts the message on the phone and opens the window; the webhook is the caller's.
pub(super) fn say(
    shared: &Shared,
    world: &mut World,
    citizen_id: &str,
    spoken: Spoken,
) -> Result<Said, Problem> {
    let (now, came_by) = (shared.now(), spoken.came_by());
    let number = super::control::office_number(shared, spoken.phone_number_id)?;
    if world.people.get(citizen_id).is_none() {
        return Err(Problem::not_found("citizen", citizen_id));
    }
    let raw = match &spoken.message {
        Content::Raw(raw) => Some(raw.clone()),
        _ => None,
    };
    let (kind, content) = render(world, spoken.message)?;
    let raw_id = raw.as_ref().and_then(|raw| raw.get("id")).and_then(Value::as_str).map(str::to_owned);
    let message = ChatMessage {
        wamid: spoken.wamid.or(raw_id).unwrap_or_else(new_wamid),
        from: Author::Citizen,
        kind: kind.clone(),
        content,
        reply_to: spoken.reply_to,
        at: spoken.timestamp.unwrap_or(now),
        progress: Progress::Accepted,
        error: None,
        opaque: None,
        webhook: Some(WebhookState::default()),
        reactions: Default::default(),
    };
    let citizen = world.people.get(citizen_id).ok_or_else(|| Problem::not_found("citizen", citizen_id))?;
    let said = Said {
        wamid: message.wamid.clone(),
        phone_number_id: number.clone(),
        kind: kind.clone(),
        contact: updates::contact(citizen),
        update: updates::message(citizen, &message, came_by, raw.as_ref()),
    };
    if let Some(chat) = world.chat(citizen_id, &number) {
        chat.open_window(now);
    }
    if kind == "reaction" {
        sending::react(world, citizen_id, "citizen", &message.content);
    } else if !world.places.contains_key(&message.wamid) {
        world.add_message(citizen_id, &number, message);
    }
    Ok(said)
}

/// Says it and posts it, alone in its body. Gives back the wamid and the number of the delivery.
pub(super) fn say_and_post(
    shared: &Arc<Shared>,
    world: &mut World,
    citizen: &str,
    spoken: Spoken,
) -> Result<(String, u64), Problem> {
    let said = say(shared, world, citizen, spoken)?;
    let body = updates::envelope(vec![Change {
        phone_number_id: said.phone_number_id.clone(),
        contacts: vec![said.contact],
        messages: vec![said.update],
        statuses: Vec::new(),
    }]);
    let delivery = Delivery {
        citizen: Some(citizen.to_owned()),
        phone_number_id: said.phone_number_id,
        wamids: vec![said.wamid.clone()],
        update: said.kind,
        ..Delivery::of(&body)
    };
    Ok((said.wamid, webhooks::enqueue(shared, world, delivery)))
}

/// What an officer writes on the office's own phone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Echoed {
    pub text: String,
    /// The office's number; absent: its first.
    #[serde(default)]
    pub phone_number_id: Option<String>,
    /// Absent: now.
    #[serde(default)]
    pub timestamp: Option<Timestamp>,
    /// Absent: a new one. Giving one twice is a duplicate of Meta's.
    #[serde(default)]
    pub wamid: Option<String>,
}

/// Puts the officer's message on the citizen's phone and tells the webhook of it. Gives back the wamid and the number of
/// the delivery.
pub(super) fn echo_and_post(
    shared: &Arc<Shared>,
    world: &mut World,
    citizen_id: &str,
    echoed: Echoed,
) -> Result<(String, u64), Problem> {
    let number = super::control::office_number(shared, echoed.phone_number_id)?;
    let citizen = world.people.get(citizen_id).ok_or_else(|| Problem::not_found("citizen", citizen_id))?;
    let message = ChatMessage {
        wamid: echoed.wamid.unwrap_or_else(new_wamid),
        from: Author::Office,
        kind: "text".to_owned(),
        content: json!({ "body": echoed.text }),
        reply_to: None,
        at: echoed.timestamp.unwrap_or_else(|| shared.now()),
        progress: Progress::Delivered,
        error: None,
        opaque: None,
        webhook: None,
        reactions: Default::default(),
    };
    let body = updates::echo_envelope(&number, citizen, &message);
    let wamid = message.wamid.clone();
    let delivery = Delivery {
        citizen: Some(citizen_id.to_owned()),
        phone_number_id: number.clone(),
        wamids: vec![wamid.clone()],
        update: "echo".to_owned(),
        ..Delivery::of(&body)
    };
    if !world.places.contains_key(&wamid) {
        world.add_message(citizen_id, &number, message);
    }
    Ok((wamid, webhooks::enqueue(shared, world, delivery)))
}

/// Type and object of the message.
fn render(world: &mut World, content: Content) -> Result<(String, Value), Problem> {
    let (kind, value) = match content {
        Content::Text { body } => ("text", json!({ "body": body })),
        Content::Image(file) => ("image", render_file(world, "image", file)?),
        Content::Video(file) => ("video", render_file(world, "video", file)?),
        Content::Audio(file) => ("audio", render_file(world, "audio", file)?),
        Content::Document(file) => ("document", render_file(world, "document", file)?),
        Content::Sticker(file) => ("sticker", render_file(world, "sticker", file)?),
        Content::Location { latitude, longitude, name, address } => {
            let in_range = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
            if !in_range {
                let field = "message.location.latitude";
                return Err(Problem::invalid(field, "latitude is -90 to 90, longitude -180 to 180"));
            }
            let mut location = json!({"latitude": latitude, "longitude": longitude});
            insert_some(&mut location, "name", name);
            insert_some(&mut location, "address", address);
            ("location", location)
        }
        Content::Contacts(contacts) => ("contacts", Value::Array(contacts)),
        Content::ButtonReply { id, title } => {
            ("interactive", json!({"type": "button_reply", "button_reply": {"id": id, "title": title}}))
        }
        Content::ListReply { id, title, description } => {
            let mut reply = json!({"id": id, "title": title});
            insert_some(&mut reply, "description", description);
            ("interactive", json!({"type": "list_reply", "list_reply": reply}))
        }
        Content::Button { text, payload } => ("button", json!({"text": text, "payload": payload})),
        Content::Reaction { message_id, emoji } => {
            let mut reaction = json!({ "message_id": message_id });
            insert_some(&mut reaction, "emoji", emoji);
            ("reaction", reaction)
        }
        Content::Raw(raw) => {
            let kind = raw.get("type").and_then(Value::as_str).unwrap_or("unsupported").to_owned();
            let content = raw.get(&kind).cloned().unwrap_or(Value::Null);
            return Ok((kind, content));
        }
    };
    Ok((kind.to_owned(), value))
}

fn render_file(world: &mut World, kind: &str, file: File) -> Result<Value, Problem> {
    let medium =
        match &file.id {
            Some(id) => world.media.get(id).cloned().ok_or_else(|| {
                Problem::invalid(&format!("message.{kind}.id"), "is no medium of this phone")
            })?,
            None => match kind {
                "image" => world.media.add("image/png", None, Bytes::from_static(SAMPLE_PHOTO)),
                "audio" => world.media.add("audio/ogg; codecs=opus", None, Bytes::from_static(SAMPLE_VOICE)),
                _ => {
                    return Err(Problem::invalid(
                        &format!("message.{kind}.id"),
                        "is required: there is no sample",
                    ));
                }
            },
        };
    let mut value = json!({"id": medium.id, "mime_type": medium.mime_type, "sha256": medium.sha256_base64()});
    if kind == "audio" {
        value["voice"] = medium.mime_type.contains("opus").into();
    }
    if kind == "sticker" {
        value["animated"] = false.into();
    }
    if kind == "document" {
        insert_some(&mut value, "filename", medium.filename);
    }
    insert_some(&mut value, "caption", file.caption);
    Ok(value)
}

fn insert_some(object: &mut Value, key: &str, text: Option<String>) {
    if let Some(text) = text {
        object[key] = text.into();
    }
}
