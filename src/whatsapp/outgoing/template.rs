//! The parts of a template beside its body: a header's text, and buttons.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::limits;

/// The text for a header's placeholder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct TemplateHeader {
    #[garde(length(chars, min = 1, max = 60), custom(limits::template_text))]
    pub text: String,
}

/// What one button of a template is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct TemplateButton {
    /// Its place among the template's buttons, from 0.
    #[garde(range(max = 9))]
    pub index: u8,
    #[garde(skip)]
    pub kind: TemplateButtonKind,
    /// quick_reply: what comes back when it is tapped. url: the end of the address. copy_code: the code.
    #[garde(length(chars, min = 1, max = 128), custom(limits::template_text))]
    pub value: String,
}

/// What a button of a template does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum TemplateButtonKind {
    QuickReply,
    Url,
    CopyCode,
}

/// A button is given its value once.
pub(super) fn distinct_indexes(buttons: &[TemplateButton], _: &()) -> garde::Result {
    let mut seen = std::collections::HashSet::new();
    match buttons.iter().all(|button| seen.insert(button.index)) {
        true => Ok(()),
        false => Err(garde::Error::new("two buttons have the same index")),
    }
}

/// The `template` object; components without parameters are left out.
pub(super) fn to_value(
    name: &str,
    language: &str,
    parameters: &[String],
    header: Option<&TemplateHeader>,
    buttons: &[TemplateButton],
) -> Value {
    let text = |text: &String| json!({"type": "text", "text": text});
    let mut components = Vec::new();
    if let Some(header) = header {
        components.push(json!({"type": "header", "parameters": [text(&header.text)]}));
    }
    if !parameters.is_empty() {
        let parameters: Vec<Value> = parameters.iter().map(text).collect();
        components.push(json!({"type": "body", "parameters": parameters}));
    }
    for button in buttons {
        let kind: &str = button.kind.into();
        let parameter = match button.kind {
            TemplateButtonKind::QuickReply => json!({"type": "payload", "payload": button.value}),
            TemplateButtonKind::Url => text(&button.value),
            TemplateButtonKind::CopyCode => json!({"type": "coupon_code", "coupon_code": button.value}),
        };
        let index = button.index.to_string();
        components
            .push(json!({"type": "button", "sub_type": kind, "index": index, "parameters": [parameter]}));
    }
    let mut template = json!({"name": name, "language": {"code": language}});
    if !components.is_empty() {
        template["components"] = components.into();
    }
    template
}
