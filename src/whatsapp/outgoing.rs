//! What we say becomes requests within Meta's lengths; nothing is cut off in silence.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation;
use utoipa::ToSchema;

/// Longest text message, in characters.
pub const TEXT_LIMIT: usize = 4096;
/// Longest body of an interactive message.
pub const INTERACTIVE_LIMIT: usize = 1024;
/// Longest title of a reply button.
pub const BUTTON_TITLE_LIMIT: usize = 20;

/// What a message of ours says. Stored with the message, turned into a request by [`Content::to_request`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Content {
    /// Plain text of at most 4,096 characters.
    Text {
        #[garde(length(chars, min = 1, max = TEXT_LIMIT))]
        text: String,
    },
    /// Text with one to three reply buttons.
    Buttons {
        #[garde(length(chars, min = 1, max = INTERACTIVE_LIMIT))]
        text: String,
        #[garde(length(min = 1, max = 3), dive)]
        buttons: Vec<Button>,
    },
    /// Asks the citizen for a location with one tap.
    LocationRequest {
        #[garde(length(chars, min = 1, max = INTERACTIVE_LIMIT))]
        text: String,
    },
    /// A template that Meta approved; the only kind that may be sent outside the 24 h window.
    Template {
        #[garde(length(chars, min = 1, max = 512))]
        name: String,
        #[garde(length(chars, min = 2, max = 16))]
        language: String,
        /// Texts for the body's placeholders, in order.
        #[garde(length(max = 32), inner(length(chars, min = 1, max = INTERACTIVE_LIMIT)))]
        #[serde(default)]
        parameters: Vec<String>,
    },
}

/// One reply button.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Button {
    /// Comes back when it is tapped.
    #[garde(length(chars, min = 1, max = 256))]
    pub id: String,
    #[garde(length(chars, min = 1, max = BUTTON_TITLE_LIMIT))]
    pub title: String,
}

/// Whom a message goes to: a phone number, else a business-scoped id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    Phone(String),
    Bsuid(String),
}

impl Content {
    /// What a person reads of it, for lists and transcripts.
    pub fn shown_text(&self) -> &str {
        match self {
            Content::Text { text } | Content::Buttons { text, .. } | Content::LocationRequest { text } => {
                text
            }
            Content::Template { name, .. } => name,
        }
    }

    /// The wire name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Content::Text { .. } => "text",
            Content::Buttons { .. } | Content::LocationRequest { .. } => "interactive",
            Content::Template { .. } => "template",
        }
    }

    /// Whether it may be sent when the 24 h window is closed.
    pub fn needs_window(&self) -> bool {
        !matches!(self, Content::Template { .. })
    }

    /// Splits what is too long for one message; the parts in order say everything the whole said.
    pub fn within_limits(self) -> Vec<Content> {
        match self {
            Content::Text { text } => {
                split(&text, TEXT_LIMIT).into_iter().map(|text| Content::Text { text }).collect()
            }
            Content::Buttons { text, buttons } if text.chars().count() > INTERACTIVE_LIMIT => {
                let mut parts = split(&text, INTERACTIVE_LIMIT);
                let last = parts.pop().unwrap_or_default();
                let before = parts.join(" ");
                let mut contents: Vec<Content> =
                    split(&before, TEXT_LIMIT).into_iter().map(|text| Content::Text { text }).collect();
                contents.push(Content::Buttons { text: last, buttons });
                contents
            }
            other => vec![other],
        }
    }

    /// The body of `POST /{phone_number_id}/messages`. `our_id` comes back in every status of it.
    pub fn to_request(&self, recipient: &Recipient, our_id: &str) -> Value {
        let mut request = json!({
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "biz_opaque_callback_data": our_id,
        });
        match recipient {
            Recipient::Phone(phone) => request["to"] = json!(phone),
            Recipient::Bsuid(bsuid) => request["recipient"] = json!(bsuid),
        }
        let kind = self.kind();
        request["type"] = json!(kind);
        request[kind] = match self {
            Content::Text { text } => json!({"body": text, "preview_url": false}),
            Content::Buttons { text, buttons } => json!({
                "type": "button",
                "body": {"text": text},
                "action": {"buttons": buttons.iter()
                    .map(|button| json!({"type": "reply", "reply": {"id": button.id, "title": button.title}}))
                    .collect::<Vec<_>>()},
            }),
            Content::LocationRequest { text } => json!({
                "type": "location_request_message",
                "body": {"text": text},
                "action": {"name": "send_location"},
            }),
            Content::Template { name, language, parameters } => {
                let mut template = json!({"name": name, "language": {"code": language}});
                if !parameters.is_empty() {
                    let parameters: Vec<Value> =
                        parameters.iter().map(|text| json!({"type": "text", "text": text})).collect();
                    template["components"] = json!([{"type": "body", "parameters": parameters}]);
                }
                template
            }
        };
        request
    }
}

/// Cuts at the last paragraph, sentence or word that fits, never inside a grapheme; only white space is dropped.
fn split(text: &str, limit: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while rest.chars().count() > limit {
        let head_end = rest.char_indices().nth(limit).map_or(rest.len(), |(at, _)| at);
        let cut = boundary(&rest[..head_end], rest);
        parts.push(rest[..cut].trim_end().to_owned());
        rest = rest[cut..].trim_start();
    }
    if !rest.is_empty() {
        parts.push(rest.to_owned());
    }
    parts
}

/// The best place to cut `head`, the longest piece of `whole` that fits.
fn boundary(head: &str, whole: &str) -> usize {
    let least = head.len() / 2;
    for ends in [&["\n\n"][..], &["\n"], &[". ", "! ", "? "], &[" "]] {
        let found = ends.iter().filter_map(|end| head.rfind(end).map(|at| at + end.len())).max();
        if let Some(at) = found.filter(|at| *at > least) {
            return at;
        }
    }
    // One endless word: cut between graphemes.
    whole
        .grapheme_indices(true)
        .map(|(at, _)| at)
        .take_while(|at| *at <= head.len())
        .last()
        .filter(|at| *at > 0)
        .unwrap_or(head.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn without_space(text: &str) -> String {
        text.chars().filter(|character| !character.is_whitespace()).collect()
    }

    proptest! {
        #[test]
        fn long_texts_are_split_without_losing_anything(text in "[a-z .!?\n👨‍👩‍👧é]{0,9000}") {
            let parts = Content::Text { text: text.clone() }.within_limits();
            let mut joined = String::new();
            for part in &parts {
                let Content::Text { text } = part else { panic!("not a text") };
                prop_assert!((1..=TEXT_LIMIT).contains(&text.chars().count()));
                joined.push_str(text);
            }
            prop_assert_eq!(without_space(&joined), without_space(&text));
        }
    }

    #[test]
    fn it_cuts_at_sentences_rather_than_inside_words() {
        let sentence = "Jalan di depan rumah saya rusak parah. ";
        let text = sentence.repeat(200);
        let parts = split(&text, TEXT_LIMIT);
        assert!(parts.len() > 1 && parts.iter().all(|part| part.ends_with("parah.")), "{parts:?}");
    }

    #[test]
    fn long_buttons_keep_their_buttons_on_the_last_part() {
        let buttons = vec![Button { id: "a".into(), title: "Ubah".into() }];
        let parts = Content::Buttons { text: "kata ".repeat(400), buttons }.within_limits();
        assert!(
            matches!(parts.last(), Some(Content::Buttons { text, .. }) if text.chars().count() <= INTERACTIVE_LIMIT)
        );
        assert!(parts[..parts.len() - 1].iter().all(|part| matches!(part, Content::Text { .. })));
    }

    #[test]
    fn requests_have_metas_shape() {
        let request =
            Content::Text { text: "Halo".into() }.to_request(&Recipient::Phone("6281".into()), "id-1");
        assert_eq!(
            request,
            json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "6281",
            "type": "text", "text": {"body": "Halo", "preview_url": false}, "biz_opaque_callback_data": "id-1"})
        );
        let request = Content::LocationRequest { text: "Di mana?".into() }
            .to_request(&Recipient::Bsuid("ID.a".into()), "i");
        assert_eq!(request["recipient"], "ID.a");
        assert_eq!(request["interactive"]["action"]["name"], "send_location");
    }
}
