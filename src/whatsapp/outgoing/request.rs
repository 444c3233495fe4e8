//! A content becomes the body of `POST /{phone_number_id}/messages`.

use serde_json::{Map, Value, json};

use super::{Content, ListSection, Recipient, template};

/// What surrounds a content in a request.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    pub recipient: &'a Recipient,
    /// Comes back in every status of the message.
    pub our_id: &'a str,
    /// The `wamid` of the message that is quoted.
    pub reply_to: Option<&'a str>,
    /// Meta's id of the medium, once it is uploaded.
    pub uploaded: Option<&'a str>,
}

/// A medium must be uploaded before it can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the medium is not uploaded")]
pub struct NotUploaded;

impl Content {
    /// The request in Meta's shape.
    ///
    /// # Errors
    /// [`NotUploaded`] when it is a medium and the envelope has no id of it.
    pub fn to_request(&self, envelope: &Envelope<'_>) -> Result<Value, NotUploaded> {
        let mut request = json!({
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "biz_opaque_callback_data": envelope.our_id,
        });
        match envelope.recipient {
            Recipient::Phone(phone) => request["to"] = json!(phone),
            Recipient::Bsuid(bsuid) => request["recipient"] = json!(bsuid),
        }
        if let Some(wamid) = envelope.reply_to {
            request["context"] = json!({"message_id": wamid});
        }
        let kind = self.kind();
        request["type"] = json!(kind);
        request[kind] = self.body(envelope)?;
        Ok(request)
    }

    /// The object that is named by the kind.
    fn body(&self, envelope: &Envelope<'_>) -> Result<Value, NotUploaded> {
        Ok(match self {
            Content::Text { text } => json!({"body": text, "preview_url": false}),
            Content::Buttons { text, buttons } => json!({
                "type": "button",
                "body": {"text": text},
                "action": {"buttons": buttons.iter()
                    .map(|button| json!({"type": "reply", "reply": {"id": button.id, "title": button.title}}))
                    .collect::<Vec<_>>()},
            }),
            Content::List { text, button, sections } => json!({
                "type": "list",
                "body": {"text": text},
                "action": {"button": button, "sections": sections.iter().map(section).collect::<Vec<_>>()},
            }),
            Content::LocationRequest { text } => json!({
                "type": "location_request_message",
                "body": {"text": text},
                "action": {"name": "send_location"},
            }),
            Content::Location { latitude, longitude, name, address } => {
                let mut location = json!({"latitude": latitude, "longitude": longitude});
                set(&mut location, "name", name.as_ref());
                set(&mut location, "address", address.as_ref());
                location
            }
            Content::Media { caption, filename, kind, .. } => {
                let mut media = json!({"id": envelope.uploaded.ok_or(NotUploaded)?});
                set(&mut media, "caption", caption.as_ref());
                set(
                    &mut media,
                    "filename",
                    filename.as_ref().filter(|_| *kind == super::MediaKind::Document),
                );
                media
            }
            Content::Reaction { message_id, emoji } => json!({"message_id": message_id, "emoji": emoji}),
            Content::Template { name, language, parameters, header, buttons } => {
                template::to_value(name, language, parameters, header.as_ref(), buttons)
            }
        })
    }
}

fn section(section: &ListSection) -> Value {
    let rows = section.rows.iter().map(|row| {
        let mut value = json!({"id": row.id, "title": row.title});
        set(&mut value, "description", row.description.as_ref());
        value
    });
    let mut value = Value::Object(Map::new());
    set(&mut value, "title", section.title.as_ref());
    value["rows"] = rows.collect();
    value
}

/// Absent rather than null: Meta refuses null.
fn set(object: &mut Value, key: &str, text: Option<&String>) {
    if let Some(text) = text {
        object[key] = json!(text);
    }
}
