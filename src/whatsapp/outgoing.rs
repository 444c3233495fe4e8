//! What we say, as it is stored and validated. It becomes requests within Meta's lengths ([`request`]); what is too
//! long for one message becomes several ([`split`]); nothing is cut off in silence.

mod limits;
mod request;
mod split;
mod template;
#[cfg(test)]
mod tests;

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use request::{Envelope, NotUploaded};
pub use template::{TemplateButton, TemplateButtonKind, TemplateHeader};

/// Longest text message, in characters.
pub const TEXT_LIMIT: usize = 4096;
/// Longest body of an interactive message.
pub const INTERACTIVE_LIMIT: usize = 1024;
/// Longest title of a reply button, and of the button that opens a list.
pub const BUTTON_TITLE_LIMIT: usize = 20;
/// Longest caption of a medium.
pub const CAPTION_LIMIT: usize = 1024;
/// Longest text that is taken to be split into messages.
pub const LONGEST_TEXT: usize = 16 * TEXT_LIMIT;
/// Rows of a list, over all its sections.
const LIST_ROWS: usize = 10;

/// What a message of ours says. Stored with the message, turned into a request by [`Content::to_request`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Content {
    /// Plain text; over 4,096 characters it becomes several messages.
    Text {
        #[garde(length(chars, min = 1, max = LONGEST_TEXT), custom(limits::not_blank))]
        text: String,
    },
    /// Text with one to three reply buttons; of a text over 1,024 characters the beginning goes ahead as text.
    Buttons {
        #[garde(length(chars, min = 1, max = LONGEST_TEXT), custom(limits::not_blank))]
        text: String,
        #[garde(length(min = 1, max = 3), dive, custom(limits::distinct_buttons))]
        buttons: Vec<Button>,
    },
    /// Text with a button that opens a list of up to ten rows.
    List {
        #[garde(length(chars, min = 1, max = LONGEST_TEXT), custom(limits::not_blank))]
        text: String,
        /// On the button that opens the list.
        #[garde(length(chars, min = 1, max = BUTTON_TITLE_LIMIT), custom(limits::not_blank))]
        button: String,
        #[garde(length(min = 1, max = 10), dive, custom(limits::sound_sections))]
        sections: Vec<ListSection>,
    },
    /// Asks the citizen for a location with one tap.
    LocationRequest {
        #[garde(length(chars, min = 1, max = LONGEST_TEXT), custom(limits::not_blank))]
        text: String,
    },
    /// A place on the map.
    Location {
        /// Degrees.
        #[garde(range(min = -90.0, max = 90.0))]
        latitude: f64,
        /// Degrees.
        #[garde(range(min = -180.0, max = 180.0))]
        longitude: f64,
        #[garde(length(chars, min = 1, max = 1000), custom(limits::not_blank_if_given))]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[garde(length(chars, min = 1, max = 1000), custom(limits::not_blank_if_given))]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// A stored file. A caption that the kind has no room for follows as text.
    Media {
        /// The file's id in the media store.
        #[garde(skip)]
        media_id: Uuid,
        #[garde(skip)]
        kind: MediaKind,
        #[garde(length(chars, min = 1, max = LONGEST_TEXT), custom(limits::not_blank_if_given))]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caption: Option<String>,
        /// As the citizen sees it; of documents.
        #[garde(length(chars, min = 1, max = 240), custom(limits::not_blank_if_given))]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filename: Option<String>,
    },
    /// A reaction to a message of the conversation.
    Reaction {
        /// Our id of the message, or its `wamid`.
        #[garde(length(chars, min = 1, max = 512))]
        message_id: String,
        /// One emoji; empty takes the reaction back.
        #[garde(custom(limits::one_emoji))]
        emoji: String,
    },
    /// A template that Meta approved; the only kind that may be sent outside the 24 h window.
    Template {
        #[garde(length(chars, min = 1, max = 512), custom(limits::template_name))]
        name: String,
        #[garde(length(chars, min = 2, max = 16))]
        language: String,
        /// Texts for the body's placeholders, in order.
        #[garde(length(max = 32), inner(length(chars, min = 1, max = INTERACTIVE_LIMIT), custom(limits::template_text)))]
        #[serde(default)]
        parameters: Vec<String>,
        /// For a header with a placeholder.
        #[garde(dive)]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header: Option<TemplateHeader>,
        /// For buttons with a placeholder or a payload.
        #[garde(length(max = 10), dive, custom(template::distinct_indexes))]
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        buttons: Vec<TemplateButton>,
    },
}

/// One reply button.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Button {
    /// Comes back when it is tapped.
    #[garde(length(chars, min = 1, max = 256), custom(limits::not_blank))]
    pub id: String,
    #[garde(length(chars, min = 1, max = BUTTON_TITLE_LIMIT), custom(limits::not_blank))]
    pub title: String,
}

/// Rows of a list under a title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ListSection {
    /// Needed when there are several sections.
    #[garde(length(chars, min = 1, max = 24), custom(limits::not_blank_if_given))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[garde(length(min = 1, max = LIST_ROWS), dive)]
    pub rows: Vec<ListRow>,
}

/// One row of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ListRow {
    /// Comes back when it is tapped; no other row of the list has it.
    #[garde(length(chars, min = 1, max = 200), custom(limits::not_blank))]
    pub id: String,
    #[garde(length(chars, min = 1, max = 24), custom(limits::not_blank))]
    pub title: String,
    #[garde(length(chars, min = 1, max = 72), custom(limits::not_blank_if_given))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// As what a file is sent.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, strum::Display, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum MediaKind {
    Image,
    Document,
    Audio,
    Video,
    Sticker,
}

impl MediaKind {
    /// Whether Meta shows a caption with it.
    pub fn has_caption(self) -> bool {
        matches!(self, MediaKind::Image | MediaKind::Document | MediaKind::Video)
    }
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
            Content::Text { text }
            | Content::Buttons { text, .. }
            | Content::List { text, .. }
            | Content::LocationRequest { text } => text,
            Content::Location { name, address, .. } => {
                name.as_deref().or(address.as_deref()).unwrap_or_default()
            }
            Content::Media { caption, filename, .. } => {
                caption.as_deref().or(filename.as_deref()).unwrap_or_default()
            }
            Content::Reaction { emoji, .. } => emoji,
            Content::Template { name, .. } => name,
        }
    }

    /// The wire name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Content::Text { .. } => "text",
            Content::Buttons { .. } | Content::List { .. } | Content::LocationRequest { .. } => "interactive",
            Content::Location { .. } => "location",
            Content::Media { kind, .. } => kind.into(),
            Content::Reaction { .. } => "reaction",
            Content::Template { .. } => "template",
        }
    }

    /// Whether it may be sent only while the 24 h window is open.
    pub fn needs_window(&self) -> bool {
        !matches!(self, Content::Template { .. })
    }
}
